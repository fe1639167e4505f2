/** The tree under `composite_rule:` → an expression (rule J8), with all that is checked about it. */

import { z } from "zod";
import type { Expression } from "../model/alarm.ts";
import type { GnocchiFields } from "./alarmSchema.ts";
import { gnocchiFields, state, thresholdFields } from "./alarmSchema.ts";
import { elsewhereOf, isGnocchiType, LEAF_TYPES, LEAF_WORDS } from "./alarmTypes.ts";
import type { Edge } from "./cycles.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import { name } from "./fields.ts";
import type { Reading } from "./thresholdRule.ts";
import { readGnocchi, readThreshold } from "./thresholdRule.ts";

/** Deeper trees, and trees of more leaves, are refused. */
const MAX_DEPTH = 20;
const MAX_LEAVES = 100;

/** Ids of the file's alarms by name. */
export type AlarmIds = ReadonlyMap<string, string>;

const reference = z.strictObject({ alarm: name, state: state.optional() });

/** Words that begin a part; Heat's form is `{operator: or, rules: […]}`. */
const PART_WORDS = ["and", "or", "not", "alarm", "operator"];

/** What an alarm's reading collects on its way through the tree. */
interface Walk {
  readonly reading: Reading;
  readonly alarm: string;
  readonly ids: AlarmIds;
  readonly references: Edge[];
  leaves: number;
}

export interface ReadComposite {
  /** `undefined`: the tree has errors. */
  readonly expression: Expression | undefined;
  /** Alarms that it refers to, and where. */
  readonly references: readonly Edge[];
}

/** Reads the tree at `path`; what is wrong with it is in the file's diagnostics. */
export function readComposite(
  reading: Reading,
  path: Path,
  alarm: string,
  tree: unknown,
  ids: AlarmIds,
): ReadComposite {
  const walk: Walk = { reading, alarm, ids, references: [], leaves: 0 };
  const expression = readPart(walk, path, tree, 1);
  if (walk.leaves > MAX_LEAVES) {
    const message = `the composite rule of alarm "${alarm}" has ${walk.leaves} parts, more than ${MAX_LEAVES}`;
    reading.file.error(path, "E111", message, "split it into alarms that refer to each other");
  }
  return { expression, references: walk.references };
}

function readPart(walk: Walk, path: Path, part: unknown, depth: number): Expression | undefined {
  const { reading, alarm } = walk;
  if (typeof part !== "object" || part === null || Array.isArray(part)) return unreadable(walk, path);
  if (depth > MAX_DEPTH) {
    reading.file.error(path, "E111", `the composite rule of alarm "${alarm}" is nested more than ${MAX_DEPTH} deep`);
    return undefined;
  }
  const keys = Object.keys(part);
  const words: Readonly<Record<string, unknown>> = { ...part };
  if (keys.includes("operator") || keys.includes("rules")) return readHeatPart(walk, path, words, depth);
  const combination = (["and", "or", "not"] as const).find((word) => keys.includes(word));
  if (combination === undefined) return readLeaf(walk, path, words, keys);
  const others = Object.fromEntries(Object.entries(words).filter(([key]) => key !== combination));
  reading.file.check(path, others, z.strictObject({}), {
    elsewhere: () => `a part says one thing: put it beside "${combination}" as a part of its own`,
  });
  const inner = [...path, combination];
  if (combination !== "not") return readParts(walk, inner, combination, words[combination], depth);
  if (Array.isArray(words.not)) {
    const message = `"not" takes one part, no list, in alarm "${alarm}"`;
    reading.file.error(inner, "E111", message, "write {not: {…}}, or {not: {or: [...]}} for none of several");
    return undefined;
  }
  const negated = readPart(walk, inner, words.not, depth + 1);
  return negated && { op: "not", part: negated };
}

function readHeatPart(
  walk: Walk,
  path: Path,
  words: Readonly<Record<string, unknown>>,
  depth: number,
): Expression | undefined {
  const heat = z.strictObject({ operator: z.enum(["and", "or"]), rules: z.array(z.unknown()) });
  const fields = walk.reading.file.check(path, words, heat);
  return fields && readParts(walk, [...path, "rules"], fields.operator, fields.rules, depth);
}

function readParts(walk: Walk, path: Path, op: "and" | "or", value: unknown, depth: number): Expression | undefined {
  const { file } = walk.reading;
  if (!Array.isArray(value)) {
    file.error(path, "E103", `"${op}" must be a list in alarm "${walk.alarm}"`);
    return undefined;
  }
  if (value.length === 0) {
    file.error(path, "E111", `"${op}" of alarm "${walk.alarm}" has no parts`, "add at least one");
    return undefined;
  }
  const parts = value.map((one: unknown, index) => readPart(walk, [...path, index], one, depth + 1));
  const read = parts.filter((one) => one !== undefined);
  return read.length === parts.length ? { op, parts: read } : undefined;
}

function readLeaf(
  walk: Walk,
  path: Path,
  words: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): Expression | undefined {
  walk.leaves++;
  if (keys.includes("alarm")) return readReference(walk, path, words);
  if (!keys.some((key) => LEAF_WORDS.has(key))) return unreadable(walk, path, keys[0]);
  const { reading, alarm } = walk;
  const { type = "threshold", ...rule } = words;
  const also = ["type", ...PART_WORDS];
  if (type === "threshold") {
    const fields = reading.file.check(path, rule, thresholdFields, { also, elsewhere: elsewhereOf("threshold") });
    return fields && { op: "rule", ...readThreshold(reading, path, alarm, fields) };
  }
  if (!isGnocchiType(type)) {
    const message = `"type" must be one of ${LEAF_TYPES.join(", ")} in a part of alarm "${alarm}"`;
    reading.file.error([...path, "type"], "E103", message, didYouMean(String(type), LEAF_TYPES));
    return undefined;
  }
  const fields = reading.file.check<GnocchiFields>(path, rule, gnocchiFields[type], {
    also,
    elsewhere: elsewhereOf(type),
  });
  const read = fields && readGnocchi(reading, path, alarm, type, fields);
  return read && { op: "rule", ...read };
}

function readReference(
  { reading, alarm, ids, references }: Walk,
  path: Path,
  words: Readonly<Record<string, unknown>>,
): Expression | undefined {
  const fields = reading.file.check(path, words, reference, {
    elsewhere: (word) => (LEAF_WORDS.has(word) ? "a part is a reference or a rule, not both" : undefined),
  });
  if (!fields) return undefined;
  const place = [...path, "alarm"];
  const alarmId = ids.get(fields.alarm);
  if (alarmId === undefined) {
    const message = `there is no alarm "${fields.alarm}", to which alarm "${alarm}" refers`;
    reading.file.error(place, "E209", message, didYouMean(fields.alarm, ids.keys(), "references stay within one file"));
    return undefined;
  }
  references.push({ to: fields.alarm, path: place });
  return { op: "alarm", alarmId, name: fields.alarm, state: fields.state };
}

function unreadable({ reading, alarm }: Walk, path: Path, key?: string): undefined {
  const forms = "a rule, {alarm: NAME}, {and: […]}, {or: […]} or {not: …}";
  const hint = key === undefined ? undefined : didYouMean(key, [...PART_WORDS, ...LEAF_WORDS]);
  reading.file.error(path, "E111", `a part of the composite rule of alarm "${alarm}" is ${forms}`, hint);
  return undefined;
}
