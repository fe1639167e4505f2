/** Datapoints → verdict (rules J1–J5, E5). */

import type { Alarm } from "../model/alarm.ts";
import type { Datapoint } from "./datapoint.ts";
import { datapointOf } from "./datapoint.ts";
import type { Series } from "./series.ts";
import { windowAt } from "./window.ts";

/** What the datapoints of an alarm say at one tick, before any state is looked at. */
export type Verdict =
  | { readonly kind: "alarm" | "ok"; readonly points: Judged }
  /** Neither; `newest` is the side of the newest datapoint (Aodh's trend). */
  | { readonly kind: "undecided"; readonly newest: "alarm" | "ok"; readonly points: Judged }
  | { readonly kind: "insufficient data"; readonly points: Judged }
  /** Not enough evidence: the state is kept, control actions are held. */
  | { readonly kind: "unknown"; readonly reason: string };

/** What texts say of the datapoints. */
export interface Judged {
  readonly breaching: number;
  readonly notBreaching: number;
  /** `null`: none has a value. */
  readonly mostRecent: number | null;
}

/** A source may be silent for so many ticks before its silence means something (rule E5). */
const PATIENCE_TICKS = 3;

/** Judges an alarm at the newest tick of its series. */
export function judge(alarm: Alarm, series: Series): Verdict {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData, periodS } = alarm;
  const lookBack = treatMissingData === "missing" && datapointsToAlarm === evaluationPeriods ? 1 : 0;
  const points: Datapoint[] = [];
  for (let index = 0; index < evaluationPeriods + lookBack && points.length < evaluationPeriods; index++) {
    const seen = datapointOf(series, alarm, windowAt(series.last, index, periodS, series.intervalS));
    const point = afterPolicy(seen, alarm);
    // A window that holds nothing is passed over, and one further back is looked at instead (rule J2); for one that
    // nobody saw none stands in.
    if (point.kind !== "missing" || seen.kind !== "missing") points.push(point);
  }
  return judgePoints(alarm, points);
}

/** The policy's word on one datapoint (rules J1, E5); `missing`: it is not there. */
function afterPolicy(point: Datapoint, alarm: Alarm): Datapoint {
  const policy = alarm.treatMissingData;
  if (point.kind === "missing") {
    if (policy === "breaching") return filled(true);
    if (policy === "not_breaching") return filled(false);
  }
  if (point.kind === "unknown" && point.proved === undefined && (point.silentTicks ?? 0) > PATIENCE_TICKS) {
    if (policy === "missing") return { kind: "missing" };
    if (policy === "not_breaching") return filled(false);
  }
  return point;
}

function filled(breaches: boolean): Datapoint {
  return { kind: "value", value: Number.NaN, breaches, clears: !breaches };
}

/** Judges datapoints, the newest first. Kleene: what unknown ones could still change is not decided. */
export function judgePoints(alarm: Alarm, points: readonly Datapoint[]): Verdict {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData } = alarm;
  const breaching = points.filter(surelyBreaches).length;
  const notBreaching = points.filter(surelyDoesNot).length;
  const judged: Judged = { breaching, notBreaching, mostRecent: mostRecent(points) };
  const unknown = points.find((point) => point.kind === "unknown" && point.proved === undefined);
  const enough = points.filter((point) => point.kind !== "missing").length >= evaluationPeriods;
  const alreadyAlarm = breaching >= datapointsToAlarm;

  if (!enough && !(datapointsToAlarm < evaluationPeriods && alreadyAlarm)) {
    // `ignore` keeps the state, as unknown does; the datapoints that are there decide nothing.
    if (treatMissingData === "ignore")
      return { kind: "unknown", reason: "datapoints are missing, and the policy is to ignore it" };
    return { kind: "insufficient data", points: judged };
  }
  if (alreadyAlarm) return { kind: "alarm", points: judged };
  if (unknown?.kind === "unknown") return { kind: "unknown", reason: unknown.reason };
  if (points.every((point) => point.kind === "value" && point.clears)) return { kind: "ok", points: judged };
  // A lower bound that proves "not breaching" has no clear side to tell: it clears where thresholds are one.
  if (notBreaching === points.length && alarm.clearThreshold === alarm.threshold) return { kind: "ok", points: judged };
  const newest = points[0] !== undefined && surelyBreaches(points[0]) ? "alarm" : "ok";
  return { kind: "undecided", newest, points: judged };
}

function surelyBreaches(point: Datapoint): boolean {
  return (point.kind === "value" && point.breaches) || (point.kind === "unknown" && point.proved === true);
}

function surelyDoesNot(point: Datapoint): boolean {
  return (point.kind === "value" && !point.breaches) || (point.kind === "unknown" && point.proved === false);
}

function mostRecent(points: readonly Datapoint[]): number | null {
  for (const point of points) {
    if (point.kind !== "missing" && point.value !== undefined && !Number.isNaN(point.value)) return point.value;
  }
  return null;
}
