/**
 * Every statistic through the whole fold, as receivers read it: an alarm for each, which is told of at every tick. Gaps in
 * the tick numbers are there, but each answer covers all the time since the one before, so that windows are complete.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Alarm, Statistic } from "../../src/model/alarm.ts";
import { NAMED_STATISTICS, percentOf } from "../../src/model/alarm.ts";
import { Folded } from "../helpers/folded.ts";
import { aRule, BYTES, RATE, SESSIONS, theRules } from "../helpers/rules.ts";
import { acceptAll, TICK_S, theAlarm } from "../oracle/stage.ts";

const FULL = process.env.TOCSIN_TEST_FULL !== undefined;
const PERCENTILES: readonly Statistic[] = ["p0.1", "p1", "p12.5", "p50", "p75", "p90", "p95", "p99", "p99.9"];
const OF_COUNTERS: readonly Statistic[] = ["rate", "increase"];
const OF_VALUES: readonly Statistic[] = [
  ...NAMED_STATISTICS.filter((one) => !OF_COUNTERS.includes(one)),
  ...PERCENTILES,
];

/** Says its statistic at every tick: it is always in alarm, or ok where there is no value. */
function speaker(name: string, meterName: string, statistic: Statistic, periodTicks: number): Alarm {
  const rule = aRule({
    meterName,
    statistic,
    periodS: periodTicks * TICK_S,
    comparison: "ge",
    threshold: -1e300,
    treatMissingData: "not_breaching",
  });
  return theAlarm(name, rule, { repeatActions: true });
}

function speakers(periodTicks: number): readonly Alarm[] {
  return [
    ...OF_VALUES.map((statistic) => speaker(statistic, SESSIONS, statistic, periodTicks)),
    ...OF_COUNTERS.map((statistic) => speaker(statistic, BYTES, statistic, periodTicks)),
    speaker("avg of the rate", RATE, "avg", periodTicks),
  ];
}

/** One tick as it is drawn. */
interface Drawn {
  /** Ticks before it that nobody saw. */
  readonly lost: number;
  readonly value: number | null;
  readonly increase: number;
}

const value = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1e6, noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constant(null) },
);
const drawn: fc.Arbitrary<Drawn> = fc.record({
  lost: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) }),
  value,
  increase: fc.integer({ min: 0, max: 1e9 }),
});

/** A tick with its place in time. */
interface Placed extends Drawn {
  readonly number: number;
  readonly total: number;
}

function place(ticks: readonly Drawn[]): readonly Placed[] {
  let number = 0;
  let total = 0;
  return ticks.map((one) => {
    number += one.lost + 1;
    total += one.increase;
    return { ...one, number, total };
  });
}

/** Folds one tick; returns what each alarm says of it, `null`: that there is no value. */
function say(folded: Folded, one: Placed): ReadonlyMap<string, number | null> {
  if (one.lost > 0) folded.restart(one.lost);
  const coveredS = (one.lost + 1) * TICK_S;
  const values = {
    ...(one.value === null ? {} : { [SESSIONS]: one.value }),
    [BYTES]: one.total,
    [RATE]: one.increase / coveredS,
  };
  const sources = [{ name: "s", coveredS, moved: true as const }];
  const decisions = [...folded.input({ ...folded.sealed({}), values, sources, members: [] }), ...acceptAll(folded)];
  const said = new Map<string, number | null>();
  for (const one of decisions) {
    if (one.d !== "send" || one.notification.reasonData.type !== "threshold") continue;
    said.set(one.notification.alarmName, one.notification.reasonData.mostRecent);
  }
  return said;
}

/** By its definition; `undefined`: the definition has no value for so few samples. */
function naive(statistic: Statistic, values: readonly number[]): number | undefined {
  const sum = values.reduce((a, b) => a + b, 0);
  const mean = sum / values.length;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (rank: number) => sorted[rank - 1] ?? Number.NaN;
  const percent = percentOf(statistic);
  if (percent !== undefined) return at(Math.max(1, Math.ceil((values.length * percent) / 100)));
  switch (statistic) {
    case "avg":
      return mean;
    case "max":
      return at(values.length);
    case "min":
      return at(1);
    case "sum":
      return sum;
    case "count":
      return values.length;
    case "last":
      return values.at(-1);
    case "first":
      return values[0];
    case "range":
      return at(values.length) - at(1);
    case "median":
      return (at(Math.ceil((values.length + 1) / 2)) + at(Math.floor((values.length + 1) / 2))) / 2;
    case "stddev": {
      if (values.length < 2) return undefined;
      return Math.sqrt(values.reduce((total, one) => total + (one - mean) ** 2, 0) / (values.length - 1));
    }
    default:
      throw new Error(`${statistic} is not about values`);
  }
}

/** Sums may be added up in another order. */
function expectClose(what: string, got: number | null | undefined, wanted: number, largest: number): void {
  if (typeof got !== "number" || Math.abs(got - wanted) > 1e-9 * (largest + 1))
    expect(`${what} = ${String(got)}`).toBe(`${what} = ${wanted}`);
}

/** What is read at the instants of ticks is known where nine ticks in ten were seen. */
function areSeen(past: readonly Placed[], periodTicks: number): boolean {
  const start = (past.at(-1)?.number ?? 0) - periodTicks;
  return past.filter(({ number }) => number > start).length >= 0.9 * periodTicks;
}

function verifyTick(past: readonly Placed[], periodTicks: number, said: ReadonlyMap<string, number | null>): number {
  const last = past.at(-1)?.number ?? 0;
  const start = last - periodTicks;
  // Nobody saw what came before the first answer.
  if (start < (past[0]?.number ?? 0) - 1) return 0;
  const inside = past.filter(({ number }) => number > start);
  const values = inside.flatMap((one) => (one.value === null ? [] : [one.value]));
  let compared = 0;
  for (const statistic of areSeen(past, periodTicks) ? OF_VALUES : []) {
    const wanted = values.length === 0 ? null : naive(statistic, values);
    if (wanted === undefined) continue;
    compared++;
    if (wanted === null) expect([statistic, said.get(statistic)]).toEqual([statistic, null]);
    else expectClose(statistic, said.get(statistic), wanted, Math.max(...values) * values.length);
  }
  // Of an answer that spans the start nobody knows how much lies inside; the first has nothing to be an increase of.
  if (inside.some((one) => one.number - one.lost - 1 < start) || inside[0] === past[0]) return compared;
  const increase = inside.reduce((sum, one) => sum + one.increase, 0);
  const rate = increase / (periodTicks * TICK_S);
  for (const [name, wanted] of [
    ["increase", increase],
    ["rate", rate],
    ["avg of the rate", rate],
  ] as const)
    expectClose(name, said.get(name), wanted, wanted);
  return compared + OF_COUNTERS.length + 1;
}

describe("statistics", () => {
  it("equal their definitions over any window", () => {
    let compared = 0;
    const shape = fc.record({
      periodTicks: fc.integer({ min: 1, max: 20 }),
      ticks: fc.array(drawn, { minLength: 1, maxLength: 50, size: "max" }),
    });
    const equal = fc.property(shape, ({ periodTicks, ticks }) => {
      const folded = new Folded(theRules(speakers(periodTicks)));
      const placed = place(ticks);
      placed.forEach((one, index) => {
        const said = say(folded, one);
        compared += verifyTick(placed.slice(0, index + 1), periodTicks, said);
      });
    });
    const numRuns = FULL ? 5000 : 150;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(equal, { numRuns, seed });
    console.log(`statistics streams=${numRuns} seed=${seed} values=${compared} differ=0`);
    expect(compared).toBeGreaterThan(numRuns * 50);
  }, 3_600_000);

  it("E7: the bits are the same whether the series began a window ago or a thousand ticks ago", () => {
    let compared = 0;
    const shape = fc.record({
      periodTicks: fc.constantFrom(1, 2, 3, 7, 16, 30, 61),
      before: fc.constantFrom(1, 5, 17, 64, 300, 1000),
      // Numbers of many sizes, so that the order of a sum shows.
      pool: fc.array(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), { minLength: 3, maxLength: 12 }),
      after: fc.array(drawn, { minLength: 1, maxLength: 4 }),
    });
    const same = fc.property(shape, ({ periodTicks, before, pool, after }) => {
      const filler = Array.from({ length: before + periodTicks + 1 }, (_, index): Drawn => {
        const one = pool[(index * 7 + (index >> 2)) % pool.length] ?? 1;
        return { lost: 0, value: index % 11 === 5 ? null : one, increase: Math.floor(one) };
      });
      const all = place([...filler, ...after]);
      const long = new Folded(theRules(speakers(periodTicks)));
      const short = new Folded(theRules(speakers(periodTicks)));
      short.restart(before);
      all.forEach((one, index) => {
        const early = say(long, one);
        if (index < before) return;
        const late = say(short, one);
        if (index < filler.length) return;
        const seen = areSeen(all.slice(0, index + 1), periodTicks);
        for (const [name, number] of early) {
          if (!seen && OF_VALUES.some((statistic) => statistic === name)) continue;
          const [was, is] = [number, late.get(name)];
          if (!Object.is(was, is)) expect(`${name} ${String(is)}`).toBe(`${name} ${String(was)}`);
          compared++;
        }
        expect([...late.keys()]).toEqual([...early.keys()]);
      });
    });
    const numRuns = FULL ? 1000 : 40;
    const seed = Math.floor(Math.random() * 2 ** 31);
    fc.assert(same, { numRuns, seed });
    console.log(`statistics bits streams=${numRuns} seed=${seed} values=${compared} differ=0`);
    expect(compared).toBeGreaterThan(numRuns * 10);
  }, 3_600_000);
});
