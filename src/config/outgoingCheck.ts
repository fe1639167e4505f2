/**
 * What `notifier:` of tocsin.yaml needs of the environment and of files. It is read anew whenever it is used, so what
 * cannot be read now is a warning: a dead-man's switch must not keep a scaler from starting.
 */

import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../lib/errors.ts";
import type { Path } from "./explain.ts";
import { httpUrl } from "./fields.ts";
import type { KeystoneFields } from "./keystoneSettings.ts";
import { checkSecret } from "./secretCheck.ts";
import { hasSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface OutgoingFields {
  readonly heartbeat_url?: string | undefined;
  readonly keystone?: Partial<KeystoneFields> | undefined;
}

const UNCALLED = "nobody is called until that is mended";
const NO_TOKEN = "no token is had until that is mended";

/** `folder`: what paths are relative to. */
export function checkOutgoing(
  file: YamlFile,
  { heartbeat_url: heartbeat, keystone = {} }: OutgoingFields,
  folder: string,
  environment: Environment,
): void {
  const place = (...words: Path): Path => ["notifier", ...words];
  if (heartbeat !== undefined) checkUrl(file, place("heartbeat_url"), heartbeat, environment, UNCALLED);
  const { auth_url: authUrl, ca_file: caFile, ...texts } = keystone;
  if (authUrl !== undefined) checkUrl(file, place("keystone", "auth_url"), authUrl, environment, NO_TOKEN);
  for (const [word, text] of Object.entries(texts))
    if (text !== undefined) checkSecret(file, place("keystone", word), text, environment, NO_TOKEN);
  if (caFile === undefined) return;
  try {
    accessSync(resolve(folder, caFile), constants.R_OK);
  } catch (error) {
    file.warn(place("keystone", "ca_file"), "W005", `cannot read ca_file: ${messageOf(error)}`, NO_TOKEN);
  }
}

function checkUrl(file: YamlFile, path: Path, written: string, environment: Environment, hint: string): void {
  const url = checkSecret(file, path, written, environment, hint);
  if (url === undefined || !hasSecrets(written)) return;
  const [issue] = httpUrl.safeParse(url).error?.issues ?? [];
  const word = String(path.at(-1));
  if (issue) file.warn(path, "W006", `with its secrets put in: "${word}": ${issue.message}`, hint);
}
