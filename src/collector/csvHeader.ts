/** The header of HAProxy's CSV, and what its fields say. */

import { knownColumn, TEXT_COLUMNS } from "./rowTable.ts";

/** Why the rows cannot be trusted. */
export interface Refused {
  readonly code: "truncated" | "not_stats" | "too_large";
  readonly reason: string;
}

/** Most columns that are read; HAProxy 3.4 with every module has some 250. */
export const MAX_COLUMNS = 1000;

/** Columns that are read as text. */
export const TEXTS = ["pxname", "svname", "type", ...TEXT_COLUMNS];

/** Names of the columns. */
export function columnNames(header: string): readonly string[] {
  return header.split(",").map((name, index) => (index === 0 ? name.replace(/^# /, "") : name).trim());
}

/** What is wrong with a header; `undefined`: nothing. */
export function wrongHeader(names: readonly string[]): Refused | undefined {
  if (names.length > MAX_COLUMNS) return { code: "too_large", reason: `there are more than ${MAX_COLUMNS} columns` };
  if (names.some((name) => name.includes('"'))) return { code: "not_stats", reason: "the header has a quote in it" };
  const read = names.filter((name) => TEXTS.includes(name) || knownColumn(name) !== undefined);
  const twice = read.find((name, index) => read.indexOf(name) !== index);
  if (twice !== undefined) return { code: "not_stats", reason: `the header names the column ${twice} twice` };
  const missing = ["svname", "type"].find((name) => !names.includes(name));
  return missing === undefined ? undefined : { code: "not_stats", reason: `the header names no column ${missing}` };
}

/** What a field says: quotes around it are none of it, a doubled one in it is one. */
export function unquoted(text: string): string {
  if (!text.includes('"')) return text;
  return text.replace(/"((?:[^"]|"")*)"/g, (_, inner: string) => inner.replaceAll('""', '"'));
}

/** Whether these bytes are the text, one for each character. */
export function isWritten(text: string | undefined, bytes: Uint8Array, from: number, to: number): boolean {
  if (text?.length !== to - from) return false;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) !== bytes[from + at]) return false;
  return true;
}
