/** Windows over a series: their edges, and whether what they hold is evidence (rules E1, E4, E5). */

import { countsAtStreamEnd, isOfMembers, meterNamed } from "../model/meters.ts";
import { ACTIVE_METER } from "./needs.ts";
import { ringOf } from "./readings.ts";
import type { Series } from "./series.ts";
import { isCompleteAt, JITTER, knownAt, placeAt, valueAt } from "./series.ts";
import type { SourceRing } from "./sourceRings.ts";
import { MARK } from "./sourceRings.ts";

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

/**
 * Whether every known source covered the window, and as many as are expected are known (rules E1, E5, T4). What is
 * counted between two answers needs `seconds`: a missed poll whose bytes came with the next answer costs nothing. What
 * is read at the instants of ticks needs as many `ticks` at which all of them answered, too.
 */
export function evidenceOf(series: Series, window: Window, expect: number, needs: "seconds" | "ticks"): Evidence {
  if (expect > 0 && (knownAt(series, series.last) ?? 0) < expect) return tooFew(series, expect);
  if (isEven(series, window) && series.sources.size > 0) return WHOLE;
  if (series.sources.size === 0) return { kind: "ours", reason: "no source has had a row of this cluster yet" };
  const covered = bySeconds(series, window);
  return covered.kind === "complete" && needs === "ticks" ? byTicks(series, window) : covered;
}

function byTicks(series: Series, window: Window): Evidence {
  const ticks = window.to - window.from + 1;
  const whole = wholeTicks(series, window);
  if (whole >= COMPLETE * ticks) return WHOLE;
  const seen = `${whole} of ${ticks} ticks show the whole cluster`;
  for (const [name, source] of series.sources) {
    if (!isNeeded(series, source, window)) continue;
    for (let number = window.from; number <= window.to; number++) {
      const place = placeAt(series, number);
      if (place < 0 || !isMarked(source, place, MARK.silent)) continue;
      const silences = [...series.sources.values()].map((one) => silentTicks(series, one));
      return { kind: "silent", ticks: Math.max(...silences), reason: `${seen}: ${cureOf(series, name, source)}` };
    }
  }
  return { kind: "ours", reason: `${seen}: the window must fill` };
}

/** Whether a source counts in a window: one that is known no longer is needed only where it once answered. */
function isNeeded(series: Series, source: SourceRing, window: Window): boolean {
  return source.lastSeen === series.last || source.lastAnswered >= window.from;
}

/** Whether every source that counts in the window answered at one of its ticks. */
export function isWholeAt(series: Series, window: Window, number: number): boolean {
  const place = placeAt(series, number);
  if (place < 0) return false;
  for (const source of series.sources.values()) {
    if (isNeeded(series, source, window) && !isMarked(source, place, MARK.answered)) return false;
  }
  return true;
}

/**
 * Whether every source that counts in the window covered some time at one of its ticks: of one that was just reloaded,
 * or is new, nobody knows a rate, and the sum of the others' is a part.
 */
function isTimedAt(series: Series, window: Window, number: number): boolean {
  const place = placeAt(series, number);
  if (place < 0) return false;
  for (const source of series.sources.values()) {
    if (isNeeded(series, source, window) && !((source.coveredS[place] ?? 0) > 0)) return false;
  }
  return true;
}

/** What makes a tick show the whole cluster, of a meter. */
export function wholenessOf(meterName: string): typeof isWholeAt {
  return meterNamed(meterName)?.kind === "rate" ? isTimedAt : isWholeAt;
}

/** How many ticks of the window show the whole cluster. */
export function wholeTicks(series: Series, window: Window, isWhole = isWholeAt): number {
  if (isEven(series, window)) return window.to - window.from + 1;
  let whole = 0;
  for (let number = window.from; number <= window.to; number++) if (isWhole(series, window, number)) whole++;
  return whole;
}

/** Why a source lacks, and what a person can do. */
function cureOf(series: Series, name: string, source: SourceRing): string {
  const ticks = silentTicks(series, source);
  const since = ticks > 0 ? `has not answered for ${ticks} ticks` : "missed some polls";
  return `source ${name} ${since}; mend it, or say that it is gone with "tocsin source forget ${name}"`;
}

function bySeconds(series: Series, window: Window): Evidence {
  let silent: Extract<Evidence, { kind: "silent" }> | undefined;
  for (const [name, source] of series.sources) {
    if (!isNeeded(series, source, window)) continue;
    const coveredS = coveredBy(series, source, window);
    if (coveredS >= COMPLETE * window.periodS) continue;
    const silentS = silentIn(series, source, window);
    const covered = `source ${name} covered ${round(coveredS)} of ${window.periodS} s`;
    if (coveredS + silentS < COMPLETE * window.periodS) {
      return { kind: "ours", reason: `${covered}: the rest was not seen, and the window must fill` };
    }
    const ticks = silentTicks(series, source);
    const reason = `covered ${round(coveredS)} of ${window.periodS} s: ${cureOf(series, name, source)}`;
    silent = { kind: "silent", ticks: Math.max(ticks, silent?.ticks ?? 0), reason: silent?.reason ?? reason };
  }
  return silent ?? WHOLE;
}

/** Seconds of the window that a source's silence lost for good: what its next answer covered is not among them. */
function silentIn(series: Series, source: SourceRing, window: Window): number {
  let silentS = 0;
  let coveredFrom = Infinity;
  for (let number = window.to; number >= window.from; number--) {
    const place = placeAt(series, number);
    if (place < 0) continue;
    const dtS = source.coveredS[place] ?? Number.NaN;
    if (dtS > 0) coveredFrom = Math.min(coveredFrom, number - Math.round(dtS / series.intervalS) + 1);
    if (number < coveredFrom && isMarked(source, place, MARK.silent)) silentS += series.intervalS;
  }
  return silentS;
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
 * A low reading of this window proves nothing (rule E4): a reload in it left sessions behind that nobody sees any
 * more; or, of a meter that HAProxy counts at a stream's end, sessions are open but no byte moved in it.
 */
export function mayHideTraffic(series: Series, window: Window, meterName: string): string | undefined {
  const meter = meterNamed(meterName);
  if (!meter || isOfMembers(meter) || meter.kind === "own") return undefined;
  for (const [name, source] of series.sources) {
    if (source.lastReload >= window.from && hasMark(series, source, window, MARK.reload)) {
      return `source ${name} was reloaded with sessions open: they are not seen any more`;
    }
    if (!countsAtStreamEnd(meter)) continue;
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
