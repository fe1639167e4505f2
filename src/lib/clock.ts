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

const DAY = "(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)";
/** The three forms of RFC 9110, 5.6.7: IMF-fixdate, RFC 850, and that of asctime(), which names no zone. */
const HTTP_DATES = [
  new RegExp(`^${DAY}, \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT$`),
  new RegExp(`^${DAY}[a-z]{3,6}, \\d\\d-[A-Z][a-z]{2}-\\d\\d \\d\\d:\\d\\d:\\d\\d GMT$`),
  new RegExp(`^${DAY} [A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d \\d{4}$`),
];

/** Epoch ms of an HTTP date; NaN when it is none. */
export function parseHttpDate(text: string): number {
  // Date.parse finds dates in nearly anything: "1.5" is one of the year 2001 to it.
  if (!HTTP_DATES.some((form) => form.test(text))) return Number.NaN;
  return Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/i;

/** Epoch ms of an RFC 3339 instant, with or without its seconds, of a day that the calendar has; NaN when it is none. */
export function parseRfc3339(text: string): number {
  const day = RFC3339.exec(text)?.[1];
  if (day === undefined) return Number.NaN;
  const dayAt = Date.parse(`${day}T00:00:00Z`);
  // The 31st of February is a day of March to Date.parse.
  return Number.isFinite(dayAt) && rfc3339(dayAt).startsWith(day) ? Date.parse(text.toUpperCase()) : Number.NaN;
}

/** Epoch ms of a day (`2026-11-21`) and a time (`14:03`, `14:03:20`) of the local clock. */
export function parseLocalTime(day: string, time: string): number {
  return Date.parse(`${day}T${time}`);
}
