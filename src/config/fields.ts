/** Field types that rule files and `tocsin.yaml` share. */

import { z } from "zod";
import { formatDuration, parseDurationS } from "../lib/durations.ts";
import { quoted } from "./masking.ts";
import { destinationOf } from "./receiverUrl.ts";
import { hasSecrets } from "./secrets.ts";

/** A duration in seconds: a number, or text such as `90s`, `3m`, `1h30m`; from `leastS` to `mostS`. */
export function duration(leastS: number, mostS = Number.POSITIVE_INFINITY): z.ZodType<number> {
  return z.unknown().transform((value, context): number => {
    const seconds = typeof value === "number" || typeof value === "string" ? parseDurationS(value) : undefined;
    if (seconds !== undefined && seconds >= leastS && seconds <= mostS) return seconds;
    const message =
      seconds === undefined
        ? `expected a duration such as 60, 90s, 3m, 1h30m or 7d, not ${shown(value)}`
        : `a duration of at ${seconds < leastS ? `least ${bound(leastS)}` : `most ${bound(mostS)}`} is needed, not ${shown(value)}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** Seconds as people write so many of them. */
function bound(seconds: number): string {
  return seconds < 3600 ? `${seconds} s` : formatDuration(seconds * 1000);
}

/** Of one attempt: what has not answered by then holds its place in vain. */
export const attemptTimeout = duration(1, 75);

/** What was meant to be short; what is long is something else, that nobody need see. */
function shown(value: unknown): string {
  const text = String(JSON.stringify(value));
  return text.length > 40 ? quoted(text.slice(0, 40)) : text;
}

/** A name: one line of at most 255 characters. */
export const name = z
  .string()
  .min(1, "must not be empty")
  .max(255, "at most 255 characters")
  .refine((text) => !/\p{Cc}/u.test(text), "must not hold control characters");

/** Text for people. */
export const text = z.string().max(4096, "at most 4096 characters");

/** A whole number from 1 to 1000. */
export const positive = z.int("must be a whole number").min(1, "must be at least 1").max(1000, "must be at most 1000");

/** An http(s) URL; with secrets in it, it is looked at when they are put in. */
export const httpUrl = z
  .string()
  .min(1, "must not be empty")
  .max(2048, "at most 2048 characters")
  .refine((url) => {
    if (hasSecrets(url)) return /^(https?:\/\/|\$\{)/i.test(url);
    const destination = destinationOf(url);
    return destination?.kind === "webhook" && !destination.isTrusted;
  }, "expected http(s)://host[:port]/path, without user, spaces or fragment");
