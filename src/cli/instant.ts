/** Instants as people type them. */

import { parseHttpDate, rfc3339 } from "../lib/clock.ts";
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
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(z|[+-]\d\d:\d\d)$/i.test(typed)) {
    if (!isDay(typed.slice(0, 10))) return undefined;
    const at = parseHttpDate(typed.toUpperCase());
    return Number.isFinite(at) ? at : undefined;
  }
  const ago = /[a-z]$/i.test(typed) ? parseDurationS(typed.replace(/\s+ago$/, "")) : undefined;
  return ago === undefined ? undefined : now - ago * 1000;
}

/** The 31st of February is none: Date.parse takes it for a day of March. */
function isDay(date: string): boolean {
  const at = parseHttpDate(`${date}T00:00:00Z`);
  return Number.isFinite(at) && rfc3339(at).startsWith(date);
}

/** Today's, or yesterday's while today's has not come. */
function lastTimeOfDay(time: string, now: number): number {
  const today = parseHttpDate(`${localDate(now)}T${time}`);
  return today <= now ? today : parseHttpDate(`${localDate(now - DAY_MS)}T${time}`);
}

/** E.g. `2026-11-21`: Swedes write dates as ISO does. */
function localDate(at: number): string {
  return new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
}
