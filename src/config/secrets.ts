import { readFileSync } from "node:fs";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { isList } from "../lib/lists.ts";
import type { Json } from "../model/alarm.ts";

const PLACEHOLDER = /\$\{(env|file):([^}]*)\}/g;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the text has a `${env:NAME}` or `${file:/path}`. */
export function hasSecrets(text: string): boolean {
  return /\$\{(env|file):/.test(text);
}

/** Whether the text has a `${` that begins neither `${env:NAME}` nor `${file:/path}`. */
export function hasHalfPlaceholder(text: string): boolean {
  return /\$\{(?!(?:env|file):[^}]+\})/.test(text);
}

/**
 * Text with `${env:NAME}` and `${file:/path}` replaced by what they stand for. Throws `E205` when one cannot be
 * read; the message names the placeholder, never a value. Each value is added to `found`.
 */
export function expandSecrets(text: string, environment: Environment, found: string[] = []): string {
  return text.replace(PLACEHOLDER, (_, kind: string, name: string) => {
    const value = kind === "env" ? environment[name] : secretFile(name);
    if (value === undefined) throw new TocsinError("E205", `the environment has no variable ${name}`);
    found.push(value);
    return value;
  });
}

function secretFile(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new TocsinError("E205", `cannot read the secret's file ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** A JSON value with the secrets of its strings in place; keys stay as they are. Throws as `expandSecrets` does. */
export function expandTree(tree: Json, environment: Environment, found: string[] = []): Json {
  if (typeof tree === "string") return expandSecrets(tree, environment, found);
  if (tree === null || typeof tree !== "object") return tree;
  if (isList(tree)) return tree.map((one) => expandTree(one, environment, found));
  return expandMap(tree, (value) => expandTree(value, environment, found));
}

/** Each value of a map of texts with its secrets in place. Throws as `expandSecrets` does. */
export function expandTexts(
  texts: Readonly<Record<string, string>>,
  environment: Environment,
  found: string[] = [],
): Readonly<Record<string, string>> {
  return expandMap(texts, (value) => expandSecrets(value, environment, found));
}

function expandMap<In, Out>(map: Readonly<Record<string, In>>, expand: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, expand(value)]));
}
