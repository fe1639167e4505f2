/** The words of one rule about one meter → the rule, with all that is checked about it. */

import type { Json, Statistic, ThresholdRule } from "../model/alarm.ts";
import type { Meter } from "../model/meters.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { GnocchiFields, GnocchiType, ThresholdFields } from "./alarmSchema.ts";
import { ceilometerItems, ceilometerMismatch, clusterLabels, gnocchiMismatch, isResource } from "./clusterQuery.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import { AGGREGATION_METHODS, statisticOf } from "./gnocchi.ts";
import type { RuleFile } from "./ruleSchema.ts";
import { hasServerRows, isOnlyOfServers } from "./serverRows.ts";
import type { YamlFile } from "./yamlFile.ts";

/** What the readers of one file's alarms share. */
export interface Reading {
  readonly file: YamlFile;
  readonly fields: RuleFile;
  /** The tick. */
  readonly intervalS: number;
}

/** A rule, and how it is shown where a composite names it among its causes. */
export interface ReadRule {
  readonly rule: ThresholdRule;
  readonly written: { readonly [key: string]: Json };
}

/** The words of a rule whatever they are called, with the keys they stand under. */
interface Words {
  readonly meterName: string;
  readonly meterKey: string;
  readonly statistic: Statistic;
  readonly statisticKey: string;
  readonly period: number | undefined;
  readonly periodKey: string;
}

/** Where the rule's words are, and the alarm that messages name. */
interface Place {
  readonly path: Path;
  readonly alarm: string;
}

/** Aodh's threshold rule. */
export function readThreshold(reading: Reading, path: Path, alarm: string, fields: ThresholdFields): ReadRule {
  const { query } = fields;
  const rule = readRule(reading, { path, alarm }, fields, {
    meterName: fields.meter_name,
    meterKey: "meter_name",
    statistic: fields.statistic ?? reading.fields.defaults?.statistic ?? "avg",
    statisticKey: "statistic",
    period: fields.period,
    periodKey: "period",
  });
  const clusterId = reading.fields.cluster_id;
  checkQuery(reading, { path, alarm }, ceilometerMismatch(query, clusterLabels(reading.fields), clusterId));
  const written = {
    period: rule.periodS,
    comparison_operator: rule.comparison,
    threshold: rule.threshold,
    statistic: rule.statistic,
    evaluation_periods: rule.evaluationPeriods,
    meter_name: rule.meterName,
    exclude_outliers: rule.excludeOutliers,
    query: typeof query === "object" && query !== null ? ceilometerItems(query).map(asJson) : [],
    ...ownWords(rule),
    type: "threshold",
  };
  return { rule, written };
}

/** One of Aodh's rules on Gnocchi; `undefined` when it says nothing that we know. */
export function readGnocchi(
  reading: Reading,
  path: Path,
  alarm: string,
  type: GnocchiType,
  fields: GnocchiFields,
): ReadRule | undefined {
  const { file } = reading;
  const method = statisticOf(fields.aggregation_method);
  if (!method) {
    const message = `"aggregation_method" must be one of ${AGGREGATION_METHODS.join(", ")}, 1pct … 99pct in alarm "${alarm}"`;
    const hint = didYouMean(fields.aggregation_method, AGGREGATION_METHODS);
    file.error([...path, "aggregation_method"], "E103", message, hint);
  }
  const meterKey = "metrics" in fields ? "metrics" : "metric";
  const meters = "metrics" in fields ? [...new Set(fields.metrics)] : [fields.metric];
  const [meterName = ""] = meters;
  if (meters.length > 1) {
    const message = `"metrics" must name one meter in alarm "${alarm}": several are not added up`;
    file.error([...path, "metrics"], "E103", message, "write an alarm for each, or type: composite");
  }
  const words: Words = {
    meterName,
    meterKey,
    statistic: method?.statistic ?? "avg",
    statisticKey: "aggregation_method",
    period: fields.granularity,
    periodKey: "granularity",
  };
  const rule = readRule(reading, { path, alarm }, fields, words);
  const meter = meterNamed(meterName);
  if (method?.ofCounter && meter && meter.kind !== "counter") {
    const message = `${fields.aggregation_method} of alarm "${alarm}" needs a cumulative meter, and ${meterName} is none`;
    file.error([...path, "aggregation_method"], "E110", message, cumulativeHint(meter));
  }
  checkResources(reading, { path, alarm }, fields);
  if (!method) return undefined;
  const { metric, metrics, resource_id, query, resource_type } = fields as Partial<Record<string, Json>>;
  const written = {
    granularity: rule.periodS,
    comparison_operator: rule.comparison,
    threshold: rule.threshold,
    aggregation_method: fields.aggregation_method,
    evaluation_periods: rule.evaluationPeriods,
    ...defined({ metric, metrics, resource_id }),
    ...(query === undefined ? {} : { query: typeof query === "string" ? query : asJson(query) }),
    ...defined({ resource_type }),
    ...ownWords(rule),
    type,
  };
  return { rule, written };
}

function checkResources(reading: Reading, place: Place, fields: GnocchiFields): void {
  const { file, fields: cluster } = reading;
  const labels = clusterLabels(cluster);
  if ("query" in fields) checkQuery(reading, place, gnocchiMismatch(fields.query, labels, cluster.cluster_id));
  if (!("resource_id" in fields) || isResource(labels, fields.resource_id)) return;
  const message = `resource_id of alarm "${place.alarm}" is neither cluster ${cluster.cluster_id} nor one of the file's rows`;
  file.error([...place.path, "resource_id"], "E204", message, `write "${cluster.cluster_id}"`);
}

function checkQuery({ file }: Reading, { path, alarm }: Place, mismatch: string | undefined): void {
  if (mismatch === undefined) return;
  const hint = "the file's cluster_id says which cluster: remove the query";
  file.error([...path, "query"], "E204", `the query of alarm "${alarm}" ${mismatch}`, hint);
}

function readRule(reading: Reading, place: Place, own: ThresholdFields | GnocchiFields, words: Words): ThresholdRule {
  const defaults = reading.fields.defaults ?? {};
  const evaluationPeriods = own.evaluation_periods ?? defaults.evaluation_periods ?? 1;
  const rule: ThresholdRule = {
    kind: "threshold",
    meterName: words.meterName,
    statistic: words.statistic,
    per: own.per ?? defaults.per ?? "total",
    periodS: words.period ?? defaults.period ?? 60,
    evaluationPeriods,
    datapointsToAlarm: own.datapoints_to_alarm ?? evaluationPeriods,
    threshold: own.threshold,
    clearThreshold: own.clear_threshold ?? own.threshold,
    comparison: own.comparison_operator,
    treatMissingData: own.treat_missing_data ?? defaults.treat_missing_data ?? "missing",
    excludeOutliers: own.exclude_outliers ?? defaults.exclude_outliers ?? false,
  };
  const { file } = reading;
  if (rule.datapointsToAlarm > evaluationPeriods) {
    const message = `datapoints_to_alarm ${rule.datapointsToAlarm} is more than evaluation_periods ${evaluationPeriods} of alarm "${place.alarm}"`;
    file.error([...place.path, "datapoints_to_alarm"], "E108", message);
  }
  checkMeter(reading, place, rule, own, words);
  checkClear(file, place, rule);
  checkPeriod(reading, place, rule.periodS, words);
  if (rule.per !== "total" && reading.fields.haproxy.every((row) => row.frontend !== undefined)) {
    const where = own.per === undefined ? ["defaults", "per"] : [...place.path, "per"];
    const message = `alarm "${place.alarm}" is per server, but the cluster has no server rows: it will stay unknown`;
    file.warn(where, "W001", message, "add a backend or proxy to haproxy:");
  }
  return rule;
}

function checkMeter(
  { file }: Reading,
  { path, alarm }: Place,
  rule: ThresholdRule,
  own: ThresholdFields | GnocchiFields,
  { meterKey, statisticKey }: Words,
): void {
  const { meterName, statistic } = rule;
  const meter = meterNamed(meterName);
  if (!meter) {
    const names = METERS.map((one) => one.name);
    const message = `there is no meter "${meterName}", of which alarm "${alarm}" speaks`;
    file.error([...path, meterKey], "E202", message, didYouMean(meterName, names, "docs/meters.md lists them"));
    return;
  }
  if (isOnlyOfServers(meterName) && rule.per !== "server") {
    const message = `alarm "${alarm}" reads ${meterName}, which each server has by itself and a cluster has not`;
    const hint = "add per: server, or count servers with network.services.lb.members.up and the like";
    file.error(own.per === undefined ? [...path, meterKey] : [...path, "per"], "E110", message, hint);
  }
  // Failures and the like are counted at ticks: there is no more to them than how many there were.
  const grows =
    meter.kind === "counter" ||
    meter.kind === "rate" ||
    (meter.kind === "own" && meter.cumulative && statistic === "increase");
  if (statisticKey === "statistic" && (statistic === "rate" || statistic === "increase") && !grows) {
    const where =
      "statistic" in own && own.statistic !== undefined ? [...path, "statistic"] : ["defaults", "statistic"];
    const message = `${statistic} of alarm "${alarm}" needs a cumulative meter or its .rate, and ${meterName} is neither`;
    const counted = `${statistic} of alarm "${alarm}" needs a meter that HAProxy counts, and Tocsin counts ${meterName}`;
    file.error(where, "E110", meter.kind === "own" && meter.cumulative ? counted : message, cumulativeHint(meter));
  }
  if (rule.per === "server" && !hasServerRows(meterName)) {
    const where = own.per === undefined ? ["defaults", "per"] : [...path, "per"];
    const message = `alarm "${alarm}" is per server, and HAProxy does not keep ${meterName} for each server`;
    file.error(where, "E110", message, "docs/meters.md says which meters it keeps; use per: total or active_server");
  }
}

function cumulativeHint(meter: Meter): string {
  if (meter.kind === "own" && meter.cumulative) return "use increase";
  return meter.kind === "rate" ? `use ${meter.of}` : "use avg, or a meter that is cumulative in docs/meters.md";
}

/** Windows are made of whole ticks. */
function checkPeriod(
  { file, fields, intervalS }: Reading,
  { path, alarm }: Place,
  periodS: number,
  words: Words,
): void {
  const ticks = Math.ceil(periodS / intervalS - 1e-9);
  if (Math.abs(ticks * intervalS - periodS) < 1e-6) return;
  const message = `the period of alarm "${alarm}", ${periodS} s, is not a whole number of ticks of ${intervalS} s`;
  const byDefault = fields.defaults?.period === undefined ? path : ["defaults", "period"];
  const where = words.period === undefined ? byDefault : [...path, words.periodKey];
  file.warn(where, "W003", message, `it is taken as ${ticks * intervalS} s`);
}

function checkClear(file: YamlFile, { path, alarm }: Place, rule: ThresholdRule): void {
  const { comparison, threshold, clearThreshold: clear } = rule;
  const above = comparison === "gt" || comparison === "ge";
  const below = comparison === "lt" || comparison === "le";
  if (!((above && clear > threshold) || (below && clear < threshold))) return;
  const message = `clear_threshold ${clear} of alarm "${alarm}" must not lie on the alarm's side of threshold ${threshold}`;
  file.error([...path, "clear_threshold"], "E108", message, `choose one ${above ? "below" : "above"} it`);
}

/** Our own words, where they say something that Aodh would not take for granted. */
function ownWords(rule: ThresholdRule): { readonly [key: string]: Json } {
  return {
    ...(rule.per === "total" ? {} : { per: rule.per }),
    ...(rule.datapointsToAlarm === rule.evaluationPeriods ? {} : { datapoints_to_alarm: rule.datapointsToAlarm }),
    ...(rule.clearThreshold === rule.threshold ? {} : { clear_threshold: rule.clearThreshold }),
    ...(rule.treatMissingData === "missing" ? {} : { treat_missing_data: rule.treatMissingData }),
  };
}

function defined(words: Readonly<Record<string, Json | undefined>>): { readonly [key: string]: Json } {
  return Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** YAML knows numbers that JSON does not: they become null. */
function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}
