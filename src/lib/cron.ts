/**
 * Stretches of time that begin when a cron text says so: Aodh's time constraints.
 *
 * The text is read on a calendar without zone, and what it yields is put on the zone's clock by our own rule: a
 * start that the clock skips comes at the jump, one that it shows twice comes once, at the first. That mapping
 * keeps the order, so the starts around an instant are those around the latest time the clock has shown.
 */

import type { CronExpression } from "cron-parser";
import { CronDate, CronExpressionParser } from "cron-parser";
import { messageOf } from "./errors.ts";
import { instantOf, isZone, latestLocal } from "./zones.ts";

export { isZone };

/** A stretch, again and again. */
interface Constraint {
  /** Cron text of its starts. */
  readonly start: string;
  /** How long it lasts, seconds, both ends inside. */
  readonly durationS: number;
  /** Zone that `start` is read in; empty: UTC. */
  readonly timezone: string;
}

/** Farther away than this there is no start. */
const FARTHEST_MS = 5 * 366 * 86_400_000;

const NUMBER = "\\d{1,2}";
const MONTH = `(${NUMBER}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)`;
const WEEKDAY = "([0-7]|sun|mon|tue|wed|thu|fri|sat)";
/** What a list may hold in each column. The parser takes more, some of it (`H`) at random. */
const COLUMNS = [
  { name: "minute", item: itemOf(NUMBER) },
  { name: "hour", item: itemOf(NUMBER) },
  { name: "day of month", item: itemOf(NUMBER, "L|\\?") },
  { name: "month", item: itemOf(MONTH) },
  { name: "day of week", item: itemOf(WEEKDAY, `\\?|L[0-7]|${WEEKDAY}#[1-5]`) },
  { name: "second", item: itemOf(NUMBER) },
];

function itemOf(value: string, also = "[]"): RegExp {
  return new RegExp(`^((\\*|${value}(-${value})?)(/[1-9]\\d?)?|${also})$`, "i");
}

/**
 * What is wrong with a cron text; `undefined`: nothing. It has 5 columns, or 6 of which the last is seconds.
 * `L` is the last day of the month, `L5` its last Friday, `5#2` its second, `?` a `*` where days are meant.
 */
export function cronError(start: string): string | undefined {
  const columns = columnsOf(start);
  // Aodh's sentence.
  if (columns.length !== 5 && columns.length !== 6)
    return "Exactly 5 or 6 columns has to be specified for iterator expression.";
  for (const [index, { name, item }] of COLUMNS.entries()) {
    const wrong = columns[index]?.split(",").find((one) => !item.test(one));
    if (wrong !== undefined) return `'${wrong}' is no ${name}`;
  }
  try {
    const expression = parse(start);
    return localStart(expression, 0, "next") === undefined ? "no year has such a day" : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Newest start at or before `at`, epoch ms; `undefined`: none within the 5 years before. Throws when the text or
 * the zone is wrong.
 */
export function lastStart(start: string, timezone: string, at: number): number | undefined {
  const { last } = bracketOf(start, timezone, at);
  return at - last > FARTHEST_MS ? undefined : last;
}

/** Next start after `at`, epoch ms; `undefined`: none within the 5 years after. Throws as `lastStart` does. */
export function nextStart(start: string, timezone: string, at: number): number | undefined {
  const { next } = bracketOf(start, timezone, at);
  return next - at > FARTHEST_MS ? undefined : next;
}

/** Whether `at` is inside any of the stretches; always, when there are none. Throws as `lastStart` does. */
export function isWithin(constraints: readonly Constraint[], at: number): boolean {
  if (constraints.length === 0) return true;
  // Of the stretches of one constraint the newest ends last.
  return constraints.some(({ start, durationS, timezone }) => {
    const newest = lastStart(start, timezone, at);
    return newest !== undefined && at <= newest + durationS * 1000;
  });
}

/** Two starts with none between: of every instant in [last, next) they are the starts around it. */
interface Bracket {
  readonly expression: CronExpression;
  /** -Infinity: none. */
  readonly last: number;
  /** Infinity: none. */
  readonly next: number;
}

/** What was asked last, by zone and text: ticks follow each other closely. It never changes an answer. */
const brackets = new Map<string, Map<string, Bracket>>();
const MOST_BRACKETS = 10_000;
let bracketCount = 0;

function bracketOf(start: string, timezone: string, at: number): Bracket {
  let ofZone = brackets.get(timezone);
  const known = ofZone?.get(start);
  if (known && known.last <= at && at < known.next) return known;
  const found = findBracket(known?.expression ?? parse(start), timezone, at);
  if (!known && bracketCount >= MOST_BRACKETS) {
    brackets.clear();
    bracketCount = 0;
    ofZone = undefined;
  }
  if (!known) bracketCount++;
  if (ofZone) ofZone.set(start, found);
  else brackets.set(timezone, new Map([[start, found]]));
  return found;
}

function findBracket(expression: CronExpression, timezone: string, at: number): Bracket {
  // Starts are on whole seconds.
  const shown = Math.floor(latestLocal(timezone, at) / 1000) * 1000;
  const last = localStart(expression, shown + 1000, "prev");
  const next = localStart(expression, shown, "next");
  return {
    expression,
    last: last === undefined ? Number.NEGATIVE_INFINITY : instantOf(timezone, last),
    next: next === undefined ? Number.POSITIVE_INFINITY : instantOf(timezone, next),
  };
}

/** The nearest local start strictly before or after a local time. */
function localStart(expression: CronExpression, local: number, way: "prev" | "next"): number | undefined {
  expression.reset(new CronDate(local, "UTC"));
  try {
    return expression[way]().getTime();
  } catch {
    // It has looked through more than twenty years.
    return undefined;
  }
}

/** Reads a text as croniter does, which Aodh uses: seconds last, `L5`, a week that may end with Sunday. */
function parse(start: string): CronExpression {
  const [minute, hour, day, month, weekday = "", second = "0"] = columnsOf(start);
  const week = weekday.replaceAll(/-sun/gi, "-7").replaceAll(/L([0-7])/gi, "$1L");
  // The parser knows L as a capital only.
  const text = [second, minute, hour, day?.toUpperCase(), month, week].join(" ");
  return CronExpressionParser.parse(text, { tz: "UTC", currentDate: 0 });
}

function columnsOf(start: string): readonly string[] {
  return start.trim().split(/\s+/);
}
