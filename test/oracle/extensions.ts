/**
 * What Tocsin adds to Aodh for one rule (rules E1–E5, J1–J6), slow and obvious: every verdict is made anew from the whole
 * history, and what is not known is tried out in every way that it could be. Where the rules say nothing the answer is
 * `unspecified`, with why.
 */

import type { State, ThresholdRule } from "../../src/model/alarm.ts";
import type { MeterKind, Past, Point } from "./datapoints.ts";
import { pointOf } from "./datapoints.ts";

export type Judged =
  | { readonly kind: "alarm" | "ok" | "unknown" | "insufficient data" }
  | { readonly kind: "undecided"; readonly trend: "ok" | "alarm" }
  | { readonly kind: "unspecified"; readonly why: string };

type Known = Exclude<Point, { readonly kind: "unspecified" }>;

/** The verdict on a rule at the last tick of the history. */
export function judge(rule: ThresholdRule, meter: MeterKind, history: readonly Past[]): Judged {
  const n = rule.evaluationPeriods;
  // The newest first; one more than is judged, for the look-back.
  const all = Array.from({ length: n + 1 }, (_, index) => filled(rule, pointOf(rule, meter, history, index)));
  const looksBack = rule.treatMissingData === "missing" && rule.datapointsToAlarm === n;
  const asked = looksBack && all.slice(0, n).some(({ kind }) => kind === "missing") ? all : all.slice(0, n);
  const odd = asked.find((point) => point.kind === "unspecified");
  if (odd?.kind === "unspecified") return odd;
  const points = asked.filter((point): point is Known => point.kind !== "unspecified");

  const results = completions(points, rule).map((one) => judgePoints(rule, one));
  const [first = { kind: "unknown" } as const] = results;
  if (results.length === 1) return first;
  // What holds whatever the unknown is has been proved; that nothing can be decided is no proof of anything.
  if (first.kind !== "undecided" && results.every(({ kind }) => kind === first.kind)) return first;
  return afterSilence(rule, points, history);
}

/** E5: what an unknown verdict turns into. */
function afterSilence(rule: ThresholdRule, points: readonly Known[], history: readonly Past[]): Judged {
  const causes = points.flatMap((point) => (point.kind === "unknown" ? [point.cause] : []));
  const silent = [...new Set(causes.flatMap((cause) => (cause === "ours" ? [] : cause)))];
  if (silent.length === 0) return { kind: "unknown" };
  if (rule.treatMissingData === "ignore" || rule.treatMissingData === "breaching") return { kind: "unknown" };
  const silences = silent.map((source) => silenceOf(source, history));
  if (silences.some((ticks) => ticks === undefined))
    return { kind: "unspecified", why: "a silence with downtime in it" };
  const long = silences.map((ticks) => (ticks ?? 0) > 3);
  if (long.every((one) => !one) && silences.every((ticks) => (ticks ?? 0) > 0)) return { kind: "unknown" };
  if (!long.every((one) => one))
    return { kind: "unspecified", why: "a silence that is over, or two of different length" };
  if (causes.includes("ours")) return { kind: "unspecified", why: "one window lacks our seconds, another a source's" };
  if (rule.treatMissingData === "missing") return { kind: "insufficient data" };
  const full = points.map((point): Known => {
    if (point.kind !== "unknown") return point;
    // What is proved stays; the policy speaks of the rest.
    if (point.breaches === undefined) return { kind: "value", breaches: false, clears: true };
    return { kind: "value", breaches: point.breaches, clears: point.clears ?? !point.breaches };
  });
  return judgePoints(rule, full);
}

/** Ticks since the source last answered; `undefined`: nobody saw all of them. */
function silenceOf(source: number, history: readonly Past[]): number | undefined {
  const last = history.findLastIndex(({ said }) => said[source]?.failed === false);
  const silent = history.slice(last + 1);
  const newest = history.at(-1)?.number ?? 0;
  const before = history[last]?.number ?? (history[0]?.number ?? 0) - 1;
  if (newest - before !== silent.length) return undefined;
  return silent.length;
}

/** J1. */
function filled(rule: ThresholdRule, point: Point): Point {
  if (point.kind !== "missing") return point;
  if (rule.treatMissingData === "breaching") return { kind: "value", breaches: true, clears: false };
  if (rule.treatMissingData === "not_breaching") return { kind: "value", breaches: false, clears: true };
  return point;
}

/** The points with everything unknown replaced, in every way it could be. */
function completions(points: readonly Known[], rule: ThresholdRule): readonly (readonly Known[])[] {
  const [point, ...rest] = points;
  if (!point) return [[]];
  const tails = completions(rest, rule);
  const ways = waysOf(point, rule);
  return ways.flatMap((way) => tails.map((tail) => [way, ...tail]));
}

function waysOf(point: Known, rule: ThresholdRule): readonly Known[] {
  if (point.kind !== "unknown") return [point];
  const ways: Known[] = [
    { kind: "value", breaches: true, clears: false },
    { kind: "value", breaches: false, clears: true },
  ];
  if (rule.clearThreshold !== rule.threshold) ways.push({ kind: "value", breaches: false, clears: false });
  return ways.filter(
    (way) =>
      way.kind === "value" &&
      (point.breaches === undefined || way.breaches === point.breaches) &&
      (point.clears === undefined || way.clears === point.clears),
  );
}

/** J2–J5, when nothing is unknown. */
function judgePoints(rule: ThresholdRule, points: readonly Known[]): Judged {
  const { evaluationPeriods: n, datapointsToAlarm: m } = rule;
  const present = points.flatMap((point) => (point.kind === "value" ? [point] : [])).slice(0, n);
  const breaching = present.filter(({ breaches }) => breaches).length;
  if (present.length < n && !(m < n && breaching >= m))
    return { kind: rule.treatMissingData === "ignore" ? "unknown" : "insufficient data" };
  if (breaching >= m) return { kind: "alarm" };
  if (present.every(({ clears }) => clears)) return { kind: "ok" };
  return { kind: "undecided", trend: present[0]?.breaches ? "alarm" : "ok" };
}

/** The state after a verdict. */
export function nextState(state: State, judged: Judged): State {
  switch (judged.kind) {
    case "alarm":
    case "ok":
    case "insufficient data":
      return judged.kind;
    case "undecided":
      return state === "insufficient data" ? judged.trend : state;
    case "unknown":
    case "unspecified":
      return state;
  }
}
