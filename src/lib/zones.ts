/**
 * Wall clocks of time zones. A local time is written as the epoch ms that would read the same in UTC, so that
 * calendar arithmetic needs no zone. Zones are taken to jump at most once in two days, as all of them do.
 */

const DAY_MS = 86_400_000;

/** Formatters are dear; names differ in case only beyond the few hundred that exist. */
const MOST_FORMATTERS = 1000;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** Whether it is the name of a time zone: IANA's, or empty for UTC. */
export function isZone(timezone: string): boolean {
  if (timezone === "") return true;
  // Intl also takes offsets, which are no zones: `+02:00`.
  if (!/^[a-z]/i.test(timezone)) return false;
  try {
    formatterOf(timezone);
    return true;
  } catch {
    return false;
  }
}

/**
 * The first instant at which the zone's clock shows `local` or later. A time that is skipped is the instant of
 * the jump, one that is shown twice is the first of both. Later local times never come before earlier ones.
 */
export function instantOf(timezone: string, local: number): number {
  const before = offsetMs(timezone, local - DAY_MS);
  const after = offsetMs(timezone, local + DAY_MS);
  if (before === after) return local - before;
  const jump = jumpBetween(timezone, local - DAY_MS, local + DAY_MS);
  return local - before < jump ? local - before : Math.max(jump, local - after);
}

/** The latest local time that the zone's clock has shown up to `at`, both ends included. */
export function latestLocal(timezone: string, at: number): number {
  const now = at + offsetMs(timezone, at);
  const before = offsetMs(timezone, at - DAY_MS);
  if (at + before <= now) return now;
  // The clock was put back within the last day: it showed everything short of the jump before.
  return Math.max(now, jumpBetween(timezone, at - DAY_MS, at) - 1 + before);
}

/** The first instant in (from, to] with another offset than `from`; the offset of `to` must be another. */
function jumpBetween(timezone: string, from: number, to: number): number {
  const before = offsetMs(timezone, from);
  let same = from;
  let other = to;
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2);
    if (offsetMs(timezone, middle) === before) same = middle;
    else other = middle;
  }
  return other;
}

/** What the zone's clock is ahead of UTC at an instant, ms. */
function offsetMs(timezone: string, at: number): number {
  if (timezone === "") return 0;
  const text = formatterOf(timezone).format(at);
  const [, sign, hours, minutes, seconds = "0"] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  if (sign === undefined) return 0;
  const ahead = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return sign === "-" ? -ahead : ahead;
}

function formatterOf(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-US", { timeZone: timezone, timeZoneName: "longOffset" });
  if (formatters.size >= MOST_FORMATTERS) formatters.clear();
  formatters.set(timezone, made);
  return made;
}
