/** Windows over a series: their edges, and whether what they hold is evidence (rules E1, E4, E5). */

import { countsAtStreamEnd, meterNamed } from "../model/meters.ts";
import { ACTIVE_METER } from "./needs.ts";
import { ringOf } from "./readings.ts";
import type { Series, SourceRing } from "./series.ts";
import { isCompleteAt, JITTER, knownAt, MARK, placeAt, valueAt } from "./series.ts";

/** Half-open `(at − period, at]` as tick numbers, both inside. */
export interface Window {
  readonly from: number;
  readonly to: number;
  readonly periodS: number;
}

/** The `index`-th window of so many ticks back from tick `last`; 0 is the one that ends at it. */
export function windowAt(last: number, index: number, ticks: number, intervalS: number): Window {
  return { from: last - (index + 1) * ticks + 1, to: last - index * ticks, periodS: ticks * intervalS };
}

/** A window is complete when this share of its seconds is covered (rule E1). */
const COMPLETE = 0.9;

/** Why a window is not complete (rule E5). */
export type Evidence =
  | { readonly kind: "complete" }
  /** Seconds are lacking because we were not there to see them: never turns into a policy. */
  | { readonly kind: "ours"; readonly reason: string }
  /** They are lacking because a source does not report, for `ticks` ticks by now. */
  | { readonly kind: "silent"; readonly ticks: number; readonly reason: string };

const WHOLE: Evidence = { kind: "complete" };

/** Every tick of the window is there, and every source covered just its interval at each: the usual case. */
export function isEven(series: Series, window: Window): boolean {
  return window.from > series.lastUneven && window.from >= series.lastChange && window.from >= series.from;
}

/** Whether every known source covered the window, and as many as are expected are known (rules E1, E5, T4). */
export function evidenceOf(series: Series, window: Window, expect: number): Evidence {
  if (expect > 0 && (knownAt(series, series.last) ?? 0) < expect) return tooFew(series, expect);
  if (isEven(series, window) && series.sources.size > 0) return WHOLE;
  if (series.sources.size === 0) return { kind: "ours", reason: "no source has had a row of this cluster yet" };
  let silent: Extract<Evidence, { kind: "silent" }> | undefined;
  for (const [name, source] of series.sources) {
    // One that is known no longer is needed only where it once answered.
    if (source.lastSeen < series.last && source.lastAnswered < window.from) continue;
    const coveredS = coveredBy(series, source, window);
    if (coveredS >= COMPLETE * window.periodS) continue;
    let silentS = 0;
    for (let number = window.from; number <= window.to; number++) {
      const place = placeAt(series, number);
      if (place >= 0 && isMarked(source, place, MARK.silent)) silentS += series.intervalS;
    }
    const covered = `source ${name} covered ${round(coveredS)} of ${window.periodS} s`;
    if (coveredS + silentS < COMPLETE * window.periodS) {
      return { kind: "ours", reason: `${covered}: the rest was not seen, and the window must fill` };
    }
    const ticks = silentTicks(series, source);
    const since = ticks > 0 ? `it has not answered for ${ticks} ticks` : "it missed some polls";
    const reason = `${covered}: ${since}; mend it, or say that it is gone with "tocsin source forget ${name}"`;
    silent = { kind: "silent", ticks: Math.max(ticks, silent?.ticks ?? 0), reason: silent?.reason ?? reason };
  }
  return silent ?? WHOLE;
}

/** `expect` names more sources than are known, for so many ticks. */
function tooFew(series: Series, expect: number): Evidence {
  const known = knownAt(series, series.last) ?? 0;
  let ticks = 0;
  for (let number = series.last; number > series.last - series.capacity; number--) {
    const then = knownAt(series, number);
    if (then === undefined || then >= expect) break;
    ticks++;
  }
  const reason = `${known} of ${expect} expected sources have been seen; start the others, or correct "expect"`;
  return { kind: "silent", ticks, reason };
}

/**
 * Why the average of a rate cannot be told although every second is covered: at one tick a source answered for a
 * stretch that reaches out of the window, and others did not, so that nobody can say whose bytes lie outside.
 */
export function spansUnevenly(series: Series, window: Window): string | undefined {
  if (isEven(series, window)) return undefined;
  for (let number = window.from; number <= window.to; number++) {
    const { longest, shortest } = spansAt(series, number);
    if (longest - shortest > series.intervalS / 2 && longest > roomS(series, window, number)) {
      return `an answer for ${round(longest)} s reaches out of the window`;
    }
  }
  return undefined;
}

/** What the answers of a tick span, seconds. */
export interface Spans {
  /** 0 where there is none. */
  readonly longest: number;
  readonly shortest: number;
  /** NaN where there is none. */
  readonly mean: number;
}

/** The stretches that the answers of a tick span. */
export function spansAt(series: Series, number: number): Spans {
  let longest = 0;
  let shortest = Infinity;
  let seconds = 0;
  let count = 0;
  for (const source of series.sources.values()) {
    const coveredS = valueAt(series, source.coveredS, number);
    if (!(coveredS > 0)) continue;
    longest = Math.max(longest, coveredS);
    shortest = Math.min(shortest, coveredS);
    seconds += coveredS;
    count++;
  }
  return { longest, shortest: Math.min(shortest, longest), mean: count === 0 ? Number.NaN : seconds / count };
}

/** Seconds of the window that the answers of a source span. */
export function coveredBy(series: Series, source: SourceRing, window: Window): number {
  let coveredS = 0;
  for (let number = window.from; number <= window.to; number++) {
    const dtS = valueAt(series, source.coveredS, number);
    if (dtS > 0) coveredS += Math.min(dtS, roomS(series, window, number));
  }
  return coveredS;
}

/** Seconds between the window's start and a tick: no more of what that tick says lies inside. */
export function roomS(series: Series, window: Window, number: number): number {
  return (number - window.from + 1 + JITTER) * series.intervalS;
}

/** For how many ticks up to the newest a source has not reported. */
function silentTicks(series: Series, source: SourceRing): number {
  let ticks = 0;
  for (let number = series.last; number > series.last - series.capacity; number--) {
    const place = placeAt(series, number);
    if (place < 0 || !isMarked(source, place, MARK.silent)) break;
    ticks++;
  }
  return ticks;
}

function isMarked(source: SourceRing, place: number, mark: number): boolean {
  return ((source.marks[place] ?? 0) & mark) !== 0;
}

/**
 * A low reading of this window proves nothing (rule E4): sessions are open but no byte moved in it, or a reload
 * in it left sessions behind whose bytes nobody will count. Only for meters that HAProxy counts at a stream's end.
 */
export function mayHideTraffic(series: Series, window: Window, meterName: string): string | undefined {
  const meter = meterNamed(meterName);
  if (!meter || !countsAtStreamEnd(meter)) return undefined;
  for (const [name, source] of series.sources) {
    if (source.lastReload >= window.from && hasMark(series, source, window, MARK.reload)) {
      return `source ${name} was reloaded with sessions open: their bytes were not counted`;
    }
    if (isOpenAtEnd(series, source, window) && !hasMark(series, source, window, MARK.moved)) {
      return `source ${name} has sessions open of which no byte was counted yet`;
    }
  }
  return undefined;
}

/** Whether some tick of the window has a mark; the newest are looked at first. */
function hasMark(series: Series, source: SourceRing, window: Window, mark: number): boolean {
  for (let number = window.to; number >= window.from; number--) {
    const place = placeAt(series, number);
    if (place >= 0 && isMarked(source, place, mark)) return true;
  }
  return false;
}

/** Whether sessions were open when the source last answered in the window. */
function isOpenAtEnd(series: Series, source: SourceRing, window: Window): boolean {
  for (let number = window.to; number >= window.from; number--) {
    const place = placeAt(series, number);
    if (place >= 0 && isMarked(source, place, MARK.answered)) return isMarked(source, place, MARK.open);
  }
  return false;
}

/**
 * Active servers of a window (rule J6): the median of its last three complete ticks; `undefined` when it has none.
 */
export function activeServersIn(series: Series, window: Window, expect: number): number | undefined {
  const ring = ringOf(series.own, ACTIVE_METER, false);
  const counts: number[] = [];
  for (let number = window.to; ring && number >= window.from && counts.length < 3; number--) {
    const active = isCompleteAt(series, number, expect) ? valueAt(series, ring.data, number) : Number.NaN;
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
