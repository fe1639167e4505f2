/** What windows are computed from: which meters, and how many ticks back. */

import type { Alarm, ClusterRules, ThresholdRule } from "../model/alarm.ts";
import { thresholdRules } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";

/** Names of meters whose values are kept, and of counter meters whose increases are. */
export interface Needs {
  readonly values: ReadonlySet<string>;
  readonly increases: ReadonlySet<string>;
}

/** What a complete tick says of the active servers (rule J6); absent when the cluster never had a server row. */
export const ACTIVE_METER = "network.services.lb.members.up";

/** The counter meter whose increases a rule is about, `undefined`: it is about values. */
export function counterOf({
  meterName,
  statistic,
}: Pick<ThresholdRule, "meterName" | "statistic">): string | undefined {
  const meter = meterNamed(meterName);
  const wantsIncrease = statistic === "rate" || statistic === "increase";
  if (meter?.kind === "own") return meter.cumulative && statistic === "increase" ? meter.name : undefined;
  if (meter?.kind === "rate") return wantsIncrease || statistic === "avg" ? meter.of : undefined;
  return meter?.kind === "counter" && wantsIncrease ? meter.name : undefined;
}

/** Ticks of a period: it is rounded up to whole ones. */
export function ticksPer(periodS: number, intervalS: number): number {
  return Math.max(1, Math.ceil(periodS / intervalS - 1e-9));
}

/** Windows that a rule may look at (rule J2): Aodh's look-back is one more, or as many again to find outliers in. */
export function windowsRead(rule: ThresholdRule): number {
  const { evaluationPeriods: periods } = rule;
  if (rule.excludeOutliers) return 2 * periods;
  return looksBack(rule) ? periods + 1 : periods;
}

/** Whether a window further back stands in for one that holds nothing (rule J2). */
export function looksBack({ treatMissingData, datapointsToAlarm, evaluationPeriods }: ThresholdRule): boolean {
  return treatMissingData === "missing" && datapointsToAlarm === evaluationPeriods;
}

function scalesInProportion({ actions }: Alarm): boolean {
  return Object.values(actions).some((list) => list.some(({ scale }) => scale !== undefined));
}

/** All that the rules of a cluster read. */
export function needsOf(
  rules: ClusterRules,
  intervalS: number,
): { readonly ticks: number; readonly own: Needs; readonly server: Needs } {
  const own = { values: new Set<string>(), increases: new Set<string>() };
  const server = { values: new Set<string>(), increases: new Set<string>() };
  let ticks = 4;
  for (const rule of rules.alarms.flatMap((alarm) => thresholdRules(alarm.rule))) {
    ticks = Math.max(ticks, windowsRead(rule) * ticksPer(rule.periodS, intervalS) + 1);
    const into = rule.per === "server" ? server : own;
    const counter = counterOf(rule);
    if (counter === undefined) into.values.add(rule.meterName);
    else into.increases.add(counter);
    if (rule.per === "active_server") own.values.add(ACTIVE_METER);
  }
  if (rules.alarms.some(scalesInProportion)) own.values.add(ACTIVE_METER);
  return { ticks, own, server };
}
