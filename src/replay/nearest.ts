/**
 * The nearest miss: the smallest change of a threshold, of M or of N with which the verdict of one tick would have
 * been on the other side. What a change means is never guessed: the changed rule is judged on the same windows, and
 * one step less is judged too.
 *
 *   threshold  `clear_threshold` moves along where the two are one; else it stays, unless the threshold passes it: then
 *              it is the threshold.
 *   M          from 1 to N.
 *   N          M moves along where the two are one; else it stays, and N is at least M. Windows further back are
 *              computed anew from recorded ticks.
 */

import type { ClusterState } from "../evaluator/cluster.ts";
import type { CompositeInput } from "../evaluator/composite.ts";
import { judgeComposite } from "../evaluator/composite.ts";
import type { Judgement } from "../evaluator/judge.ts";
import { datapointsOf, judge, serversOf } from "../evaluator/judge.ts";
import { ticksPer, windowsRead } from "../evaluator/needs.ts";
import type { RecordedTick } from "../evaluator/restore.ts";
import { loadSeries, saveSeries } from "../evaluator/savedSeries.ts";
import type { Series } from "../evaluator/series.ts";
import { pushTick } from "../evaluator/series.ts";
import { nextDown, nextUp } from "../lib/floats.ts";
import { withEntry } from "../lib/maps.ts";
import type { Alarm, Expression, ThresholdRule } from "../model/alarm.ts";
import { leavesOf, thresholdRules } from "../model/alarm.ts";
import type { Counterfactual } from "../model/explanation.ts";
import type { SealedTick } from "../model/tick.ts";

/** Windows of one tick, deep enough for rules that look further back. */
export interface Bench {
  readonly series: Series;
  readonly expect: number;
}

/** So many more datapoints are tried. */
const MORE_PERIODS = 10;
/** And no farther back than so many ticks. */
const DEEPEST_TICKS = 10_000;

/** Ticks that a bench of the alarm's rules holds. */
export function depthOf(alarm: Alarm, intervalS: number): number {
  const depths = thresholdRules(alarm.rule).map((rule) => deepOf(rule, mostPeriods(rule, intervalS), intervalS));
  return Math.max(0, ...depths);
}

function deepOf(rule: ThresholdRule, periods: number, intervalS: number): number {
  return (windowsRead(withPeriods(rule, periods)) + 1) * ticksPer(rule.periodS, intervalS) + 1;
}

function mostPeriods(rule: ThresholdRule, intervalS: number): number {
  let most = rule.evaluationPeriods;
  for (let more = 0; more < MORE_PERIODS && deepOf(rule, most + 1, intervalS) <= DEEPEST_TICKS; more++) most++;
  return most;
}

/** The windows of the cluster's newest tick, filled anew from recorded ticks, for the rules of one alarm. */
export function benchOf(cluster: ClusterState, alarm: Alarm, ticks: readonly RecordedTick[]): Bench {
  const { rules, intervalMs } = cluster;
  const intervalS = intervalMs / 1000;
  // Rules that look as far back as any that will be tried: what they read is kept.
  const deepest = thresholdRules(alarm.rule).map((rule) => ({
    ...alarm,
    rule: withPeriods(rule, mostPeriods(rule, intervalS)),
  }));
  const only = rules && { ...rules, alarms: [alarm, ...deepest] };
  const series = loadSeries(saveSeries(cluster.series), intervalS, only);
  let before: SealedTick["values"] | undefined;
  for (const { tick } of ticks) {
    pushTick(series, tick, before);
    before = tick.values;
  }
  return { series, expect: rules?.expect ?? 0 };
}

/** Judges a rule that differs from one of the bench's in anything but what it measures. */
function judgeLike({ series, expect }: Bench, like: ThresholdRule, rule: ThresholdRule): Judgement {
  if (rule === like) return judge(rule, series, expect);
  const lent = [series.own, ...series.servers.values()].flatMap((readings) => {
    const { probes } = readings;
    const probe = probes.get(like);
    if (probe) readings.probes = withEntry(probes, rule, probe);
    return probe ? [{ readings, probes }] : [];
  });
  const judgement = judge(rule, series, expect);
  for (const { readings, probes } of lent) readings.probes = probes;
  return judgement;
}

/** What the alarm's verdict would be with another rule in the place of one of its own. */
export type Trial = (changed: ThresholdRule) => string;

/** What a composite is judged with besides its rules, as it was at its evaluation. */
export type Around = Omit<CompositeInput, "judge">;

/** The nearest changes of each rule of the alarm; none where the bench does not judge as the fold did. */
export function nearestOf(alarm: Alarm, verdict: string, around: Around, bench: Bench): readonly Counterfactual[] {
  const { rule } = alarm;
  if (rule.kind === "event") return [];
  if (rule.kind === "threshold") {
    return changesOf(rule, null, verdict, bench, (changed) => judgeLike(bench, rule, changed).kind);
  }
  return leavesOf(rule.expression).flatMap((leaf, index) => {
    if (leaf.op !== "rule") return [];
    const trial: Trial = (changed) => {
      const expression = replaced(rule.expression, leaf, changed);
      const like = (one: ThresholdRule) => (one === changed ? leaf.rule : one);
      return judgeComposite(expression, { ...around, judge: (one) => judgeLike(bench, like(one), one) }).kind;
    };
    return changesOf(leaf.rule, `rule${index + 1}`, verdict, bench, trial);
  });
}

/** The same expression with another rule in one leaf. */
function replaced(expression: Expression, leaf: Expression, rule: ThresholdRule): Expression {
  if (expression === leaf) return expression.op === "rule" ? { ...expression, rule } : expression;
  switch (expression.op) {
    case "and":
    case "or":
      return { op: expression.op, parts: expression.parts.map((part) => replaced(part, leaf, rule)) };
    case "not":
      return { op: "not", part: replaced(expression.part, leaf, rule) };
    case "rule":
    case "alarm":
      return expression;
  }
}

function changesOf(
  rule: ThresholdRule,
  name: string | null,
  verdict: string,
  bench: Bench,
  trial: Trial,
): readonly Counterfactual[] {
  if (trial(rule) !== verdict) return [];
  const isAlarm = verdict === "alarm";
  const flips = (changed: ThresholdRule) => (trial(changed) === "alarm") !== isAlarm;
  const said = (
    change: Counterfactual["change"],
    from: number,
    to: number,
    changed: ThresholdRule,
  ): Counterfactual => ({
    change,
    rule: name,
    from,
    to,
    verdict: trial(changed),
    with: movedAlong(change, rule, changed),
  });
  const found: Counterfactual[] = [];
  const threshold = nearestThreshold(rule, bench, flips);
  if (threshold !== undefined) {
    found.push(said("threshold", rule.threshold, threshold, withThreshold(rule, threshold)));
  }
  const { evaluationPeriods: n, datapointsToAlarm: m } = rule;
  const newM = nearestWhole(m, 1, n, (to) => flips(withDatapoints(rule, to)));
  if (newM !== undefined) found.push(said("datapoints_to_alarm", m, newM, withDatapoints(rule, newM)));
  const newN = nearestWhole(n, m === n ? 1 : m, mostPeriods(rule, bench.series.intervalS), (to) =>
    flips(withPeriods(rule, to)),
  );
  if (newN !== undefined) found.push(said("evaluation_periods", n, newN, withPeriods(rule, newN)));
  return found;
}

function movedAlong(
  change: Counterfactual["change"],
  rule: ThresholdRule,
  changed: ThresholdRule,
): Readonly<Record<string, number>> {
  return {
    ...(changed.clearThreshold === rule.clearThreshold ? {} : { clear_threshold: changed.clearThreshold }),
    ...(change === "datapoints_to_alarm" || changed.datapointsToAlarm === rule.datapointsToAlarm
      ? {}
      : { datapoints_to_alarm: changed.datapointsToAlarm }),
  };
}

/** The rule with another threshold. */
export function withThreshold(rule: ThresholdRule, threshold: number): ThresholdRule {
  const clearThreshold = rule.clearThreshold === rule.threshold ? threshold : keptClear(rule, threshold);
  return { ...rule, threshold, clearThreshold };
}

function keptClear({ comparison, clearThreshold }: ThresholdRule, threshold: number): number {
  switch (comparison) {
    case "gt":
    case "ge":
      return Math.min(clearThreshold, threshold);
    case "lt":
    case "le":
      return Math.max(clearThreshold, threshold);
    case "eq":
    case "ne":
      return clearThreshold;
  }
}

/** The rule with another M. */
export function withDatapoints(rule: ThresholdRule, datapointsToAlarm: number): ThresholdRule {
  return { ...rule, datapointsToAlarm };
}

/** The rule with another N. */
export function withPeriods(rule: ThresholdRule, evaluationPeriods: number): ThresholdRule {
  const { datapointsToAlarm } = rule;
  const along = datapointsToAlarm === rule.evaluationPeriods ? evaluationPeriods : datapointsToAlarm;
  return { ...rule, evaluationPeriods, datapointsToAlarm: along };
}

type Flips = (changed: ThresholdRule) => boolean;

/** The nearest whole number that flips, of those from `least` to `most`. */
function nearestWhole(from: number, least: number, most: number, flips: (to: number) => boolean): number | undefined {
  for (let step = 1; step <= Math.max(from - least, most - from); step++) {
    for (const to of [from - step, from + step]) if (to >= least && to <= most && flips(to)) return to;
  }
  return undefined;
}

/**
 * A verdict changes with the threshold only where the threshold passes a value: at the value itself, or just beside
 * it. The first of those that flips, in either direction, is exact.
 */
function nearestThreshold(rule: ThresholdRule, bench: Bench, flips: Flips): number | undefined {
  const values = [...new Set([...valuesOf(rule, bench), rule.clearThreshold])];
  const edges = [...new Set(values.flatMap((value) => [nextDown(value), value, nextUp(value)]))].filter(
    Number.isFinite,
  );
  const at = (threshold: number) => flips(withThreshold(rule, threshold));
  const { threshold: from } = rule;
  const above = firstOf(
    edges.filter((edge) => edge > from).sort((a, b) => a - b),
    at,
  );
  const below = firstOf(
    edges.filter((edge) => edge < from).sort((a, b) => b - a),
    at,
  );
  const exact = [above, below].filter((to) => to !== undefined && isLeast(to, from, at));
  return exact.sort((a, b) => Math.abs((a ?? 0) - from) - Math.abs((b ?? 0) - from))[0];
}

function isLeast(to: number, from: number, flips: (threshold: number) => boolean): boolean {
  const before = to > from ? nextDown(to) : nextUp(to);
  return before === from || !flips(before);
}

/** More than so many are searched by halves: a rule of very many servers. */
const ONE_BY_ONE = 300;

function firstOf(edges: readonly number[], flips: (edge: number) => boolean): number | undefined {
  if (edges.length <= ONE_BY_ONE) return edges.find(flips);
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const edge = edges[middle];
    if (edge !== undefined && flips(edge)) high = middle;
    else low = middle + 1;
  }
  return edges[low];
}

/** Every value that the rule compares with its threshold. */
function valuesOf(rule: ThresholdRule, { series, expect }: Bench): readonly number[] {
  const all = rule.per === "server" ? serversOf(rule, series).map(([, readings]) => readings) : [series.own];
  return all
    .flatMap((readings) => datapointsOf(rule, { series, readings, expect }).seen)
    .flatMap((point) => (point.kind === "missing" || point.value === undefined ? [] : [point.value]));
}
