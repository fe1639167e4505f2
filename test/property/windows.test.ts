import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ticksPer } from "../../src/evaluator/needs.ts";
import type { Series } from "../../src/evaluator/series.ts";
import { createSeries, fitSeries, pushTick } from "../../src/evaluator/series.ts";
import { statisticOf } from "../../src/evaluator/statistic.ts";
import { evidenceOf, windowAt } from "../../src/evaluator/window.ts";
import type { Alarm, ThresholdRule } from "../../src/model/alarm.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { anAlarm, BYTES, RATE, SESSIONS, theRules } from "../helpers/rules.ts";

/** One tick of a made-up past: absent, an error, or values with the seconds they cover. */
type Past =
  | { readonly kind: "absent" }
  | { readonly kind: "error" }
  | { readonly kind: "seen"; readonly sessions: number | null; readonly increase: number };

const past: fc.Arbitrary<Past> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ kind: "absent" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "error" } as const) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("seen" as const),
      sessions: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
      increase: fc.integer({ min: 0, max: 1e9 }),
    }),
  },
);

interface Sample {
  readonly at: number;
  readonly sessions: number | null;
  readonly increase: number;
  /** Seconds since the last answer: what the increase spans. */
  readonly dtS: number;
}

const SIMPLE = ["avg", "max", "min", "sum", "count"] as const;

/** Alarms over these windows: each simple statistic of the gauge, and the average of the rate. */
function alarmsOver(periodS: number, windows: number): Alarm[] {
  const common = { periodS, evaluationPeriods: windows, datapointsToAlarm: windows };
  return [
    ...SIMPLE.map((statistic) => anAlarm({ name: statistic, statistic, ...common })),
    anAlarm({ name: "rate", meterName: RATE, ...common }),
  ];
}

function seriesFor(alarms: readonly Alarm[], intervalS: number): Series {
  const series = createSeries(4, intervalS);
  fitSeries(series, theRules(alarms));
  return series;
}

function read(series: Series, { rule }: Alarm, last: number, index: number): number | undefined {
  const probe = series.own.probes.get(rule as ThresholdRule)!;
  return statisticOf(series, probe, windowAt(last, index, probe.track.ticks, series.intervalS), rule as ThresholdRule);
}

function build(history: readonly Past[], intervalS: number) {
  const samples: Sample[] = [];
  const ticks: SealedTick[] = [];
  let total = 0;
  let lastAnswer = 0;
  history.forEach((one, index) => {
    const number = index + 1;
    const at = number * intervalS * 1000;
    if (one.kind === "absent") return;
    if (one.kind === "error") {
      ticks.push({
        kind: "tick",
        number,
        at,
        values: {},
        sources: [{ name: "s", coveredS: 0, error: "gone" }],
        members: [],
      });
      return;
    }
    const dtS = (number - lastAnswer) * intervalS;
    lastAnswer = number;
    total += one.increase;
    samples.push({ at, sessions: one.sessions, increase: one.increase, dtS });
    const values = {
      ...(one.sessions === null ? {} : { [SESSIONS]: one.sessions }),
      [BYTES]: total,
      [RATE]: one.increase / dtS,
    };
    ticks.push({ kind: "tick", number, at, values, sources: [{ name: "s", coveredS: dtS }], members: [] });
  });
  return { samples, ticks };
}

describe("windows equal a naive recomputation over (at − period, at]", () => {
  const shape = fc.record({
    history: fc.array(past, { minLength: 1, maxLength: 40 }),
    intervalS: fc.constantFrom(1, 5, 10),
    periodS: fc.integer({ min: 1, max: 120 }),
    index: fc.integer({ min: 0, max: 3 }),
  });

  it("statistics of a gauge, average of a rate and covered seconds", () => {
    const equal = fc.property(shape, ({ history, intervalS, periodS, index }) => {
      const { samples, ticks } = build(history, intervalS);
      const alarms = alarmsOver(periodS, 4);
      const series = seriesFor(alarms, intervalS);
      let before: SealedTick["values"] = {};
      for (const tick of ticks) {
        pushTick(series, tick, before);
        if (tick.values[BYTES] !== undefined) before = tick.values;
      }
      const newest = ticks.at(-1);
      if (!newest) return;
      // A period is rounded up to whole ticks.
      const spanS = Math.ceil(periodS / intervalS) * intervalS;
      const end = newest.at / 1000 - index * spanS;
      const inside = samples.filter(({ at }) => end - spanS < at / 1000 && at / 1000 <= end);
      const window = windowAt(newest.number, index, ticksPer(periodS, intervalS), intervalS);

      const values = inside.flatMap(({ sessions }) => (sessions === null ? [] : [sessions]));
      const sum = values.reduce((a, b) => a + b, 0);
      const naive = {
        sum,
        count: values.length,
        avg: sum / values.length,
        max: Math.max(...values),
        min: Math.min(...values),
      };
      alarms.slice(0, SIMPLE.length).forEach((alarm, at) => {
        const statistic = SIMPLE[at]!;
        const seen = read(series, alarm, newest.number, index);
        if (values.length === 0) expect(seen).toBeUndefined();
        else if (statistic === "sum" || statistic === "avg") expect(seen).toBeCloseTo(naive[statistic], 6);
        else expect(seen).toBe(naive[statistic]);
      });

      // Of what spans the window's start only the share inside counts; a tenth of an interval is jitter, not a span.
      const start = end - spanS;
      const room = ({ at }: Sample) => at / 1000 - start + 0.1 * intervalS;
      const seconds = inside.reduce((total, sample) => total + Math.min(sample.dtS, room(sample)), 0);
      const bytes = inside.reduce(
        (total, sample) => total + sample.increase * Math.min(1, room(sample) / sample.dtS),
        0,
      );
      const rate = read(series, alarms.at(-1)!, newest.number, index);
      if (inside.length === 0) expect(rate).toBeUndefined();
      else expect(rate).toBeCloseTo(bytes / seconds, 4);

      const complete = evidenceOf(series, window, 0, "seconds").kind === "complete";
      expect(complete).toBe(seconds >= 0.9 * spanS);
    });
    fc.assert(equal, { numRuns: 3000 });
  });

  it("E7: a window's bits do not depend on when the series began", () => {
    const same = fc.property(shape, fc.nat(20), ({ history, intervalS, periodS }, later) => {
      const { ticks } = build(history, intervalS);
      const newest = ticks.at(-1);
      if (!newest) return;
      const ticksOfWindow = ticksPer(periodS, intervalS);
      // What an increase is counted from lies before its tick, at the last answer.
      const from = newest.number - ticksOfWindow - history.length - later;
      const late = newest.number - ticksOfWindow - later;
      const values = [from, late].map((first) => {
        const alarms = alarmsOver(periodS, 1).slice(0, SIMPLE.length);
        const series = seriesFor(alarms, intervalS);
        for (const tick of ticks) if (tick.number > first) pushTick(series, tick, {});
        return alarms.map((alarm) => read(series, alarm, newest.number, 0));
      });
      expect(values[0]).toStrictEqual(values[1]);
    });
    fc.assert(same, { numRuns: 1000 });
  });
});
