/** How often a source that keeps failing is asked: one that costs a deadline or a network each time, less and less. */

/** Longest time between two questions, ms: so long at the most is a source that came back not seen. */
const LONGEST_MS = 60_000;

/** Failures in a row that change nothing: a restart or a lost packet is over by then. */
const PATIENCE = 3;

/** What is remembered between the questions to one source. */
export interface Backoff {
  /** Costly failures in a row. */
  readonly failures: number;
  /** Number of the tick at which it was asked last. */
  readonly askedAt: number;
}

/** Nothing has failed yet. */
export const NO_BACKOFF: Backoff = { failures: 0, askedAt: 0 };

/**
 * Whether a failure is worth asking less often: whatever goes over a network, and every deadline that passed. Of a
 * unix socket all else costs nothing, and is asked at every tick so that a restart is no hole longer than one.
 */
export function isCostly(isLocal: boolean, code: string): boolean {
  return !isLocal || code === "timeout";
}

/** Every how manieth tick a source is asked after so many failures in a row: 1, and then 2, 4, 8… up to a minute. */
export function askEvery(failures: number, intervalMs: number): number {
  if (failures < PATIENCE) return 1;
  const most = Math.max(1, Math.floor(LONGEST_MS / intervalMs));
  return Math.min(2 ** Math.min(failures - PATIENCE + 1, 30), most);
}

/** Whether the source is asked at a tick; ticks in between report its last failure again. */
export function isDue(backoff: Backoff, tickNumber: number, intervalMs: number): boolean {
  // A number below the last is another count of ticks.
  const waited = tickNumber - backoff.askedAt;
  return waited < 0 || waited >= askEvery(backoff.failures, intervalMs);
}

/** After an answer or a failure at a tick; the first answer, and the first failure that costs nothing, end it. */
export function afterAsking(backoff: Backoff, tickNumber: number, costlyFailure: boolean): Backoff {
  return { failures: costlyFailure ? backoff.failures + 1 : 0, askedAt: tickNumber };
}
