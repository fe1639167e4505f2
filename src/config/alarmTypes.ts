/** Aodh's alarm types: what each is called, and which words are at home where. */

import type { AlarmType } from "../model/alarm.ts";
import type { GnocchiType } from "./alarmSchema.ts";
import { commonFields, compositeFields, eventFields, gnocchiFields, thresholdFields } from "./alarmSchema.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import { receiver } from "./receiverSchema.ts";
import type { YamlFile } from "./yamlFile.ts";

const RULE_WORDS: Readonly<Record<AlarmType, readonly string[]>> = {
  threshold: Object.keys(thresholdFields.shape),
  composite: Object.keys(compositeFields.shape),
  event: Object.keys(eventFields.shape),
  gnocchi_resources_threshold: Object.keys(gnocchiFields.gnocchi_resources_threshold.shape),
  gnocchi_aggregation_by_metrics_threshold: Object.keys(gnocchiFields.gnocchi_aggregation_by_metrics_threshold.shape),
  gnocchi_aggregation_by_resources_threshold: Object.keys(
    gnocchiFields.gnocchi_aggregation_by_resources_threshold.shape,
  ),
};

const TYPES: readonly AlarmType[] = [
  "threshold",
  "composite",
  "event",
  "gnocchi_resources_threshold",
  "gnocchi_aggregation_by_metrics_threshold",
  "gnocchi_aggregation_by_resources_threshold",
];

/** Types of Aodh's that this version does not know. */
const LATER_TYPES: ReadonlySet<unknown> = new Set(["combination", "loadbalancer_member_health", "prometheus"]);

/** Types of a composite's inline rules. */
export const LEAF_TYPES: readonly AlarmType[] = TYPES.filter((type) => type !== "composite" && type !== "event");

/** Words of all inline rules of a composite. */
export const LEAF_WORDS: ReadonlySet<string> = new Set(["type", ...LEAF_TYPES.flatMap((type) => RULE_WORDS[type])]);

/** Words of every alarm, whatever its type. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(Object.keys(commonFields.shape));

const RECEIVER_WORDS: ReadonlySet<string> = new Set(Object.keys(receiver.shape));

/** Whether the type is one of Aodh's on Gnocchi. */
export function isGnocchiType(type: unknown): type is GnocchiType {
  return typeof type === "string" && Object.hasOwn(gnocchiFields, type);
}

/** Whether a word is one of the rules of alarms of that type. */
export function isRuleWord(type: AlarmType, word: string): boolean {
  return RULE_WORDS[type].includes(word);
}

/** `it belongs to type: event`, of a word that has no business in alarms of `type`. */
export function elsewhereOf(type: AlarmType): (word: string) => string | undefined {
  return (word) => {
    const home = TYPES.find((one) => one !== type && RULE_WORDS[one].includes(word));
    if (home !== undefined) return `it belongs to type: ${home}`;
    if (COMMON_WORDS.has(word)) return "it belongs to the alarm, not to its rule";
    return RECEIVER_WORDS.has(word) ? "it belongs to a receiver" : undefined;
  };
}

/**
 * Type of an alarm: its own word, or the one whose `<type>_rule:` it has, or threshold. `undefined`: it has none
 * that we know, which is told.
 */
export function typeOf(file: YamlFile, path: Path, words: Readonly<Record<string, unknown>>): AlarmType | undefined {
  const { type: written, name } = words;
  if (written === undefined) return TYPES.find((one) => words[`${one}_rule`] !== undefined) ?? "threshold";
  const found = TYPES.find((one) => one === written);
  if (found !== undefined) return found;
  const place = [...path, "type"];
  const at = typeof name === "string" ? ` in alarm "${name}"` : "";
  if (LATER_TYPES.has(written)) {
    file.error(place, "E106", `"${String(written)}" is not supported by this version${at}`, "remove it");
  } else {
    const hint = typeof written === "string" ? didYouMean(written, TYPES) : undefined;
    file.error(place, "E103", `"type" must be one of ${TYPES.join(", ")}${at}`, hint);
  }
  return undefined;
}
