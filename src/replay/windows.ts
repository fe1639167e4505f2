/** A threshold rule with every window that it read, as people see them. */

import type { Datapoint, Source } from "../evaluator/datapoint.ts";
import type { Judgement } from "../evaluator/judge.ts";
import { datapointsOf, judge, judgePoints, serversOf } from "../evaluator/judge.ts";
import { counterOf } from "../evaluator/needs.ts";
import type { Probe } from "../evaluator/readings.ts";
import type { Series } from "../evaluator/series.ts";
import { placeAt, valueAt } from "../evaluator/series.ts";
import type { Window } from "../evaluator/window.ts";
import { activeServersIn, coveredBy, evidenceOf, windowAt } from "../evaluator/window.ts";
import { rfc3339 } from "../lib/clock.ts";
import type { ThresholdRule } from "../model/alarm.ts";
import type { RuleExplanation, SourceExplanation, WindowExplanation } from "../model/explanation.ts";
import { meterNamed } from "../model/meters.ts";
import { thresholdView } from "../model/ruleView.ts";
import type { SealedTick } from "../model/tick.ts";

/** What rules were judged by at a tick. */
export interface Judged {
  readonly series: Series;
  readonly expect: number;
  /** Label of the newest tick. */
  readonly at: number;
  /** Recorded ticks by number, as far back as windows reach. */
  readonly ticks: ReadonlyMap<number, SealedTick>;
}

/** A rule as it was judged: once, or for each server that it is judged of. `name`: of a leaf. */
export function ruleExplanations(rule: ThresholdRule, name: string | null, judged: Judged): readonly RuleExplanation[] {
  const { series, expect } = judged;
  if (rule.per !== "server") {
    return [explained(rule, name, null, { series, readings: series.own, expect }, judged)];
  }
  const ofServers = serversOf(rule, series).map(([server, readings]) =>
    explained(rule, name, server, { series, readings, expect }, judged),
  );
  return ofServers.length > 0 ? ofServers : [ofNoServer(rule, name, judged)];
}

function explained(
  rule: ThresholdRule,
  name: string | null,
  server: string | null,
  source: Source,
  judged: Judged,
): RuleExplanation {
  const points = datapointsOf(rule, source);
  const probe = source.readings.probes.get(rule);
  const windows = points.seen.flatMap((point, index) =>
    probe ? [windowExplanation(rule, point, points.judged, windowOf(source.series, probe, index), probe, judged)] : [],
  );
  // Raw counters are kept of the cluster as a whole: of one server they would say something else.
  const own =
    server === null ? windows : windows.map((window) => ({ ...window, sources: window.sources.map(withoutRaw) }));
  return { ...wordsOf(rule, name, server), ...verdictOf(judgePoints(rule, points.judged)), windows: own };
}

function ofNoServer(rule: ThresholdRule, name: string | null, { series, expect }: Judged): RuleExplanation {
  return { ...wordsOf(rule, name, null), ...verdictOf(judge(rule, series, expect)), windows: [] };
}

function wordsOf(rule: ThresholdRule, name: string | null, server: string | null) {
  const meter = meterNamed(rule.meterName);
  return {
    name,
    server,
    unit: meter?.unit ?? "",
    ...thresholdView(rule),
  };
}

function verdictOf(judgement: Judgement) {
  const unknown = judgement.kind === "unknown";
  return {
    verdict: judgement.kind,
    verdict_reason: unknown ? judgement.reason : null,
    breaching: unknown ? 0 : judgement.points.breaching,
  };
}

function windowOf(series: Series, probe: Probe, index: number): Window {
  return windowAt(series.last, index, probe.track.ticks, series.intervalS);
}

function windowExplanation(
  rule: ThresholdRule,
  point: Datapoint,
  used: readonly Datapoint[],
  window: Window,
  probe: Probe,
  judged: Judged,
): WindowExplanation {
  const { series, expect } = judged;
  const filled = filledBy(rule, point, used);
  const value = point.kind === "missing" ? undefined : point.value;
  return {
    from: labelOf(judged, window.from - 1),
    to: labelOf(judged, window.to),
    kind: point.kind,
    value: value ?? null,
    breaches: point.kind === "value" ? point.breaches : point.kind === "unknown" ? (point.proved ?? null) : null,
    clears: point.kind === "value" ? point.clears : null,
    samples: numbersOf(window).filter((number) => !Number.isNaN(valueAt(series, probe.ring.data, number))).length,
    divisor: rule.per === "active_server" ? (activeServersIn(series, window, expect) ?? null) : null,
    problem: problemOf(rule, point),
    filled,
    used: used.includes(point) || filled !== null,
    sources: [...series.sources.keys()].map((name) => sourceExplanation(name, rule, window, judged)),
  };
}

function problemOf(rule: ThresholdRule, point: Datapoint): string | null {
  if (point.kind === "unknown") return point.reason;
  return point.kind === "missing" ? `the window was seen, and ${rule.meterName} had no value in it` : null;
}

/** What the policy made of a point, which is then another one. */
function filledBy(rule: ThresholdRule, point: Datapoint, used: readonly Datapoint[]): string | null {
  const { treatMissingData: policy } = rule;
  if (point.kind === "missing") return policy === "breaching" || policy === "not_breaching" ? policy : null;
  if (point.kind === "value" || used.includes(point) || point.silentTicks === undefined) return null;
  return policy === "missing" || policy === "not_breaching" ? policy : null;
}

function sourceExplanation(name: string, rule: ThresholdRule, window: Window, judged: Judged): SourceExplanation {
  const { series, ticks } = judged;
  const ring = series.sources.get(name);
  const at = (number: number) => ticks.get(number)?.sources.find((source) => source.name === name);
  const meter = meterNamed(rule.meterName);
  const counter = counterOf(rule) ?? (meter?.kind === "rate" ? meter.of : rule.meterName);
  const [start, end] = [at(window.from - 1), at(window.to)];
  return {
    name,
    covered: ring ? Math.round(coveredBy(series, ring, window) * 1000) / 1000 : 0,
    pid: end?.pid ?? null,
    restarted: numbersOf(window).some((number) => at(number)?.fresh === true),
    raw_start: start?.raw?.[counter] ?? null,
    raw_end: end?.raw?.[counter] ?? null,
  };
}

function withoutRaw(source: SourceExplanation): SourceExplanation {
  return { ...source, raw_start: null, raw_end: null };
}

/** Label of a tick: its own where it is recorded, else as the newest one's says. */
function labelOf({ series, at, ticks }: Judged, number: number): string {
  return rfc3339(ticks.get(number)?.at ?? at - (series.last - number) * series.intervalS * 1000);
}

function numbersOf({ from, to }: Window): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/**
 * Tick at which every window that a rule judges is full, if all polls until then answer; `undefined`: no window lacks
 * seconds that only time brings.
 */
export function fullAt(rule: ThresholdRule, { series, expect }: Pick<Judged, "series" | "expect">): number | undefined {
  const probe = [series.own, ...series.servers.values()].find(({ probes }) => probes.has(rule))?.probes.get(rule);
  if (!probe) return undefined;
  const all = { from: series.last - rule.evaluationPeriods * probe.track.ticks + 1, to: series.last, periodS: 0 };
  const lacking = Array.from({ length: rule.evaluationPeriods }, (_, index) => windowOf(series, probe, index)).some(
    (window) =>
      window.from < probe.ring.since ||
      evidenceOf(series, window, expect, probe.ring.isIncrease ? "seconds" : "ticks").kind === "ours",
  );
  if (!lacking) return undefined;
  const hole = numbersOf(all).findLast((number) => number < probe.ring.since || !isCovered(series, number));
  return hole === undefined ? undefined : hole + rule.evaluationPeriods * probe.track.ticks;
}

/** Every source that is known now covered seconds at the tick. */
function isCovered(series: Series, number: number): boolean {
  if (placeAt(series, number) < 0) return false;
  return [...series.sources.values()].every(
    (source) => source.lastSeen < series.last || valueAt(series, source.coveredS, number) > 0,
  );
}
