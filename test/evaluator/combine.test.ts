import { describe, expect, it } from "vitest";
import type { ClusterSlice, SealedTick } from "../../src/model/tick.ts";
import { SESSIONS } from "../helpers/rules.ts";
import type { Doing } from "../helpers/sealedWorld.ts";
import { SealedWorld } from "../helpers/sealedWorld.ts";

const LB = "network.services.lb";
const CHANGE = `${LB}.active.connections.rate`;
const UTILIZATION = `${LB}.session.utilization`;
const LONGEST = `${LB}.queue.max_time`;
const MEMBER = `${LB}.member`;

const FAILS: Doing = { does: "fails" };
const PAIR = ["s", "t"];
const NOTHING: Doing = { does: "answers", slice: undefined };

function says(slice: Partial<ClusterSlice> = {}): Doing {
  return { does: "answers", slice };
}

const open = (sessions: number, slice: Partial<ClusterSlice> = {}) =>
  says({ sums: { [SESSIONS]: sessions }, ...slice });

/** What was folded at each tick in turn. */
function run(world: SealedWorld, ...ticks: Readonly<Record<string, Doing>>[]): readonly SealedTick[] {
  return ticks.flatMap((doings) => world.tick(doings).map(({ tick }) => tick));
}

const valuesOf = (ticks: readonly SealedTick[], meter: string) => ticks.map(({ values }) => values[meter] ?? null);

describe("how much the open sessions change", () => {
  it.each<{ name: string; ticks: Record<string, Doing>[]; changes: (number | null)[] }>([
    {
      name: "is the difference of the sums of two ticks, and may be negative",
      ticks: [
        { s: open(10), t: open(5) },
        { s: open(30), t: open(5) },
        { s: open(0), t: open(10) },
      ],
      changes: [null, 2, -2.5],
    },
    {
      name: "is not known where a source is silent, nor when it comes back",
      ticks: [
        { s: open(10), t: open(5) },
        { s: open(10), t: FAILS },
        { s: open(10), t: open(5) },
        { s: open(10), t: open(6) },
      ],
      changes: [null, null, null, 0.1],
    },
    {
      name: "nor when a source comes too late",
      ticks: [
        { s: open(10) },
        { s: { does: "late", slice: { sums: { [SESSIONS]: 20 } } } },
        { s: open(30) },
        { s: open(40) },
      ],
      changes: [null, null, null, 1],
    },
    {
      name: "nor when there is another source, which is waited for from its second tick on",
      ticks: [{ s: open(10) }, { s: open(10), t: open(5) }, { s: open(10), t: open(7) }, { s: open(10), t: open(9) }],
      changes: [null, 0, null, 0.2],
    },
    {
      name: "nor where a reload hides sessions",
      ticks: [{ s: open(10) }, { s: open(0, { reload: true, fresh: true }) }, { s: open(2) }],
      changes: [null, null, 0.2],
    },
    {
      name: "nor where rows were given to the cluster",
      ticks: [{ s: open(10) }, { s: open(20, { gap: true, coveredS: 0 }) }, { s: open(21) }],
      changes: [null, null, 0.1],
    },
    {
      name: "nor where there is no row any more",
      ticks: [{ s: open(10) }, { s: NOTHING }, { s: open(10) }],
      changes: [null, null, null],
    },
  ])("$name", ({ ticks, changes }) => {
    expect(valuesOf(run(new SealedWorld(Object.keys(ticks[0]!)), ...ticks), CHANGE)).toEqual(changes);
  });

  it("nor when a source was forgotten, nor over a restart", () => {
    const world = new SealedWorld(PAIR);
    run(world, { s: open(10), t: open(5) });
    world.forget("t");
    expect(valuesOf(run(world, { s: open(10) }, { s: open(20) }), CHANGE)).toEqual([null, 1]);
    world.restart(1);
    expect(valuesOf(run(world, { s: open(10) }, { s: open(20) }), CHANGE)).toEqual([null, 1]);
  });
});

describe("how full and how long", () => {
  const share = (sum: number, weight: number) => ({ means: { [UTILIZATION]: { sum: 100 * sum, weight } } });

  it("utilization is all sessions of all limits", () => {
    const ticks = [
      { s: says(share(90, 100)), t: says(share(10, 300)) },
      { s: says(), t: says() },
    ];
    expect(valuesOf(run(new SealedWorld(PAIR), ...ticks), UTILIZATION)).toEqual([25, null]);
  });

  it("of what is carried the newer one holds for a share, and the longer of both for a wait", () => {
    const late: Doing = { does: "late", slice: { ...share(90, 100), sums: { [LONGEST]: 500, [SESSIONS]: 90 } } };
    const now = says({ ...share(10, 100), sums: { [LONGEST]: 20, [SESSIONS]: 10 } });
    const tick = run(new SealedWorld(), { s: now }, { s: late }, { s: now })[2];
    expect([tick?.values[UTILIZATION], tick?.values[LONGEST], tick?.values[SESSIONS]]).toEqual([10, 500, 10]);
  });

  it("the longest wait is the longest of all sources", () => {
    const wait = (ms: number) => says({ sums: { [LONGEST]: ms } });
    expect(
      valuesOf(run(new SealedWorld(PAIR), { s: wait(7), t: wait(30) }, { s: says(), t: wait(4) }), LONGEST),
    ).toEqual([30, 4]);
  });
});

describe("servers", () => {
  it("the ratio is of all servers, and there is none without any", () => {
    const ticks = [{ s: says({ members: { a: "up", b: "down", c: "standby", d: "up" } }) }, { s: says() }];
    expect(valuesOf(run(new SealedWorld(), ...ticks), `${LB}.members.up.ratio`)).toEqual([50, null]);
  });

  const traffic = [
    [true, true],
    [true, false],
    [false, true],
    [true, true],
    [false, true],
    [false, false],
  ] as const;
  const pools = (s: object, t: object) =>
    traffic.map(([inS, inT]) => ({
      s: says({ members: { ...s }, moved: inS }),
      t: says({ members: { ...t }, moved: inT }),
    }));
  const told = (ticks: readonly Record<string, Doing>[]) => {
    const world = new SealedWorld(PAIR);
    return ticks
      .flatMap((doings) => world.tick(doings))
      .map(({ tick, events }) => [tick.values[`${LB}.members.up`], events]);
  };

  it("of balancers with servers of their own all are there, wherever the traffic is", () => {
    const ticks = pools({ a1: "up", a2: "up" }, { b1: "up", b2: "up" });
    expect(told(ticks)).toEqual(traffic.map(() => [4, []]));
  });

  it("of one that both have the busy one's word holds, beside those that only the other has", () => {
    const ticks = pools({ shared: "up", a: "up" }, { shared: "up", b: "down" });
    expect(told(ticks)).toEqual(traffic.map(() => [2, []]));
  });

  it("an active and a standby balancer have their servers once, as the active one sees them, with no event", () => {
    const ticks = pools({ a: "up", b: "up" }, { a: "down", b: "up" }).map(({ s, t }) => ({
      s: says({ ...(s.does === "answers" ? s.slice : {}), moved: true }),
      t: says({ ...(t.does === "answers" ? t.slice : {}), moved: false }),
    }));
    expect(told(ticks)).toEqual(traffic.map(() => [2, []]));
  });

  it("one that was replaced is gone when no source has it any more", () => {
    const pair = (s: object, t: object) => ({
      s: says({ members: { ...s }, moved: true }),
      t: says({ members: { ...t }, moved: false }),
    });
    const ticks = [
      pair({ old: "up" }, { old: "up" }),
      pair({ new: "up" }, { old: "up" }),
      pair({ new: "up" }, { new: "up" }),
    ];
    expect(run(new SealedWorld(PAIR), ...ticks).map(({ members }) => members)).toEqual([
      [["old", "up"]],
      [["new", "up"]],
      [["old", null]],
    ]);
  });

  it("the state is each server's: the worse one where two differ, and a standby is not asked", () => {
    const state = (a: number, fields: Partial<ClusterSlice> = {}) =>
      says({ servers: { a: { increases: {}, sums: { [MEMBER]: a }, means: {} } }, members: { a: "up" }, ...fields });
    const ticks = [
      { s: state(1), t: state(6) },
      { s: state(3), t: state(1) },
      { s: state(2), t: state(0, { moved: false }) },
    ];
    const sealed = run(new SealedWorld(PAIR), ...ticks);
    expect(sealed.map(({ servers }) => servers?.a?.[MEMBER])).toEqual([6, 3, 2]);
    expect(sealed.map(({ values }) => MEMBER in values)).toEqual([false, false, false]);
  });
});

describe("Tocsin's own meters", () => {
  const own = (ticks: readonly SealedTick[], name: string) => valuesOf(ticks, `tocsin.source.${name}`);

  it("rows and skipped lines are this tick's, failures and resets count on, also over a restart", () => {
    const world = new SealedWorld(PAIR);
    const answer = says({ rowCount: 4, skipped: 1, resets: 2 });
    const before = run(world, { s: answer, t: answer }, { s: FAILS, t: answer }, { s: answer, t: answer });
    expect(own(before, "rows")).toEqual([8, 4, 8]);
    expect(own(before, "skipped")).toEqual([2, 1, 2]);
    expect(own(before, "errors")).toEqual([0, 1, 1]);
    expect(own(before, "resets")).toEqual([4, 6, 10]);
    world.restart(3);
    const after = run(world, { s: FAILS, t: says() });
    expect([own(after, "errors"), own(after, "resets"), own(after, "rows")]).toEqual([[2], [10], [0]]);
  });

  it("a late answer failed, and its resets count with the next", () => {
    const late: Doing = { does: "late", slice: { resets: 2, rowCount: 9 } };
    const ticks = run(
      new SealedWorld(),
      { s: says({ rowCount: 4 }) },
      { s: late },
      { s: says({ rowCount: 4, resets: 1 }) },
    );
    expect([own(ticks, "errors"), own(ticks, "resets"), own(ticks, "rows")]).toEqual([
      [0, 1, 1],
      [0, 0, 3],
      [4, 0, 4],
    ]);
  });
});

it("of a late answer whose rows are gone since, nothing is left but what was counted", () => {
  const bytes = `${LB}.incoming.bytes`;
  const late: Doing = {
    does: "late",
    slice: { increases: { [bytes]: 70 }, sums: { [SESSIONS]: 9 }, members: { a: "up" }, rowCount: 3 },
  };
  const ticks = run(new SealedWorld(), { s: open(1, { increases: { [bytes]: 5 } }) }, { s: late }, { s: NOTHING });
  expect(valuesOf(ticks, bytes)).toEqual([5, 5, 75]);
  expect(valuesOf(ticks, SESSIONS)).toEqual([1, null, null]);
  expect(valuesOf(ticks, "tocsin.source.rows")).toEqual([0, 0, 0]);
  expect(ticks[2]?.members).toEqual([]);
});
