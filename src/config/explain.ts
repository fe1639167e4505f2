/** A schema's complaint → what a person reads: which place, which code, what to do about it. */

import type { z } from "zod";
import { closest } from "../lib/closest.ts";
import { quoted } from "./masking.ts";

export type Path = readonly PropertyKey[];

/** What a checker knows of words beside its schema. */
export interface Words {
  /** Words that other versions know: refused with a clear word rather than a guess. */
  readonly later?: ReadonlySet<string>;
  /** Words that another schema takes at the same place, for "did you mean". */
  readonly also?: readonly string[];
  /** Where a word, which stands at `path`, is at home that has no business here; `undefined`: nowhere. */
  readonly elsewhere?: (word: string, path: Path) => string | undefined;
  /** How to write a map where one value stands; `undefined`: nobody writes one there. */
  readonly asMap?: (word: string, value: unknown) => string | undefined;
  /** What to write where a word has no value, such as `host:port`. */
  readonly values?: Readonly<Record<string, string>>;
}

/** Something wrong at a value, or at the key of it. */
export interface Complaint {
  readonly at: "value" | "key";
  readonly path: Path;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** The value may be a secret by a name that nobody knows: it is not to be shown. */
  readonly isPrivate?: true;
}

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** All that one issue says. `base` is where in `root`, the whole file's value, the checked part lies. */
export function explainIssue(
  issue: z.core.$ZodIssue,
  base: Path,
  root: unknown,
  schema: z.ZodType,
  words: Words,
): readonly Complaint[] {
  const path = [...base, ...issue.path];
  const at = whereabouts(path, root);
  const wrong = (message: string, hint?: string, code = "E103"): readonly Complaint[] => [
    { at: "value", path, code, message: `${message}${at}`, hint },
  ];
  const missing = (hint: string): readonly Complaint[] => {
    const around = path.slice(0, -1);
    const message = `${String(path.at(-1) ?? "")} is missing${whereabouts(around, root)}`;
    return [{ at: "value", path: around, code: "E104", message, hint }];
  };
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = [...keysAt(schema, issue.path), ...(words.also ?? [])];
      return issue.keys.map((key) => unknownKey([...path, key], key, known, at, words));
    }
    case "invalid_type":
      if (issue.input === undefined) return missing(`add "${String(path.at(-1) ?? "")}:"`);
      if (issue.input === null)
        return wrong(`${itemOrField(path)} is empty: write ${emptyHint(path, issue.expected, words)}`);
      return wrong(
        `${itemOrField(path)} must be ${article(issue.expected)}`,
        issue.expected === "object"
          ? words.asMap?.(String(path.findLast((part) => typeof part === "string") ?? ""), issue.input)
          : undefined,
      );
    case "invalid_value": {
      const values = issue.values.map(String).filter((value) => value !== "");
      if (issue.input === undefined) return missing(`add "${String(path.at(-1) ?? "")}:", one of ${values.join(", ")}`);
      const choice = `${values.length > 1 ? "one of " : ""}${values.join(", ")}`;
      return wrong(`${fieldOf(path)} must be ${choice}`, didYouMean(String(issue.input), values));
    }
    case "invalid_key":
      return wrong(`${fieldOf(path)}: ${issue.issues[0]?.message ?? issue.message}`);
    case "custom": {
      if (issue.input === undefined) return missing(`add "${String(path.at(-1) ?? "")}:"`);
      if (issue.params?.choice === undefined) return wrong(`${fieldOf(path)}: ${issue.message}`);
      const candidates = issue.params.choice as readonly string[];
      return wrong(`${fieldOf(path)} must be ${issue.message}`, didYouMean(String(issue.input), candidates));
    }
    default:
      return wrong(`${fieldOf(path)}: ${issue.message}`);
  }
}

/** Signs that people write for Aodh's operators. */
const OPERATORS: Readonly<Record<string, string>> = {
  "<": "lt",
  "<=": "le",
  "=": "eq",
  "==": "eq",
  "!=": "ne",
  "<>": "ne",
  ">=": "ge",
  ">": "gt",
};

/** `did you mean "max"?`, or `otherwise` when nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>, otherwise?: string): string | undefined {
  const known = [...candidates];
  const sign = Object.hasOwn(OPERATORS, word) ? OPERATORS[word] : undefined;
  const near = sign !== undefined && known.includes(sign) ? sign : closest(word, known);
  return near === undefined ? otherwise : `did you mean "${near}"?`;
}

function unknownKey(path: Path, key: string, known: readonly string[], at: string, words: Words): Complaint {
  const complaint = (code: string, message: string, hint?: string): Complaint => ({
    at: "key",
    path,
    code,
    message: `${message}${at}`,
    hint,
    ...(isAmongSecrets(path) ? { isPrivate: true } : {}),
  });
  if (FORBIDDEN_KEYS.has(key)) return complaint("E102", `the key "${key}" is never allowed`);
  const elsewhere = words.elsewhere?.(key, path);
  if (elsewhere === undefined && words.later?.has(key))
    return complaint("E106", `"${key}" is not supported by this version`, "remove it");
  const hint = elsewhere ?? didYouMean(key, known, "remove it");
  return complaint("E102", `unknown key "${quoted(key)}"`, hint);
}

function fieldOf(path: Path): string {
  const field = path.findLast((part) => typeof part === "string");
  return field === undefined ? "the file" : `"${quoted(String(field))}"`;
}

/** A field, or an item of a list. */
function itemOrField(path: Path): string {
  return typeof path.at(-1) === "number" && path.length > 1 ? `an item of ${fieldOf(path)}` : fieldOf(path);
}

function emptyHint(path: Path, expected: string, { values = {} }: Words): string {
  const word = String(path.at(-1));
  return (Object.hasOwn(values, word) ? values[word] : undefined) ?? article(expected);
}

/** Where secrets are at home: what stands there under a misspelt word may be one. */
function isAmongSecrets([section, inner]: Path): boolean {
  if (section === "collector") return inner === "sources";
  if (section === "bus") return inner === "nats";
  if (section === "store") return inner === "influx";
  return section === "receivers" || (section === "notifier" && inner === "keystone");
}

function article(expected: string): string {
  if (expected === "object" || expected === "record") return "a map";
  if (expected === "array") return "a list";
  return `${/^[aeiou]/.test(expected) ? "an" : "a"} ${expected}`;
}

/** ` in alarm "busy"`: the named thing that a path lies in. */
export function whereabouts(path: Path, root: unknown): string {
  const [section, index] = path;
  if (section === "alarms" && typeof index === "number") {
    const alarms = (root as { alarms?: unknown } | null)?.alarms;
    const name = Array.isArray(alarms) ? (alarms[index] as { name?: unknown } | null)?.name : undefined;
    return ` in alarm ${typeof name === "string" ? `"${quoted(name)}"` : index + 1}`;
  }
  if (section === "receivers" && typeof index === "string") return ` in receiver "${quoted(index)}"`;
  return "";
}

interface Def {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
}

/** Keys that a schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  const def = schema._zod.def as unknown as Def;
  const wrapped = def.innerType ?? def.in;
  if (wrapped) return keysAt(wrapped, path);
  const [head, ...rest] = path;
  if (head === undefined) return Object.keys(def.shape ?? {});
  const next = def.shape?.[String(head)] ?? def.element ?? def.valueType;
  return next ? keysAt(next, rest) : [];
}
