import type { Baseline, ProcessIdentity } from "../model/tick.ts";

/** What passed between two scrapes of one source. */
export interface Elapsed {
  /** Both answers came from one process. */
  readonly same: boolean;
  /** Seconds between them. */
  readonly seconds: number;
}

/**
 * Compares two answers. One process has one pid, an uptime that does not shrink, and either one printed start
 * time or an uptime that advanced as our own time did, within max(2 s, 10 %). Wall time takes no part, but
 * across a restart of ours, where `ownSeconds` can come from nothing else.
 *
 * Within one process HAProxy's own uptime measures the time, where it has a fraction: our scheduling cannot
 * disturb it.
 */
export function elapsed(
  previous: ProcessIdentity,
  current: ProcessIdentity,
  preciseUptime: boolean,
  ownSeconds: number,
): Elapsed {
  const advance = current.uptimeS - previous.uptimeS;
  const sameStart =
    previous.startTimeS !== undefined && current.startTimeS !== undefined
      ? previous.startTimeS === current.startTimeS
      : Math.abs(advance - ownSeconds) <= Math.max(2, 0.1 * ownSeconds);
  const same = previous.pid === current.pid && advance >= 0 && sameStart;
  return { same, seconds: same && preciseUptime ? advance : ownSeconds };
}

/** HAProxy 3.0 and later can start with the counters of the process before it. */
export function mayCarryCounters(process: ProcessIdentity): boolean {
  return Number.parseInt(process.version, 10) >= 3;
}

/** What a scrape leaves for the next one, of one cluster's rows. */
export interface Previous {
  readonly baseline: Baseline;
  /** Our monotonic time of that scrape, ms; `undefined` when another run of ours made it. */
  readonly monotonicMs: number | undefined;
  /** The mapping changed since: a row without a baseline may have come from elsewhere, with a past. */
  readonly remapped?: true;
}
