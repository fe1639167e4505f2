/** Instants as people type them. */

import { parseLocalTime, parseRfc3339 } from "../lib/clock.ts";
import { parseDurationS } from "../lib/durations.ts";

const DAY_MS = 86_400_000;

/**
 * Epoch ms of an instant: RFC 3339, seconds since 1970, `14:03` or `14:03:20` (the last time that the local clock
 * showed it), or how long ago: `10m`, `1h30m ago`. `undefined` when it is none of them. `now` is epoch ms.
 */
export function parseInstant(text: string, now: number): number | undefined {
  const typed = text.trim();
  if (/^\d{9,11}(\.\d+)?$/.test(typed)) return Math.round(Number(typed) * 1000);
  if (/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/.test(typed)) return lastTimeOfDay(typed, now);
  const at = parseRfc3339(typed);
  if (Number.isFinite(at)) return at;
  const ago = /[a-z]$/i.test(typed) ? parseDurationS(typed.replace(/\s+ago$/, "")) : undefined;
  return ago === undefined ? undefined : now - ago * 1000;
}

/** Today's, or yesterday's while today's has not come. */
function lastTimeOfDay(time: string, now: number): number {
  const today = parseLocalTime(localDate(now), time);
  return today <= now ? today : parseLocalTime(localDate(now - DAY_MS), time);
}

/** E.g. `2026-11-21`: Swedes write dates as ISO does. */
function localDate(at: number): string {
  return new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
}
