/** What requests may say: bodies and queries, each with its bounds. */

import { z } from "zod";
import { parseRfc3339 } from "../lib/clock.ts";
import { parseDurationS } from "../lib/durations.ts";
import { Refusal } from "./refusal.ts";

/** Longest name or value of a trait, characters. */
const MOST_CHARACTERS = 255;
const MOST_TRAITS = 64;
/** Longest pause, seconds: who means longer means until it is resumed. */
const LONGEST_PAUSE_S = 366 * 86_400;

/** Names that mean something else to JavaScript: no harm is known, and nobody needs them. */
const RESERVED: readonly string[] = ["__proto__", "constructor", "prototype"];

const text = z.string().min(1).max(MOST_CHARACTERS);
/** Shown in logs and at terminals. */
const word = text.regex(/^\P{Cc}*$/u, "control characters are not allowed");
const traitName = word.refine((name) => !RESERVED.includes(name), "this name is reserved");
const traitValue = z.union([z.string().max(MOST_CHARACTERS), z.number(), z.boolean()]);
const direction = z.enum(["in", "out"]);

const duration = z.union([z.number(), z.string().max(50)]).transform((value, context) => {
  const seconds = parseDurationS(value);
  if (seconds !== undefined && seconds > 0 && seconds <= LONGEST_PAUSE_S) return seconds;
  context.addIssue("expected a duration above 0 and up to 366 days: seconds, or text such as 90s, 2h, 1h30m");
  return z.NEVER;
});

/** The time of an event; one without a zone, as Ceilometer writes it, is UTC. */
const generated = z
  .string()
  .max(50)
  .transform((time, context) => {
    const zoned = /(z|[+-]\d\d:\d\d)$/i.test(time) ? time : `${time}Z`;
    if (instantOf(zoned) !== undefined) return zoned;
    context.addIssue("expected a time as of RFC 3339, e.g. 2026-11-21T00:53:09Z");
    return z.NEVER;
  });

const traitMap = z.record(traitName, traitValue).refine((map) => Object.keys(map).length <= MOST_TRAITS, {
  message: `at most ${MOST_TRAITS} traits`,
});

/** Ceilometer's form: the type is implied by the value. */
const traitList = z
  .array(z.tuple([traitName, z.union([z.number(), z.string().max(20)]), traitValue]))
  .max(MOST_TRAITS, `at most ${MOST_TRAITS} traits`)
  .transform((list, context) => {
    const map = Object.fromEntries(list.map(([name, , value]) => [name, value]));
    if (Object.keys(map).length !== list.length) context.addIssue("a trait is named twice");
    return map;
  });

/** Body of a pause. */
export const pauseBody = z.strictObject({ direction: direction.optional(), for: duration.optional() });

/** Body of the end of a pause. */
export const resumeBody = z.strictObject({ direction: direction.optional() });

/** Body of a request to wait for a source no longer. */
export const forgetBody = z.strictObject({ source: text, cluster: text.optional() });

/** Body of a command that says all in its path. */
export const emptyBody = z.strictObject({});

/** Body of a test of a receiver. */
export const testBody = z.strictObject({ receiver: text, cluster: text.optional(), send: z.boolean().optional() });

/** Body of an event: Ceilometer's words. */
export const eventBody = z.strictObject({
  event_type: word,
  message_id: word.optional(),
  generated: generated.optional(),
  // The form is chosen first, so that mistakes are told of the form that was meant.
  traits: z
    .unknown()
    .transform((value, context): z.output<typeof traitMap> => {
      const parsed = (Array.isArray(value) ? traitList : traitMap).safeParse(value);
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues) {
        context.addIssue({ code: "custom", path: issue.path, message: wordsOf(issue) });
      }
      return z.NEVER;
    })
    .optional(),
});

/** A body as its schema reads it. Throws a refusal that names what is wrong with it. */
export function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.slice(0, 5).map((issue) => {
    const where = issue.path.map(String).join(".").slice(0, 100);
    return where === "" ? wordsOf(issue) : `${where}: ${wordsOf(issue)}`;
  });
  throw new Refusal(400, mistakes.join("; "));
}

/** What is wrong; of a key, what is wrong with the key. */
function wordsOf(issue: z.core.$ZodIssue): string {
  const own = issue.code === "invalid_key" ? issue.issues[0] : undefined;
  return own?.message ?? issue.message;
}

/** A number of rows, 1 … 1000. */
export function readLimit(limit: unknown): number {
  const rows = limit === undefined ? 100 : Number(limit);
  if (Number.isInteger(rows) && rows >= 1 && rows <= 1000) return rows;
  throw new Refusal(400, "limit must be a whole number from 1 to 1000");
}

/** A yes or no of a query; `undefined`: it was not said. */
export function readFlag(name: string, value: unknown): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === "true" || value === "false") return value === "true";
  throw new Refusal(400, `${name} must be true or false`);
}

/** An instant of a query, epoch ms: of RFC 3339 or in seconds since the epoch. `undefined`: none was said. */
export function readInstant(at: unknown): number | undefined {
  if (at === undefined) return undefined;
  if (typeof at === "string" && /^\d{1,11}(\.\d{1,9})?$/.test(at)) return Math.round(Number(at) * 1000);
  const instant = typeof at === "string" ? instantOf(at) : undefined;
  if (instant !== undefined) return instant;
  throw new Refusal(400, "at must be a time as of RFC 3339, e.g. 2026-11-21T00:53:09Z, or seconds since 1970");
}

/** Epoch ms of a time as of RFC 3339; `undefined`: it is none. */
export function instantOf(time: string): number | undefined {
  const instant = z.iso.datetime({ offset: true }).safeParse(time).success ? parseRfc3339(time) : Number.NaN;
  return Number.isFinite(instant) ? instant : undefined;
}
