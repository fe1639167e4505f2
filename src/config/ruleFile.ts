/** One rule file → the cluster's rules and receivers, or what is wrong with it. */

import { closest } from "../lib/closest.ts";
import { messageOf } from "../lib/errors.ts";
import { uuidV5 } from "../lib/uuid.ts";
import type { Action, Alarm, ClusterRules, RowPattern, State } from "../model/alarm.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { bareReceiver, directionOf, namedReceiver } from "./receivers.ts";
import type { AlarmFields, RuleFile } from "./ruleSchema.ts";
import { LATER_WORDS, ruleFile } from "./ruleSchema.ts";
import { expandSecrets } from "./secrets.ts";
import type { Path, YamlFile } from "./yamlFile.ts";

export interface LoadedCluster {
  readonly rules: ClusterRules;
  readonly receivers: ReadonlyMap<string, ReceiverConfig>;
  readonly file: YamlFile;
}

export interface RuleDefaults {
  readonly repeatIntervalS: number;
  readonly timeoutS: number;
  /** The tick. */
  readonly intervalS: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Namespace of alarm ids: a constant of this program, so that an alarm's id survives everything but a new name. */
const ALARM_NAMESPACE = "a3f7c0de-5a1c-5b0e-8d62-7c9be1f5d021";

const LISTS: readonly {
  readonly field: "alarm_actions" | "ok_actions" | "insufficient_data_actions";
  readonly state: State;
}[] = [
  { field: "alarm_actions", state: "alarm" },
  { field: "ok_actions", state: "ok" },
  { field: "insufficient_data_actions", state: "insufficient data" },
];

/** Reads a parsed file; `undefined` when it has errors (they are in the file's diagnostics) or says nothing at all. */
export function readRuleFile(file: YamlFile, defaults: RuleDefaults): LoadedCluster | undefined {
  if (file.isEmpty) {
    if (file.diagnostics.length === 0)
      file.error([], "E107", "the file says nothing", "write a cluster into it, or remove it");
    return undefined;
  }
  const fields = file.validate(ruleFile, LATER_WORDS);
  if (!fields) return undefined;
  const receivers = new Map(
    Object.entries(fields.receivers ?? {}).map(([name, one]) => [name, namedReceiver(name, one, defaults.timeoutS)]),
  );
  for (const [name, receiver] of receivers) checkUrl(file, ["receivers", name, "alarm_url"], receiver.url, defaults);
  for (const [name, one] of Object.entries(fields.receivers ?? {})) {
    for (const [header, value] of Object.entries(one.headers ?? {})) {
      checkSecret(file, ["receivers", name, "headers", header], value, defaults);
    }
  }
  checkNames(file, fields);
  const alarms = fields.alarms.map((one, index) =>
    readAlarm(file, ["alarms", index], one, fields, receivers, defaults),
  );
  if (file.diagnostics.some(({ severity }) => severity === "error")) return undefined;
  const rules: ClusterRules = {
    clusterId: fields.cluster_id,
    clusterName: fields.cluster_name ?? fields.cluster_id,
    file: file.name,
    rows: fields.haproxy.map(rowPattern),
    settleS: fields.control?.settle ?? 60,
    cooldownS: { in: fields.control?.cooldown?.in ?? 0, out: fields.control?.cooldown?.out ?? 0 },
    alarms,
  };
  return { rules, receivers, file };
}

function rowPattern({ frontend, backend, proxy, source }: RuleFile["haproxy"][number]): RowPattern {
  if (frontend !== undefined) return { kind: "frontend", pattern: frontend, source };
  return backend !== undefined
    ? { kind: "backend", pattern: backend, source }
    : { kind: "proxy", pattern: proxy ?? "", source };
}

function checkNames(file: YamlFile, fields: RuleFile): void {
  const first = new Map<string, number>();
  fields.alarms.forEach(({ name }, index) => {
    if (first.has(name))
      file.error(["alarms", index, "name"], "E203", `there are two alarms named "${name}"`, "give one another name");
    else first.set(name, index);
  });
}

function readAlarm(
  file: YamlFile,
  path: Path,
  own: AlarmFields,
  fields: RuleFile,
  receivers: Map<string, ReceiverConfig>,
  defaults: RuleDefaults,
): Alarm {
  const all = { ...fields.defaults, ...own };
  const { name, meter_name: meterName, threshold, comparison_operator: comparison } = own;
  const evaluationPeriods = all.evaluation_periods ?? 1;
  const datapointsToAlarm = all.datapoints_to_alarm ?? evaluationPeriods;
  const clearThreshold = all.clear_threshold ?? threshold;
  checkMeter(file, path, own);
  checkQuery(file, path, own, fields.cluster_id);
  if (datapointsToAlarm > evaluationPeriods) {
    const place = [...path, "datapoints_to_alarm"];
    file.error(
      place,
      "E108",
      `datapoints_to_alarm ${datapointsToAlarm} is more than evaluation_periods ${evaluationPeriods} of alarm "${name}"`,
    );
  }
  checkClear(file, path, own, clearThreshold);
  checkPeriod(file, path, own, all.period ?? 60, defaults.intervalS);
  if (all.per === "active_server" && fields.haproxy.every((row) => row.frontend !== undefined)) {
    const place = own.per === undefined ? ["defaults", "per"] : [...path, "per"];
    file.warn(
      place,
      "W001",
      `alarm "${name}" is per server, but the cluster has no server rows: it will stay unknown`,
      "add a backend or proxy to haproxy:",
    );
  }
  const actionsOf = (field: (typeof LISTS)[number]["field"], state: State): Action[] =>
    (own[field] ?? []).flatMap((written, index) => {
      const receiver = receiverOf(file, [...path, field, index], written, receivers, defaults);
      if (!receiver) return [];
      const direction = directionOf(receiver, { meterName, comparison }, state);
      if (state === "insufficient data" && receiver.class === "control" && direction !== "out") {
        file.warn(
          [...path, field, index],
          "W002",
          `alarm "${name}" never scales in for want of data: this action will be held`,
          "set direction: out, or remove it",
        );
      }
      return [{ receiver: receiver.name, class: receiver.class, direction, maxAgeS: receiver.maxAgeS }];
    });
  const [alarm, ok, insufficient] = LISTS.map(({ field, state }) => actionsOf(field, state));
  return {
    id: own.alarm_id ?? uuidV5(ALARM_NAMESPACE, `${fields.cluster_id}\n${name}`),
    name,
    description: own.description ?? describe(own, all.statistic ?? "avg", all.period ?? 60),
    type: "threshold",
    severity: all.severity ?? "low",
    enabled: own.enabled ?? true,
    meterName,
    statistic: all.statistic ?? "avg",
    per: all.per ?? "total",
    periodS: all.period ?? 60,
    evaluationPeriods,
    datapointsToAlarm,
    threshold,
    clearThreshold,
    comparison,
    treatMissingData: all.treat_missing_data ?? "missing",
    repeatActions: all.repeat_actions ?? false,
    repeatIntervalS: all.repeat_interval ?? defaults.repeatIntervalS,
    repeatStates: own.repeat_states ?? ["alarm"],
    actions: { alarm: alarm ?? [], ok: ok ?? [], "insufficient data": insufficient ?? [] },
  };
}

/** Aodh's own default description. */
function describe(
  { meter_name: meter, comparison_operator: op, threshold }: AlarmFields,
  statistic: string,
  periodS: number,
): string {
  return `Alarm when ${meter} is ${op} a ${statistic} of ${threshold} over ${periodS} seconds`;
}

function checkMeter(file: YamlFile, path: Path, { name, meter_name: meterName }: AlarmFields): void {
  if (meterNamed(meterName)) return;
  const near = closest(
    meterName,
    METERS.map((meter) => meter.name),
  );
  const hint = near === undefined ? "docs/meters.md lists them" : `did you mean "${near}"?`;
  file.error(
    [...path, "meter_name"],
    "E202",
    `there is no meter "${meterName}", of which alarm "${name}" speaks`,
    hint,
  );
}

/** An alarm pasted from Heat selects its cluster by a query: it must be this file's. */
function checkQuery(file: YamlFile, path: Path, { name, query }: AlarmFields, clusterId: string): void {
  if (query === undefined || query === null) return;
  const values = Array.isArray(query)
    ? query.map((one) => (one as { field?: unknown; value?: unknown } | null)?.value)
    : typeof query === "object"
      ? Object.values(query)
      : [query];
  if (values.every((value) => value === clusterId)) return;
  const hint = "the file's cluster_id says which cluster: remove the query";
  file.error(
    [...path, "query"],
    "E204",
    `the query of alarm "${name}" selects something else than cluster ${clusterId}`,
    hint,
  );
}

/** Windows are made of whole ticks. */
function checkPeriod(file: YamlFile, path: Path, own: AlarmFields, periodS: number, intervalS: number): void {
  const ticks = Math.ceil(periodS / intervalS - 1e-9);
  if (Math.abs(ticks * intervalS - periodS) < 1e-6) return;
  const message = `the period of alarm "${own.name}", ${periodS} s, is not a whole number of ticks of ${intervalS} s`;
  file.warn(
    own.period === undefined ? path : [...path, "period"],
    "W003",
    message,
    `it is taken as ${ticks * intervalS} s`,
  );
}

function checkClear(file: YamlFile, path: Path, alarm: AlarmFields, clear: number): void {
  const { comparison_operator: op, threshold, name } = alarm;
  const wrong =
    ((op === "gt" || op === "ge") && clear > threshold) || ((op === "lt" || op === "le") && clear < threshold);
  if (!wrong) return;
  const side = op === "gt" || op === "ge" ? "below" : "above";
  file.error(
    [...path, "clear_threshold"],
    "E108",
    `clear_threshold ${clear} of alarm "${name}" must not lie on the alarm's side of threshold ${threshold}`,
    `choose one ${side} it`,
  );
}

function receiverOf(
  file: YamlFile,
  path: Path,
  written: string,
  receivers: Map<string, ReceiverConfig>,
  defaults: RuleDefaults,
): ReceiverConfig | undefined {
  if (written.startsWith("receiver:")) {
    const name = written.slice("receiver:".length).trim();
    const found = receivers.get(name);
    if (found) return found;
    const near = closest(name, receivers.keys());
    const hint = near === undefined ? `add "${name}:" to receivers:` : `did you mean "receiver:${near}"?`;
    file.error(path, "E201", `there is no receiver "${name}"`, hint);
    return undefined;
  }
  if (!/^(https?:\/\/|\$\{)/.test(written)) {
    file.error(
      path,
      "E201",
      "an action is receiver:NAME or an http(s) URL",
      receivers.has(written) ? `write "receiver:${written}"` : undefined,
    );
    return undefined;
  }
  const bare = bareReceiver(written, defaults.timeoutS);
  if (!receivers.has(bare.name)) {
    checkUrl(file, path, written, defaults);
    receivers.set(bare.name, bare);
  }
  return bare;
}

function checkSecret(file: YamlFile, path: Path, value: string, { environment }: RuleDefaults): string | undefined {
  try {
    return expandSecrets(value, environment);
  } catch (error) {
    file.error(path, "E205", messageOf(error));
    return undefined;
  }
}

function checkUrl(file: YamlFile, path: Path, url: string, defaults: RuleDefaults): void {
  const expanded = checkSecret(file, path, url, defaults);
  if (expanded === undefined) return;
  // The same shape that the notifier can send without rewriting a byte of it.
  if (!/^https?:\/\/[^/?#\s@\\]+([/?][^#\s\\]*)?$/i.test(expanded) || !URL.canParse(expanded)) {
    file.error(path, "E206", "an alarm_url is http(s)://host[:port]/path, without user, spaces or fragment");
  }
}
