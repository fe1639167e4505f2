/** Datapoints of one threshold rule → verdict (rules J1–J7, E5). */

import type { ThresholdRule } from "../model/alarm.ts";
import type { Datapoint, Source } from "./datapoint.ts";
import { datapointOf } from "./datapoint.ts";
import { ticksPer, windowsRead } from "./needs.ts";
import type { Readings } from "./readings.ts";
import type { Series } from "./series.ts";
import { NEVER } from "./track.ts";
import { evidenceOf, windowAt } from "./window.ts";

/** What texts say of the datapoints. */
export interface Judged {
  readonly type: "threshold";
  readonly breaching: number;
  readonly notBreaching: number;
  /** `null`: none has a value. */
  readonly mostRecent: number | null;
  /** Of a rule `per: server`: the server that decided. */
  readonly server?: string;
  /** Some datapoint is what the policy takes a silence for: no proof that there is little. */
  readonly assumed?: true;
}

/** What the datapoints of a rule say at one tick, before any state is looked at. */
export type Judgement =
  | { readonly kind: "alarm" | "ok"; readonly points: Judged }
  /** Neither; `newest` is the side of the newest datapoint (Aodh's trend). */
  | { readonly kind: "undecided"; readonly newest: "alarm" | "ok"; readonly points: Judged }
  | { readonly kind: "insufficient data"; readonly points: Judged }
  /** Not enough evidence: the state is kept, control actions are held. */
  | { readonly kind: "unknown"; readonly reason: string };

/** A source may be silent for so many ticks before its silence means something (rule E5). */
const PATIENCE_TICKS = 3;

/** Judges a rule at the newest tick of the series. */
export function judge(rule: ThresholdRule, series: Series, expect: number): Judgement {
  if (series.last === NEVER) return { kind: "unknown", reason: "no tick has been seen yet" };
  if (rule.per === "server") return judgeServers(rule, series, expect);
  return judgeOne(rule, { series, readings: series.own, expect });
}

function judgeOne(rule: ThresholdRule, source: Source): Judgement {
  const { series, readings } = source;
  const probe = rule.evaluationPeriods === 1 ? readings.probes.get(rule) : undefined;
  if (probe && !rule.excludeOutliers) {
    // One datapoint that is there is all that it takes.
    const { ticks } = probe.track;
    const point = datapointOf(source, probe, rule, windowAt(series.last, 0, ticks, series.intervalS));
    if (point.kind === "value") return judgePoints(rule, [point]);
  }
  return judgePoints(rule, datapointsOf(rule, source).judged);
}

/** The datapoints that a rule is judged by, the newest first: as they were `seen`, and as its policy has them. */
export function datapointsOf(
  rule: ThresholdRule,
  source: Source,
): { readonly seen: readonly Datapoint[]; readonly judged: readonly Datapoint[] } {
  const { series, readings } = source;
  const probe = readings.probes.get(rule);
  if (!probe) return { seen: [], judged: [] };
  const { evaluationPeriods } = rule;
  const windows = windowsRead(rule);
  const seen: Datapoint[] = [];
  const judged: Datapoint[] = [];
  for (let index = 0; index < windows; index++) {
    const point = datapointOf(source, probe, rule, windowAt(series.last, index, probe.track.ticks, series.intervalS));
    const after = afterPolicy(point, rule);
    seen.push(point);
    // A window that holds nothing is passed over, and one further back is looked at instead (rule J2); for one that
    // nobody saw none stands in.
    if (after.kind !== "missing" || point.kind !== "missing") judged.push(after);
    if (!rule.excludeOutliers && judged.length === evaluationPeriods) break;
  }
  if (!rule.excludeOutliers) return { seen, judged };
  return { seen, judged: withoutOutliers(judged).slice(0, evaluationPeriods) };
}

/** The policy's word on one datapoint (rules J1, E5); `missing`: it is not there. */
function afterPolicy(point: Datapoint, rule: ThresholdRule): Datapoint {
  if (point.kind === "value") return point;
  const policy = rule.treatMissingData;
  if (point.kind === "missing") {
    if (policy === "breaching") return FILLED_BREACHING;
    return policy === "not_breaching" ? FILLED_NOT_BREACHING : point;
  }
  const isOpen = point.proved === undefined || (point.proved === false && !point.clears);
  if (isOpen && (point.silentTicks ?? 0) > PATIENCE_TICKS) {
    if (policy === "missing") return { kind: "missing" };
    if (policy === "not_breaching") return ASSUMED_NOT_BREACHING;
  }
  return point;
}

const FILLED_BREACHING: Datapoint = { kind: "value", value: Number.NaN, breaches: true, clears: false };
const ASSUMED_NOT_BREACHING: Datapoint = {
  kind: "value",
  value: Number.NaN,
  breaches: false,
  clears: true,
  assumed: true,
};
const FILLED_NOT_BREACHING: Datapoint = { kind: "value", value: Number.NaN, breaches: false, clears: true };

/** Aodh's `exclude_outliers`: windows made of far more or fewer samples than the others say nothing. */
function withoutOutliers(points: readonly Datapoint[]): readonly Datapoint[] {
  const samples = points.flatMap((point) =>
    point.kind === "value" && point.samples !== undefined ? [point.samples] : [],
  );
  if (samples.length === 0) return points;
  const mean = samples.reduce((sum, count) => sum + count, 0) / samples.length;
  const deviation = Math.sqrt(samples.reduce((sum, count) => sum + (count - mean) ** 2, 0) / samples.length);
  return points.filter((point) => {
    if (point.kind !== "value" || point.samples === undefined) return true;
    return point.samples >= mean - 2 * deviation && point.samples <= mean + 2 * deviation;
  });
}

/** Judges datapoints, the newest first. Kleene: what unknown ones could still change is not decided. */
export function judgePoints(rule: ThresholdRule, points: readonly Datapoint[]): Judgement {
  const { evaluationPeriods, datapointsToAlarm, treatMissingData } = rule;
  let breaching = 0;
  let notBreaching = 0;
  let present = 0;
  let unknowns = 0;
  let clear = true;
  let assumed = false;
  /** Why something cannot be told: whether a datapoint breaches, or whether it clears. */
  let unknown: string | undefined;
  for (const point of points) {
    if (point.kind === "missing") {
      clear = false;
      continue;
    }
    present++;
    if (point.kind === "value") {
      if (point.breaches) breaching++;
      else notBreaching++;
      clear &&= point.clears;
      assumed ||= point.assumed === true;
      continue;
    }
    clear &&= point.clears;
    if (point.proved === true) breaching++;
    else if (point.proved === false) notBreaching++;
    else unknowns++;
    if (point.proved !== true && !point.clears) unknown ??= point.reason;
  }
  const judged: Judged = {
    type: "threshold",
    breaching,
    notBreaching,
    mostRecent: mostRecent(points),
    ...(assumed ? { assumed } : {}),
  };
  const alreadyAlarm = breaching >= datapointsToAlarm;
  if (present < evaluationPeriods && !(datapointsToAlarm < evaluationPeriods && alreadyAlarm)) {
    // What nobody saw could still make it an alarm.
    if (unknown !== undefined && datapointsToAlarm < evaluationPeriods && breaching + unknowns >= datapointsToAlarm)
      return { kind: "unknown", reason: unknown };
    // `ignore` keeps the state, as unknown does; the datapoints that are there decide nothing.
    if (treatMissingData === "ignore")
      return { kind: "unknown", reason: "datapoints are missing, and the policy is to ignore it" };
    return { kind: "insufficient data", points: judged };
  }
  if (alreadyAlarm) return { kind: "alarm", points: judged };
  if (unknown !== undefined) return { kind: "unknown", reason: unknown };
  if (clear) return { kind: "ok", points: judged };
  const newest = points[0] !== undefined && surelyBreaches(points[0]) ? "alarm" : "ok";
  return { kind: "undecided", newest, points: judged };
}

function surelyBreaches(point: Datapoint): boolean {
  return (point.kind === "value" && point.breaches) || (point.kind === "unknown" && point.proved === true);
}

function mostRecent(points: readonly Datapoint[]): number | null {
  for (const point of points) {
    if (point.kind !== "missing" && point.value !== undefined && !Number.isNaN(point.value)) return point.value;
  }
  return null;
}

/** Value of a rule's newest datapoint; `null`: there is none, or it is not known. */
export function newestOf(rule: ThresholdRule, series: Series, expect: number): number | null {
  const judgement = judge(rule, series, expect);
  return judgement.kind === "unknown" ? null : judgement.points.mostRecent;
}

/** Which servers a rule `per: server` is judged of: those that said anything in the windows it reads, by name. */
export function serversOf(rule: ThresholdRule, series: Series): readonly (readonly [string, Readings])[] {
  return [...series.servers]
    .filter(([, readings]) => {
      const ticks = readings.probes.get(rule)?.track.ticks ?? 0;
      return readings.lastSeen > series.last - ticks;
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Rule J7: alarm when any server is, ok when all are; a name that was absent for a whole window drops out, and one
 * that is too new to be judged does not count.
 */
function judgeServers(rule: ThresholdRule, series: Series, expect: number): Judgement {
  const verdicts = serversOf(rule, series).map(([server, readings]) => ({
    server,
    verdict: judgeOne(rule, { series, readings, expect }),
  }));
  const order = ["alarm", "unknown", "undecided", "ok", "insufficient data"] as const;
  const [worst] = order.flatMap((kind) => verdicts.filter(({ verdict }) => verdict.kind === kind));
  if (!worst) return judgeNoServer(rule, series, expect);
  const rising = verdicts.find(({ verdict }) => verdict.kind === "undecided" && verdict.newest === "alarm");
  const { server, verdict } = (worst.verdict.kind === "undecided" ? rising : undefined) ?? worst;
  if (verdict.kind === "unknown") return { kind: "unknown", reason: `server ${server}: ${verdict.reason}` };
  return { ...verdict, points: { ...verdict.points, server } };
}

/** No server said anything: its datapoints are missing, where the window was seen. */
function judgeNoServer(rule: ThresholdRule, series: Series, expect: number): Judgement {
  const window = windowAt(series.last, 0, ticksPer(rule.periodS, series.intervalS), series.intervalS);
  if (series.serversSince === undefined || window.from < series.serversSince) {
    return { kind: "unknown", reason: "servers are read since the rules changed: the window must fill" };
  }
  const evidence = evidenceOf(series, window, expect, "ticks");
  const silentTicks = evidence.kind === "silent" ? evidence.ticks : undefined;
  const seen: Datapoint =
    evidence.kind === "complete"
      ? { kind: "missing" }
      : { kind: "unknown", reason: evidence.reason, silentTicks, proved: undefined, clears: false, value: undefined };
  const filled = afterPolicy(seen, rule);
  const points = filled.kind === "missing" ? [] : Array.from({ length: rule.evaluationPeriods }, () => filled);
  return judgePoints(rule, points);
}
