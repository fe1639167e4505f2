/** Whether arguments of requests are what they have to be: bounded like those of the HTTP interface. */

import { parseRfc3339 } from "../../../lib/clock.ts";

/** Longest name, characters: of a row it is two, and what stands between. */
const MOST_CHARACTERS = 600;
const MOST_ROWS = 10_000;
const MOST_TRAITS = 64;

export type Check = (value: unknown) => boolean;

export const isText: Check = (value) =>
  typeof value === "string" && value.length >= 1 && value.length <= MOST_CHARACTERS;
export const isFlag: Check = (value) => typeof value === "boolean";
export const isCount: Check = (value) => isBetween(value, 1, MOST_ROWS) && Number.isInteger(value);
/** Epoch ms that a date can be made of. */
export const isInstant: Check = (value) => isBetween(value, -8.64e15, 8.64e15);
/** Seconds. */
const isDuration: Check = (value) => isBetween(value, Number.MIN_VALUE, 1e9);

export function oneOf(...values: readonly string[]): Check {
  return (value) => values.some((one) => one === value);
}

/** It may be absent. */
function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** With those members and no others. */
function shape(members: Readonly<Record<string, Check>>): Check {
  return (value) =>
    isObject(value) &&
    Object.keys(value).every((name) => Object.hasOwn(members, name)) &&
    Object.entries(members).every(([name, check]) => check(value[name]));
}

/** Commands of people that name no delivery: those are found by the process that has it. */
export const isCommand: Check = (value) => COMMANDS.some((check) => check(value));

const isDirection = oneOf("in", "out");
const COMMANDS: readonly Check[] = [
  shape({
    kind: oneOf("command"),
    command: oneOf("pause"),
    direction: optional(isDirection),
    forS: optional(isDuration),
  }),
  shape({ kind: oneOf("command"), command: oneOf("resume"), direction: optional(isDirection) }),
  shape({ kind: oneOf("command"), command: oneOf("forget"), source: isText }),
];

export const isEvent: Check = shape({
  kind: oneOf("event"),
  messageId: isText,
  eventType: isText,
  generated: (value) => typeof value === "string" && Number.isFinite(parseRfc3339(value)),
  traits: (value) =>
    isObject(value) &&
    Object.keys(value).length <= MOST_TRAITS &&
    Object.entries(value).every(([name, one]) => isText(name) && !RESERVED.includes(name) && isTrait(one)),
});

/** Names that mean something else to JavaScript. */
const RESERVED: readonly string[] = ["__proto__", "constructor", "prototype"];

function isTrait(value: unknown): boolean {
  return (
    typeof value === "boolean" ||
    Number.isFinite(value) ||
    (typeof value === "string" && value.length <= MOST_CHARACTERS)
  );
}

export const isFilter: Check = shape({
  cluster: optional(isText),
  meter: optional(isText),
  limit: optional(isCount),
});

export const isQuery: Check = shape({
  meterName: isText,
  cluster: optional(isText),
  resource: optional(isText),
  from: isInstant,
  to: isInstant,
  periodS: optional(isDuration),
  statistic: optional(isText),
});

export const isDeliveriesAsked: Check = shape({
  limit: isCount,
  clusterId: optional(isText),
  attention: optional(isFlag),
});

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}
