import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSeries, pushTick } from "../../src/evaluator/series.ts";
import { evidenceOf, statisticOf, ticksFor, windowAt } from "../../src/evaluator/window.ts";
import type { Statistic } from "../../src/model/alarm.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { BYTES, RATE, SESSIONS } from "../helpers/rules.ts";

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

  it("statistics of a gauge, to the bit; average of a rate and covered seconds, to rounding", () => {
    const equal = fc.property(shape, ({ history, intervalS, periodS, index }) => {
      const { samples, ticks } = build(history, intervalS);
      const series = createSeries(ticksFor(4, periodS, intervalS), intervalS, [SESSIONS, RATE]);
      let totals = new Map<string, number>();
      for (const tick of ticks) {
        pushTick(series, tick, totals);
        if (tick.values[BYTES] !== undefined) totals = new Map([[BYTES, tick.values[BYTES]]]);
      }
      const newest = ticks.at(-1);
      if (!newest) return;
      // A period is rounded up to whole ticks.
      const spanS = Math.ceil(periodS / intervalS) * intervalS;
      const end = newest.at / 1000 - index * spanS;
      const inside = samples.filter(({ at }) => end - spanS < at / 1000 && at / 1000 <= end);
      const window = windowAt(newest.number, index, periodS, intervalS);

      const values = inside.flatMap(({ sessions }) => (sessions === null ? [] : [sessions]));
      const sum = values.reduce((a, b) => a + b, 0);
      const naive: Record<Statistic, number> = {
        sum,
        count: values.length,
        avg: sum / values.length,
        max: Math.max(...values),
        min: Math.min(...values),
      };
      for (const statistic of ["avg", "max", "min", "sum", "count"] as const) {
        expect(statisticOf(series, window, SESSIONS, statistic)).toBe(
          values.length === 0 ? undefined : naive[statistic],
        );
      }

      // Of what spans the window's start only the share inside counts; a tenth of an interval is jitter, not a span.
      const start = end - spanS;
      const room = ({ at }: Sample) => at / 1000 - start + 0.1 * intervalS;
      const seconds = inside.reduce((total, sample) => total + Math.min(sample.dtS, room(sample)), 0);
      const bytes = inside.reduce(
        (total, sample) => total + sample.increase * Math.min(1, room(sample) / sample.dtS),
        0,
      );
      const rate = statisticOf(series, window, RATE, "avg");
      if (inside.length === 0) expect(rate).toBeUndefined();
      else expect(rate).toBeCloseTo(bytes / seconds, 4);

      const complete = evidenceOf(series, window).kind === "complete";
      expect(complete).toBe(seconds >= 0.9 * spanS);
    });
    fc.assert(equal, { numRuns: 3000 });
  });

  it("E7: a window's bits do not depend on when the series began", () => {
    const same = fc.property(shape, fc.nat(20), ({ history, intervalS, periodS }, later) => {
      const { ticks } = build(history, intervalS);
      const newest = ticks.at(-1);
      if (!newest) return;
      const from = newest.number - ticksFor(1, periodS, intervalS) - later;
      const values = [ticks, ticks.filter(({ number }) => number > from)].map((some) => {
        const series = createSeries(ticksFor(1, periodS, intervalS) + later, intervalS, [SESSIONS]);
        for (const tick of some) pushTick(series, tick, new Map());
        return statisticOf(series, windowAt(newest.number, 0, periodS, intervalS), SESSIONS, "avg");
      });
      expect(values[0]).toBe(values[1]);
    });
    fc.assert(same, { numRuns: 1000 });
  });
});
