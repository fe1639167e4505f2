/** Bodies of a receiver's own: a JSON tree with `${field}` in its strings, and what must not stand in it. */

import type { Json } from "../model/alarm.ts";
import type { BodyTemplate } from "../model/body.ts";
import { BODY_FIELDS, SENLIN_INPUTS } from "../model/body.ts";
import type { Path } from "./explain.ts";
import { didYouMean } from "./explain.ts";
import type { BodyFields } from "./receiverSchema.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { checkSecret } from "./secretCheck.ts";
import { hasSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

const MAX_DEPTH = 20;
const MAX_VALUES = 1000;

/** Members that Heat takes from the top of a body: one clears a hook, the other stands for Aodh's `current`. */
const HEAT_INPUTS: ReadonlySet<string> = new Set(["unset_hook", "state"]);

const FIELDS: ReadonlySet<string> = new Set(BODY_FIELDS);

/** The body that the words ask for. What is no JSON in a tree of one's own is null here, and told by `checkBody`. */
export function bodyOf(written: BodyFields): BodyTemplate {
  return typeof written === "string" ? { kind: written } : { kind: "custom", tree: jsonOf(written, 1) };
}

/** Whether Senlin finds the count of a proportional action in the body: at its top, as a number. */
export function saysCount(body: BodyTemplate): boolean {
  if (body.kind !== "custom") return body.kind === "aodh";
  return typeof body.tree === "object" && body.tree !== null && "count" in body.tree && body.tree.count === COUNT;
}

const COUNT = `\${count}`;

function jsonOf(value: unknown, depth: number): Json {
  if (typeof value === "string" || typeof value === "boolean" || isNumber(value)) return value;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((one) => jsonOf(one, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, jsonOf(one, depth + 1)]));
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

interface Walk {
  readonly file: YamlFile;
  readonly receiver: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  values: number;
}

/** Checks the tree of a body, which stands at `path`. */
export function checkBody(
  file: YamlFile,
  path: Path,
  written: BodyFields,
  receiver: Pick<ReceiverConfig, "name" | "scaler" | "scale" | "body">,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  if (typeof written === "string") return;
  for (const key of Object.keys(written)) {
    const isAsked = key === "count" && receiver.scale !== undefined && saysCount(receiver.body);
    if (!isAsked) refuseInput(file, [...path, key], key, receiver.scaler);
  }
  const { name } = receiver;
  const walk: Walk = { file, receiver: name, environment, values: 0 };
  checkValue(walk, path, written, 1);
  if (walk.values <= MAX_VALUES) return;
  file.error(path, "E103", `the body of receiver "${name}" has more than ${MAX_VALUES} values`, "make it smaller");
}

/** A scaler would take the member for an input of its action: it would do something else than it is there for. */
function refuseInput(file: YamlFile, path: Path, key: string, scaler: ReceiverConfig["scaler"]): void {
  const inputs = scaler === "senlin" ? SENLIN_INPUTS : HEAT_INPUTS;
  if (scaler === undefined || !inputs.has(key)) return;
  const who = scaler === "senlin" ? "Senlin" : "Heat";
  const hint = key === "count" ? "write scale: {count: proportional}" : "put it into a map of its own";
  file.error(path, "E215", `${who} takes "${key}" at the top of a body as an input of its action`, hint);
}

function checkValue(walk: Walk, path: Path, value: unknown, depth: number): void {
  walk.values++;
  if (walk.values > MAX_VALUES || value === null || typeof value === "boolean" || isNumber(value)) return;
  const { file, receiver } = walk;
  if (typeof value === "string") checkText(walk, path, value);
  else if (typeof value !== "object")
    file.error(path, "E103", `a value in the body of receiver "${receiver}" is nothing that JSON has`);
  else if (depth > MAX_DEPTH)
    file.error(path, "E103", `the body of receiver "${receiver}" is nested more than ${MAX_DEPTH} deep`);
  else {
    for (const [key, one] of Object.entries(value)) {
      const place = [...path, Array.isArray(value) ? Number(key) : key];
      if (!Array.isArray(value)) checkKey(walk, place, key);
      checkValue(walk, place, one, depth + 1);
    }
  }
}

function checkKey({ file, receiver }: Walk, path: Path, key: string): void {
  const at = ` in the body of receiver "${receiver}"`;
  if (key === "__proto__") file.error(path, "E102", `the key "${key}" is never allowed${at}`);
  if (/\$\{[^}]*\}/.test(key)) file.error(path, "E216", `a key holds no field${at}`, "put it into a value");
}

function checkText({ file, receiver, environment }: Walk, path: Path, text: string): void {
  for (const [, field = ""] of text.matchAll(/\$\{([^}]*)\}/g)) {
    if (FIELDS.has(field) || /^(env|file):/.test(field)) continue;
    // What has digits in it was not meant to be one.
    const named = /^[\w ]{1,40}$/.test(field) && !/\d/.test(field) ? `field "${field}"` : "such field";
    const message = `there is no ${named} for the body of receiver "${receiver}"`;
    file.error(path, "E216", message, didYouMean(field, BODY_FIELDS, `one of ${BODY_FIELDS.join(", ")}`));
  }
  if (hasSecrets(text)) checkSecret(file, path, text, environment);
}
