/** One window of one alarm → a datapoint (rules E1–E4, J6). */

import type { Alarm, Comparison } from "../model/alarm.ts";
import { compare } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { Series } from "./series.ts";
import type { Evidence, Window } from "./window.ts";
import { activeServersIn, evidenceOf, lowerBoundOf, mayHideTraffic, spansUnevenly, statisticOf } from "./window.ts";

/**
 * `value`: known. `missing`: the window was seen and holds nothing (rule E2). `unknown`: not enough evidence;
 * `lacking` says whose fault and since when, `proved` what a lower bound shows all the same (rule E3).
 */
export type Datapoint =
  | { readonly kind: "value"; readonly value: number; readonly breaches: boolean; readonly clears: boolean }
  | { readonly kind: "missing" }
  | {
      readonly kind: "unknown";
      readonly reason: string;
      readonly silentTicks: number | undefined;
      /** Whether the window surely breaches (`true`), surely does not (`false`), or neither can be said. */
      readonly proved: boolean | undefined;
      /** What was seen, `undefined` when nothing. */
      readonly value: number | undefined;
    };

/** The datapoint of one window. */
export function datapointOf(series: Series, alarm: Alarm, window: Window): Datapoint {
  // Tocsin's own meters are made at every seal, whatever the sources say (rule E6).
  const own = meterNamed(alarm.meterName)?.kind === "own";
  const evidence: Evidence = own ? { kind: "complete" } : evidenceOf(series, window);
  if (alarm.per === "active_server") return perActiveServer(series, alarm, window, evidence);
  return datapointFrom(series, alarm, window, evidence, 1);
}

function perActiveServer(series: Series, alarm: Alarm, window: Window, evidence: Evidence): Datapoint {
  const servers = activeServersIn(series, window);
  if (servers === undefined) {
    const reason = "no tick of the window says how many servers are active";
    return { kind: "unknown", reason, silentTicks: silence(evidence), proved: undefined, value: undefined };
  }
  if (servers > 0) return datapointFrom(series, alarm, window, evidence, servers);
  // No server is active: any load is too much for none, and nothing else can be said.
  const total = statisticOf(series, window, alarm.meterName, alarm.statistic);
  const upward = alarm.comparison === "gt" || alarm.comparison === "ge";
  const proved = upward && total !== undefined && total > 0 ? true : undefined;
  return { kind: "unknown", reason: "no server is active", silentTicks: undefined, proved, value: total };
}

function datapointFrom(series: Series, alarm: Alarm, window: Window, evidence: Evidence, servers: number): Datapoint {
  const { comparison, threshold, clearThreshold, meterName, statistic } = alarm;
  const uneven =
    statistic === "avg" && meterNamed(meterName)?.kind === "rate" ? spansUnevenly(series, window) : undefined;
  if (evidence.kind !== "complete" || uneven !== undefined) {
    const bound = lowerBoundOf(series, window, meterName, statistic);
    const value = bound === undefined ? undefined : bound / servers;
    const proved = value === undefined ? undefined : provedBy(value, comparison, threshold);
    const reason = evidence.kind === "complete" ? (uneven ?? "") : evidence.reason;
    return { kind: "unknown", reason, silentTicks: silence(evidence), proved, value };
  }
  const total = statisticOf(series, window, meterName, statistic);
  if (total === undefined) return { kind: "missing" };
  const value = total / servers;
  const breaches = compare(value, comparison, threshold);
  if (isLow(comparison, breaches)) {
    const hidden = mayHideTraffic(series, window, meterName);
    if (hidden) return { kind: "unknown", reason: hidden, silentTicks: undefined, proved: undefined, value };
  }
  return { kind: "value", value, breaches, clears: !compare(value, comparison, clearThreshold) };
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
