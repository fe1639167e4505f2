/** The statistic of one window, and what a window that is not wholly known proves of it all the same (rule E3). */

import type { ThresholdRule } from "../model/alarm.ts";
import { isLowerBounded, meterNamed } from "../model/meters.ts";
import type { Probe } from "./readings.ts";
import type { Series } from "./series.ts";
import { placeAt, valueAt } from "./series.ts";
import type { Track } from "./track.ts";
import { createTrack } from "./track.ts";
import type { Window } from "./window.ts";
import { coveredBy, isEven, roomS, spansAt, wholenessOf } from "./window.ts";

/**
 * The statistic of a window's content; `undefined` when the window holds no value: absence is not zero. Where every
 * source covered just its interval it has been worked out with the ticks; else increases must be cut at the edge.
 */
export function statisticOf(series: Series, probe: Probe, window: Window, rule: ThresholdRule): number | undefined {
  if (meterNamed(rule.meterName)?.kind === "own") return resultOf(series, probe.track, window);
  if (probe.ring.isIncrease && !isEven(series, window)) {
    const increase = increaseIn(series, probe, window, "likely");
    if (increase === undefined || rule.statistic === "increase") return increase;
    const covered = [...series.sources.values()]
      .map((source) => coveredBy(series, source, window))
      .filter((own) => own > 0);
    const meanS = covered.reduce((sum, own) => sum + own, 0) / covered.length;
    return covered.length === 0 ? undefined : increase / meanS;
  }
  if (isEven(series, window)) return resultOf(series, probe.track, window);
  return ofWholeTicks(series, probe.track, window);
}

/** The highest value of the window's whole ticks; `undefined`: there is none. */
export function highestIn(series: Series, { ring, track }: Probe, window: Window): number | undefined {
  return ofWholeTicks(series, createTrack(ring, "max", track.ticks), window);
}

/** A tick that does not show the whole cluster has a value of a part of it: that says nothing. */
function ofWholeTicks(series: Series, track: Track, window: Window): number | undefined {
  const isWhole = wholenessOf(track.ring.meter);
  return workedOut(series, track, window, (number) =>
    isWhole(series, window, number) ? valueAt(series, track.ring.data, number) : Number.NaN,
  );
}

/**
 * Works out the statistic of the window that ends at the newest tick: for a series whose statistics are not kept up tick
 * by tick, because only some of its windows are looked at.
 */
export function workOut(series: Series, track: Track, window: Window): void {
  track.newest = workedOut(series, track, window, (number) => valueAt(series, track.ring.data, number)) ?? Number.NaN;
}

/** What a statistic was worked out to be when the window's last tick came; `undefined`: it holds nothing. */
export function resultOf(series: Series, track: Track, window: Window): number | undefined {
  const { to } = window;
  const kept = to === series.last ? track.newest : track.results?.[to % series.capacity];
  // A look back that is seldom needed is worked out when it is.
  if (kept === undefined) return workedOut(series, track, window, (number) => valueAt(series, track.ring.data, number));
  return Number.isNaN(kept) ? undefined : kept;
}

/** The statistic of other values than those that were kept up with; `undefined`: there is none. */
function workedOut(
  series: Series,
  track: Track,
  { from, to }: Window,
  readingOf: (number: number) => number,
): number | undefined {
  const own = createTrack(track.ring, track.statistic, track.ticks);
  let result = Number.NaN;
  for (let number = Math.max(from, series.from); number <= to; number++) {
    result = own.push(number, readingOf(number), spansAt(series, number).mean, number === to);
  }
  return Number.isNaN(result) ? undefined : result;
}

/**
 * Increase of a counter inside a window. Of one that spans the window's start the share inside is likely, and
 * nothing is certain.
 */
function increaseIn(series: Series, probe: Probe, window: Window, sure: "likely" | "certain"): number | undefined {
  let increase: number | undefined;
  for (let number = window.from; number <= window.to; number++) {
    if (placeAt(series, number) < 0) continue;
    const grown = valueAt(series, probe.ring.data, number);
    if (Number.isNaN(grown)) continue;
    const share = Math.min(1, roomS(series, window, number) / spansAt(series, number).longest);
    increase = (increase ?? 0) + (sure === "likely" || share === 1 ? grown * share : 0);
  }
  return increase;
}

/**
 * What an incomplete window proves at the least (rule E3): for meters that are a sum of parts none of which is
 * negative, with statistics that more parts can only raise. `undefined`: it proves nothing.
 */
export function lowerBoundOf(series: Series, probe: Probe, window: Window, rule: ThresholdRule): number | undefined {
  const meter = meterNamed(rule.meterName);
  if (!meter || !isLowerBounded(meter)) return undefined;
  if (probe.ring.isIncrease) {
    const increase = increaseIn(series, probe, window, "certain");
    return increase === undefined || rule.statistic === "increase" ? increase : increase / window.periodS;
  }
  const { statistic } = rule;
  return statistic === "sum" || statistic === "count" || statistic === "max"
    ? resultOf(series, probe.track, window)
    : undefined;
}
