import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { METERS } from "../../src/model/meters.ts";
import type { Baseline, RowSample, SealedTick } from "../../src/model/tick.ts";
import type { Retention, RowRecord, SampleReader, SampleStore } from "../../src/seriesPorts.ts";
import { RATE, SESSIONS } from "../helpers/rules.ts";

const baseline = (pid: number): Baseline => ({
  process: { pid, uptimeS: 12.345678, startTimeS: 5, version: "2.6.12" },
  at: 7,
  open: false,
  rows: "bin|\nF web FRONTEND 18446744073709551615",
});

function aTick(number: number, values: Readonly<Record<string, number>> = {}): SealedTick {
  return {
    kind: "tick",
    number,
    at: number * 10_000,
    values,
    sources: [{ name: "s", coveredS: 10.000001, moved: true }],
    members: [
      ["a", "up"],
      ["b", null],
    ],
  };
}

const BYTES = "network.services.lb.incoming.bytes";
const LATENCY = "network.services.lb.response.time";

function aRow(resource: string, grown: number, own: Partial<RowSample> = {}): RowSample {
  const means = { [LATENCY]: { sum: grown * 3.25, weight: grown } };
  return { resource, kind: "backend", increases: { [BYTES]: grown }, sums: { [SESSIONS]: 4 }, means, ...own };
}

function anAnswer(number: number, rows: readonly RowSample[], own: Partial<RowRecord> = {}): RowRecord {
  return { clusterId: "web", source: "s", tick: { number, at: number * 10_000 }, coveredS: 10, rows, ...own };
}

/** A tick of a cluster whose counter stands at so many bytes. */
function counted(number: number, total: number, coveredS = 10): SealedTick {
  const values = { [BYTES]: total, [`${BYTES}.rate`]: 1, [SESSIONS]: number % 7 };
  return { ...aTick(number, values), sources: [{ name: "s", coveredS }], members: [] };
}

async function keepAll(store: SampleStore, at: number): Promise<{ rolledUp: number; deleted: number }> {
  const sum = { rolledUp: 0, deleted: 0 };
  for (let slice = 0; slice < 10_000; slice++) {
    const kept = await store.keep(at);
    sum.rolledUp += kept.rolledUp;
    sum.deleted += kept.deleted;
    if (!kept.more) return sum;
  }
  throw new Error("upkeep does not end");
}

const HOUR_S = 3600;
const SHORT: Retention = { clustersS: 2 * HOUR_S, rowsS: HOUR_S, rollupsS: 6 * HOUR_S, historyS: 6 * HOUR_S };
/** A tick number whose label begins a block. */
const FIRST = 177_000_000;

/** What every SampleStore does, and the reader of its series. */
export function storeContract(
  name: string,
  create: (
    retention?: Retention,
  ) => Promise<{ readonly store: SampleStore; readonly reader: () => SampleReader } & AsyncDisposable>,
): void {
  describe(`SampleStore: ${name}`, () => {
    it("gives back ticks as they were, to the bit, by seq, above a number and of one cluster", async () => {
      await using opened = await create();
      const { store } = opened;
      const values = { [RATE]: 0.1 + 0.2, [SESSIONS]: 5e-324, "network.services.lb.incoming.bytes": 2 ** 53 + 2 };
      await Promise.all([
        store.put({ clusterId: "web", seq: 3, tick: aTick(12, values), baselines: {} }),
        store.put({ clusterId: "web", seq: 1, tick: aTick(10), baselines: {} }),
        store.put({ clusterId: "web", seq: 2, tick: aTick(11, { [RATE]: 0 }), baselines: {} }),
        store.put({ clusterId: "other", seq: 1, tick: aTick(12), baselines: {} }),
      ]);
      const read = await store.ticks("web", 10);
      expect(read.map(({ seq, tick }) => ({ seq, tick }))).toEqual([
        { seq: 2, tick: aTick(11, { [RATE]: 0 }) },
        { seq: 3, tick: aTick(12, values) },
      ]);
      expect(await store.ticks("web", -Infinity)).toHaveLength(3);
      expect(await store.ticks("nobody", -Infinity)).toEqual([]);
    });

    it("any values of any meters come back exactly", async () => {
      await using opened = await create();
      const { store } = opened;
      const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
      const value = fc.dictionary(fc.constantFrom(...METERS.map((meter) => meter.name)), number);
      let seq = 0;
      const exact = fc.asyncProperty(value, async (values) => {
        seq++;
        const tick = aTick(seq, Object.fromEntries(Object.entries(values)));
        await store.put({ clusterId: "web", seq, tick, baselines: {} });
        const [record] = await store.ticks("web", seq - 1);
        expect(record?.tick).toEqual(tick);
      });
      await fc.assert(exact, { numRuns: 50 });
    });

    it("gives the oldest of many, and what servers said by themselves", async () => {
      await using opened = await create();
      const { store } = opened;
      const servers = { a: { [SESSIONS]: 2 }, b: {} };
      await store.put({ clusterId: "other", seq: 1, tick: aTick(9), baselines: {} });
      for (const number of [10, 11, 19, 20]) {
        await store.put({ clusterId: "web", seq: number, tick: { ...aTick(number), servers }, baselines: {} });
      }
      const read = await store.ticks("web", 10, 2);
      expect(read.map(({ tick }) => tick)).toEqual([11, 19].map((number) => ({ ...aTick(number), servers })));
      expect(await store.ticks("web", 20, 2)).toEqual([]);
      expect(await store.ticks("web", 5, 2)).toHaveLength(2);
    });

    it("the same record twice is one", async () => {
      await using opened = await create();
      const { store } = opened;
      const record = { clusterId: "web", seq: 1, tick: aTick(10), baselines: {} };
      await store.put(record);
      await store.put(record);
      expect(await store.ticks("web", 0)).toHaveLength(1);
    });

    it("keeps the newest raw counters of each source of each cluster", async () => {
      await using opened = await create();
      const { store } = opened;
      await store.put({ clusterId: "web", seq: 1, tick: aTick(10), baselines: { s: baseline(1), t: baseline(2) } });
      await store.put({ clusterId: "web", seq: 3, tick: aTick(12), baselines: { s: baseline(3) } });
      // Tried again, and late: no newer one.
      await store.put({ clusterId: "web", seq: 2, tick: aTick(11), baselines: { s: baseline(4) } });
      const kept = (await store.baselines()).toSorted((a, b) => (a.source < b.source ? -1 : 1));
      expect(kept).toEqual([
        { clusterId: "web", source: "s", seq: 3, baseline: baseline(3) },
        { clusterId: "web", source: "t", seq: 1, baseline: baseline(2) },
      ]);
    });

    it("gives back rows as they were, of each source, by number", async () => {
      await using opened = await create();
      const { store } = opened;
      const first = aRow("web/BACKEND", 0.1 + 0.2);
      const server: RowSample = {
        resource: "web/a",
        kind: "server",
        increases: {},
        sums: {},
        means: {},
        state: "draining",
      };
      const other = aRow("web/BACKEND", 2 ** 53 + 2, { sums: { [SESSIONS]: 5e-324 }, means: {} });
      await store.putRows([
        anAnswer(12, [first, server]),
        anAnswer(11, [other], { coveredS: 0, gap: true }),
        anAnswer(12, [other], { source: "t" }),
        anAnswer(12, [first], { clusterId: "shop" }),
      ]);
      await store.putRows([anAnswer(12, [first, server])]);
      const reader = opened.reader();
      const read = (resource: string, from: number, to: number, limit = 100) =>
        reader.rowPoints("web", resource, from, to, limit);
      const at = (number: number) => ({ number, at: number * 10_000 });
      const points = [
        { tick: at(11), source: "s", coveredS: 0, gap: true, row: other },
        { tick: at(12), source: "s", coveredS: 10, row: first },
        { tick: at(12), source: "t", coveredS: 10, row: other },
      ];
      expect(await read("web/BACKEND", 0, 120_000)).toEqual(points);
      expect(await read("web/BACKEND", 110_000, 120_000)).toEqual(points.slice(1));
      expect(await read("web/BACKEND", 0, 119_999)).toEqual(points.slice(0, 1));
      expect(await read("web/BACKEND", 0, 120_000, 2)).toEqual(points.slice(0, 2));
      expect((await read("web/a", 0, 120_000)).map(({ row }) => row)).toEqual([server]);
      expect(await read("web/b", 0, 120_000)).toEqual([]);
      expect(await reader.rowPoints("nobody", "web/a", 0, 120_000, 9)).toEqual([]);
      const stored = await reader.resources("web");
      expect(stored.map(({ source, resource, kind }) => `${source} ${resource} ${kind}`)).toEqual([
        "s web/BACKEND backend",
        "t web/BACKEND backend",
        "s web/a server",
      ]);
      expect(stored[0]?.meters).toEqual([BYTES, `${BYTES}.rate`, LATENCY, SESSIONS].toSorted());
      expect(await reader.resources()).toHaveLength(4);
      // Labels of the newest are told at once, whatever of them is noted.
      await store.putRows([{ clusterId: "web", source: "t", tick: at(13), coveredS: 10, rows: [other] }]);
      const lasted = async () => (await reader.resources("web")).map(({ lastAt }) => lastAt);
      expect(await lasted()).toEqual([120_000, 130_000, 120_000]);
      expect(await reader.resources("web", "web/BACKEND")).toHaveLength(2);
      expect(await reader.resources("web", "web/b")).toEqual([]);
      expect(await reader.resources("nobody")).toEqual([]);
      await reader.close();
    });

    it("many rows of one answer come back, and any numbers to the bit", async () => {
      await using opened = await create();
      const { store } = opened;
      const number = fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0));
      const integer = fc.maxSafeInteger();
      const names = fc.constantFrom(...METERS.map((meter) => meter.name));
      const numbers = fc.dictionary(names, fc.oneof(number, integer), { noNullPrototype: true });
      const means = fc.dictionary(names, fc.record({ sum: number, weight: integer }), { noNullPrototype: true });
      const row = fc.record({ increases: numbers, sums: numbers, means });
      let tick = FIRST;
      const exact = fc.asyncProperty(fc.array(row, { maxLength: 40 }), async (parts) => {
        const rows = parts.map((part, n): RowSample => ({ resource: `web/${n}`, kind: "server", ...part }));
        await store.putRows([anAnswer(++tick, rows)]);
        const reader = opened.reader();
        for (const one of rows) {
          const [point] = await reader.rowPoints("web", one.resource, (tick - 1) * 10_000, tick * 10_000, 9);
          expect(point?.row).toEqual(one);
        }
        await reader.close();
      });
      await fc.assert(exact, { numRuns: 20 });
    });

    it("its reader gives ticks by label, and knows which clusters there are", async () => {
      await using opened = await create();
      const { store } = opened;
      // Numbers go on over a stop; labels jump.
      const late = { ...aTick(14), at: 900_000 };
      for (const tick of [aTick(10), aTick(11), aTick(12), late]) {
        await store.put({ clusterId: "web", seq: tick.number, tick, baselines: { s: baseline(1) } });
      }
      await store.put({ clusterId: "shop", seq: 1, tick: aTick(11), baselines: {} });
      const reader = opened.reader();
      const numbers = async (from: number, to: number, limit = 9) =>
        (await reader.ticks("web", from, to, limit)).map(({ tick }) => tick.number);
      expect(await numbers(100_000, 120_000)).toEqual([11, 12]);
      expect(await numbers(0, 1_000_000)).toEqual([10, 11, 12, 14]);
      expect(await numbers(0, 1_000_000, 2)).toEqual([10, 11]);
      expect(await numbers(120_000, 899_999)).toEqual([]);
      expect(await numbers(120_000, 900_000)).toEqual([14]);
      expect(await numbers(900_000, Infinity)).toEqual([]);
      expect(await reader.ticks("web", 899_999, 900_000, 1)).toEqual([
        { clusterId: "web", seq: 14, tick: late, baselines: {} },
      ]);
      expect(await reader.ticks("nobody", 0, 1_000_000, 9)).toEqual([]);
      expect(await reader.clusters()).toEqual([
        { clusterId: "shop", firstAt: 110_000, lastAt: 110_000 },
        { clusterId: "web", firstAt: 100_000, lastAt: 900_000 },
      ]);
      expect(await reader.clusters("web")).toEqual([{ clusterId: "web", firstAt: 100_000, lastAt: 900_000 }]);
      expect(await reader.clusters("nobody")).toEqual([]);
      await reader.close();
    });

    it("rolls up what can change no more: increases go to both sides of an edge, by seconds", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      // The block (start, start + 300 s]: 28 ticks of 100 B, then an answer for 40 s that reaches 20 s beyond its end.
      for (let n = 0; n <= 28; n++) await store.put(recordOf(counted(FIRST + n, 1000 + n * 100)));
      await store.put(recordOf(counted(FIRST + 32, 1000 + 2800 + 4000, 40)));
      for (let n = 33; n <= 61; n++) await store.put(recordOf(counted(FIRST + n, 7800 + (n - 32) * 100)));
      expect(await keepAll(store, start + 300_000 + 149_999)).toMatchObject({ rolledUp: 1 });
      expect(await keepAll(store, start + 300_000 + 150_000)).toMatchObject({ rolledUp: 1 });
      const reader = opened.reader();
      const rollups = await reader.rollups("web", undefined, BYTES, start, start + 300_000);
      // The slack of a tenth of the interval: 21 of the 40 s lie after the edge.
      expect(rollups).toEqual([
        {
          at: start + 300_000,
          count: 28,
          sum: 28 * 1000 + (100 * 28 * 29) / 2,
          min: 1100,
          max: 3800,
          first: 1100,
          last: 3800,
          increase: 2800 + 4000 * (19 / 40),
          coveredS: 280 + 19,
          whole: 28,
          sources: 1,
          leastCoveredS: 280 + 19,
          intervalS: 10,
        },
      ]);
      expect(await reader.rollups("web", undefined, BYTES, start + 1, start + 299_999)).toEqual([]);
      expect(await reader.rollups("web", undefined, "no.such.meter", start, start + 300_000)).toEqual([]);
      expect(await reader.rollups("nobody", undefined, BYTES, start, start + 300_000)).toEqual([]);
      await keepAll(store, start + 600_000 + 150_000);
      const next = await reader.rollups("web", undefined, BYTES, start + 300_000, start + 600_000);
      expect(next[0]?.increase).toBeCloseTo(4000 * (21 / 40) + 2800, 9);
      const gauge = await reader.rollups("web", undefined, SESSIONS, start, start + 300_000);
      expect(gauge[0]).toMatchObject({ count: 28, min: 0, max: 6, first: (FIRST + 1) % 7, last: (FIRST + 28) % 7 });
      expect(gauge[0]).not.toHaveProperty("increase");
      await reader.close();
    });

    it("rolls up rows, over all sources that have them", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      for (let n = 1; n <= 50; n++) {
        await store.putRows([
          anAnswer(FIRST + n, [aRow("web/BACKEND", n)]),
          anAnswer(FIRST + n, [aRow("web/BACKEND", 10)], { source: "t", coveredS: 5 }),
        ]);
      }
      await keepAll(store, start + 300_000 + 150_000);
      const reader = opened.reader();
      const read = async (meter: string) =>
        (await reader.rollups("web", "web/BACKEND", meter, start, start + 300_000))[0];
      expect(await read(BYTES)).toEqual({
        at: start + 300_000,
        count: 30,
        sum: 30 * 10 + 465,
        min: 11,
        max: 40,
        first: 11,
        last: 40,
        increase: 765,
        coveredS: (300 + 150) / 2,
        whole: 30,
        sources: 2,
        leastCoveredS: 150,
        intervalS: 10,
      });
      expect(await read(`${BYTES}.rate`)).toMatchObject({ count: 30, min: 0.1 + 2, max: 5, first: 0.1 + 2, last: 5 });
      expect(await read(LATENCY)).toMatchObject({ count: 30, min: 3.25, max: 3.25 });
      expect(await read(SESSIONS)).toMatchObject({ count: 30, sum: 240, min: 8, max: 8 });
      expect(await reader.rollups("web", "web/other", BYTES, 0, Infinity)).toEqual([]);
      await reader.close();
    });

    it("what comes late, and after a clock was ahead, is rolled up", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      const reader = opened.reader();
      const increases = async (clusterId: string, resource?: string) =>
        (await reader.rollups(clusterId, resource, BYTES, start, Infinity)).map(({ at, count, increase }) => {
          return [(at - start) / 300_000, count, Math.round(increase ?? 0)];
        });
      const put = async (clusterId: string, n: number) => {
        await store.put({ ...recordOf(counted(FIRST + n, n)), clusterId });
        await store.putRows([anAnswer(FIRST + n, [aRow("web/BACKEND", 1)], { clusterId })]);
      };
      // A clock that is right, then one that is a year ahead for a moment.
      for (let n = 0; n <= 120; n++) if (n < 35 || n > 95) await put("web", n);
      for (let n = 0; n <= 120; n++) await put("other", n);
      expect((await keepAll(store, start + 1_350_000)).rolledUp).toBeGreaterThan(0);
      expect(await increases("other")).toEqual([1, 2, 3, 4].map((n) => [n, 30, 30]));
      expect((await increases("web")).map(([n]) => n)).toEqual([1, 2, 4]);
      for (let n = 95; n >= 35; n--) await put("web", n);
      await keepAll(store, start + 1_350_000);
      expect(await increases("web")).toEqual([1, 2, 3, 4].map((n) => [n, 30, 30]));
      expect(await increases("web", "web/BACKEND")).toEqual([1, 2, 3, 4].map((n) => [n, 30, 30]));
      // What is there already changes nothing when it comes once more.
      await put("web", 50);
      await keepAll(store, start + 1_350_000);
      expect(await increases("web")).toEqual([1, 2, 3, 4].map((n) => [n, 30, 30]));
      // One upkeep that is a year ahead deletes old rollups, and what comes afterwards is rolled up all the same.
      await keepAll(store, start + 365 * 86_400_000);
      for (let n = 121; n <= 200; n++) await put("web", n);
      await keepAll(store, start + 2_000_000);
      expect(await increases("web")).toEqual([5, 6].map((n) => [n, 30, 30]));
      await reader.close();
    });

    it.each([
      { name: "a year ahead", off: 365 * 86_400_000 },
      { name: "a minute ahead", off: 60_000 },
      { name: "20 minutes ahead", off: 1_200_000 },
      { name: "in 1970", off: -FIRST * 10_000 },
    ])(
      "labels that are $name for ten ticks skip no block, and keep nothing longer than it is kept",
      async ({ off }) => {
        await using opened = await create({
          clustersS: 5 * HOUR_S,
          rowsS: HOUR_S,
          rollupsS: 6 * HOUR_S,
          historyS: 6 * HOUR_S,
        });
        const { store } = opened;
        const start = FIRST * 10_000;
        const label = (n: number) => start + n * 10_000 + (n > 400 && n <= 410 ? off : 0);
        const last = 360 * 12;
        const reader = opened.reader();
        const beforeGone: number[] = [];
        for (let n = 0; n <= last; n += 1) {
          const at = label(n);
          await store.put(recordOf({ ...counted(FIRST + n, n), at }));
          await store.putRows([{ ...anAnswer(FIRST + n, [aRow("web/BACKEND", 1)]), tick: { number: FIRST + n, at } }]);
          if (n % 180 === 0) await keepAll(store, at);
          if (n === 720) {
            for (const resource of [undefined, "web/BACKEND"]) {
              const rollups = await reader.rollups("web", resource, BYTES, start, start + 18 * 300_000);
              expect(rollups.map(({ at: end }) => (end - start) / 300_000)).toEqual(
                Array.from({ length: 18 }, (_, b) => b + 1),
              );
              const odd = rollups.filter(({ count, increase }) => count !== 30 || Math.round(increase ?? 0) !== 30);
              // But for the block with those ticks, and the one that they are labelled in.
              expect(odd.length).toBeLessThanOrEqual(2);
              beforeGone.push(rollups.reduce((sum, { increase = 0 }) => sum + increase, 0));
            }
          }
        }
        for (const sum of beforeGone) expect(Math.abs(sum - 540)).toBeLessThan(11);
        const now = label(last);
        const oldest = (await reader.ticks("web", 0, Infinity, 1))[0]?.tick.at ?? 0;
        expect((now - oldest) / 1000).toBeGreaterThanOrEqual(5 * HOUR_S - 3600);
        expect((now - oldest) / 1000).toBeLessThanOrEqual(5 * HOUR_S + 3600);
        const points = await reader.rowPoints("web", "web/BACKEND", 0, Infinity, 9999);
        expect((now - (points[0]?.tick.at ?? 0)) / 1000).toBeLessThanOrEqual(2 * HOUR_S);
        await reader.close();
      },
      120_000,
    );

    it("what is labelled in a stretch is found, wherever a clock was set", async () => {
      await using opened = await create();
      const { store } = opened;
      const off = (n: number) => (n > 40 && n <= 50 ? 365 * 86_400_000 : n > 60 && n <= 64 ? -1_000_000 : 0);
      for (let n = 1; n <= 100; n++)
        await store.put(recordOf({ ...aTick(FIRST + n), at: (FIRST + n) * 10_000 + off(n) }));
      const reader = opened.reader();
      const numbers = async (from: number, to: number) =>
        (await reader.ticks("web", (FIRST + from) * 10_000, (FIRST + to) * 10_000, 999)).map(
          ({ tick }) => tick.number - FIRST,
        );
      const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n + 1);
      expect(await numbers(0, 40)).toEqual(range(0, 40));
      expect(await numbers(30, 60)).toEqual([...range(30, 40), ...range(50, 60)]);
      expect(await numbers(52, 100)).toEqual([...range(52, 60), ...range(64, 100)]);
      expect(await numbers(90, 1e9)).toEqual([...range(40, 50), ...range(90, 100)].sort((a, b) => a - b));
      expect(await numbers(-1000, -1)).toEqual(range(60, 64));
      await reader.close();
    });

    it("of a time that a clock labelled twice the newer ticks count, and no increase twice", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      // Set back by four minutes within a block.
      for (let n = 0; n <= 120; n++) {
        const at = start + n * 10_000 - (n > 50 ? 240_000 : 0);
        await store.put(recordOf({ ...counted(FIRST + n, n), at }));
        if (n % 10 === 0) await keepAll(store, at);
      }
      await keepAll(store, start + 1_350_000);
      const reader = opened.reader();
      const rollups = await reader.rollups("web", undefined, BYTES, start, Infinity);
      expect(
        rollups.map(({ at, count, increase }) => [(at - start) / 300_000, count, Math.round(increase ?? 0)]),
      ).toEqual([
        [1, 30, 30],
        [2, 30, 30],
        [3, 30, 30],
        [4, 6, 6],
      ]);
      await reader.close();
    });

    it("the newest ticks stay whatever now is said to be, and so does a day of what is kept for longer", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      for (let n = 0; n <= 360; n++) await store.put(recordOf(counted(FIRST + n, n)));
      await keepAll(store, start + 3_600_000);
      await keepAll(store, start + 40 * 86_400_000);
      const reader = opened.reader();
      expect(await reader.ticks("web", 0, Infinity, 999)).toHaveLength(361);
      await reader.close();
      await using short = await create({ ...SHORT, clustersS: HOUR_S });
      for (let n = 0; n <= 1800; n++) await short.store.put(recordOf(counted(FIRST + n, n)));
      await keepAll(short.store, start + 40 * 86_400_000);
      // 1,440 numbers, and as they are needed.
      expect((await short.store.ticks("web", 0)).length).toBe(1801 - 360 - 1 + 0);
      for (let slice = 0; slice < 100; slice++) await short.store.keep(start + 40 * 86_400_000, 720);
      expect((await short.store.ticks("web", 0)).length).toBe(720);
    }, 60_000);

    it("blocks wait for as long as answers of a long interval may reach back", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      const put = (n: number, total: number, coveredS: number) =>
        store.put(recordOf({ ...counted(FIRST + n, total, coveredS), at: start + n * 60_000 }));
      for (let n = 0; n <= 4; n++) await put(n, n * 60, 60);
      const failed = (n: number, total: number) =>
        store.put(
          recordOf({
            ...counted(FIRST + n, total),
            at: start + n * 60_000,
            sources: [{ name: "s", coveredS: 0, error: "timeout" }],
          }),
        );
      for (let n = 5; n <= 7; n++) await failed(n, 240);
      await keepAll(store, start + 300_000 + 200_000);
      const reader = opened.reader();
      expect(await reader.rollups("web", undefined, BYTES, start, start + 300_000)).toEqual([]);
      await put(8, 480, 240);
      await put(9, 540, 60);
      await keepAll(store, start + 300_000 + 360_000);
      const [rollup] = await reader.rollups("web", undefined, BYTES, start, start + 300_000);
      expect(rollup?.increase).toBeCloseTo(240 + 240 * (54 / 240), 6);
      expect(rollup).toMatchObject({ whole: 4, sources: 1, intervalS: 60, count: 4 });
      await reader.close();
    });

    it("a row's answer that comes after a block reaches back into it, and a source that never comes is not waited for", async () => {
      await using opened = await create();
      const { store } = opened;
      const start = FIRST * 10_000;
      for (let n = 1; n <= 28; n++) {
        await store.putRows([
          anAnswer(FIRST + n, [aRow("web/BACKEND", 10)]),
          anAnswer(FIRST + n, [aRow("web/BACKEND", 10)], { source: "t" }),
        ]);
      }
      await store.putRows([anAnswer(FIRST + 32, [aRow("web/BACKEND", 40)], { coveredS: 40 })]);
      for (let n = 33; n <= 60; n++) await store.putRows([anAnswer(FIRST + n, [aRow("web/BACKEND", 10)])]);
      await keepAll(store, start + 450_000);
      const reader = opened.reader();
      const [rollup] = await reader.rollups("web", "web/BACKEND", BYTES, start, start + 300_000);
      expect(rollup?.increase).toBeCloseTo(560 + 40 * (19 / 40), 6);
      expect(rollup).toMatchObject({ whole: 28, sources: 2, leastCoveredS: 280 });
      await reader.close();
    });

    it("deletes what is older than it is kept, and only what is rolled up", async () => {
      const LONG: Retention = {
        clustersS: 20 * HOUR_S,
        rowsS: 10 * HOUR_S,
        rollupsS: 60 * HOUR_S,
        historyS: 60 * HOUR_S,
      };
      await using opened = await create(LONG);
      const { store } = opened;
      const start = FIRST * 10_000;
      const put = async (n: number) => {
        const number = FIRST + n * 120;
        await store.put({
          ...recordOf(counted(number, n)),
          baselines: n === 0 ? { s: baseline(1), gone: baseline(2) } : {},
        });
        await store.putRows([anAnswer(number, [aRow("web/BACKEND", 1)])]);
      };
      // One tick in twenty minutes for a day and more.
      for (let n = 0; n <= 30; n++) await put(n);
      const reader = opened.reader();
      const oldest = async () => {
        const [tick] = await reader.ticks("web", 0, Infinity, 1);
        return ((tick?.tick.at ?? 0) - start) / 1_200_000;
      };
      const oldestRow = async () => {
        const [point] = await reader.rowPoints("web", "web/BACKEND", 0, Infinity, 1);
        return ((point?.tick.at ?? 0) - start) / 1_200_000;
      };
      const rolled = async () => (await reader.rollups("web", undefined, BYTES, 0, Infinity)).length;
      await keepAll(store, start + 10 * HOUR_S * 1000 - 1);
      expect([await oldest(), await oldestRow(), await rolled()]).toEqual([0, 0, 30]);
      for (let n = 31; n <= 45; n++) await put(n);
      await keepAll(store, start + 15 * HOUR_S * 1000);
      expect([await oldest(), await oldestRow(), await rolled()]).toEqual([0, 16, 45]);
      for (let n = 46; n <= 75; n++) await put(n);
      await keepAll(store, start + 25 * HOUR_S * 1000);
      expect([await oldest(), await oldestRow()]).toEqual([16, 46]);
      const [noted] = await reader.resources("web");
      expect(noted?.firstAt).toBe(start);
      await keepAll(store, start + 70 * HOUR_S * 1000);
      const [moved] = await reader.resources("web");
      // The oldest that there is of it, not what was noted when it came.
      expect(moved?.firstAt).toBeGreaterThan(start + 9 * HOUR_S * 1000);
      expect(moved?.firstAt).toBeLessThanOrEqual(start + 16 * HOUR_S * 1000);
      await keepAll(store, start + 100 * HOUR_S * 1000);
      await put(400);
      await keepAll(store, start + 200 * HOUR_S * 1000);
      // The newest stays: the next increase counts from it.
      expect(await oldest()).toBe(400);
      expect(await store.baselines()).toEqual([]);
      const [left] = await reader.resources("web");
      expect(left === undefined || left.firstAt >= start + 60 * HOUR_S * 1000).toBe(true);
      await reader.close();
    });
  });
}

function recordOf(tick: SealedTick, seq = tick.number) {
  return { clusterId: "web", seq, tick, baselines: {} };
}
