/** One rule file → the cluster's rules and receivers, or what is wrong with it. */

import type { Alarm, ClusterRules, RowPattern } from "../model/alarm.ts";
import { actionReader } from "./actions.ts";
import { readAlarms } from "./alarms.ts";
import { checkKept } from "./keptCheck.ts";
import { checkReceivers } from "./receiverChecks.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { namedReceiver } from "./receivers.ts";
import type { RuleFile } from "./ruleSchema.ts";
import { ruleFile } from "./ruleSchema.ts";
import type { KnownSources } from "./sourceNames.ts";
import { checkSourceName } from "./sourceNames.ts";
import type { ReceiverDefaults } from "./urlCheck.ts";
import type { YamlFile } from "./yamlFile.ts";

export interface LoadedCluster {
  readonly rules: ClusterRules;
  readonly receivers: ReadonlyMap<string, ReceiverConfig>;
  readonly file: YamlFile;
}

/** What `tocsin.yaml` says of all rule files. */
export interface RuleDefaults extends ReceiverDefaults {
  readonly repeatIntervalS: number;
  /** The tick. */
  readonly intervalS: number;
  /** For how long cluster series are kept, seconds; absent: for ever. */
  readonly keptS?: number;
  /** Sources that there are; absent: that is not known, and none is missed. */
  readonly sources?: KnownSources;
}

/** Reads a parsed file; `undefined` when it has errors (they are in the file's diagnostics) or says nothing at all. */
export function readRuleFile(file: YamlFile, defaults: RuleDefaults): LoadedCluster | undefined {
  if (file.isEmpty) {
    if (file.diagnostics.length === 0)
      file.error([], "E107", "the file says nothing", "write a cluster into it, or remove it");
    return undefined;
  }
  const fields = file.validate(ruleFile, { asMap: directions });
  if (!fields) {
    checkAlarmsAlone(file, defaults);
    return undefined;
  }
  const written = fields.receivers ?? {};
  const receivers = new Map(
    Object.entries(written).map(([name, one]) => [name, namedReceiver(name, one, defaults.timeoutS)]),
  );
  checkReceivers(file, written, receivers, defaults);
  checkCapacity(file, fields);
  fields.haproxy.forEach(({ source }, index) => {
    checkSourceName(file, ["haproxy", index, "source"], source, defaults.sources);
  });
  const alarms = alarmsOf(file, fields, receivers, defaults);
  if (defaults.keptS !== undefined && alarms.length === fields.alarms.length) checkKept(file, alarms, defaults.keptS);
  file.sort();
  if (file.diagnostics.some(({ severity }) => severity === "error")) return undefined;
  return { rules: clusterRules(file, fields, alarms), receivers, file };
}

function alarmsOf(
  file: YamlFile,
  fields: RuleFile,
  receivers: Map<string, ReceiverConfig>,
  defaults: RuleDefaults,
): readonly Alarm[] {
  const actionsOf = actionReader(file, receivers, fields.capacity, defaults);
  const { intervalS, repeatIntervalS } = defaults;
  return readAlarms({ file, fields, intervalS, repeatIntervalS, actionsOf });
}

/** What is around the alarms is wrong: what can be said of them all the same is said too. */
function checkAlarmsAlone(file: YamlFile, defaults: RuleDefaults): void {
  const { root } = file;
  // What has no end cannot be walked through.
  if (file.diagnostics.some(({ code }) => code === "E101")) return;
  const written = typeof root === "object" && root !== null && "alarms" in root ? root.alarms : undefined;
  if (!Array.isArray(written) || written.length > 1000) return;
  const stand = { version: 1, cluster_id: "?", haproxy: [{ proxy: "*" }], alarms: written as unknown[] } as const;
  const before = file.diagnostics.length;
  const { intervalS, repeatIntervalS } = defaults;
  readAlarms({
    file,
    fields: { ...stand, haproxy: [...stand.haproxy] },
    intervalS,
    repeatIntervalS,
    actionsOf: () => [],
  });
  // Only what does not depend on the rest of the file: the words themselves.
  const certain = file.diagnostics.splice(before).filter(({ code }) => /^E(10[2346]|11[01]|20[239]|210)$/.test(code));
  file.diagnostics.push(...certain);
  file.sort();
}

function clusterRules(file: YamlFile, fields: RuleFile, alarms: readonly Alarm[]): ClusterRules {
  const { min, max, boot } = fields.capacity ?? {};
  const capacity = {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(boot === undefined ? {} : { bootS: boot }),
  };
  return {
    clusterId: fields.cluster_id,
    clusterName: fields.cluster_name ?? fields.cluster_id,
    file: file.name,
    rows: fields.haproxy.map(rowPattern),
    expect: fields.expect ?? 0,
    ...(fields.capacity === undefined ? {} : { capacity }),
    settleS: fields.control?.settle ?? 60,
    cooldownS: { in: fields.control?.cooldown?.in ?? 0, out: fields.control?.cooldown?.out ?? 0 },
    alarms,
  };
}

function rowPattern({ frontend, backend, proxy, source }: RuleFile["haproxy"][number]): RowPattern {
  if (frontend !== undefined) return { kind: "frontend", pattern: frontend, source };
  return backend !== undefined
    ? { kind: "backend", pattern: backend, source }
    : { kind: "proxy", pattern: proxy ?? "", source };
}

function checkCapacity(file: YamlFile, { capacity: { min = 0, max = Number.POSITIVE_INFINITY } = {} }: RuleFile): void {
  if (min <= max) return;
  file.error(["capacity", "min"], "E108", `the least capacity ${min} is more than the most, ${max}`);
}

/** A pause is said for each direction. */
function directions(word: string, value: unknown): string | undefined {
  if (word !== "cooldown") return undefined;
  const pause = /^[\w.]{1,10}$/.test(String(value)) ? String(value) : "5m";
  return `write {out: ${pause}, in: ${pause}}`;
}
