/** The system's time: the one place in the program that reads it. */

import type { Clock } from "../ports.ts";

/** Longest delay that a Node timer takes, ms. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** An instant as RFC 3339 in UTC, e.g. `2026-11-21T00:53:09.000Z`. */
export function rfc3339(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Epoch ms of an HTTP date; NaN when it is none. */
export function parseHttpDate(text: string): number {
  return Date.parse(text);
}
