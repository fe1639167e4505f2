/** A test file → its tests, ready to be played, or what is wrong with it. */

import { existsSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parseRfc3339 } from "../lib/clock.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { inlineFile } from "./inlineFile.ts";
import type { RuleDefaults } from "./ruleFile.ts";
import { readRuleFile } from "./ruleFile.ts";
import type { TestPlace } from "./testChecks.ts";
import { checkTest, receiverName, secondsOfTick } from "./testChecks.ts";
import type { TestFields } from "./testSchema.ts";
import { testFile } from "./testSchema.ts";
import type { SeriesReader } from "./testSeries.ts";
import { readSeries } from "./testSeries.ts";
import { YamlFile } from "./yamlFile.ts";

/** Label of tick 0 where a test says nothing: a Thursday at midnight. */
const DEFAULT_START = "2026-01-01T00:00:00Z";
const DEFAULT_INTERVAL_S = 10;
/** Longer tests are a slip of the pen. */
const MAX_TICKS = 100_000;

/** One test of a file, with all that it does not say filled in. */
export type LoadedTest<Value> = ReturnType<typeof resolve<Value>>;

export interface LoadedTests<Value> {
  /** As shown to people. */
  readonly name: string;
  /** Empty when something is wrong. */
  readonly tests: readonly LoadedTest<Value>[];
  /** Errors of the test file and of its rules. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface TestDefaults<Value> {
  readonly cwd: string;
  /** For the rules; the tick is the test file's. */
  readonly rules: RuleDefaults;
  readonly series: SeriesReader<Value>;
}

/** Reads a test file and the rules that it is about. */
export function readTestFile<Value>(path: string, defaults: TestDefaults<Value>): LoadedTests<Value> {
  const file = YamlFile.read(path, relative(defaults.cwd, path) || path);
  const { name } = file;
  if (file.isEmpty && file.diagnostics.length === 0)
    file.error([], "E107", "the file says nothing", "write tests into it, or remove it");
  const fields = file.validate(testFile);
  if (!fields) return { name, tests: [], diagnostics: file.diagnostics };
  const intervalS = fields.interval ?? DEFAULT_INTERVAL_S;
  const rulesFile = rulesOf(path, file, fields.rules, defaults.cwd);
  const cluster = rulesFile && readRuleFile(rulesFile, { ...defaults.rules, intervalS });
  const tests: LoadedTest<Value>[] = [];
  const seen = new Set<string>();
  fields.tests.forEach((one, index) => {
    const place = ["tests", index];
    if (seen.has(one.name)) file.error([...place, "name"], "E203", `there are two tests named "${one.name}"`);
    seen.add(one.name);
    if (cluster) tests.push(readTest({ file, place, cluster, intervalS }, one, defaults.series));
  });
  const all = [...file.diagnostics, ...(rulesFile?.diagnostics ?? [])];
  const diagnostics = all
    .filter(({ severity }) => severity === "error")
    .sort((a, b) => Number(a.file !== name) - Number(b.file !== name) || a.line - b.line || a.column - b.column);
  return { name, tests: diagnostics.length === 0 ? tests : [], diagnostics };
}

/** The file of the same name without `.test`, the file that is named, or the map that is written in place. */
function rulesOf(path: string, file: YamlFile, written: unknown, cwd: string): YamlFile | undefined {
  if (typeof written === "object") return inlineFile(path, file.name, "rules");
  const folder = dirname(path);
  const other = join(folder, typeof written === "string" ? written : basename(path).replace(/\.test(\.ya?ml)$/, "$1"));
  if (existsSync(other) && other !== path) return YamlFile.read(other, relative(cwd, other) || other);
  const hint = 'say which with "rules:"';
  file.error(written === undefined ? [] : ["rules"], "E105", `there is no rule file ${relative(cwd, other)}`, hint);
  return undefined;
}

function readTest<Value>(at: TestPlace, fields: TestFields, reader: SeriesReader<Value>): LoadedTest<Value> {
  checkTest(at, fields);
  const series = readSeries(at, fields, reader);
  const test = resolve(at, fields, series, startOf(at, fields.start));
  if (test.untilS / at.intervalS > MAX_TICKS)
    at.file.error(at.place, "E103", `the test "${fields.name}" is longer than ${MAX_TICKS} ticks`);
  return test;
}

function startOf({ file, place, intervalS }: TestPlace, written = DEFAULT_START): number {
  const startMs = parseRfc3339(written);
  const path = [...place, "start"];
  if (Number.isNaN(startMs))
    file.error(path, "E103", `"start" is an instant such as 2026-11-20T00:00:00Z, not ${JSON.stringify(written)}`);
  else if (startMs % (intervalS * 1000) !== 0)
    file.error(
      path,
      "E103",
      `"start" must be a multiple of the interval of ${intervalS} s`,
      "ticks fall on such times",
    );
  return startMs;
}

interface Series<Value> {
  readonly meter: string;
  readonly source: string | undefined;
  readonly server: string | undefined;
  readonly values: readonly Value[];
}

function resolve<Value>(
  { cluster, intervalS }: TestPlace,
  fields: TestFields,
  inputSeries: readonly Series<Value>[],
  startMs: number,
) {
  const rules: ClusterRules = cluster.rules;
  const ticks = (seconds: number) => secondsOfTick(seconds, intervalS);
  const receiverOf = (written: string) => receiverName(cluster, written);
  const { only } = fields;
  return {
    name: fields.name,
    rules,
    intervalMs: intervalS * 1000,
    startMs,
    sources: fields.sources ?? ["haproxy"],
    proxy: fields.proxy ?? proxyOf(rules),
    inputSeries,
    servers: (fields.servers ?? []).map(({ at, ...states }) => ({ at, states: new Map(Object.entries(states)) })),
    faults: (fields.faults ?? []).map(({ what, source, at, from = at, to, by = 0 }) => ({
      what,
      source,
      from: from ?? 0,
      to: to ?? (at === undefined ? Number.POSITIVE_INFINITY : at + intervalS),
      byMs: by * 1000,
    })),
    events: (fields.events ?? []).map(({ at, event_type: eventType, traits = {}, message_id: messageId }) => ({
      at,
      eventType,
      traits,
      messageId,
    })),
    commands: (fields.commands ?? []).map(({ at, command, direction, for: forS, source }) => ({
      at,
      command,
      direction,
      forS,
      source,
    })),
    outcomes: (fields.outcomes ?? []).map(({ receiver, answers }) => ({
      receiver: receiverOf(receiver),
      answers: answers.map((one) => {
        const { answer: says, after = 0, retry_after: retryAfterS } = typeof one === "object" ? one : { answer: one };
        return { says, afterS: after, retryAfterS };
      }),
    })),
    restarts: (fields.restarts ?? []).map(({ at, down: downS = 0, crash = false }) => ({ at, downS, crash })),
    alarms: (fields.alarms ?? []).map(({ at, name, state, verdict, reason, reason_data: reasonData }) => ({
      at: ticks(at),
      name,
      state,
      verdict,
      reason,
      reasonData,
    })),
    deliveries: fields.deliveries?.map(({ reason_data: reasonData, at, alarm, receiver, ...rest }) => ({
      at: ticks(at),
      alarm,
      receiver: receiverOf(receiver),
      state: rest.state,
      previous: rest.previous,
      repeat: rest.repeat,
      attempt: rest.attempt,
      reason: rest.reason,
      reasonData,
    })),
    only: only === undefined ? undefined : (typeof only === "string" ? [only] : only).map(receiverOf),
    holds: (fields.holds ?? []).map(({ at, alarm, gate, reason }) => ({ at: ticks(at), alarm, gate, reason })),
    effects: (fields.effects ?? []).map(({ at, alarm, effect }) => ({ at: ticks(at), alarm, effect })),
    untilS: fields.until ?? lastTimeOf(fields, inputSeries, intervalS),
  };
}

/** The first proxy that can have servers; what globs match is left out. */
function proxyOf({ rows, clusterName }: ClusterRules): string {
  const pattern = rows.find(({ kind }) => kind !== "frontend")?.pattern.replace(/[*?]/g, "");
  return pattern || clusterName;
}

/** The last time that the test speaks of. */
function lastTimeOf(fields: TestFields, series: readonly Series<unknown>[], intervalS: number): number {
  const { servers = [], events = [], commands = [], alarms = [], deliveries = [], holds = [], effects = [] } = fields;
  const times = [...servers, ...events, ...commands, ...alarms, ...deliveries, ...holds, ...effects].map(
    ({ at }) => at,
  );
  for (const { at, down = 0 } of fields.restarts ?? []) times.push(at + down);
  for (const { at = 0, from = at, to = from } of fields.faults ?? []) times.push(to);
  return times.concat(series.map(({ values }) => (values.length - 1) * intervalS)).reduce((a, b) => Math.max(a, b), 0);
}
