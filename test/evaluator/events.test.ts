import { describe, expect, it } from "vitest";
import type { MemberState } from "../../src/model/meters.ts";
import type { ClusterSlice } from "../../src/model/tick.ts";
import type { Doing } from "../helpers/sealedWorld.ts";
import { SealedWorld } from "../helpers/sealedWorld.ts";

const FAILS: Doing = { does: "fails" };

/** An answer in which these are the servers; `moved` says whether it carries traffic. */
function sees(members: Readonly<Record<string, MemberState>>, fields: Partial<ClusterSlice> = {}): Doing {
  return { does: "answers", slice: { members, ...fields } };
}

const IDLE = { moved: false };
const FRESH = { fresh: true };

/** Events of each tick in turn. */
function told(world: SealedWorld, ...ticks: Readonly<Record<string, Doing>>[]): readonly (readonly string[])[] {
  return ticks.map((tick) => world.tick(tick).flatMap(({ events }) => events));
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe("servers", () => {
  it.each<{ name: string; ticks: Record<string, Doing>[]; events: string[][] }>([
    {
      name: "what is there at the first sight of the cluster is no news",
      ticks: [{ s: sees({ a: "up", b: "down" }) }, { s: sees({ a: "up", b: "down" }) }],
      events: [[], []],
    },
    {
      name: "each change is told once, in order of name",
      ticks: [
        { s: sees({ a: "up", b: "up" }) },
        { s: sees({ b: "maint", a: "down" }) },
        { s: sees({ b: "maint", a: "down" }) },
        { s: sees({ b: "draining", a: "up" }) },
      ],
      events: [
        [],
        ["server.down a was up", "server.maint b was up"],
        [],
        ["server.up a was down", "server.drain b was maint"],
      ],
    },
    {
      name: "a reload that replaces servers tells the new ones, in whatever state they begin",
      ticks: [{ s: sees({ a: "up" }) }, { s: sees({ b: "up", c: "down" }, FRESH) }, { s: sees({ a: "up", b: "up" }) }],
      events: [
        [],
        ["server.up b was absent", "server.down c was absent", "process.reloaded s"],
        ["server.up a was absent"],
      ],
    },
    {
      name: "counters that are set back are no event",
      ticks: [{ s: sees({ a: "up" }) }, { s: sees({ a: "up" }, { resets: 3 }) }],
      events: [[], []],
    },
    {
      name: "servers of a source that is seen for the first time are no news, a change of others is",
      ticks: [{ s: sees({ a: "up" }) }, { s: sees({ a: "down" }), t: sees({ b: "up" }, FRESH) }],
      events: [[], ["server.down a was up"]],
    },
    {
      name: "a standby's own view is not told, with or without traffic",
      ticks: [
        { s: sees({ a: "up" }), t: sees({ a: "down" }, IDLE) },
        { s: sees({ a: "up" }, IDLE), t: sees({ a: "down" }, IDLE) },
        { s: sees({ a: "up" }), t: sees({ a: "down" }, IDLE) },
        { s: FAILS, t: sees({ a: "down" }, IDLE) },
        { s: sees({ a: "up" }, IDLE), t: sees({ a: "down" }, IDLE) },
      ],
      events: [[], [], [], [], []],
    },
    {
      name: "the one that takes the traffic over is believed at once",
      ticks: [
        { s: sees({ a: "up" }), t: sees({ a: "down" }, IDLE) },
        { s: FAILS, t: sees({ a: "down" }) },
        { s: sees({ a: "up" }, IDLE), t: sees({ a: "down" }) },
      ],
      events: [[], ["server.down a was up"], []],
    },
    {
      name: "and an idle one when the other has been silent for four ticks",
      ticks: [
        { s: sees({ a: "up" }), t: sees({ a: "down" }, IDLE) },
        ...times(4, { s: FAILS, t: sees({ a: "down" }, IDLE) }),
      ],
      events: [[], [], [], [], ["server.down a was up", "source.lost s"]],
    },
  ])("$name", ({ ticks, events }) => {
    expect(told(new SealedWorld(), ...ticks)).toEqual(events);
  });
});

describe("our own restart", () => {
  it("is no event; what changed meanwhile is told once", () => {
    const world = new SealedWorld();
    const pair = { s: sees({ a: "up" }), t: sees({ a: "down" }, IDLE) };
    told(world, pair);
    world.restart(30);
    const idle = { s: sees({ a: "up" }, IDLE), t: sees({ a: "down" }, IDLE) };
    expect(told(world, idle)).toEqual([[]]);
    world.restart(5);
    const changed = { s: sees({ a: "maint" }, { ...IDLE, ...FRESH }), t: sees({ a: "down" }, IDLE) };
    expect(told(world, changed, idle)).toEqual([
      ["server.maint a was up", "process.reloaded s"],
      ["server.up a was maint"],
    ]);
  });

  it("forgets no silence: a source that was lost before is found after it", () => {
    const world = new SealedWorld();
    const ok = { s: sees({ a: "up" }) };
    expect(told(world, ok, ...times(4, { s: FAILS }))[4]).toEqual(["source.lost s"]);
    world.restart();
    expect(told(world, { s: FAILS }, ok, ok)).toEqual([[], ["source.found s"], []]);
  });
});

describe("sources and processes", () => {
  it("three ticks without an answer are a hiccup; a new process is a reload where it answers without a pause", () => {
    const ok = { s: sees({ a: "up" }) };
    const fresh = { s: sees({ a: "up" }, FRESH) };
    const ticks = [ok, ...times(3, { s: FAILS }), ok, fresh, { s: FAILS }, fresh];
    expect(told(new SealedWorld(), ...ticks).slice(4)).toEqual([
      [],
      ["process.reloaded s"],
      [],
      ["process.restarted s"],
    ]);
  });

  it("one that was forgotten and comes back is as one that was never there", () => {
    const world = new SealedWorld();
    told(world, { s: sees({ a: "up" }), t: sees({ b: "up" }) });
    expect(told(world, ...times(4, { s: sees({ a: "up" }), t: FAILS }))[3]).toEqual(["source.lost t"]);
    world.forget("t");
    expect(told(world, ...times(2, { s: sees({ a: "up" }) }))).toEqual([[], []]);
    expect([...world.cluster.members.keys()]).toEqual(["a"]);
    expect(told(world, { s: sees({ a: "up" }), t: sees({ b: "up" }, FRESH) })).toEqual([[]]);
  });

  it("a reload is told by every cluster that the process serves", () => {
    const [web, api] = [new SealedWorld(), new SealedWorld()];
    for (const world of [web, api]) told(world, { s: sees({ a: "up" }) });
    for (const world of [web, api])
      expect(told(world, { s: sees({ a: "up" }, FRESH) })).toEqual([["process.reloaded s"]]);
  });

  it("an answer without a row of the cluster is an answer", () => {
    const world = new SealedWorld();
    told(world, { s: sees({ a: "up" }) });
    const empty: Doing = { does: "answers", slice: undefined };
    expect(told(world, ...times(5, { s: empty })).flat()).toEqual([]);
  });
});
