/** Windows over a series: their edges, their evidence, their statistic. */

import type { Statistic } from "../model/alarm.ts";
import { countsAtStreamEnd, isLowerBounded, meterNamed } from "../model/meters.ts";
import type { Series, SourceRing } from "./series.ts";
import { placeAt, valueAt } from "./series.ts";

/** Half-open `(at − period, at]` as tick numbers, both inside. */
export interface Window {
  readonly from: number;
  readonly to: number;
  readonly periodS: number;
}

/** Ticks of a period: it is rounded up to whole ones. */
function ticksPer(periodS: number, intervalS: number): number {
  return Math.max(1, Math.ceil(periodS / intervalS - 1e-9));
}

/** The `index`-th window back from tick `last`; 0 is the one that ends at it. */
export function windowAt(last: number, index: number, periodS: number, intervalS: number): Window {
  const ticks = ticksPer(periodS, intervalS);
  return { from: last - (index + 1) * ticks + 1, to: last - index * ticks, periodS: ticks * intervalS };
}

/** How many ticks a series must keep for `windows` windows of that period. */
export function ticksFor(windows: number, periodS: number, intervalS: number): number {
  return windows * ticksPer(periodS, intervalS) + 1;
}

/** A window is complete when this share of its seconds is covered (rule E1). */
const COMPLETE = 0.9;
/** Ticks never fall exactly one interval apart: by so much a span may overhang its window and count whole. */
const JITTER = 0.1;

/** Why a window is not complete (rule E5). */
export type Evidence =
  | { readonly kind: "complete" }
  /** Seconds are lacking because we were not there to see them: never turns into a policy. */
  | { readonly kind: "ours"; readonly reason: string }
  /** They are lacking because a source does not report, for `ticks` ticks by now. */
  | { readonly kind: "silent"; readonly ticks: number; readonly reason: string };

/** Whether every known source covered the window (rules E1, E5). */
export function evidenceOf(series: Series, window: Window): Evidence {
  if (series.sources.size === 0) return { kind: "ours", reason: "no source has had a row of this cluster yet" };
  let silent: Extract<Evidence, { kind: "silent" }> | undefined;
  for (const [name, source] of series.sources) {
    if (source.lastSeen < window.from) continue;
    const coveredS = coveredBy(series, source, window);
    if (coveredS >= COMPLETE * window.periodS) continue;
    let silentS = 0;
    for (let number = window.from; number <= window.to; number++) {
      const place = placeAt(series, number);
      if (place >= 0 && source.silent[place]) silentS += series.intervalS;
    }
    const reason = `source ${name} covered ${round(coveredS)} of ${window.periodS} s`;
    if (coveredS + silentS < COMPLETE * window.periodS) return { kind: "ours", reason };
    const ticks = Math.max(silentTicks(series, name), silent?.ticks ?? 0);
    silent = { kind: "silent", ticks, reason: silent?.reason ?? reason };
  }
  return silent ?? { kind: "complete" };
}

/**
 * Why the average of a rate cannot be told although every second is covered: at one tick a source answered for a
 * stretch that reaches out of the window, and others did not, so that nobody can say whose bytes lie outside.
 */
export function spansUnevenly(series: Series, window: Window): string | undefined {
  for (let number = window.from; number <= window.to; number++) {
    const place = placeAt(series, number);
    const reachS = place < 0 ? 0 : (series.reachS[place] ?? 0);
    if (place >= 0 && series.uneven[place] && reachS > roomS(series, window, number)) {
      return `an answer for ${round(reachS)} s reaches out of the window`;
    }
  }
  return undefined;
}

/** Seconds of the window that the answers of a source span. */
function coveredBy(series: Series, source: SourceRing, window: Window): number {
  let coveredS = 0;
  for (let number = window.from; number <= window.to; number++) {
    const dtS = valueAt(series, source.coveredS, number);
    if (dtS > 0) coveredS += Math.min(dtS, roomS(series, window, number));
  }
  return coveredS;
}

/** Seconds between the window's start and a tick: no more of what that tick says lies inside. */
function roomS(series: Series, window: Window, number: number): number {
  return (number - window.from + 1 + JITTER) * series.intervalS;
}

/** For how many ticks up to the newest a source has not reported. */
function silentTicks(series: Series, name: string): number {
  const source = series.sources.get(name);
  let ticks = 0;
  for (let number = series.last; number > series.last - series.capacity; number--) {
    const place = placeAt(series, number);
    if (place < 0 || !source?.silent[place]) break;
    ticks++;
  }
  return ticks;
}

/**
 * A low reading of this window proves nothing (rule E4): sessions are open but no byte moved in it, or a reload
 * in it left sessions behind whose bytes nobody will count. Only for meters that HAProxy counts at a stream's end.
 */
export function mayHideTraffic(series: Series, window: Window, meterName: string): string | undefined {
  const meter = meterNamed(meterName);
  if (!meter || !countsAtStreamEnd(meter)) return undefined;
  for (const [name, source] of series.sources) {
    let moved = false;
    let open = false;
    for (let number = window.from; number <= window.to; number++) {
      const place = placeAt(series, number);
      if (place < 0) continue;
      if (source.reload[place]) return `source ${name} was reloaded with sessions open`;
      moved ||= source.moved[place] === 1;
      open = source.open[place] === 1;
    }
    if (open && !moved) return `source ${name} has sessions open of which no byte was counted`;
  }
  return undefined;
}

/**
 * The statistic of a window's content, summed from its first tick to its last so that its bits depend on nothing
 * else (rule E7); `undefined` when the window holds no value: absence is not zero.
 */
export function statisticOf(
  series: Series,
  window: Window,
  meterName: string,
  statistic: Statistic,
): number | undefined {
  const meter = meterNamed(meterName);
  if (statistic === "avg" && meter?.kind === "rate") return averageRate(series, window, meter.of);
  const ring = series.values.get(meterName);
  if (!ring) return undefined;
  let count = 0;
  let sum = 0;
  let max = -Infinity;
  let min = Infinity;
  for (let number = window.from; number <= window.to; number++) {
    const value = valueAt(series, ring, number);
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
    if (value > max) max = value;
    if (value < min) min = value;
  }
  if (count === 0) return undefined;
  switch (statistic) {
    case "avg":
      return sum / count;
    case "sum":
      return sum;
    case "count":
      return count;
    case "max":
      return max;
    case "min":
      return min;
  }
}

/**
 * Increase of a counter inside a window. Of one that spans the window's start the share inside is likely, and
 * nothing is certain.
 */
function increaseIn(series: Series, window: Window, counter: string, sure: "likely" | "certain"): number | undefined {
  const ring = series.increases.get(counter);
  if (!ring) return undefined;
  let increase: number | undefined;
  for (let number = window.from; number <= window.to; number++) {
    const grown = valueAt(series, ring, number);
    if (Number.isNaN(grown)) continue;
    const reachS = valueAt(series, series.reachS, number);
    const share = Math.min(1, roomS(series, window, number) / reachS);
    increase = (increase ?? 0) + (sure === "likely" || share === 1 ? grown * share : 0);
  }
  return increase;
}

/** Average of a rate: what was counted ÷ the seconds in which it was, so that a late poll biases nothing. */
function averageRate(series: Series, window: Window, counter: string): number | undefined {
  const increase = increaseIn(series, window, counter, "likely");
  const covered = [...series.sources.values()]
    .map((source) => coveredBy(series, source, window))
    .filter((own) => own > 0);
  const meanS = covered.reduce((sum, own) => sum + own, 0) / covered.length;
  return increase === undefined || covered.length === 0 ? undefined : increase / meanS;
}

/**
 * What an incomplete window proves at the least (rule E3): for meters that are a sum of parts none of which is
 * negative, with statistics that more parts can only raise. `undefined`: it proves nothing.
 */
export function lowerBoundOf(
  series: Series,
  window: Window,
  meterName: string,
  statistic: Statistic,
): number | undefined {
  const meter = meterNamed(meterName);
  if (!meter || !isLowerBounded(meter)) return undefined;
  if (statistic === "avg" && meter.kind === "rate") {
    const increase = increaseIn(series, window, meter.of, "certain");
    return increase === undefined ? undefined : increase / window.periodS;
  }
  return statistic === "sum" || statistic === "count" || statistic === "max"
    ? statisticOf(series, window, meterName, statistic)
    : undefined;
}

/**
 * Active servers of a window (rule J6): the median of its last three complete ticks; `undefined` when it has none.
 */
export function activeServersIn(series: Series, window: Window): number | undefined {
  const counts: number[] = [];
  for (let number = window.to; number >= window.from && counts.length < 3; number--) {
    const active = valueAt(series, series.active, number);
    if (!Number.isNaN(active)) counts.push(active);
  }
  counts.sort((a, b) => a - b);
  const middle = counts.length >> 1;
  if (counts.length === 0) return undefined;
  const [low = 0, high = 0] = [counts[middle - 1], counts[middle]];
  return counts.length % 2 === 1 ? high : (low + high) / 2;
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
