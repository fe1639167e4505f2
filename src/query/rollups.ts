/** Windows over five-minute rollups: what of a statistic can be told when the ticks themselves are not looked at. */

import { counterOf } from "../evaluator/needs.ts";
import type { Statistic, ThresholdRule } from "../model/alarm.ts";
import { NAMED_STATISTICS } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { MetricPoint } from "../model/metricQuery.ts";
import type { Rollup } from "../model/rollup.ts";
import type { Ends } from "./ends.ts";

/** Seconds of a rollup. */
export const ROLLUP_S = 300;

/** Statistics that rollups answer: those that need not know each value. */
export const FROM_ROLLUPS: readonly Statistic[] = NAMED_STATISTICS.filter(
  (statistic) => statistic !== "stddev" && statistic !== "median",
);

/** Whether windows of that length and statistic can be put together from rollups. */
export function canRollUp(statistic: Statistic, periodMs: number): boolean {
  return periodMs % (ROLLUP_S * 1000) === 0 && FROM_ROLLUPS.includes(statistic);
}

/** The meter whose rollups a rule is answered from. */
export function rolledUpMeter(rule: ThresholdRule): string {
  return counterOf(rule) ?? rule.meterName;
}

/**
 * Rollups of a row's counter meter, which are of its increases, as those of kept totals that count from 0 on. Their sums
 * are not known.
 */
export function ofTotals(rollups: readonly Rollup[]): readonly Rollup[] {
  let total = 0;
  return rollups.map((one) => {
    const first = total + one.first;
    total += one.sum;
    return { ...one, first, min: first, max: total, last: total, sum: Number.NaN };
  });
}

/** Points of windows, from rollups in order of time, from the one before the first window on. */
export function pointsFrom(rollups: readonly Rollup[], rule: ThresholdRule, ends: Ends): readonly MetricPoint[] {
  const points: MetricPoint[] = [];
  const isOfValues = counterOf(rule) === undefined;
  let next = 0;
  for (let index = 0; index < ends.count; index++) {
    const at = ends.at(index);
    while ((rollups[next]?.at ?? Infinity) <= at - ends.periodMs) next++;
    const first = next;
    while ((rollups[next]?.at ?? Infinity) <= at) next++;
    const [own, before] = [rollups.slice(first, next), rollups[first - 1]];
    const told = windowOf(own, rule, ends);
    points.push({ at, value: told.value, complete: told.complete && (isOfValues || isEven(own, before)) });
  }
  return points;
}

function windowOf(rollups: readonly Rollup[], rule: ThresholdRule, ends: Ends): Omit<MetricPoint, "at"> {
  const complete = isComplete(rollups, rule, ends);
  if (counterOf(rule) === undefined) {
    const own = rollups.filter(({ count }) => count > 0);
    const count = own.reduce((sum, one) => sum + one.count, 0);
    return { value: ofValues(own, count, rule.statistic), complete };
  }
  const grown = rollups.filter(({ increase }) => increase !== undefined);
  if (grown.length === 0) return { value: null, complete: false };
  const increase = grown.reduce((sum, one) => sum + (one.increase ?? 0), 0);
  const coveredS = grown.reduce((sum, one) => sum + (one.coveredS ?? 0), 0);
  if (rule.statistic === "increase") return { value: increase, complete };
  return { value: coveredS > 0 ? increase / coveredS : null, complete };
}

/** Of so many seconds of a window a source may lack so much where a value is of an instant. */
const ENOUGH = 0.9;

/**
 * Whether nothing of the window is missing: all of its blocks are there, each has all of its ticks, at each of which
 * the same sources answered, and these covered it.
 */
function isComplete(rollups: readonly Rollup[], rule: ThresholdRule, ends: Ends): boolean {
  const periodS = ends.periodMs / 1000;
  if (rollups.length !== periodS / ROLLUP_S) return false;
  const kind = meterNamed(rule.meterName)?.kind;
  // Of what is our own every tick tells all, whoever answered.
  if (kind === "own") return areFull(rollups, ({ count }) => count);
  const sources = rollups[0]?.sources ?? 0;
  if (sources === 0 || !rollups.every((one) => one.sources === sources)) return false;
  if (!areFull(rollups, ({ whole }) => whole)) return false;
  const leastS = rollups.reduce((sum, one) => sum + one.leastCoveredS, 0);
  const isTimed = kind === "rate" || counterOf(rule) !== undefined;
  return leastS >= (isTimed ? periodS - (rollups[0]?.intervalS ?? 0) / 2 : ENOUGH * periodS);
}

/**
 * Whether no source answered for a stretch that reaches out of the window while others did not: then it was not there at
 * the end of the block before.
 */
function isEven([first]: readonly Rollup[], before: Rollup | undefined): boolean {
  if (!first || !before || first.sources === 1 || before.at !== first.at - ROLLUP_S * 1000) return true;
  return areFull([before], ({ whole }) => whole);
}

/**
 * Whether no block lacks any of its ticks, nor has more of them: then some were labelled twice. Where blocks are not of
 * whole intervals, some have one more than others.
 */
function areFull(rollups: readonly Rollup[], ticksOf: (one: Rollup) => number): boolean {
  const lacking = rollups.map((one) => ROLLUP_S / one.intervalS - ticksOf(one));
  const all = lacking.reduce((sum, one) => sum + one, 0);
  return Math.abs(all) < 0.5 && lacking.every((one) => Math.abs(one) < 1 - 1e-9);
}

/** Of values of a gauge, or of kept totals. */
function ofValues(rollups: readonly Rollup[], count: number, statistic: Statistic): number | null {
  const [first] = rollups;
  const last = rollups.at(-1);
  if (!first || !last) return null;
  const sum = () => rollups.reduce((total, one) => total + one.sum, 0);
  const max = () => Math.max(...rollups.map((one) => one.max));
  const min = () => Math.min(...rollups.map((one) => one.min));
  switch (statistic) {
    case "avg":
      return sum() / count;
    case "sum":
      return sum();
    case "count":
      return count;
    case "max":
      return max();
    case "min":
      return min();
    case "range":
      return max() - min();
    case "first":
      return first.first;
    case "last":
      return last.last;
    default:
      return null;
  }
}
