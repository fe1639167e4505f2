/** A query → its answer: which series it means, what they are worked out from, and what that may cost. */

import { counterOf } from "../evaluator/needs.ts";
import { systemClock } from "../lib/clock.ts";
import { TocsinError } from "../lib/errors.ts";
import type { Statistic, ThresholdRule } from "../model/alarm.ts";
import type { Meter } from "../model/meters.ts";
import { meterNamed, meterType } from "../model/meters.ts";
import type { MetricAnswer, MetricPoint, MetricQuery, MetricSeries } from "../model/metricQuery.ts";
import type { SampleReader } from "../seriesPorts.ts";
import type { Ends } from "./ends.ts";
import { endsAt, endsIn } from "./ends.ts";
import type { Found, Named } from "./finding.ts";
import { checkStatistic, findClusters, findMeter, findResources } from "./finding.ts";
import { Folding, ruleFor } from "./folding.ts";
import { Budget } from "./limits.ts";
import { paceIn, runsOf } from "./pace.ts";
import { recordedPoints } from "./points.ts";
import type { Reading } from "./recorded.ts";
import { ticksOf, valuesBefore } from "./recorded.ts";
import { areGone, isCounter, prefersRollups, spanOf } from "./resolution.ts";
import { ofTotals, pointsFrom, ROLLUP_S, rolledUpMeter } from "./rollups.ts";
import { tailOf } from "./tail.ts";

export interface QueryOptions extends Named {
  /** Of ticks as they are made now. */
  readonly intervalMs: number;
  /** Milliseconds that never step. Default: the system's. */
  readonly monotonic?: () => number;
}

/**
 * Answers a query. Throws `E410` when it is too large, `E411` when it names what is not there, `E412` when there is no
 * such statistic of it.
 */
export async function answerQuery(
  query: MetricQuery,
  reader: SampleReader,
  options: QueryOptions,
): Promise<MetricAnswer> {
  const { intervalMs, monotonic = systemClock.monotonic } = options;
  const reading: Reading = { reader, intervalMs, budget: new Budget(monotonic) };
  const meter = findMeter(query.meterName);
  const statistic = query.periodS === undefined ? undefined : (query.statistic ?? "avg");
  if (query.statistic !== undefined) checkStatistic(meter, query.statistic);
  const found = await findSeries(query, meter, reader, options);
  reading.budget.series(found.length);
  const about = { meterName: meter.name, type: meterType(meter), from: query.from, to: query.to };
  if (query.periodS === undefined || statistic === undefined) {
    const series = await eachOf(found, (one) => recordedPoints(one, meter.name, query, reading));
    return { ...about, unit: meter.unit, resolution: "raw", series };
  }
  const wanted = { ...query, meterName: meter.name, periodS: query.periodS, statistic };
  return { ...about, unit: unitOf(meter, statistic), statistic, ...(await windowsOf(found, wanted, reading)) };
}

async function findSeries(
  query: MetricQuery,
  meter: Meter,
  reader: SampleReader,
  named: Named,
): Promise<readonly Found[]> {
  const clusters = await findClusters(query.cluster, named, reader);
  if (query.resource === undefined) return clusters.map((one) => ({ ...one, resource: undefined }));
  if (meter.kind === "own" || meter.kind === "members") {
    throw new TocsinError("E411", `no resource has ${meter.name}: it is of whole clusters; leave the resource out`);
  }
  return findResources(clusters, query.resource, reader);
}

/** One after the other: each may be as large as the whole. */
async function eachOf(
  found: readonly Found[],
  pointsOf: (one: Found) => Promise<readonly MetricPoint[]> | readonly MetricPoint[],
): Promise<readonly MetricSeries[]> {
  const series: MetricSeries[] = [];
  for (const one of found) {
    const { clusterId, resource, kind, sources } = one;
    const row = resource === undefined ? {} : { resource, ...(kind && sources ? { kind, sources } : {}) };
    series.push({ clusterId, ...row, points: await pointsOf(one) });
  }
  return series;
}

/** From ticks, unless there are too many, or the oldest turn out to be gone. */
async function windowsOf(
  found: readonly Found[],
  wanted: Required<Pick<MetricQuery, "meterName" | "from" | "to" | "periodS" | "statistic">>,
  now: Reading,
): Promise<Pick<MetricAnswer, "periodS" | "resolution" | "series">> {
  const { from, to, periodS } = wanted;
  const windowsAt = (intervalMs: number) => {
    const ends = endsIn(from, to, periodS, intervalMs);
    return { ends, rule: ruleFor(wanted, ends.periodMs / 1000), periodS: ends.periodMs / 1000 };
  };
  const today = windowsAt(now.intervalMs);
  now.budget.points(today.ends.count * found.length, "lengthen the period, ask for less time, or for fewer series");
  if (today.ends.count === 0) {
    return { periodS: today.periodS, resolution: "raw", series: await eachOf(found, () => []) };
  }
  if (!prefersRollups(found, today.rule, today.ends, now)) {
    const reading = { ...now, intervalMs: await paceIn(found, spanOf(today.ends).start, to, now) };
    const own = windowsAt(reading.intervalMs);
    let gone = false;
    const series = await eachOf(found, async (one) => {
      if (gone) return [];
      const { points, firstAt } = await fromTicks(one, own.rule, own.ends, reading);
      gone = await areGone(one, firstAt, own.rule, own.ends, reading);
      return points;
    });
    if (!gone) return { periodS: own.periodS, resolution: "raw", series };
  }
  const series = await eachOf(found, (one) => fromRollups(one, today.rule, today.ends, now));
  return { periodS: today.periodS, resolution: "rollup", series };
}

/** With the label of the first tick that there is. */
async function fromTicks(target: Found, rule: ThresholdRule, ends: Ends, reading: Reading) {
  const { start, end } = spanOf(ends);
  let before = counterOf(rule) === undefined ? undefined : await valuesBefore(target, start, reading);
  let folding: Folding | undefined;
  let points: readonly MetricPoint[] | undefined;
  let firstAt: number | undefined;
  for await (const { intervalMs, ticks } of runsOf(ticksOf(target, start, end, reading), reading.intervalMs)) {
    firstAt ??= ticks[0]?.at;
    if (folding?.intervalMs !== intervalMs) {
      points = folding?.points(points);
      folding = new Folding(rule, endsAt(ends, intervalMs), { ...reading, intervalMs }, before);
    }
    for (const tick of ticks) folding.push(tick);
    before = ticks.at(-1)?.values ?? before;
  }
  folding ??= new Folding(rule, ends, reading, before);
  return { points: folding.points(points), firstAt };
}

async function fromRollups(
  target: Found,
  rule: ThresholdRule,
  ends: Ends,
  reading: Reading,
): Promise<readonly MetricPoint[]> {
  const { clusterId, resource } = target;
  const { start, end } = spanOf(ends);
  const kept = await reading.reader.rollups(clusterId, resource, rolledUpMeter(rule), start - ROLLUP_S * 1000, end);
  reading.budget.ticks(kept.length);
  // What is too new to have been rolled up is rolled up now.
  const tail = await tailOf(target, rolledUpMeter(rule), kept.at(-1)?.at ?? start, end, reading);
  const all = [...kept, ...tail];
  const isOfTotals = resource !== undefined && counterOf(rule) === undefined && isCounter(rule.meterName);
  return pointsFrom(isOfTotals ? ofTotals(all.filter(({ at }) => at > start)) : all, rule, ends);
}

/** Unit of a statistic of a meter. */
function unitOf(meter: Meter, statistic: Statistic): string {
  if (statistic === "count") return "sample";
  if (statistic === "rate" && meter.kind === "counter") return `${meter.unit}/s`;
  if (statistic === "increase" && meter.kind === "rate") return meterNamed(meter.of)?.unit ?? meter.unit;
  return meter.unit;
}
