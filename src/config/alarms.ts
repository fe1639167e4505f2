/** The alarms of a rule file: each by the words of its type, then what leads from one to another. */

import { uuidV5 } from "../lib/uuid.ts";
import type { Action, Alarm, AlarmRule, AlarmType, State, TimeConstraint } from "../model/alarm.ts";
import type { CommonFields, GnocchiFields, TimeConstraintFields } from "./alarmSchema.ts";
import { commonFields, compositeFields, eventFields, gnocchiFields, thresholdFields } from "./alarmSchema.ts";
import { COMMON_WORDS, elsewhereOf, isRuleWord, typeOf } from "./alarmTypes.ts";
import type { AlarmIds } from "./compositeRule.ts";
import { readComposite } from "./compositeRule.ts";
import type { Edge } from "./cycles.ts";
import { cyclesOf } from "./cycles.ts";
import { readEvent } from "./eventRule.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import type { Reading } from "./thresholdRule.ts";
import { readGnocchi, readThreshold } from "./thresholdRule.ts";
import type { YamlFile } from "./yamlFile.ts";

/** Namespace of alarm ids: a constant of this program, so that an alarm's id survives everything but a new name. */
const ALARM_NAMESPACE = "a3f7c0de-5a1c-5b0e-8d62-7c9be1f5d021";

const LISTS = { ok: "ok_actions", alarm: "alarm_actions", "insufficient data": "insufficient_data_actions" } as const;

const SHADOW: Pick<Alarm, "shadow"> = { shadow: true };

/** Makes the actions of one list of an alarm out of what is written there. */
export type ActionReader = (
  path: Path,
  written: readonly string[],
  alarm: { readonly name: string; readonly rule: AlarmRule; readonly state: State },
) => readonly Action[];

/** What the alarms of a file have in common. */
export interface AlarmsReading extends Reading {
  readonly repeatIntervalS: number;
  readonly actionsOf: ActionReader;
}

/** Reads all alarms; those with errors are left out, and what is wrong is in the file's diagnostics. */
export function readAlarms(reading: AlarmsReading): readonly Alarm[] {
  const written = reading.fields.alarms.map(wordsOf);
  const ids = namesOf(reading, written);
  const references = new Map<string, Edge[]>();
  const suppressors = new Map<string, Edge[]>();
  const alarms = written.flatMap((words, index) => {
    const path = ["alarms", index];
    if (!words) {
      reading.file.error(path, "E103", "an alarm must be a map");
      return [];
    }
    const read = readAlarm(reading, path, words, ids);
    if (read) references.set(read.name, [...read.references]);
    if (read) suppressors.set(read.name, [...read.suppressors]);
    return read?.alarm ?? [];
  });
  refuseCycles(reading.file, references, "alarms refer to each other in a circle", "a verdict must begin somewhere");
  refuseCycles(reading.file, suppressors, "alarms suppress each other in a circle", "one of them must speak");
  return alarms;
}

type WordMap = Readonly<Record<string, unknown>>;

function wordsOf(value: unknown): WordMap | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** Ids of all alarms by name, also of those that have errors: what refers to them is not at fault. */
function namesOf({ file, fields }: Reading, alarms: readonly (WordMap | undefined)[]): AlarmIds {
  const ids = new Map<string, string>();
  const taken = new Map<string, string>();
  alarms.forEach((words, index) => {
    const name = words?.name;
    if (typeof name !== "string") return;
    const given = words?.alarm_id;
    const id = typeof given === "string" ? given : uuidV5(ALARM_NAMESPACE, `${fields.cluster_id}\n${name}`);
    const other = taken.get(id);
    if (ids.has(name)) {
      file.error(["alarms", index, "name"], "E203", `there are two alarms named "${name}"`, "give one another name");
    } else if (other !== undefined) {
      const message = `alarms "${other}" and "${name}" have one alarm_id`;
      file.error(["alarms", index, "alarm_id"], "E203", message, "give one another id, or none");
    }
    ids.set(name, id);
    taken.set(id, name);
  });
  return ids;
}

function refuseCycles(file: YamlFile, graph: ReadonlyMap<string, readonly Edge[]>, what: string, hint: string): void {
  for (const { names, path } of cyclesOf(graph))
    file.error(path, "E210", `${what}: ${names.map((name) => `"${name}"`).join(" → ")}`, hint);
}

interface ReadAlarm {
  readonly name: string;
  /** `undefined`: it has errors. */
  readonly alarm: Alarm | undefined;
  readonly references: readonly Edge[];
  readonly suppressors: readonly Edge[];
}

function readAlarm(reading: AlarmsReading, path: Path, words: WordMap, ids: AlarmIds): ReadAlarm | undefined {
  const { file } = reading;
  const type = typeOf(file, path, words);
  const entries = Object.entries(words).filter(([key]) => key !== "type");
  const pick = (wanted: boolean) => Object.fromEntries(entries.filter(([key]) => COMMON_WORDS.has(key) === wanted));
  const common = file.check(path, pick(true), commonFields);
  if (type === undefined) return undefined;
  const alarmName = String(words.name);
  const { rule, references } = readRule(reading, path, type, pick(false), alarmName, ids);
  if (!common) return { name: alarmName, alarm: undefined, references, suppressors: [] };
  const suppressors = readSuppressors(file, path, common, ids);
  const alarm = rule && buildAlarm(reading, path, common, type, rule, suppressors, ids);
  return { name: common.name, alarm, references, suppressors };
}

interface RuleAndReferences {
  readonly rule: AlarmRule | undefined;
  readonly references: readonly Edge[];
}

/** The words of a rule stand beside the alarm's, or under `<type>_rule:` as in Aodh's JSON. */
function readRule(
  reading: Reading,
  path: Path,
  type: AlarmType,
  words: WordMap,
  alarm: string,
  ids: AlarmIds,
): RuleAndReferences {
  const { file } = reading;
  const key = `${type}_rule`;
  const nested = type !== "composite" && words[key] !== undefined;
  const place = nested ? [...path, key] : path;
  const own = nested ? words[key] : words;
  if (nested) {
    const beside = Object.fromEntries(Object.entries(words).filter(([word]) => word !== key));
    file.check(path, beside, commonFields.partial(), {
      elsewhere: (word) => (isRuleWord(type, word) ? `write it into ${key}:` : undefined),
    });
  }
  const hints = {
    also: nested ? [] : [...COMMON_WORDS, "type", key],
    elsewhere: elsewhereOf(type),
  };
  const alone = (rule: AlarmRule | undefined): RuleAndReferences => ({ rule, references: [] });
  switch (type) {
    case "threshold": {
      const fields = file.check(place, own, thresholdFields, hints);
      return alone(fields && readThreshold(reading, place, alarm, fields).rule);
    }
    case "event": {
      const fields = file.check(place, own, eventFields, hints);
      return alone(fields && readEvent(reading, place, alarm, fields));
    }
    case "composite": {
      const fields = file.check(place, own, compositeFields, hints);
      if (words.composite_rule === undefined) return alone(undefined);
      const { expression, references } = readComposite(reading, [...path, key], alarm, words.composite_rule, ids);
      return { rule: fields && expression && { kind: "composite", expression }, references };
    }
    default: {
      const fields = file.check<GnocchiFields>(place, own, gnocchiFields[type], hints);
      return alone(fields && readGnocchi(reading, place, alarm, type, fields)?.rule);
    }
  }
}

function readSuppressors(file: YamlFile, path: Path, fields: CommonFields, ids: AlarmIds): readonly Edge[] {
  return (fields.suppressed_by ?? []).flatMap((name, index) => {
    const place = [...path, "suppressed_by", index];
    if (ids.has(name)) return { to: name, path: place };
    const message = `there is no alarm "${name}" to suppress alarm "${fields.name}"`;
    file.error(place, "E209", message, didYouMean(name, ids.keys(), "suppressors stay within one file"));
    return [];
  });
}

function buildAlarm(
  reading: AlarmsReading,
  path: Path,
  own: CommonFields,
  type: AlarmType,
  rule: AlarmRule,
  suppressors: readonly Edge[],
  ids: AlarmIds,
): Alarm {
  const { defaults = {} } = reading.fields;
  const { name } = own;
  const actionsOf = (state: State): readonly Action[] =>
    reading.actionsOf([...path, LISTS[state]], own[LISTS[state]] ?? [], { name, rule, state });
  return {
    id: ids.get(name) ?? "",
    name,
    description: own.description || describeRule(type, rule),
    type,
    severity: own.severity ?? defaults.severity ?? "low",
    enabled: own.enabled ?? true,
    rule,
    timeConstraints: readTimeConstraints(reading.file, path, own),
    suppressedBy: suppressors.flatMap(({ to }) => ids.get(to) ?? []),
    repeatActions: own.repeat_actions ?? defaults.repeat_actions ?? false,
    repeatIntervalS: own.repeat_interval ?? defaults.repeat_interval ?? reading.repeatIntervalS,
    repeatStates: own.repeat_states ?? ["alarm"],
    maxRepeats: own.max_repeats ?? defaults.max_repeats,
    ...(own.mode === "shadow" ? SHADOW : {}),
    actions: { alarm: actionsOf("alarm"), ok: actionsOf("ok"), "insufficient data": actionsOf("insufficient data") },
  };
}

/** Aodh's own default descriptions. */
function describeRule(type: AlarmType, rule: AlarmRule): string {
  if (rule.kind === "event") return `Alarm when ${rule.eventType} event occurred.`;
  if (rule.kind === "composite" || type !== "threshold") return `${type} alarm rule`;
  const { meterName, comparison, statistic, threshold, periodS } = rule;
  return `Alarm when ${meterName} is ${comparison} a ${statistic} of ${threshold} over ${periodS} seconds`;
}

function readTimeConstraints(file: YamlFile, path: Path, own: CommonFields): readonly TimeConstraint[] {
  const seen = new Set<string>();
  return (own.time_constraints ?? []).map((fields, index) => {
    if (seen.has(fields.name)) {
      const message = `alarm "${own.name}" has two time constraints named "${fields.name}"`;
      file.error([...path, "time_constraints", index, "name"], "E203", message, "give one another name");
    }
    seen.add(fields.name);
    return timeConstraint(fields);
  });
}

function timeConstraint({ name, description, start, duration, timezone = "" }: TimeConstraintFields): TimeConstraint {
  const said = description || `Time constraint at ${start} lasting for ${duration} seconds`;
  return { name, description: said, start, durationS: duration, timezone };
}
