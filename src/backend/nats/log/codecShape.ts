/** Whether something from outside is a commit, as far as anything here depends on it: what the index stores by. */

import type { Commit } from "../../../ports.ts";

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;
/** Whether the index gives it back as it is: what it cannot keep would look like damage there. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

const isText = (value: unknown): value is string => typeof value === "string" && isStorable(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
/** Labels and numbers of ticks: whole, and negative on a clock that stands before 1970. */
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

function areAll(value: unknown, is: (one: Fields) => boolean): boolean {
  return Array.isArray(value) && value.every((one) => isObject(one) && is(one));
}

/** Deeper than any rule is written: whatever goes through a value goes no deeper than the stack. */
const MOST_DEEP = 200;

function isWithin(value: unknown, depth: number): boolean {
  if (!isObject(value)) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((below) => isWithin(below, depth - 1));
  // At every append: a list of the values would take most of the time.
  for (const key in value) if (!isWithin(value[key], depth - 1)) return false;
  return true;
}

/** Inputs and decisions are opaque but for what they are sorted and found by. */
export function isCommit(value: unknown): value is Commit {
  if (!isObject(value) || !isWithin(value, MOST_DEEP)) return false;
  const { clusterId, inputs, decisions, snapshot, deliveries, attempts, baselines, checkpoint, rules } = value;
  return (
    isText(clusterId) &&
    clusterId !== "" &&
    areAll(inputs, isInput) &&
    areAll(decisions, isDecision) &&
    isObject(snapshot) &&
    isCount(snapshot.seq) &&
    isText(snapshot.doc) &&
    areAll(deliveries, isDelivery) &&
    areAll(attempts, ({ deliveryId, attempt }) => isText(deliveryId) && isCount(attempt)) &&
    areAll(baselines, isBaseline) &&
    (checkpoint === undefined || (isObject(checkpoint) && isCheckpoint(checkpoint))) &&
    (rules === undefined || rules === null || isRules(rules))
  );
}

function isInput({ seq, input }: Fields): boolean {
  if (!isCount(seq) || !isObject(input) || !isText(input.kind)) return false;
  if (input.kind === "tick") return isWhole(input.number);
  return input.kind !== "command" || input.command !== "rules" || isRules(input.rules);
}

function isDecision(decision: Fields): boolean {
  const { d, alarmId, delivery, notification } = decision;
  switch (d) {
    case "send":
      return isText(delivery) && isObject(notification) && isText(notification.alarmId);
    case "end":
    case "cancel":
      return isText(delivery);
    case "source":
      return true;
    case "transition":
    case "hold":
    case "release":
    case "effect":
      return isText(alarmId);
    default:
      return false;
  }
}

function isDelivery({ id, clusterId, alarmId, createdAt, status }: Fields): boolean {
  return isText(id) && isText(clusterId) && isText(alarmId) && isWhole(createdAt) && isText(status);
}

function isBaseline({ source, seq, baseline }: Fields): boolean {
  return isText(source) && isCount(seq) && isObject(baseline);
}

function isCheckpoint({ seq, number, at, doc }: Fields): boolean {
  return isCount(seq) && isWhole(number) && isWhole(at) && isText(doc);
}

function isRules(value: unknown): boolean {
  return isObject(value) && isText(value.clusterId) && areAll(value.alarms, ({ id }) => isText(id));
}
