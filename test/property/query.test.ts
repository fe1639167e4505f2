/** Windows of queries are what alarms are judged by, on the same recorded ticks; and rollups say what the ticks say. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { datapointOf } from "../../src/evaluator/datapoint.ts";
import { createSeries, fitSeries, pushTick } from "../../src/evaluator/series.ts";
import { windowAt } from "../../src/evaluator/window.ts";
import type { Statistic, ThresholdRule } from "../../src/model/alarm.ts";
import { NAMED_STATISTICS } from "../../src/model/alarm.ts";
import type { MetricQuery } from "../../src/model/metricQuery.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { answerQuery } from "../../src/query/answer.ts";
import { endsIn } from "../../src/query/ends.ts";
import { ruleFor } from "../../src/query/folding.ts";
import { ofTotals, pointsFrom, rolledUpMeter } from "../../src/query/rollups.ts";
import { anAlarm, aRule, BYTES, RATE, SESSIONS, theRules } from "../helpers/rules.ts";
import { aPast, INTERVAL_MS, recorded } from "../query/past.ts";
import { ArrayReader } from "../query/reader.ts";

const FULL = process.env.TOCSIN_TEST_FULL !== undefined;
const RUNS = FULL ? 2000 : 150;
const TIMEOUT_MS = FULL ? 900_000 : 60_000;
/** A multiple of all periods, so that windows are aligned whatever their length. */
const FIRST = 2_520_000;

const OF_VALUES: readonly Statistic[] = [
  ...NAMED_STATISTICS.filter((one) => one !== "rate" && one !== "increase"),
  "p1",
  "p50",
  "p95",
  "p99.9",
];
const ASKED: readonly (readonly [meterName: string, statistic: Statistic])[] = [
  ...OF_VALUES.map((statistic) => [SESSIONS, statistic] as const),
  ...OF_VALUES.map((statistic) => [RATE, statistic] as const),
  ...OF_VALUES.map((statistic) => [BYTES, statistic] as const),
  ...(["rate", "increase"] as const).flatMap((one) => [[BYTES, one] as const, [RATE, one] as const]),
  ["tocsin.source.up", "min"],
  ["tocsin.source.up", "avg"],
];
const OPTIONS = { intervalMs: INTERVAL_MS, names: new Map<string, string>() };

/** What an alarm that looks three windows back saw, by label, at every tick. */
function datapoints(ticks: readonly SealedTick[], rule: ThresholdRule) {
  const series = createSeries(4, INTERVAL_MS / 1000);
  fitSeries(series, theRules([anAlarm({ name: "a", rule }), anAlarm({ name: "b", meterName: SESSIONS })]));
  const byLabel = new Map<number, ReturnType<typeof datapointOf>>();
  let before: SealedTick["values"] = {};
  for (const tick of ticks) {
    pushTick(series, tick, before);
    before = tick.values;
    const probe = series.own.probes.get(rule);
    if (!probe) throw new Error("nothing is read");
    const window = windowAt(tick.number, 0, probe.track.ticks, series.intervalS);
    byLabel.set(tick.at, datapointOf({ series, readings: series.own, expect: 0 }, probe, rule, window));
  }
  return byLabel;
}

describe("a query's windows equal the evaluator's datapoints at the ticks where they end", () => {
  let seen = { value: 0, missing: 0, unknown: 0, complete: 0 };

  it("every statistic of gauge, rate, kept total and our own meters", { timeout: TIMEOUT_MS }, async () => {
    seen = { value: 0, missing: 0, unknown: 0, complete: 0 };
    const shape = fc.record({
      seed: fc.integer(),
      sources: fc.integer({ min: 1, max: 3 }),
      periodS: fc.constantFrom(5, 10, 20, 30, 55, 60, 120),
      offset: fc.nat(11),
      head: fc.integer({ min: -5, max: 30 }),
    });
    const equal = fc.asyncProperty(shape, fc.constantFrom(...ASKED), async (one, [meterName, statistic]) => {
      const ticks = recorded(aPast(one.seed, one.sources, { min: 1, max: 60 }, 30), FIRST + one.offset);
      const reader = new ArrayReader({ ticks: { web: ticks } });
      const [first, last] = [ticks[0]!, ticks.at(-1)!];
      const from = first.at + one.head * INTERVAL_MS;
      const to = last.at + 3 * INTERVAL_MS;
      const query: MetricQuery = { meterName, cluster: "web", from, to, periodS: one.periodS, statistic };
      const answer = await answerQuery(query, reader, OPTIONS);
      const rule = aRule({
        meterName,
        statistic,
        periodS: one.periodS,
        evaluationPeriods: 3,
        // Always breaching: what is low needs more evidence than what is told.
        comparison: "ge",
        threshold: -1e300,
      });
      const byLabel = datapoints(ticks, rule);
      const points = answer.series[0]?.points ?? [];
      const ends = endsIn(from, to, one.periodS, INTERVAL_MS);
      expect(points.map(({ at }) => at)).toEqual(Array.from({ length: ends.count }, (_, n) => ends.at(n)));
      for (const { at, value, complete } of points) {
        const datapoint = byLabel.get(at);
        if (!datapoint) {
          expect(complete, "of a window whose last tick nobody saw").toBe(false);
          continue;
        }
        seen[datapoint.kind]++;
        if (complete) seen.complete++;
        if (datapoint.kind === "value") expect(value).toBe(datapoint.value);
        else if (datapoint.kind === "missing") expect(value).toBeNull();
        else expect(value === null || complete === false, datapoint.reason).toBe(true);
      }
    });
    await fc.assert(equal, { endOnFailure: true, numRuns: RUNS * 10 });
    // Nothing of it passes because there was nothing to compare.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(RUNS / 5);
  });
});

describe("rollups say what the ticks say, where all of them are there", () => {
  const exact: readonly Statistic[] = ["max", "min", "count", "first", "last", "range"];
  const close: readonly Statistic[] = ["avg", "sum", "rate", "increase"];
  const asked = [
    ...[...exact, "avg", "sum"].flatMap((one) => [SESSIONS, RATE, BYTES].map((meter) => [meter, one] as const)),
    ...["rate", "increase"].flatMap((one) => [RATE, BYTES].map((meter) => [meter, one] as const)),
  ] as readonly (readonly [string, Statistic])[];

  it.each([{ trouble: 0 }, { trouble: 1 }])("with trouble $trouble", { timeout: TIMEOUT_MS }, async ({ trouble }) => {
    let compared = 0;
    const shape = fc.record({
      seed: fc.integer(),
      sources: fc.integer({ min: 1, max: 2 }),
      periodS: fc.constantFrom(300, 600, 900),
      offset: fc.nat(59),
    });
    const equal = fc.asyncProperty(shape, fc.constantFrom(...asked), async (one, [meterName, statistic]) => {
      const ticks = recorded(aPast(one.seed, one.sources, { min: 150, max: 400 }, trouble), FIRST + one.offset);
      const [first, last] = [ticks[0]!, ticks.at(-1)!];
      const query = { meterName, cluster: "web", from: first.at, to: last.at, periodS: one.periodS, statistic };
      const raw = await answerQuery(query, new ArrayReader({ ticks: { web: ticks } }), OPTIONS);
      expect(raw.resolution).toBe("raw");
      const rolledUp = new ArrayReader({ ticks: { web: ticks }, rolledUpTo: Infinity });
      const ends = endsIn(query.from, query.to, one.periodS, INTERVAL_MS);
      const rule = ruleFor({ meterName, statistic }, one.periodS);
      const counter = statistic === "rate" || statistic === "increase" || (meterName === RATE && statistic === "avg");
      const meter = counter ? BYTES : meterName;
      const rollups = await rolledUp.rollups("web", undefined, meter, ends.at(0) - ends.periodMs, last.at);
      const points = pointsFrom(rollups, rule, ends);
      raw.series[0]?.points.forEach(({ at, value, complete }, index) => {
        if (!complete || value === null) return;
        compared++;
        const other = points[index];
        expect(other?.at).toBe(at);
        if (exact.includes(statistic)) expect(other?.value).toBe(value);
        else expect(relative(other?.value, value), `${other?.value} is ${value}`).toBeLessThan(1e-9);
      });
    });
    expect(close).toContain("avg");
    await fc.assert(equal, { endOnFailure: true, numRuns: RUNS });
    expect(compared).toBeGreaterThan(RUNS);
  });

  it.each([{ trouble: 0 }, { trouble: 1 }, { trouble: 5 }])(
    "what they call complete is complete by the ticks, and equal, with trouble $trouble",
    { timeout: TIMEOUT_MS },
    async ({ trouble }) => {
      const seen = { complete: 0, not: 0 };
      const own = [["tocsin.source.up", "min"] as const, ["tocsin.source.up", "avg"] as const];
      const shape = fc.record({
        seed: fc.integer(),
        sources: fc.integer({ min: 1, max: 3 }),
        periodS: fc.constantFrom(300, 600),
        offset: fc.nat(59),
      });
      const implied = fc.asyncProperty(
        shape,
        fc.constantFrom(...asked, ...own),
        async (one, [meterName, statistic]) => {
          const ticks = recorded(aPast(one.seed, one.sources, { min: 150, max: 300 }, trouble), FIRST + one.offset);
          const [first, last] = [ticks[0]!, ticks.at(-1)!];
          const query = { meterName, cluster: "web", from: first.at, to: last.at, periodS: one.periodS, statistic };
          const raw = await answerQuery(query, new ArrayReader({ ticks: { web: ticks } }), OPTIONS);
          expect(raw.resolution).toBe("raw");
          const ends = endsIn(query.from, query.to, one.periodS, INTERVAL_MS);
          const rule = ruleFor({ meterName, statistic }, one.periodS);
          const rolledUp = new ArrayReader({ ticks: { web: ticks }, rolledUpTo: Infinity });
          const rollups = await rolledUp.rollups(
            "web",
            undefined,
            rolledUpMeter(rule),
            ends.at(0) - ends.periodMs - 300_000,
            last.at,
          );
          pointsFrom(rollups, rule, ends).forEach(({ value, complete }, index) => {
            seen[complete ? "complete" : "not"]++;
            if (!complete) return;
            const other = raw.series[0]?.points[index];
            expect(other?.complete, `at ${other?.at}`).toBe(true);
            if (exact.includes(statistic)) expect(value).toBe(other?.value);
            else if (value === null) expect(other?.value).toBeNull();
            else expect(relative(other?.value, value), `${other?.value} is ${value}`).toBeLessThan(1e-9);
          });
        },
      );
      await fc.assert(implied, { endOnFailure: true, numRuns: RUNS });
      expect(seen.complete).toBeGreaterThan(RUNS / 5);
      if (trouble > 0) expect(seen.not).toBeGreaterThan(RUNS / 5);
    },
  );

  it("what is not rolled up yet is rolled up for the answer", { timeout: TIMEOUT_MS }, async () => {
    const shape = fc.record({ seed: fc.integer(), rolled: fc.integer({ min: 1, max: 12 }), offset: fc.nat(59) });
    const equal = fc.asyncProperty(shape, fc.constantFrom(...asked), async (one, [meterName, statistic]) => {
      const ticks = recorded(aPast(one.seed, 2, { min: 200, max: 300 }, 2), FIRST + one.offset);
      const [first, last] = [ticks[0]!, ticks.at(-1)!];
      const query = { meterName, cluster: "web", from: first.at, to: last.at, periodS: 600, statistic };
      // The oldest tick is deleted: the ticks alone do not reach back far enough.
      const deletedUpTo = Math.ceil(first.at / 300_000) * 300_000 + 600_000;
      const answers = [Infinity, deletedUpTo + one.rolled * 300_000].map((rolledUpTo) =>
        answerQuery(query, new ArrayReader({ ticks: { web: ticks }, deletedUpTo, rolledUpTo }), OPTIONS),
      );
      const [whole, part] = await Promise.all(answers);
      expect(whole?.resolution).toBe("rollup");
      const numbers = (answer = whole) => answer?.series[0]?.points.map(({ value }) => value) ?? [];
      const wanted = numbers(whole);
      numbers(part).forEach((value, index) => {
        const other = wanted[index];
        if (value === null || other === null || other === undefined) expect(value).toBe(other);
        else expect(relative(value, other)).toBeLessThan(1e-9);
      });
    });
    await fc.assert(equal, { endOnFailure: true, numRuns: RUNS });
  });
});

describe("totals of a row from rollups of its increases", () => {
  it("count from 0 on, and never fall", () => {
    const rollup = (at: number, first: number, sum: number) => ({
      at,
      count: 2,
      first,
      last: 0,
      min: 0,
      max: 0,
      sum,
      increase: sum,
      coveredS: 300,
      whole: 2,
      sources: 1,
      leastCoveredS: 300,
      intervalS: 150,
    });
    expect(ofTotals([rollup(1, 3, 10), rollup(2, 5, 7)])).toMatchObject([
      { first: 3, min: 3, max: 10, last: 10 },
      { first: 15, min: 15, max: 17, last: 17 },
    ]);
  });
});

function relative(one: number | null | undefined, other: number): number {
  if (typeof one !== "number") return Infinity;
  return one === other ? 0 : Math.abs(one - other) / Math.max(Math.abs(one), Math.abs(other));
}
