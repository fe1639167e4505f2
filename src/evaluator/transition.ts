/**
 * Aodh's state machine and texts (aodh evaluator/threshold.py, composite.py), as pure functions.
 *
 *   verdict            state            what happens
 *   alarm or ok S      other than S     transition to S
 *   alarm or ok S      S                remaining, when a repeat is due
 *   undecided          insufficient     transition to the newest datapoint's side
 *   undecided          ok or alarm      remaining, when a repeat is due
 *   insufficient data  ok or alarm      transition to insufficient data
 *   insufficient data  insufficient     remaining, when a repeat is due; a composite says nothing
 *   unknown, stopped   any              nothing: the state is kept
 */

import { floatRepr } from "../lib/python.ts";
import type { Json, State } from "../model/alarm.ts";
import type { ReasonData } from "../model/decision.ts";
import type { Leaf } from "./composite.ts";
import type { CompositePoints, Points, Verdict } from "./verdict.ts";

/** What is told of a state: that it was entered, or that it goes on. */
export interface Said {
  readonly to: State;
  readonly reason: string;
  readonly reasonData: ReasonData;
}

/** The transition that a verdict means for an alarm in `state`; `undefined`: none. */
export function transitionFor(verdict: Verdict, state: State, evaluationPeriods: number): Said | undefined {
  switch (verdict.kind) {
    case "unknown":
    case "stopped":
    case "event":
      return undefined;
    case "alarm":
    case "ok":
      return verdict.kind === state ? undefined : entering(verdict.kind, verdict.points);
    case "undecided":
      return state === "insufficient data" ? entering(verdict.newest, verdict.points) : undefined;
    case "insufficient data": {
      if (state === "insufficient data") return undefined;
      const { points } = verdict;
      if (points.type === "composite") return entering("insufficient data", points);
      const { mostRecent, server } = points;
      const reasonData: ReasonData = {
        type: "threshold",
        disposition: "unknown",
        count: evaluationPeriods,
        mostRecent,
        ...(server === undefined ? {} : { server }),
      };
      return { to: "insufficient data", reason: `${evaluationPeriods} datapoints are unknown`, reasonData };
    }
  }
}

/** What a repeat says of an alarm that stays in `state`; `undefined`: nothing is repeated. */
export function remainingFor(verdict: Verdict, state: State, since: ReasonData | undefined): Said | undefined {
  if ("points" in verdict) {
    if (verdict.kind !== "insufficient data") return said("Remaining as", state, dataOf(state, verdict.points));
    if (verdict.points.type === "composite") return undefined;
    if (state === "insufficient data") return said("Remaining as", state, dataOf(state, verdict.points));
  }
  // The newest tick cannot be judged: what was known when the state began is what is known.
  return since && since.type !== "event" ? said("Remaining as", state, since) : undefined;
}

function entering(to: State, points: Points): Said {
  return said("Transition to", to, dataOf(to, points));
}

function said(verb: "Transition to" | "Remaining as", to: State, reasonData: ReasonData): Said {
  return { to, reason: textOf(verb, to, reasonData), reasonData };
}

function textOf(verb: "Transition to" | "Remaining as", to: State, data: ReasonData): string {
  switch (data.type) {
    case "threshold": {
      const value = data.mostRecent === null ? "None" : floatRepr(data.mostRecent);
      const of = data.server === undefined ? "" : ` (server ${data.server})`;
      return `${verb} ${to} due to ${data.count} samples ${data.disposition} threshold, most recent: ${value}${of}`;
    }
    case "composite": {
      const names = data.causes.map(([name]) => name).join(", ");
      const form = `Composite rule alarm with composition form: ${data.form}`;
      return `${form} ${verb.toLowerCase()} ${to}, due to rules: ${names} ${ENDINGS[to]}`;
    }
    case "event":
      return "";
  }
}

const ENDINGS: Readonly<Record<State, string>> = {
  ok: "inside their threshold.",
  alarm: "outside their threshold.",
  "insufficient data": "state evaluated to unknown.",
};

function dataOf(state: State, points: Points): ReasonData {
  if (points.type === "composite") return compositeData(state, points);
  // Samples on the state's own side: those that breach for `alarm`, those that do not for `ok`.
  const count = state === "alarm" ? points.breaching : state === "ok" ? points.notBreaching : 0;
  const disposition = state === "ok" ? "inside" : "outside";
  const { mostRecent, server } = points;
  return { type: "threshold", disposition, count, mostRecent, ...(server === undefined ? {} : { server }) };
}

function compositeData(state: State, { form, leaves }: CompositePoints): ReasonData {
  const causes = leaves
    .filter((leaf) => leaf.state === state)
    .map(({ name, leaf }) => [name, writtenOf(leaf)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { type: "composite", form, causes };
}

function writtenOf(leaf: Leaf): { readonly [key: string]: Json } {
  if (leaf.op === "rule") return leaf.written;
  return leaf.state === undefined ? { alarm: leaf.name } : { alarm: leaf.name, state: leaf.state };
}
