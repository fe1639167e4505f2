/** Whether two answers came from one process, and what passed between them. */

import type { Baseline, ProcessIdentity } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";

/** What passed between two scrapes of one source. */
export interface Elapsed {
  /** Both answers came from one process; `undefined`: nothing is said of it, the counters must tell. */
  readonly same: boolean | undefined;
  /** Seconds between them. */
  readonly seconds: number;
  /** Another process, which ran already at the scrape before: how much of what it counted is new nobody knows. */
  readonly older?: true;
}

/** The scrape before, of one cluster's rows, and what passed since. */
export interface Since {
  /** `undefined`: there was none. */
  readonly previous: Previous | undefined;
  /** `undefined`: nothing can be counted yet; the baseline stays the one before, where there is one. */
  readonly elapsed: Elapsed | undefined;
  /** The increases may be counted in totals but are too old for a rate. */
  readonly gap: boolean;
}

/** What a scrape leaves for the next one, of one cluster's rows. */
export interface Previous {
  readonly baseline: Baseline;
  /** Our monotonic time of that scrape, ms; `undefined` when another run of ours made it. */
  readonly monotonicMs: number | undefined;
  /** The mapping changed since: a row without a baseline may have come from elsewhere, with a past. */
  readonly remapped?: true;
}

/** Which process answered, and when it was asked. */
export interface Asked {
  readonly process: ProcessIdentity;
  readonly preciseUptime: boolean;
  /** Our monotonic time, ms. */
  readonly sentMs: number;
  /** Our wall clock, epoch ms. */
  readonly wallAt: number;
}

/**
 * A process this much of an interval old has seen too little to tell a rate by: clients that come back all at once
 * would be a spike. What it has counted counts in totals alone.
 */
const NEWBORN = 0.4;

/** What passed since the scrape before. */
export function sinceOf(previous: Previous | undefined, asked: Asked, intervalMs: number): Since {
  if (!previous) return { previous, elapsed: undefined, gap: false };
  const { baseline, monotonicMs } = previous;
  const isOurRun = monotonicMs !== undefined;
  const ownSeconds = (isOurRun ? asked.sentMs - monotonicMs : asked.wallAt - baseline.at) / 1000;
  const passed = elapsed(baseline.process, asked.process, asked.preciseUptime, ownSeconds, isOurRun ? "ours" : "wall");
  const advance = passed.same === true ? advanceOf(baseline.process, asked.process) : undefined;
  // A wall clock that disagrees with the process's own has been set: it measures nothing.
  const isWallWrong = !isOurRun && (ownSeconds < 0 || (advance !== undefined && !agree(advance, ownSeconds)));
  const least = isWallWrong ? (advance ?? Number.POSITIVE_INFINITY) : passed.seconds;
  // Too soon after the one before to divide by: the next scrape counts it.
  if (passed.same !== false && least <= (0.2 * intervalMs) / 1000) return { previous, elapsed: undefined, gap: false };
  const isMeasured = !isWallWrong || passed.seconds === advance;
  const isNewborn = passed.same === false && (asked.process.uptimeS ?? Infinity) * 1000 < NEWBORN * intervalMs;
  // Across a restart of ours only the process's uptime measures: the wall clock may have been set, and nobody would know.
  const isUnproven = !isOurRun && passed.same !== false && advance === undefined;
  const gap = !isMeasured || isUnproven || isNewborn || passed.seconds <= 0 || passed.seconds > maxGapS(intervalMs);
  return { previous, elapsed: passed, gap };
}

/**
 * Compares two answers. One process has one pid, an uptime that does not shrink, and either one printed start
 * time or an uptime that advanced as our own time did, within max(2 s, 10 %). What an answer does not say cannot
 * differ. Wall time takes no part, but across a restart of ours, where `ownSeconds` can come from nothing else (`wall`):
 * it may have been set meanwhile, so that it proves nothing against one pid and an uptime that went on.
 *
 * Within one process HAProxy's own uptime measures the time, where it has a fraction: our scheduling cannot
 * disturb it.
 */
export function elapsed(
  previous: ProcessIdentity,
  current: ProcessIdentity,
  preciseUptime: boolean,
  ownSeconds: number,
  clock: "ours" | "wall" = "ours",
): Elapsed {
  const advance = advanceOf(previous, current);
  const same = isSame(previous, current, advance, ownSeconds, clock);
  const seconds = same === true && preciseUptime && advance !== undefined ? advance : ownSeconds;
  const { uptimeS } = current;
  const isOlder = same === false && uptimeS !== undefined && uptimeS > ownSeconds && !agree(uptimeS, ownSeconds);
  return isOlder ? { same, seconds, older: true } : { same, seconds };
}

function isSame(
  previous: ProcessIdentity,
  current: ProcessIdentity,
  advance: number | undefined,
  ownSeconds: number,
  clock: "ours" | "wall",
): boolean | undefined {
  const isPidKnown = previous.pid !== undefined && current.pid !== undefined;
  if (isPidKnown && previous.pid !== current.pid) return false;
  if (advance !== undefined && advance < 0) return false;
  if (previous.startTimeS !== undefined && current.startTimeS !== undefined) {
    return Math.abs(previous.startTimeS - current.startTimeS) < 1;
  }
  if (advance === undefined) return undefined;
  if (clock === "wall") return isPidKnown ? true : undefined;
  return agree(advance, ownSeconds);
}

/** Seconds that the uptime went on by; `undefined`: one of the two is not known. */
function advanceOf(previous: ProcessIdentity, current: ProcessIdentity): number | undefined {
  return previous.uptimeS === undefined || current.uptimeS === undefined
    ? undefined
    : current.uptimeS - previous.uptimeS;
}

/** Whole seconds are rounded at both ends, and clocks drift. */
function agree(seconds: number, ownSeconds: number): boolean {
  return Math.abs(seconds - ownSeconds) <= Math.max(2, 0.1 * ownSeconds);
}

/** HAProxy 3.0 and later can start with the counters of the process before it; one that does not say its version may. */
export function mayCarryCounters(process: ProcessIdentity): boolean {
  const major = Number.parseInt(process.version, 10);
  return Number.isNaN(major) || major >= 3;
}
