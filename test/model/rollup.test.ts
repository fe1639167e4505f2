import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packRollups, unpackRollup } from "../../src/backend/sqlite/rollupDoc.ts";
import type { Reading, Rollup } from "../../src/model/rollup.ts";
import { BLOCK_MS, blockOf, readingOfRow, readingOfTick, rollUp, rowValues } from "../../src/model/rollup.ts";

const METERS = ["a", "b", "c"];
const INTERVAL_S = 10;

/** What one tick says, and how many ticks after the one before it is. */
interface Step {
  readonly skipped: number;
  readonly values: Readonly<Record<string, number>>;
  readonly grown: number | undefined;
  readonly jitter: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  skipped: fc.constantFrom(0, 0, 0, 0, 1, 2, 11),
  values: fc.dictionary(fc.constantFrom(...METERS), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  grown: fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined }),
  jitter: fc.double({ min: -0.09, max: 0.09, noNaN: true }),
});

function readingsOf(steps: readonly Step[]): Reading[] {
  let number = 0;
  return steps.map(({ skipped, values, grown, jitter }) => {
    number += 1 + skipped;
    const spanS = (1 + skipped + jitter) * INTERVAL_S;
    return {
      at: number * INTERVAL_S * 1000,
      values,
      grown: grown === undefined ? [] : [{ spanS, increases: { a: grown } }],
      covered: [{ source: "s", spanS: grown === undefined ? 0 : spanS }],
    };
  });
}

/** Seconds of an answer that lie after an instant, as a window that begins there counts them. */
function secondsAfter(instant: number, at: number, spanS: number): number {
  return Math.min(spanS, (at - instant) / 1000 + 0.1 * INTERVAL_S);
}

it("a block holds what its ticks say, and blocks side by side add up to what a window over them says", () => {
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), fc.nat(3), (steps, first) => {
    const readings = readingsOf(steps);
    const blocks = blockOf(readings.at(-1)?.at ?? 0) / BLOCK_MS;
    const rollups = Array.from({ length: blocks }, (_, n) => rollUp((n + 1) * BLOCK_MS, readings, INTERVAL_S));
    rollups.forEach((block, n) => {
      const end = (n + 1) * BLOCK_MS;
      const inside = readings.filter(({ at }) => at > end - BLOCK_MS && at <= end);
      for (const meter of METERS) {
        const values = inside.flatMap(({ values: all }) => all[meter] ?? []);
        const rollup = block.get(meter);
        if (values.length === 0) {
          expect(rollup?.count ?? 0).toBe(0);
          continue;
        }
        expect(rollup).toMatchObject({
          at: end,
          count: values.length,
          sum: values.reduce((sum, value) => sum + value),
          min: Math.min(...values),
          max: Math.max(...values),
          first: values[0],
          last: values.at(-1),
        });
      }
    });
    // A window from the end of some block to the end of the last.
    const from = Math.min(first, blocks - 1) * BLOCK_MS;
    let [increase, coveredS] = [0, 0];
    for (const { at, grown } of readings) {
      for (const { spanS, increases } of grown) {
        if (at <= from) continue;
        const inside = secondsAfter(from, at, spanS);
        increase += (increases.a ?? 0) * (inside / spanS);
        coveredS += inside;
      }
    }
    const sumOf = (of: (rollup: Rollup) => number | undefined) =>
      rollups.slice(from / BLOCK_MS).reduce((sum, block) => sum + (of(block.get("a") ?? NONE) ?? 0), 0);
    expect(sumOf((one) => one.increase)).toBeCloseTo(increase, 3);
    expect(sumOf((one) => one.coveredS)).toBeCloseTo(coveredS, 6);
  });
  fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 2000 : 150 });
});

const SEEN = { whole: 30, sources: 2, leastCoveredS: 290.5, intervalS: 10 };
const NONE: Rollup = { at: 0, count: 0, sum: 0, min: 0, max: 0, first: 0, last: 0, ...SEEN };

it("a block is packed and unpacked to the bit", () => {
  const number = fc.oneof(
    fc.double({ noNaN: true }),
    fc.maxSafeInteger(),
    fc.constantFrom(0, 1, 127, 128, 255, 256, -1, 2 ** 53 - 1, -(2 ** 53), 0.5, Infinity, 5e-324),
  );
  const positive = number.map(Math.abs);
  const rollup = fc.record(
    { count: fc.nat(400), sum: number, min: number, max: number, first: number, last: number, increase: positive },
    { requiredKeys: ["count", "sum", "min", "max", "first", "last"] },
  );
  const flat = fc.tuple(fc.nat(400), number).map(([count, value]) => {
    return { count, sum: value * count, min: value, max: value, first: value, last: value };
  });
  const block = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.oneof(rollup, flat), { noNullPrototype: true });
  const property = fc.property(block, fc.double({ min: 0, max: 300, noNaN: true }), (meters, coveredS) => {
    const same = (value: number) => value + 0;
    const whole = new Map(
      Object.entries(meters).map(([name, one]): [string, Rollup] => {
        const grown = "increase" in one && one.increase !== undefined ? { increase: one.increase, coveredS } : {};
        return [name, { at: 900_000, ...one, ...grown, ...SEEN }];
      }),
    );
    const words = new Map([...whole.keys()].map((name, n) => [name, (n + 1) * 77]));
    const doc = packRollups(whole, (name) => words.get(name) ?? 0);
    for (const [name, one] of whole) {
      const read = unpackRollup(doc, words.get(name) ?? 0, 900_000);
      expect(
        Object.entries(read ?? {})
          .map(([key, value]) => [key, same(value)])
          .sort(),
      ).toEqual(
        Object.entries(one)
          .map(([key, value]) => [key, same(value)])
          .sort(),
      );
    }
    expect(unpackRollup(doc, 1, 900_000)).toBeUndefined();
  });
  fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 5000 : 500 });
});

it("a meter that is 0 all the time takes three bytes at the most", () => {
  const zero = { at: 0, count: 30, sum: 0, min: 0, max: 0, first: 0, last: 0, ...SEEN, leastCoveredS: 300 };
  const names = Array.from({ length: 100 }, (_, n) => `m${n}`);
  const sizeOf = (one: Rollup) =>
    packRollups(new Map(names.map((name) => [name, one])), (name) => Number(name.slice(1)) + 1).length;
  expect(sizeOf(zero)).toBeLessThanOrEqual(3 + 6 + 2 * 100);
  expect(sizeOf({ ...zero, increase: 0, coveredS: 300 })).toBeLessThanOrEqual(5 + 6 + 3 * 100);
});

const BYTES = "network.services.lb.incoming.bytes";

it("an increase over a gap, or without a tick before it, is none", () => {
  const sources = [{ name: "s", coveredS: 10 }];
  const tick = {
    kind: "tick",
    number: 2,
    at: 20_000,
    values: { [BYTES]: 50, [`${BYTES}.rate`]: 3 },
    sources,
    members: [],
  } as const;
  expect(readingOfTick(tick, undefined, 10).grown).toEqual([]);
  expect(readingOfTick(tick, { [BYTES]: 20 }, 10).grown).toEqual([{ spanS: 10, increases: { [BYTES]: 30 } }]);
  expect(readingOfTick(tick, {}, 10).grown).toEqual([{ spanS: 10, increases: { [BYTES]: 50 } }]);
  const gap = { ...tick, sources: [...sources, { name: "t", coveredS: 0, gap: true as const }] };
  expect(readingOfTick(gap, { [BYTES]: 20 }, 10).grown).toEqual([{ spanS: 10, increases: { [BYTES]: 30 } }]);
  expect(readingOfTick({ ...gap, values: { [BYTES]: 9999, [`${BYTES}.rate`]: 3 } }, {}, 10).grown).toEqual([
    { spanS: 10, increases: { [BYTES]: 30 } },
  ]);
});

it("a row of several sources is one: traffic adds up, means are weighed, the worse state counts", () => {
  const LB = "network.services.lb";
  const part = (source: string, coveredS: number, grown: number, state: number) => ({
    source,
    coveredS,
    row: {
      increases: { [BYTES]: grown },
      sums: { [`${LB}.active.connections`]: grown, [`${LB}.member.status`]: state },
      means: { [`${LB}.response.time`]: { sum: grown * grown, weight: grown } },
    },
  });
  expect(rowValues([part("s", 10, 20, 1), part("t", 5, 60, 1)])).toMatchObject({
    [BYTES]: 80,
    [`${BYTES}.rate`]: 14,
    [`${LB}.active.connections`]: 80,
    [`${LB}.response.time`]: (400 + 3600) / 80,
  });
  expect(rowValues([part("s", 0, 20, 1)])).not.toHaveProperty(`${BYTES}.rate`);
  expect(readingOfRow(7, [part("s", 0, 20, 1)])).toMatchObject({ grown: [], covered: [{ source: "s", spanS: 0 }] });
});

describe("a block says how whole it is", () => {
  const reading = (n: number, covered: Reading["covered"], value = n): Reading => ({
    at: n * 10_000,
    values: { m: value, "tocsin.source.up": covered.length },
    grown: [],
    covered,
  });
  const s = { source: "s", spanS: 10 };
  const t = { source: "t", spanS: 10 };
  const silent = { source: "t", spanS: 0, failed: true as const };
  const blockWith = (coveredAt: (n: number) => Reading["covered"]) =>
    rollUp(
      BLOCK_MS,
      Array.from({ length: 30 }, (_, n) => reading(n + 1, coveredAt(n + 1))),
      10,
    );

  it.each([
    { name: "all answer", coveredAt: () => [s, t], whole: 30, sources: 2, leastCoveredS: 300, count: 30 },
    {
      name: "one fails for a third",
      coveredAt: (n: number) => (n > 20 ? [s, silent] : [s, t]),
      whole: 20,
      sources: 2,
      leastCoveredS: 200,
      count: 20,
    },
    {
      name: "one comes late",
      coveredAt: (n: number) => (n > 20 ? [s, t] : [s]),
      whole: 10,
      sources: 2,
      leastCoveredS: 100,
      count: 10,
    },
    {
      name: "one never answers",
      coveredAt: () => [s, silent],
      whole: 0,
      sources: 2,
      leastCoveredS: 0,
      count: undefined,
    },
    {
      name: "one that never answered is forgotten",
      coveredAt: (n: number) => (n > 20 ? [s] : [s, silent]),
      whole: 30,
      sources: 1,
      leastCoveredS: 300,
      count: 30,
    },
    { name: "nobody is asked", coveredAt: () => [], whole: 30, sources: 0, leastCoveredS: 0, count: 30 },
  ])("$name", ({ coveredAt, whole, sources, leastCoveredS, count }) => {
    const block = blockWith(coveredAt);
    const said = { whole, sources, leastCoveredS, intervalS: 10 };
    expect(block.get("tocsin.source.up")).toMatchObject({ ...said, count: 30 });
    expect(block.get("m")?.count).toBe(count);
    if (count !== undefined) expect(block.get("m")).toMatchObject(said);
  });

  it("values of ticks that show a part are none of the cluster's", () => {
    const readings = [reading(1, [s, t], 10), reading(2, [s, silent], 5), reading(3, [s, t], 12)];
    expect(rollUp(BLOCK_MS, readings, 10).get("m")).toMatchObject({ min: 10, max: 12, sum: 22, count: 2, whole: 2 });
  });
});
