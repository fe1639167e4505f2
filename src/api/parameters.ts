/** What stands behind the question mark of a request: each parameter once, and each refusal says what was expected. */

import { closest } from "../lib/closest.ts";
import { parseDurationS } from "../lib/durations.ts";
import type { Statistic } from "../model/alarm.ts";
import { NAMED_STATISTICS, percentOf } from "../model/alarm.ts";
import { instantOf } from "./bodies.ts";
import { Refusal } from "./refusal.ts";

/** Longest window, seconds. */
const LONGEST_S = 366 * 86_400;
/** Nothing is kept for so long, seconds. */
const LONGEST_AGO_S = 36_525 * 86_400;
/** Longest name, characters. */
const MOST_CHARACTERS = 255;

/** What was said, by parameter. Throws a refusal for one that there is not, and for one that is said twice. */
export function parametersIn<N extends string>(query: unknown, names: readonly N[]): (name: N) => string | undefined {
  const said = new Map<string, string>();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (!names.some((one) => one === name)) {
      throw refused(`there is no parameter ${JSON.stringify(name.slice(0, 50))}: ${meantOf(name, names)}`);
    }
    if (typeof value !== "string") throw refused(`${name}: expected once, and it is there several times`);
    said.set(name, value);
  }
  return (name) => said.get(name);
}

function meantOf(name: string, names: readonly string[]): string {
  const near = closest(name, names);
  return near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`;
}

/** A name, or a glob of names, as an example shows it. */
export function nameIn(
  name: string,
  text: string | undefined,
  example: string,
  most = MOST_CHARACTERS,
): string | undefined {
  if (text === undefined) return undefined;
  if (/\p{Cc}/u.test(text)) throw refused(`${name}: control characters are not allowed`);
  if (text.length >= 1 && text.length <= most) return text;
  throw refused(`${name}: expected 1 to ${most} characters, e.g. ${name}=${example}`);
}

/** The same, and it has to be said. */
export function neededName(name: string, text: string | undefined, example: string): string {
  const said = nameIn(name, text, example);
  if (said !== undefined) return said;
  throw refused(`${name} is missing: say which, e.g. ${name}=${example}`);
}

/** A whole number from 1 on. */
export function countIn(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= most) return count;
  throw refused(`${name}: expected a whole number from 1 to ${most}`);
}

/** An instant, or how long before now. */
export type Instant = number | { readonly agoMs: number };

/** Epoch ms of RFC 3339 or seconds since 1970; `now`; or how long ago, as a negative duration. */
export function timeIn(name: string, text: string | undefined): Instant | undefined {
  if (text === undefined) return undefined;
  if (text === "now") return { agoMs: 0 };
  const ago = text.startsWith("-") && /[a-z]$/.test(text) ? parseDurationS(text.slice(1)) : undefined;
  if (ago !== undefined && ago <= LONGEST_AGO_S) return { agoMs: ago * 1000 };
  if (/^\d{1,11}(\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1000);
  const instant = instantOf(text);
  if (instant !== undefined) return instant;
  const forms = "RFC 3339 (2026-11-21T00:53:09Z), seconds since 1970, how long ago (-10m), or now";
  const meant = !/^[1-9][\d.]*[a-z]/.test(text) || parseDurationS(text) === undefined ? "" : `; did you mean -${text}?`;
  throw refused(`${name}: expected a time: ${forms}${meant}`);
}

/** Length of a window, seconds. */
export function periodIn(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationS(text);
  if (seconds !== undefined && seconds >= 1 && seconds <= LONGEST_S) return seconds;
  throw refused(`${name}: expected a duration of 1 s or more, up to 366 days: seconds, or text such as 60s, 5m, 1h`);
}

export function statisticIn(name: string, text: string | undefined): Statistic | undefined {
  if (text === undefined) return undefined;
  const named = NAMED_STATISTICS.find((one) => one === text);
  if (named) return named;
  const percent = percentOf(text);
  if (percent !== undefined) return `p${percent}`;
  const near = statisticMeant(text);
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw refused(
    `${name}: expected one of ${NAMED_STATISTICS.join(", ")}, or a percentile such as p95 or p99.5${meant}`,
  );
}

/** What others call them. */
const OTHER_WORDS: Readonly<Record<string, Statistic>> = {
  mean: "avg",
  average: "avg",
  maximum: "max",
  highest: "max",
  minimum: "min",
  lowest: "min",
  total: "sum",
  std: "stddev",
  stdev: "stddev",
  sd: "stddev",
  newest: "last",
  oldest: "first",
  delta: "increase",
  "rate:mean": "increase",
};

function statisticMeant(text: string): string | undefined {
  const word = text.toLowerCase();
  const other = new Map(Object.entries(OTHER_WORDS)).get(word);
  if (other !== undefined) return other;
  // 95p, 95pct, 95%, 95th, P95, p99,5
  const percent = /^p?(\d{1,2}(?:[.,]\d{1,3})?)(?:p|pct|%|th)?$/.exec(word)?.[1]?.replace(",", ".");
  if (percent !== undefined && percentOf(`p${percent}`) !== undefined) return `p${percent}`;
  return closest(word, NAMED_STATISTICS);
}

/** One of some words. */
export function oneOf<W extends string>(name: string, text: string | undefined, words: readonly W[]): W | undefined {
  if (text === undefined) return undefined;
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw refused(`${name}: expected ${words.join(" or ")}, e.g. ${name}=${words[0]}`);
}

/** A parameter is not as it has to be. */
export function refused(message: string): Refusal {
  return new Refusal(400, message, "E415");
}
