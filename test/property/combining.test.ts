import fc from "fast-check";
import { expect, it, vi } from "vitest";
import type { MemberState } from "../../src/model/meters.ts";
import { KEPT_TOTALS, METERS, meterNamed } from "../../src/model/meters.ts";
import type { ClusterSlice, RowSample, SealedTick } from "../../src/model/tick.ts";
import { SESSIONS } from "../helpers/rules.ts";
import type { Doing } from "../helpers/sealedWorld.ts";
import { SealedWorld } from "../helpers/sealedWorld.ts";

const LB = "network.services.lb";
const COUNTERS = [`${LB}.incoming.bytes`, `${LB}.requests`, `${LB}.health.check.downs`];
const LONGEST = `${LB}.queue.max_time`;
const UTILIZATION = `${LB}.session.utilization`;
const CHANGE = `${LB}.active.connections.rate`;
const STATES: readonly MemberState[] = ["up", "standby", "draining", "down", "maint", "unknown"];
const BAD_TO_GOOD: readonly MemberState[] = ["down", "unknown", "maint", "draining", "standby", "up"];

const runs = process.env.TOCSIN_TEST_FULL ? 5_000 : 300;
vi.setConfig({ testTimeout: 600_000 });
const seed = Number(process.env.TOCSIN_TEST_SEED ?? Date.now() % 2 ** 31);

const many = (most: number) => fc.integer({ min: 0, max: most });
const counted = fc.tuple(many(1000), many(1000), many(5));
/** Some are called as what every object has. */
const SERVERS = ["a", "b", "c", "d", "toString", "__proto__"];
const members = fc.dictionary(fc.constantFrom(...SERVERS), fc.constantFrom(...STATES), { maxKeys: 5 });

/** The servers that each source may have: of their own, partly the same ones, or all the same. */
const pools = (sources: number) =>
  fc.oneof(
    fc.constant(NAMES.slice(0, sources).map(() => SERVERS)),
    fc.constant(NAMES.slice(0, sources).map((_, own) => SERVERS.filter((_, index) => index % sources === own))),
    fc.array(fc.subarray(SERVERS), { minLength: sources, maxLength: sources }),
  );

function inPool(one: Doing, pool: readonly string[]): Doing {
  if (one.does === "fails" || !one.slice?.members) return one;
  const own = Object.entries(one.slice.members).filter(([name]) => pool.includes(name));
  return { ...one, slice: { ...one.slice, members: Object.fromEntries(own) } };
}

/** An answer; every counter is an integer, so that sums are exact. */
const slice = fc
  .record({
    counted,
    sessions: many(50),
    longest: many(900),
    limit: fc.integer({ min: 1, max: 100 }),
    resets: many(3),
    rowCount: many(9),
    moved: fc.boolean(),
    reload: fc.constantFrom(false, false, false, true),
    gap: fc.constantFrom(false, false, false, true),
    members,
    names: fc.subarray(["web/FRONTEND", "web/BACKEND", "web/a"]),
  })
  .map(({ counted: grown, sessions, longest, limit, names, gap, ...rest }): Partial<ClusterSlice> => {
    const increases = Object.fromEntries(COUNTERS.map((name, index) => [name, grown[index] ?? 0]));
    const sums = { [SESSIONS]: sessions, [LONGEST]: longest };
    const parts = { increases, sums, means: { [UTILIZATION]: { sum: 100 * sessions, weight: limit } } };
    const kept = names.map((resource): RowSample => ({ resource, kind: "backend", ...parts }));
    return { ...parts, ...rest, gap, coveredS: gap ? 0 : 10, kept };
  });

const doing: fc.Arbitrary<Doing> = fc.oneof(
  { weight: 5, arbitrary: slice.map((one): Doing => ({ does: "answers", slice: one })) },
  { weight: 2, arbitrary: slice.map((one): Doing => ({ does: "late", slice: one })) },
  { weight: 1, arbitrary: fc.constant<Doing>({ does: "answers", slice: undefined }) },
  { weight: 2, arbitrary: fc.constant<Doing>({ does: "fails" }) },
);

const NAMES = ["p", "q", "r", "s"];

/** What happens at a tick; `record` says whether seals can be recorded from here on, or are put back. */
const history = fc
  .integer({ min: 1, max: 4 })
  .chain((sources) => fc.tuple(fc.constant(sources), pools(sources)))
  .chain(([sources, pool]) =>
    fc.array(
      fc.record({
        doings: fc
          .tuple(...NAMES.slice(0, sources).map(() => doing))
          .map((all) => all.map((one, i) => [NAMES[i], inPool(one, pool[i] ?? [])])),
        record: fc.constantFrom("goes", "goes", "goes", "sticks", "gives up"),
      }),
      { minLength: 1, maxLength: 20 },
    ),
  );

const sliceOf = (one: Doing | undefined) => (one?.does === "answers" || one?.does === "late" ? one.slice : undefined);

it(`everything that is reported counts once, whatever comes late or not at all (${runs} histories)`, () => {
  let ticks = 0;
  fc.assert(
    fc.property(history, (past) => {
      const names = (past[0]?.doings ?? []).map(([name]) => String(name));
      const world = new SealedWorld(names);
      const reported: Record<string, number> = {};
      const counts: Record<string, number> = {};
      const add = (into: Record<string, number>, name: string, value: number) => {
        into[name] = (into[name] ?? 0) + value;
      };
      const take = (folded: readonly { readonly tick: SealedTick }[]) => {
        for (const { tick } of folded) {
          ticks++;
          checkTick(tick);
        }
      };
      for (const { doings, record } of past) {
        const all = Object.fromEntries(doings) as Record<string, Doing>;
        for (const one of Object.values(all)) {
          const said = sliceOf(one);
          for (const [name, grown] of Object.entries(said?.increases ?? {})) add(reported, name, grown);
          add(reported, "tocsin.source.resets", said?.resets ?? 0);
          for (const row of said?.kept ?? []) add(counts, row.resource, row.increases[COUNTERS[0]!] ?? 0);
        }
        if (record === "sticks") world.stuck = true;
        if (record === "gives up") world.giveUp();
        take(world.tick(all));
      }
      world.giveUp();
      // What is still carried comes with the next answer.
      const last = world.tick(Object.fromEntries(names.map((name) => [name, { does: "answers", slice: {} }])));
      take(last);
      const { values } = last[0]!.tick;
      for (const [name, total] of Object.entries(reported)) expect([name, values[name] ?? 0]).toEqual([name, total]);
      for (const [name, total] of Object.entries(world.rows)) expect([name, total]).toEqual([name, counts[name]]);
      expect(Object.keys(world.rows).sort()).toEqual(Object.keys(counts).sort());
    }),
    { numRuns: runs, seed },
  );
  console.log(`histories=${runs} ticks=${ticks} seed=${seed} lost=0 twice=0`);
});

/** What holds of every tick: nothing is below zero but a change, and servers add up. */
function checkTick({ values }: SealedTick): void {
  for (const [name, value] of Object.entries(values))
    if (name !== CHANGE) expect([name, value >= 0]).toEqual([name, true]);
  const servers = (state: string) => values[`${LB}.members.${state}`] ?? 0;
  expect(servers("up") + servers("down") + servers("draining") + servers("maint")).toBeLessThanOrEqual(
    servers("total"),
  );
  for (const meter of METERS) if (meter.kind === "state") expect(values[meter.name]).toBeUndefined();
}

/** The slow, obvious way: what is on time is added up, late values of an instant are forgotten. */
it(`values of an instant are those of the answers in time, each server once (${runs} histories)`, () => {
  fc.assert(
    fc.property(history, (past) => {
      const names = (past[0]?.doings ?? []).map(([name]) => String(name));
      const world = new SealedWorld(names);
      let before: { all: Record<string, Doing>; sessions: number | undefined; members: Map<string, MemberState> } = {
        all: {},
        sessions: undefined,
        members: new Map(),
      };
      let carriers: readonly string[] = [];
      const failing = new Map<string, number>();
      const late = new Map<string, number>();
      const lateMoved = new Set<string>();
      const lateBroken = new Set<string>();
      for (const { doings } of past) {
        const all = Object.fromEntries(doings) as Record<string, Doing>;
        const { tick } = world.tick(all)[0]!;
        const inTime = names.flatMap((name) => {
          const one = all[name];
          return one?.does === "answers" ? [{ name, slice: one.slice }] : [];
        });
        const rows = inTime.flatMap(({ name, slice: own }) => (own ? [{ name, own }] : []));
        const sessions =
          rows.length === 0 ? undefined : rows.reduce((sum, { own }) => sum + (own.sums?.[SESSIONS] ?? 0), 0);
        expect(tick.values[SESSIONS]).toEqual(sessions);
        expect(tick.values["tocsin.source.up"]).toBe(inTime.length);
        expect(tick.values["tocsin.source.rows"]).toBe(rows.reduce((sum, { own }) => sum + (own.rowCount ?? 0), 0));
        const waits = inTime.flatMap(({ name, slice: own }) =>
          [own?.sums?.[LONGEST] ?? [], late.get(name) ?? []].flat(),
        );
        expect(tick.values[LONGEST]).toEqual(waits.length === 0 ? undefined : Math.max(...waits));
        const part = (of: "sum" | "weight") => rows.reduce((sum, { own }) => sum + own.means![UTILIZATION]![of], 0);
        expect(tick.values[UTILIZATION]).toEqual(rows.length === 0 ? undefined : part("sum") / part("weight"));

        const complete = inTime.length === names.length;
        const wasComplete = names.every((name) => before.all[name]?.does === "answers");
        const broken = inTime.some(({ name, slice: own }) => own?.reload || own?.gap || lateBroken.has(name));
        const change =
          complete && wasComplete && !broken && sessions !== undefined && before.sessions !== undefined
            ? (sessions - before.sessions) / 10
            : undefined;
        expect(tick.values[CHANGE]).toEqual(change);

        const moves = inTime
          .filter(({ name, slice: own }) => own?.moved || lateMoved.has(name))
          .map(({ name }) => name);
        const seen = (who: readonly string[]) =>
          inTime.filter(({ name, slice: own }) => who.includes(name) && (own || late.has(name)));
        const waited = carriers.some((name) => all[name]?.does !== "answers" && (failing.get(name) ?? 0) + 1 < 4);
        const asked =
          moves.length > 0 ? seen(moves) : seen(carriers).length > 0 ? seen(carriers) : waited ? [] : seen(names);
        const silent = moves.length === 0 && seen(carriers).length === 0 && waited;
        const merged = new Map<string, MemberState>();
        for (const name of [...SERVERS].sort()) {
          const said = (who: typeof asked) =>
            who.flatMap(({ slice: own }) => new Map(Object.entries(own?.members ?? {})).get(name) ?? []);
          const worstOf = (states: readonly MemberState[]) => BAD_TO_GOOD.find((state) => states.includes(state));
          const was = before.members.get(name);
          const worst =
            worstOf(said(asked)) ?? (silent ? was : undefined) ?? worstOf(said(inTime)) ?? (complete ? undefined : was);
          if (worst) merged.set(name, worst);
        }
        expect(new Map([...world.cluster.members].sort())).toEqual(merged);
        expect(tick.values[`${LB}.members.total`] ?? 0).toBe(merged.size);

        for (const name of names) {
          const one = all[name];
          if (one?.does === "answers") {
            failing.delete(name);
            late.delete(name);
            lateMoved.delete(name);
            lateBroken.delete(name);
          } else failing.set(name, (failing.get(name) ?? 0) + 1);
          if (one?.does === "late" && one.slice) {
            late.set(name, Math.max(late.get(name) ?? 0, one.slice.sums?.[LONGEST] ?? 0));
            if (one.slice.moved) lateMoved.add(name);
            if (one.slice.reload || one.slice.gap) lateBroken.add(name);
          }
        }
        if (moves.length > 0) carriers = moves;
        before = { all, sessions, members: merged };
      }
    }),
    { numRuns: runs, seed },
  );
  console.log(`histories=${runs} seed=${seed} differ=0`);
});

it("every kept total is cumulative, and is one of the table", () => {
  expect(KEPT_TOTALS.map((name) => meterNamed(name)?.kind === "counter" || name.startsWith("tocsin."))).not.toContain(
    false,
  );
});
