import { readFileSync } from "node:fs";
import { messageOf, TocsinError } from "../lib/errors.ts";

const PLACEHOLDER = /\$\{(env|file):([^}]*)\}/g;

/**
 * Text with `${env:NAME}` and `${file:/path}` replaced by what they stand for. Throws `E205` when one cannot be
 * read; the message names the placeholder, never a value.
 */
export function expandSecrets(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return text.replace(PLACEHOLDER, (_, kind: string, name: string) => {
    if (kind === "env") {
      const value = environment[name];
      if (value === undefined) throw new TocsinError("E205", `the environment has no variable ${name}`);
      return value;
    }
    try {
      return readFileSync(name, "utf8").replace(/\r?\n$/, "");
    } catch (error) {
      throw new TocsinError("E205", `cannot read the secret's file ${name}: ${messageOf(error)}`, { cause: error });
    }
  });
}
