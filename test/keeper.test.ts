import { expect, it } from "vitest";
import { createMemoryBus } from "../src/backend/memory/bus.ts";
import { Keeper, ticksOfRestart } from "../src/keeper.ts";
import type { RowSample, ScrapeReport } from "../src/model/tick.ts";
import type { Kept, RowRecord } from "../src/seriesPorts.ts";
import { FakeClock } from "./helpers/fakeClock.ts";
import { aFailure, aSlice } from "./helpers/reports.ts";

const NOW = 1_770_000_000_000;
const NOTHING: Kept = { more: false, bytes: 0, deleted: 0, rolledUp: 0 };

function aRow(resource: string): RowSample {
  return { resource, kind: "backend", increases: {}, sums: {}, means: {} };
}

function aReport(number: number, rows: number, source = "s"): ScrapeReport {
  const kept = Array.from({ length: rows }, (_, n) => aRow(`web/${n}`));
  const slices = [aSlice({ kept, gap: true }), aSlice({ clusterId: "shop", kept: [] }), aSlice({ clusterId: "none" })];
  return { tick: { number, at: number * 10_000 }, source, durationMs: 1, outcome: { ok: true, slices } };
}

/** A keeper over a store that does what it is told, and what it did. */
function kept(keep: () => Partial<Kept> = () => ({})) {
  const clock = new FakeClock(NOW);
  const bus = createMemoryBus();
  const calls = {
    rows: [] as (readonly RowRecord[])[],
    kept: [] as number[],
    trimmed: [] as number[],
    said: [] as string[],
  };
  const state = { fails: false, trims: 1 };
  const say = (text: string) => void calls.said.push(text);
  const keeper = new Keeper({
    clock,
    bus,
    log: { debug: say, info: say, warn: say, error: say },
    historyS: 100,
    store: {
      async putRows(records) {
        if (state.fails) throw new Error("no room");
        calls.rows.push(records);
      },
      async keep(at) {
        calls.kept.push(at);
        return { ...NOTHING, ...keep() };
      },
    },
    ledger: {
      async trim(before) {
        calls.trimmed.push(before);
        return { deleted: 0, more: --state.trims > 0 };
      },
    },
  });
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settle();
  };
  keeper.start();
  return { keeper, bus, calls, state, pass, clock };
}

it("rows of all reports of a tick are stored together, with what the answer says of them", async () => {
  const { keeper, bus, calls, pass } = kept();
  bus.publish(aReport(5, 2));
  bus.publish(aReport(5, 1, "t"));
  bus.publish(aFailure({ number: 5, at: 50_000 }));
  expect(calls.rows).toEqual([]);
  await pass(250);
  const tick = { number: 5, at: 50_000 };
  const common = { clusterId: "web", tick, coveredS: 10, gap: true };
  expect(calls.rows).toEqual([
    [
      { ...common, source: "s", rows: [aRow("web/0"), aRow("web/1")] },
      { ...common, source: "t", rows: [aRow("web/0")] },
    ],
  ]);
  bus.publish(aReport(6, 1));
  await keeper.stop();
  expect(calls.rows).toHaveLength(2);
  bus.publish(aReport(7, 1));
  await pass(1000);
  expect(calls.rows).toHaveLength(2);
});

it("rows wait for a disk that is full, in order; too many are dropped, counted and told once", async () => {
  const { keeper, bus, calls, state, pass } = kept();
  state.fails = true;
  for (let number = 1; number <= 3; number++) {
    bus.publish(aReport(number, 20_000));
    await pass(1000);
  }
  bus.publish(aReport(4, 20_000));
  expect(keeper.dropped).toBe(40_000);
  expect(calls.said).toEqual(["upkeep failed", "rows are dropped: too many wait for the disk"]);
  state.fails = false;
  await pass(1000);
  expect(calls.rows.flat().map(({ tick }) => tick.number)).toEqual([1, 2]);
  expect(calls.said.at(-1)).toBe("upkeep succeeded again");
  bus.publish(aReport(5, 20_000));
  await pass(1000);
  expect(calls.rows.flat()).toHaveLength(3);
  await keeper.stop();
});

it("upkeep comes once a minute, slice by slice with pauses between, and history after it", async () => {
  let slices = 3;
  const { keeper, calls, state, pass } = kept(() => ({ more: --slices > 0 }));
  state.trims = 2;
  await pass(59_999);
  expect(calls.kept).toEqual([]);
  await pass(1);
  expect(calls.kept).toEqual([NOW + 60_000]);
  await pass(19);
  expect(calls.kept).toHaveLength(1);
  await pass(1);
  await pass(20);
  expect(calls.kept).toHaveLength(3);
  expect(calls.trimmed).toEqual([NOW + 60_040 - 100_000]);
  await pass(20);
  expect(calls.trimmed).toHaveLength(2);
  slices = 1;
  await pass(60_000);
  expect(calls.kept).toHaveLength(4);
  await keeper.stop();
  await pass(120_000);
  expect(calls.kept).toHaveLength(4);
});

it("the service is degraded while there is no room, and recovers by itself", async () => {
  let full: string | undefined = "database or disk is full";
  const { keeper, calls, pass } = kept(() => (full === undefined ? { early: 5 } : { full }));
  await pass(60_000);
  expect(keeper.degraded()).toEqual([expect.stringContaining("database or disk is full")]);
  await pass(60_000);
  full = undefined;
  await pass(60_000);
  expect(keeper.degraded()).toEqual([]);
  await pass(60_000);
  const early = "the oldest series make room before their time: store.quota is small";
  expect(calls.said).toEqual(["no room for series", "there is room for series again", early]);
  await keeper.stop();
});

it("a stop does not wait for slices that are still to come", async () => {
  const { keeper, calls, pass } = kept(() => ({ more: true }));
  await pass(60_000);
  await keeper.stop();
  expect(calls.kept).toHaveLength(1);
});

it("upkeep goes no faster than time: a clock that is ahead for a moment deletes nothing, one that stays there does", async () => {
  const { keeper, calls, state, pass, clock } = kept();
  state.trims = 0;
  await pass(60_000);
  clock.stepWall(40 * 86_400_000);
  await pass(60_000);
  expect(calls.kept).toEqual([NOW + 60_000, NOW + 120_000]);
  expect(calls.trimmed.at(-1)).toBe(NOW + 20_000);
  clock.stepWall(-40 * 86_400_000);
  await pass(60_000);
  expect(calls.kept.at(-1)).toBe(NOW + 180_000);
  clock.stepWall(-3_600_000);
  await pass(60_000);
  expect(calls.kept.at(-1)).toBe(NOW + 240_000 - 3_600_000);
  clock.stepWall(10 * 86_400_000);
  for (let minute = 0; minute < 62; minute++) await pass(60_000);
  expect(calls.kept.at(-1)).toBe(clock.now());
  await keeper.stop();
});

it("a quota that is smaller than a day is told once, and what a restart needs goes along", async () => {
  const { keeper, calls, pass } = kept(() => ({ dayBytes: 5000 }));
  await pass(60_000);
  await pass(60_000);
  expect(calls.said).toEqual(["store.quota is smaller than what a day of series takes: set it higher"]);
  expect(ticksOfRestart([4, 300, 7])).toBe(780 + 300);
  await keeper.stop();
});
