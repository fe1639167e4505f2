/** Composites with `not` and references (rule J8), over parts that are known, unknown or have no data. */

import type { Expression, State } from "../../src/model/alarm.ts";
import type { Judged } from "./extensions.ts";

/** What a part of a composite is (rule J8). */
export type Part = boolean | "unknown" | "insufficient";

/** What an inline rule says within a composite of that state: a trend is one that has not moved yet. */
export function partOfRule(judged: Judged, composite: State): Part | "unspecified" {
  switch (judged.kind) {
    case "alarm":
      return true;
    case "ok":
      return false;
    case "insufficient data":
      return "insufficient";
    case "undecided":
      return (judged.trend === "alarm") === (composite === "insufficient data");
    case "unknown":
    case "unspecified":
      return judged.kind;
  }
}

/** What a reference to another alarm says at a tick. */
export function partOfReference(asked: State | undefined, state: State, unknown: boolean): Part {
  if (asked !== undefined) return state === asked;
  if (unknown) return "unknown";
  return state === "insufficient data" ? "insufficient" : state === "alarm";
}

/** Kleene's logic over the parts, in reading order. */
export function judgeComposite(expression: Expression, parts: readonly Part[]): Judged {
  const open = kleene(expression, parts.map(settled).values());
  if (open !== undefined) return { kind: open ? "alarm" : "ok" };
  // Whose fault is it that it is open? Whatever the unknown parts were, or only because of them?
  const still = resolved(parts).map((one) => kleene(expression, one.map(settled).values()) === undefined);
  if (still.every((one) => one)) return { kind: "insufficient data" };
  if (still.every((one) => !one)) return { kind: "unknown" };
  return { kind: "unspecified", why: "open because of unknown and of insufficient parts" };
}

function settled(part: Part): boolean | undefined {
  return typeof part === "boolean" ? part : undefined;
}

/** The parts with every unknown one replaced in both ways. */
function resolved(parts: readonly Part[]): readonly (readonly Part[])[] {
  const [part, ...rest] = parts;
  if (part === undefined) return [[]];
  const ways: readonly Part[] = part === "unknown" ? [true, false] : [part];
  return ways.flatMap((way) => resolved(rest).map((tail) => [way, ...tail]));
}

function kleene(expression: Expression, parts: Iterator<boolean | undefined>): boolean | undefined {
  switch (expression.op) {
    case "rule":
    case "alarm":
      return parts.next().value;
    case "not": {
      const part = kleene(expression.part, parts);
      return part === undefined ? undefined : !part;
    }
    case "and":
    case "or": {
      const decides = expression.op === "or";
      const values = expression.parts.map((part) => kleene(part, parts));
      if (values.includes(decides)) return decides;
      return values.includes(undefined) ? undefined : !decides;
    }
  }
}
