/**
 * Aodh's evaluator as its tables say, slow and obvious: nothing here is shared with the evaluator. One call is one
 * evaluation, and knows nothing of the one before but the state.
 */

import { floatRepr, PythonFloat, type PythonValue, pythonJson } from "../../src/lib/python.ts";
import type { Comparison, Expression, Json, Severity, State } from "../../src/model/alarm.ts";

/** What Ceilometer answers for one window that holds samples. */
export interface Statistics {
  readonly value: number;
  /** Samples in it. */
  readonly count: number;
}

/** The windows that one evaluation asks for, oldest first; `undefined`: no sample, so no datapoint. */
export type Windows = readonly (Statistics | undefined)[];

export interface AodhThreshold {
  readonly evaluationPeriods: number;
  readonly comparison: Comparison;
  readonly threshold: number;
  readonly excludeOutliers: boolean;
}

export interface AodhAlarm {
  readonly id: string;
  readonly name: string;
  readonly severity: Severity;
  readonly repeatActions: boolean;
}

/** What one evaluation does. */
export interface Evaluated {
  readonly state: State;
  /** The state was another before. */
  readonly changed: boolean;
  readonly reason: string;
  /** Body of the POST to each action of `state`. */
  readonly body: string;
}

/** How many windows an evaluation asks for: one more than it needs, or twice as many to see which are odd. */
export function windowsAsked({ evaluationPeriods, excludeOutliers }: AodhThreshold): number {
  return evaluationPeriods + (excludeOutliers ? evaluationPeriods : 1);
}

/** One evaluation of a threshold alarm; `undefined`: it does nothing. */
export function evaluateThreshold(
  alarm: AodhAlarm,
  rule: AodhThreshold,
  state: State,
  windows: Windows,
): Evaluated | undefined {
  const n = rule.evaluationPeriods;
  const repeat = alarm.repeatActions;
  const values = datapoints(rule, windows);
  const mostRecent = values.at(-1) ?? null;
  const result = resultOf(rule, values);

  const due = (to: State): Evaluated => {
    const disposition = to === "ok" ? "inside" : "outside";
    // Of too few datapoints none is counted.
    const outside = result === "insufficient" ? 0 : values.filter((value) => holds(value, rule)).length;
    const count = to === "ok" ? values.length - outside : outside;
    const begin = to === state ? "Remaining as" : "Transition to";
    const shown = mostRecent === null ? "None" : floatRepr(mostRecent);
    const reason = `${begin} ${to} due to ${count} samples ${disposition} threshold, most recent: ${shown}`;
    return told(alarm, state, to, reason, thresholdData(disposition, count, mostRecent));
  };

  switch (result) {
    case "alarm":
    case "ok":
      if (result !== state) return due(result);
      return repeat ? due(result) : undefined;
    case "trending to alarm":
    case "trending to ok":
      if (state === "insufficient data") return due(result === "trending to alarm" ? "alarm" : "ok");
      return repeat ? due(state) : undefined;
    case "insufficient":
      if (state !== "insufficient data") {
        const data = thresholdData("unknown", n, mostRecent);
        return told(alarm, state, "insufficient data", `${n} datapoints are unknown`, data);
      }
      return repeat ? due("insufficient data") : undefined;
  }
}

type Result = "alarm" | "ok" | "trending to alarm" | "trending to ok" | "insufficient";

function resultOf(rule: AodhThreshold, values: readonly number[]): Result {
  if (values.length < rule.evaluationPeriods) return "insufficient";
  const compared = values.map((value) => holds(value, rule));
  if (compared.every((one) => one)) return "alarm";
  if (compared.every((one) => !one)) return "ok";
  return compared.at(-1) ? "trending to alarm" : "trending to ok";
}

/** The newest datapoints, oldest first: as many as are judged, or as there are. */
function datapoints(rule: AodhThreshold, windows: Windows): readonly number[] {
  let present = windows.filter((window) => window !== undefined);
  if (rule.excludeOutliers && present.length > 0) {
    const counts = present.map(({ count }) => count);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    const sd = Math.sqrt(variance);
    present = present.filter(({ count }) => !(count < mean - 2 * sd) && !(count > mean + 2 * sd));
  }
  return present.slice(-rule.evaluationPeriods).map(({ value }) => value);
}

function holds(value: number, { comparison, threshold }: AodhThreshold): boolean {
  const table: Record<Comparison, boolean> = {
    lt: value < threshold,
    le: value <= threshold,
    eq: value === threshold,
    ne: value !== threshold,
    ge: value >= threshold,
    gt: value > threshold,
  };
  return table[comparison];
}

function thresholdData(disposition: string, count: number, mostRecent: number | null): PythonValue {
  return {
    type: "threshold",
    disposition,
    count,
    most_recent: mostRecent === null ? null : new PythonFloat(mostRecent),
  };
}

function told(alarm: AodhAlarm, previous: State, current: State, reason: string, reasonData: PythonValue): Evaluated {
  const body = pythonJson({
    alarm_name: alarm.name,
    alarm_id: alarm.id,
    severity: alarm.severity,
    previous,
    current,
    reason,
    reason_data: reasonData,
  });
  return { state: current, changed: previous !== current, reason, body };
}

/** A leaf of a composite while one evaluation runs. */
interface Leaf {
  readonly name: string;
  readonly rule: AodhThreshold;
  readonly written: { readonly [key: string]: Json };
  readonly windows: Windows;
  evaluated: boolean;
  /** `undefined`: not evaluated, or trending and not settled yet. */
  state: State | undefined;
  trend: "ok" | "alarm" | undefined;
}

type Node =
  | { readonly op: "and" | "or"; readonly parts: readonly Node[] }
  | { readonly op: "leaf"; readonly leaf: Leaf };

/** One evaluation of a composite alarm of `and`, `or` and rules; `windowsOf` has the windows of leaf 0, 1, … */
export function evaluateComposite(
  alarm: AodhAlarm,
  expression: Expression,
  state: State,
  windowsOf: (leaf: number) => Windows,
): Evaluated | undefined {
  const leaves: Leaf[] = [];
  const root = build(expression, leaves, windowsOf);

  const due = (to: State): Evaluated | undefined => {
    if (to === state && (!alarm.repeatActions || to === "insufficient data")) return undefined;
    return told(alarm, state, to, ...compositeReason(root, leaves, state, to));
  };

  // The first pass evaluates only the leaves that decide it; a trend says nothing yet.
  if (asAlarm(root)) return due("alarm");
  if (asOk(root)) return due("ok");
  // The second has all of them, and their trends.
  for (const leaf of leaves) {
    evaluateLeaf(leaf);
    if (leaf.trend === undefined) continue;
    const opposite = leaf.trend === "alarm" ? "ok" : "alarm";
    leaf.state = state === "insufficient data" ? leaf.trend : opposite;
  }
  if (asAlarm(root)) return due("alarm");
  if (asOk(root)) return due("ok");
  return due("insufficient data");
}

function build(expression: Expression, leaves: Leaf[], windowsOf: (leaf: number) => Windows): Node {
  switch (expression.op) {
    case "and":
    case "or":
      return { op: expression.op, parts: expression.parts.map((part) => build(part, leaves, windowsOf)) };
    case "rule": {
      const { rule, written } = expression;
      const windows = windowsOf(leaves.length);
      const name = `rule${leaves.length + 1}`;
      const leaf: Leaf = { name, rule, written, windows, evaluated: false, state: undefined, trend: undefined };
      leaves.push(leaf);
      return { op: "leaf", leaf };
    }
    case "not":
    case "alarm":
      throw new Error(`Aodh has no ${expression.op}`);
  }
}

function evaluateLeaf(leaf: Leaf): void {
  if (leaf.evaluated) return;
  leaf.evaluated = true;
  const result = resultOf(leaf.rule, datapoints(leaf.rule, leaf.windows));
  if (result === "alarm" || result === "ok") leaf.state = result;
  if (result === "insufficient") leaf.state = "insufficient data";
  if (result === "trending to alarm") leaf.trend = "alarm";
  if (result === "trending to ok") leaf.trend = "ok";
}

function leafIs(leaf: Leaf, state: State): boolean {
  evaluateLeaf(leaf);
  return leaf.state === state;
}

function asAlarm(node: Node): boolean {
  if (node.op === "leaf") return leafIs(node.leaf, "alarm");
  return node.op === "and" ? node.parts.every(asAlarm) : node.parts.some(asAlarm);
}

/** The dual: `and` and `or` change places. */
function asOk(node: Node): boolean {
  if (node.op === "leaf") return leafIs(node.leaf, "ok");
  return node.op === "and" ? node.parts.some(asOk) : node.parts.every(asOk);
}

function compositeReason(root: Node, leaves: readonly Leaf[], state: State, to: State): [string, PythonValue] {
  const causes = leaves.filter((leaf) => leaf.state === to);
  const rules = causes.map(({ name }) => name).sort();
  const verb = to === state ? "remaining as" : "transition to";
  const endings: Record<State, string> = {
    alarm: "outside their threshold.",
    ok: "inside their threshold.",
    "insufficient data": "state evaluated to unknown.",
  };
  const reason =
    `Composite rule alarm with composition form: ${formOf(root)} ${verb} ${to}, ` +
    `due to rules: ${rules.join(", ")} ${endings[to]}`;
  const shown = causes.map(({ name, written }) => [name, floats(written)] as const);
  return [reason, { type: "composite", composition_form: formOf(root), causative_rules: Object.fromEntries(shown) }];
}

/** `(rule1 or (rule2 and rule3))`. */
function formOf(node: Node): string {
  return node.op === "leaf" ? node.leaf.name : `(${node.parts.map(formOf).join(` ${node.op} `)})`;
}

/** A threshold is a float, however it was written. */
function floats(written: { readonly [key: string]: Json }): PythonValue {
  const entries = Object.entries(written);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, key === "threshold" ? new PythonFloat(Number(value)) : value]),
  );
}
