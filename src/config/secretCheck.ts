/** Secrets at load: what is wrong by them is told, and is not the file's fault. */

import { messageOf } from "../lib/errors.ts";
import type { Path } from "./explain.ts";
import { expandSecrets, hasSecrets } from "./secrets.ts";
import type { YamlFile } from "./yamlFile.ts";

/** Follows a warning that something cannot be read. */
export const UNSENDABLE = "nothing can be sent to this receiver until it can be read";

/** The value with its secrets in place; `undefined`: one cannot be read, which is told. */
export function checkSecret(
  file: YamlFile,
  path: Path,
  value: string,
  environment: Readonly<Record<string, string | undefined>>,
  hint = UNSENDABLE,
): string | undefined {
  try {
    return expandSecrets(value, environment);
  } catch (error) {
    // Only what is sent there is in want of it, and only then: everything else goes on without.
    file.warn(path, "W006", messageOf(error), hint);
    return undefined;
  }
}

/** What is wrong by a secret's value must not take the cluster with it: there it is a warning. */
export function complain(
  file: YamlFile,
  path: Path,
  written: string,
  code: string,
  message: string,
  hint?: string,
): void {
  if (hasSecrets(written)) {
    const unsendable = "nothing can be sent to this receiver until that is mended";
    file.warn(path, "W006", `with its secrets put in: ${message}`, hint ?? unsendable);
  } else file.error(path, code, message, hint);
}
