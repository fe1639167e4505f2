/**
 * Windows over recorded ticks, by the evaluator's own arithmetic: the ticks go into a series that holds one window of
 * one meter, and where a window ends it is read as an alarm that is judged at that tick would read it.
 */

import { createSeries, fitSeries, knownAt, pushTick } from "../evaluator/series.ts";
import { statisticOf, workOut } from "../evaluator/statistic.ts";
import { NEVER } from "../evaluator/track.ts";
import type { Window } from "../evaluator/window.ts";
import {
  coveredBy,
  evidenceOf,
  isEven,
  spansUnevenly,
  wholenessOf,
  wholeTicks,
  windowAt,
} from "../evaluator/window.ts";
import type { Alarm, ClusterRules, ThresholdRule } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { MetricPoint } from "../model/metricQuery.ts";
import type { SealedTick } from "../model/tick.ts";
import type { Ends } from "./ends.ts";
import type { Budget } from "./limits.ts";
import type { Reading } from "./recorded.ts";

type Cost = Pick<Reading, "intervalMs" | "budget">;

/** Takes the ticks of one series in order, and makes the points of its windows. */
export class Folding {
  readonly #rule: ThresholdRule;
  readonly #ends: Ends;
  readonly #budget: Budget;
  /** From tick to tick. */
  readonly intervalMs: number;
  readonly #series;
  readonly #points: MetricPoint[];
  /** Which window ends next. */
  #next = 0;
  #newest: SealedTick | undefined;
  #firstAt = Infinity;
  /** Values of the tick before, with the kept totals of counter meters; `undefined`: nobody knows. */
  #before: SealedTick["values"] | undefined;

  /** `before`: the values of the tick before the first; `undefined`: that one gives no increase. */
  constructor(rule: ThresholdRule, ends: Ends, { intervalMs, budget }: Cost, before: SealedTick["values"] | undefined) {
    budget.window(ends.ticks, 1);
    this.#rule = rule;
    this.#ends = ends;
    this.#budget = budget;
    this.intervalMs = intervalMs;
    this.#before = before;
    this.#series = createSeries(1, intervalMs / 1000);
    fitSeries(this.#series, readBy(rule));
    // Windows do not overlap: to work each out once costs less than to keep a statistic up at every tick.
    this.#series.own.tracks = [];
    this.#points = Array.from({ length: ends.count }, (_, index) => ({
      at: ends.at(index),
      value: null,
      complete: false,
    }));
  }

  /** Adds a tick; of those that a clock that was set back labels again, the newer count. */
  push(tick: SealedTick): void {
    const newest = this.#newest;
    if (newest && tick.number <= newest.number) return;
    if (newest && tick.at <= newest.at) this.#next = this.#ends.indexFrom(tick.at);
    else this.#closeUpTo(tick.at - 1, tick.number - 1);
    pushTick(this.#series, tick, this.#before);
    this.#before = tick.values;
    this.#newest = tick;
    this.#firstAt = Math.min(this.#firstAt, tick.at);
    this.#closeUpTo(tick.at, tick.number);
  }

  /** No tick comes any more. `earlier`: points over the ticks before the first, at another interval. */
  points(earlier?: readonly MetricPoint[]): readonly MetricPoint[] {
    this.#closeUpTo(Infinity, Infinity);
    return this.#points.map((own, index) => {
      const other = earlier?.[index];
      return other && own.at < this.#firstAt ? other : own;
    });
  }

  /** Reads all windows that end at or before `at`, none of them later than tick `last`. */
  #closeUpTo(at: number, last: number): void {
    for (; this.#next < this.#ends.count && this.#ends.at(this.#next) <= at; this.#next++) {
      const newest = this.#newest;
      if (!newest) continue;
      const end = this.#ends.at(this.#next);
      const number = newest.number + Math.floor((end - newest.at) / this.intervalMs);
      this.#points[this.#next] = this.#point(end, Math.min(number, last));
    }
  }

  #point(at: number, number: number): MetricPoint {
    this.#budget.time();
    const series = this.#series;
    const probe = series.own.probes.get(this.#rule);
    const window = windowAt(number, 0, this.#ends.ticks, series.intervalS);
    if (!probe || series.last === NEVER || window.from > series.last) return { at, value: null, complete: false };
    // Ticks that never came are ticks that say nothing: what the next one will find, too.
    if (number > series.last) series.lastUneven = Math.max(series.lastUneven, number);
    else workOut(series, probe.track, window);
    const value = statisticOf(series, probe, window, this.#rule) ?? null;
    return { at, value, complete: this.#isComplete(window, probe.ring.isIncrease) };
  }

  /** Every tick of the window is there, and every source that counts in it covered all of it. */
  #isComplete(window: Window, isIncrease: boolean): boolean {
    const series = this.#series;
    const isOwn = meterNamed(this.#rule.meterName)?.kind === "own";
    if (isEven(series, window)) return isOwn || series.sources.size > 0;
    for (let number = window.from; number <= window.to; number++) {
      if (knownAt(series, number) === undefined) return false;
    }
    if (isOwn) return true;
    if (evidenceOf(series, window, 0, isIncrease ? "seconds" : "ticks").kind !== "complete") return false;
    if (!isIncrease) return wholeTicks(series, window, wholenessOf(this.#rule.meterName)) === this.#ends.ticks;
    if (spansUnevenly(series, window) !== undefined) return false;
    return [...series.sources.values()].every(
      (source) =>
        (source.lastSeen < series.last && source.lastAnswered < window.from) ||
        coveredBy(series, source, window) > window.periodS - series.intervalS / 2,
    );
  }
}

/** An alarm that does nothing but read, so that the series holds what it reads. */
function readBy(rule: ThresholdRule): ClusterRules {
  const alarm: Alarm = {
    id: "",
    name: "",
    description: "",
    type: "threshold",
    severity: "low",
    enabled: true,
    rule,
    timeConstraints: [],
    suppressedBy: [],
    repeatActions: false,
    repeatIntervalS: 0,
    repeatStates: [],
    maxRepeats: undefined,
    actions: { ok: [], alarm: [], "insufficient data": [] },
  };
  const noCooldown = { in: 0, out: 0 };
  return {
    clusterId: "",
    clusterName: "",
    file: "",
    rows: [],
    expect: 0,
    settleS: 0,
    cooldownS: noCooldown,
    alarms: [alarm],
  };
}

/** The rule of an alarm that would have that statistic of each window as its datapoint. */
export function ruleFor(
  { meterName, statistic }: Pick<ThresholdRule, "meterName" | "statistic">,
  periodS: number,
): ThresholdRule {
  return {
    kind: "threshold",
    meterName,
    statistic,
    per: "total",
    periodS,
    evaluationPeriods: 1,
    datapointsToAlarm: 1,
    threshold: 0,
    clearThreshold: 0,
    comparison: "eq",
    // It does not look further back.
    treatMissingData: "ignore",
    excludeOutliers: false,
  };
}
