/**
 * Aodh's state machine and texts (aodh evaluator/threshold.py), as a pure function.
 *
 *   verdict            state            what happens
 *   alarm or ok S      other than S     transition to S
 *   alarm or ok S      S                remaining, when a repeat is due
 *   undecided          insufficient     transition to the newest datapoint's side
 *   undecided          ok or alarm      remaining, when a repeat is due
 *   insufficient data  ok or alarm      transition to insufficient data
 *   insufficient data  insufficient     remaining, when a repeat is due
 *   unknown            any              nothing: the state is kept
 */

import { floatRepr } from "../lib/python.ts";
import type { Alarm, State } from "../model/alarm.ts";
import type { ReasonData } from "../model/decision.ts";
import type { Judged, Verdict } from "./judge.ts";

export interface Step {
  readonly kind: "transition" | "remain";
  readonly to: State;
  readonly reason: string;
  readonly reasonData: ReasonData;
}

/** What a verdict means for an alarm in `state`; `undefined`: nothing. A `remain` is told only when a repeat is due. */
export function step(alarm: Alarm, state: State, verdict: Verdict): Step | undefined {
  switch (verdict.kind) {
    case "unknown":
      return undefined;
    case "alarm":
    case "ok":
      return settled(verdict.kind, state, verdict.points);
    case "undecided":
      return state === "insufficient data"
        ? settled(verdict.newest, state, verdict.points)
        : remaining(state, verdict.points);
    case "insufficient data": {
      if (state === "insufficient data") return remaining(state, { ...verdict.points, breaching: 0, notBreaching: 0 });
      const mostRecent = verdict.points.mostRecent;
      const reasonData: ReasonData = { disposition: "unknown", count: alarm.evaluationPeriods, mostRecent };
      const reason = `${alarm.evaluationPeriods} datapoints are unknown`;
      return { kind: "transition", to: "insufficient data", reason, reasonData };
    }
  }
}

function settled(to: "alarm" | "ok", state: State, points: Judged): Step {
  if (to === state) return remaining(state, points);
  const reasonData = dataOf(to, points);
  return { kind: "transition", to, reason: `Transition to ${to} ${dueTo(reasonData)}`, reasonData };
}

function remaining(state: State, points: Judged): Step {
  const reasonData = dataOf(state, points);
  return { kind: "remain", to: state, reason: `Remaining as ${state} ${dueTo(reasonData)}`, reasonData };
}

/** Samples on the state's own side: those that breach for `alarm`, those that do not for `ok`. */
function dataOf(state: State, points: Judged): ReasonData {
  const count = state === "alarm" ? points.breaching : state === "ok" ? points.notBreaching : 0;
  return { disposition: state === "ok" ? "inside" : "outside", count, mostRecent: points.mostRecent };
}

function dueTo({ count, disposition, mostRecent }: ReasonData): string {
  const value = mostRecent === null ? "None" : floatRepr(mostRecent);
  return `due to ${count} samples ${disposition} threshold, most recent: ${value}`;
}

/** What a repeat says while the newest tick cannot be judged: what was known when the state began. */
export function remainingSince(state: State, { count, disposition, mostRecent }: ReasonData): Step {
  const reasonData: ReasonData = { count, disposition, mostRecent };
  return { kind: "remain", to: state, reason: `Remaining as ${state} ${dueTo(reasonData)}`, reasonData };
}
