/** One window of one rule → a datapoint (rules E1–E6, J6). */

import type { Comparison, ThresholdRule } from "../model/alarm.ts";
import { compare } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { Probe, Readings } from "./readings.ts";
import type { Series } from "./series.ts";
import { highestIn, lowerBoundOf, resultOf, statisticOf } from "./statistic.ts";
import type { Evidence, Window } from "./window.ts";
import { activeServersIn, evidenceOf, mayHideTraffic, spansUnevenly, wholenessOf, wholeTicks } from "./window.ts";

/**
 * `value`: known. `missing`: the window was seen and holds nothing (rule E2). `unknown`: not enough evidence;
 * `silentTicks` says for how long a source has been silent, `proved` what a lower bound shows all the same (rule E3).
 */
export type Datapoint =
  | {
      readonly kind: "value";
      readonly value: number;
      readonly breaches: boolean;
      readonly clears: boolean;
      /** Samples in the window, where outliers are looked for. */
      readonly samples?: number;
      /** A source is silent, and the policy says what to take its silence for. */
      readonly assumed?: true;
    }
  | { readonly kind: "missing" }
  | {
      readonly kind: "unknown";
      readonly reason: string;
      /** `undefined`: nobody's silence is the cause, and no policy applies. */
      readonly silentTicks: number | undefined;
      /** Whether the window surely breaches (`true`), surely does not (`false`), or neither can be said. */
      readonly proved: boolean | undefined;
      /** Where it surely does not breach: whether it surely clears, too. */
      readonly clears: boolean;
      /** What was seen, `undefined` when nothing. */
      readonly value: number | undefined;
    };

/** What datapoints are made from: a cluster's own readings, or one server's, under the cluster's evidence. */
export interface Source {
  readonly series: Series;
  readonly readings: Readings;
  /** Sources that must report (rule T4); 0: those that were seen. */
  readonly expect: number;
}

const MISSING: Datapoint = { kind: "missing" };

/** The datapoint of one window. */
export function datapointOf(source: Source, probe: Probe, rule: ThresholdRule, window: Window): Datapoint {
  const evidence = evidenceFor(source, probe, rule, window);
  if (rule.per === "active_server") return perActiveServer(source, probe, rule, window, evidence);
  return datapointFrom(source, probe, rule, window, evidence, 1);
}

const COMPLETE: Evidence = { kind: "complete" };

function evidenceFor({ series, expect }: Source, probe: Probe, rule: ThresholdRule, window: Window): Evidence {
  if (window.from < probe.ring.since) {
    return { kind: "ours", reason: "the meter is read since the rules changed: the window must fill" };
  }
  // Tocsin's own meters are made at every seal, whatever the sources say (rule E6).
  if (meterNamed(rule.meterName)?.kind === "own") return COMPLETE;
  return evidenceOf(series, window, expect, needsWholeTicks(probe, rule) ? "ticks" : "seconds");
}

function perActiveServer(
  source: Source,
  probe: Probe,
  rule: ThresholdRule,
  window: Window,
  evidence: Evidence,
): Datapoint {
  const servers = activeServersIn(source.series, window, source.expect);
  if (servers === undefined) {
    const reason = "no tick of the window says how many servers are active";
    return {
      kind: "unknown",
      reason,
      silentTicks: silence(evidence),
      proved: undefined,
      clears: false,
      value: undefined,
    };
  }
  if (servers > 0) return datapointFrom(source, probe, rule, window, evidence, servers);
  // No server is active: any load is too much for none, and nothing else can be said.
  const seen = [statisticOf, lowerBoundOf].flatMap((of) => of(source.series, probe, window, rule) ?? []);
  const total = seen.length === 0 ? undefined : Math.max(...seen);
  const upward = rule.comparison === "gt" || rule.comparison === "ge";
  const proved = upward && total !== undefined && total > 0 ? true : undefined;
  return {
    kind: "unknown",
    reason: "no server is active",
    silentTicks: undefined,
    proved,
    clears: false,
    value: total,
  };
}

function datapointFrom(
  { series }: Source,
  probe: Probe,
  rule: ThresholdRule,
  window: Window,
  evidence: Evidence,
  servers: number,
): Datapoint {
  const { comparison, threshold, clearThreshold, meterName } = rule;
  const spans = probe.ring.isIncrease && meterNamed(meterName)?.kind !== "own";
  const uneven = spans ? spansUnevenly(series, window) : undefined;
  if (evidence.kind !== "complete" || uneven !== undefined) {
    const bound = lowerBoundOf(series, probe, window, rule);
    const value = bound === undefined ? undefined : bound / servers;
    const proved = value === undefined ? undefined : provedBy(value, comparison, threshold);
    const reason = evidence.kind === "complete" ? (uneven ?? "") : evidence.reason;
    const clears = proved === false && value !== undefined && !compare(value, comparison, clearThreshold);
    return { kind: "unknown", reason, silentTicks: silence(evidence), proved, clears, value };
  }
  const total = statisticOf(series, probe, window, rule);
  if (total === undefined) {
    if (!needsWholeTicks(probe, rule) || wholeTicks(series, window) > 0) return MISSING;
    const reason = "no tick of the window shows the whole cluster";
    return { kind: "unknown", reason, silentTicks: undefined, proved: undefined, clears: false, value: undefined };
  }
  const value = total / servers;
  const breaches = compare(value, comparison, threshold);
  if (isLow(comparison, breaches)) {
    const hidden = mayHideTraffic(series, window, meterName) ?? lackOf(series, probe, rule, window, total, servers);
    if (hidden)
      return { kind: "unknown", reason: hidden, silentTicks: undefined, proved: undefined, clears: false, value };
  }
  const clears = clearThreshold === threshold ? !breaches : !compare(value, comparison, clearThreshold);
  if (!probe.counts) return { kind: "value", value, breaches, clears };
  return { kind: "value", value, breaches, clears, samples: resultOf(series, probe.counts, window) ?? 0 };
}

/** What a rule reads is of instants at which all sources must show themselves, not of what they counted in between. */
function needsWholeTicks(probe: Probe, rule: ThresholdRule): boolean {
  return !probe.ring.isIncrease && meterNamed(rule.meterName)?.kind !== "own";
}

/**
 * Why a low sum or count proves nothing: it lacks ticks, and would not be low if each of them had been as the highest
 * that was seen.
 */
function lackOf(
  series: Series,
  probe: Probe,
  rule: ThresholdRule,
  window: Window,
  total: number,
  servers: number,
): string | undefined {
  const { statistic, comparison, threshold, meterName } = rule;
  if ((statistic !== "sum" && statistic !== "count") || !needsWholeTicks(probe, rule)) return undefined;
  const lacking = window.to - window.from + 1 - wholeTicks(series, window, wholenessOf(meterName));
  if (lacking === 0) return undefined;
  const most = statistic === "count" ? 1 : (highestIn(series, probe, window) ?? 0);
  const breaches = compare((total + lacking * most) / servers, comparison, threshold);
  if (isLow(comparison, breaches)) return undefined;
  return `${lacking} ticks of the window do not show the whole cluster, and a ${statistic} lacks them`;
}

/** A low verdict says that there is little: `lt`/`le` breaching, `gt`/`ge` not breaching (rule E4). */
function isLow(comparison: Comparison, breaches: boolean): boolean {
  switch (comparison) {
    case "lt":
    case "le":
      return breaches;
    case "gt":
    case "ge":
      return !breaches;
    case "eq":
    case "ne":
      return false;
  }
}

/** At least `bound` proves `gt`/`ge` breaching or `lt`/`le` not breaching, never the other way round. */
function provedBy(bound: number, comparison: Comparison, threshold: number): boolean | undefined {
  const holds = compare(bound, comparison, threshold);
  switch (comparison) {
    case "gt":
    case "ge":
      return holds ? true : undefined;
    case "lt":
    case "le":
      return holds ? undefined : false;
    case "eq":
    case "ne":
      return undefined;
  }
}

function silence(evidence: Evidence): number | undefined {
  return evidence.kind === "silent" ? evidence.ticks : undefined;
}
