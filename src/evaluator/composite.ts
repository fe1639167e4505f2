/**
 * A composite rule at one tick (rule J8): Kleene logic over its leaves. Texts follow Aodh, which looks at leaves only
 * as far as it must: first whether the expression holds, then whether its dual does over the leaves that are ok, and
 * only when neither is so at all of them.
 */

import type { Expression, State, ThresholdRule } from "../model/alarm.ts";
import { leavesOf } from "../model/alarm.ts";
import type { Judgement } from "./judge.ts";

/** What a leaf says: a state, or that there is not enough evidence to say one. */
export type LeafState = State | "unknown";

/** What another alarm of the file says at this tick. */
export interface Referred {
  readonly state: State;
  /** Its verdict is unknown, or it is not evaluated. */
  readonly isUnknown: boolean;
  readonly assumed: boolean;
}

export interface CompositeInput {
  readonly state: State;
  readonly judge: (rule: ThresholdRule) => Judgement;
  readonly referTo: (alarmId: string) => Referred | undefined;
  /** What the leaf by that name was decided to be last; `undefined`: nothing yet. */
  readonly decided: (name: string) => "alarm" | "ok" | undefined;
  /** Keeps that for the next tick; `undefined`: only the verdict is wanted. */
  readonly remember?: (name: string, side: "alarm" | "ok") => void;
}

export interface CompositeVerdict {
  readonly kind: "alarm" | "ok" | "insufficient data" | "unknown";
  /** E.g. `(rule1 or (rule2 and rule3))`. */
  readonly form: string;
  /** Leaves as far as they were looked at, in reading order. */
  readonly leaves: readonly { readonly name: string; readonly leaf: Leaf; readonly state: LeafState }[];
  /** Of `unknown`: why. */
  readonly reason: string;
  /** Some leaf that was looked at rests on what its policy takes a silence for. */
  readonly assumed: boolean;
}

export type Leaf = Extract<Expression, { readonly op: "rule" | "alarm" }>;

interface Looked {
  readonly name: string;
  readonly leaf: Leaf;
  state: LeafState | "undecided";
  readonly newest: "alarm" | "ok";
  readonly reason: string;
  readonly assumed: boolean;
}

/** What texts call an expression's leaves, and the whole: worked out once for each revision of a rule. */
interface Writing {
  readonly names: ReadonlyMap<Leaf, string>;
  readonly form: string;
}

const writings = new WeakMap<Expression, Writing>();

function writingOf(expression: Expression): Writing {
  const known = writings.get(expression);
  if (known) return known;
  const names = new Map(leavesOf(expression).map((leaf, index) => [leaf, `rule${index + 1}`]));
  const writing = { names, form: formOf(expression) };
  writings.set(expression, writing);
  return writing;
}

/** Judges a composite rule. */
export function judgeComposite(expression: Expression, input: CompositeInput): CompositeVerdict {
  const { names, form } = writingOf(expression);
  const looked = new Map<Leaf, Looked>();
  const remembering = rememberingLeaves(names, input);
  const look = (leaf: Leaf): Looked => {
    const known = looked.get(leaf);
    if (known) return known;
    const seen = remembering.get(leaf) ?? lookAt(leaf, names.get(leaf) ?? "", input);
    looked.set(leaf, seen);
    return seen;
  };
  const stateOf = (leaf: Leaf) => look(leaf).state;
  const early = decide(expression, stateOf);
  const leaves = () =>
    [...names].flatMap(([leaf]) => {
      const seen = looked.get(leaf);
      return seen
        ? [{ name: seen.name, leaf, state: seen.state === "undecided" ? ("unknown" as const) : seen.state }]
        : [];
    });
  const assumed = () => [...looked.values()].some((seen) => seen.assumed);
  if (early !== undefined) return { kind: early, form, leaves: leaves(), reason: "", assumed: assumed() };
  for (const leaf of names.keys()) look(leaf);
  for (const seen of looked.values()) if (seen.state === "undecided") seen.state = settle(seen, input);
  const late = decide(expression, stateOf);
  if (late !== undefined) return { kind: late, form, leaves: leaves(), reason: "", assumed: assumed() };
  const { canBeTrue, canBeFalse } = outcomesOf(expression, stateOf);
  const reasons = [...looked.values()].flatMap(({ name, reason }) => (reason === "" ? [] : [`${name}: ${reason}`]));
  const kind = canBeTrue || canBeFalse ? "unknown" : "insufficient data";
  return { kind, form, leaves: leaves(), reason: reasons[0] ?? "", assumed: assumed() };
}

/** Leaves that remember are judged at every tick, whether or not the text's order looks at them. */
function rememberingLeaves(names: ReadonlyMap<Leaf, string>, input: CompositeInput): ReadonlyMap<Leaf, Looked> {
  const leaves = new Map<Leaf, Looked>();
  for (const [leaf, name] of names) {
    if (leaf.op !== "rule" || !hasMemory(leaf.rule)) continue;
    const seen = lookAt(leaf, name, input);
    const side = seen.state === "undecided" ? settle(seen, input) : seen.state;
    if (side === "alarm" || side === "ok") input.remember?.(name, side);
    leaves.set(leaf, seen);
  }
  return leaves;
}

function lookAt(leaf: Leaf, name: string, input: CompositeInput): Looked {
  if (leaf.op === "rule") {
    const judgement = input.judge(leaf.rule);
    const reason = judgement.kind === "unknown" ? judgement.reason : "";
    const newest = judgement.kind === "undecided" ? judgement.newest : "ok";
    const assumed = judgement.kind !== "unknown" && judgement.points.assumed === true;
    return { name, leaf, state: judgement.kind, newest, reason, assumed };
  }
  const other = input.referTo(leaf.alarmId);
  const seen = { name, leaf, newest: "ok" as const, assumed: other?.assumed ?? false };
  if (!other) return { ...seen, state: "unknown", reason: `alarm ${leaf.name} is gone` };
  if (leaf.state !== undefined) return { ...seen, state: other.state === leaf.state ? "alarm" : "ok", reason: "" };
  if (other.isUnknown) return { ...seen, state: "unknown", reason: `alarm ${leaf.name} is unknown at this tick` };
  return { ...seen, state: other.state, reason: "" };
}

/**
 * A leaf whose datapoints are on both sides. Aodh takes the side of the newest while the alarm has no state, and the
 * other one ("not moved yet") when it has. A leaf with M of N or a clear threshold of its own remembers where it was.
 */
function settle({ name, leaf, newest }: Looked, input: CompositeInput): "alarm" | "ok" {
  if (leaf.op === "rule" && hasMemory(leaf.rule)) return input.decided(name) ?? newest;
  if (input.state === "insufficient data") return newest;
  return newest === "alarm" ? "ok" : "alarm";
}

/** Whether an undecided leaf keeps what it was decided to be last. */
function hasMemory(rule: ThresholdRule): boolean {
  return rule.datapointsToAlarm !== rule.evaluationPeriods || rule.clearThreshold !== rule.threshold;
}

type StateOf = (leaf: Leaf) => LeafState | "undecided";

/** Aodh's order: does the expression hold over leaves in alarm, does its dual over leaves that are ok? */
function decide(expression: Expression, stateOf: StateOf): "alarm" | "ok" | undefined {
  if (holds(expression, true, stateOf)) return "alarm";
  return holds(expression, false, stateOf) ? "ok" : undefined;
}

/** Whether the expression is surely true (`wanted`) or surely false, looking no further than needed. */
function holds(expression: Expression, wanted: boolean, stateOf: StateOf): boolean {
  switch (expression.op) {
    case "and":
    case "or": {
      const all = (expression.op === "and") === wanted;
      const part = (one: Expression) => holds(one, wanted, stateOf);
      return all ? expression.parts.every(part) : expression.parts.some(part);
    }
    case "not":
      return holds(expression.part, !wanted, stateOf);
    case "rule":
    case "alarm":
      return stateOf(expression) === (wanted ? "alarm" : "ok");
  }
}

/** What an expression could be, if each unknown leaf were one or the other. */
interface Outcomes {
  readonly canBeTrue: boolean;
  readonly canBeFalse: boolean;
}

/** Whether something unknown could still decide the expression; if not, it is open for want of data alone. */
function outcomesOf(expression: Expression, stateOf: StateOf): Outcomes {
  switch (expression.op) {
    case "and":
    case "or": {
      const parts = expression.parts.map((part) => outcomesOf(part, stateOf));
      const [every, some] = [parts.every.bind(parts), parts.some.bind(parts)];
      const [forTrue, forFalse] = expression.op === "and" ? [every, some] : [some, every];
      return { canBeTrue: forTrue(({ canBeTrue }) => canBeTrue), canBeFalse: forFalse(({ canBeFalse }) => canBeFalse) };
    }
    case "not": {
      const { canBeTrue, canBeFalse } = outcomesOf(expression.part, stateOf);
      return { canBeTrue: canBeFalse, canBeFalse: canBeTrue };
    }
    case "rule":
    case "alarm": {
      const state = stateOf(expression);
      const isUnknown = state === "unknown" || state === "undecided";
      return { canBeTrue: isUnknown || state === "alarm", canBeFalse: isUnknown || state === "ok" };
    }
  }
}

/** The expression as Aodh writes it: `(rule1 or (rule2 and rule3))`, leaves by number in reading order. */
export function formOf(expression: Expression): string {
  let leaves = 0;
  const of = (part: Expression): string => {
    switch (part.op) {
      case "and":
      case "or":
        return `(${part.parts.map(of).join(` ${part.op} `)})`;
      case "not":
        return `not ${of(part.part)}`;
      case "rule":
      case "alarm":
        return `rule${++leaves}`;
    }
  };
  return of(expression);
}
