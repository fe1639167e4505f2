/** The answer to `show info float;show stat`: process facts and rows, or why it cannot be trusted. */

import type { ProcessIdentity } from "../model/tick.ts";

/** The question; `float` gives microseconds of uptime from 2.4 on and is ignored before. */
export const QUESTION = "show info float;show stat";

export type RowKind = "frontend" | "backend" | "server" | "listener";

/** Column 32, `type`, decides what a row is: `svname` may be any legal name, even BACKEND. */
const KINDS: readonly RowKind[] = ["frontend", "backend", "server", "listener"];

/** One line of `show stat`. */
export interface Row {
  readonly proxy: string;
  readonly server: string;
  readonly kind: RowKind;
  /** Text of a column by HAProxy's name; empty when HAProxy has none or printed nothing. */
  readonly column: (name: string) => string;
}

export interface Dump {
  readonly process: ProcessIdentity;
  /** `Uptime_sec` was printed with a fraction: exact enough to measure time with. */
  readonly preciseUptime: boolean;
  readonly rows: readonly Row[];
  /** Lines that were not rows: another field count, or an unknown type. */
  readonly skipped: number;
}

export type ParsedDump =
  | { readonly ok: true; readonly dump: Dump }
  | { readonly ok: false; readonly code: "empty" | "truncated" | "not_stats" | "nbproc"; readonly reason: string };

/** Reads a whole answer. A dump without its last empty line is refused whole: half of it would under-report. */
export function parseDump(answer: string): ParsedDump {
  if (answer.trim() === "")
    return { ok: false, code: "empty", reason: "HAProxy closed the connection without an answer" };
  const text = answer.includes("\r\n") ? answer.replaceAll("\r\n", "\n") : answer;
  const headerAt = text.startsWith("# pxname,") ? 0 : text.indexOf("\n# pxname,") + 1;
  if (headerAt === 0 && !text.startsWith("# pxname,")) {
    return {
      ok: false,
      code: "not_stats",
      reason: `the answer is not statistics: ${JSON.stringify(text.slice(0, 200))}`,
    };
  }
  if (!text.endsWith("\n\n")) {
    return {
      ok: false,
      code: "truncated",
      reason: `the answer ends after ${answer.length} bytes without its empty line`,
    };
  }
  const info = parseInfo(text.slice(0, headerAt));
  if (!info) return { ok: false, code: "not_stats", reason: "the answer to show info has no Pid and Uptime_sec" };
  if (info.processes > 1) {
    const reason = `${info.processes} processes answer in turn on this socket: give each its own (bind-process, or nbthread)`;
    return { ok: false, code: "nbproc", reason };
  }
  const lines = splitRecords(text.slice(headerAt, -2));
  if (!lines) return { ok: false, code: "truncated", reason: "a quoted field of the answer never ends" };
  const header = (lines[0] ?? []).map((name, index) => (index === 0 ? name.replace(/^# /, "") : name.trim()));
  const { rows, skipped } = parseRows(header, lines);
  const { process, preciseUptime } = info;
  return { ok: true, dump: { process, preciseUptime, rows, skipped } };
}

function parseInfo(text: string): (Pick<Dump, "process" | "preciseUptime"> & { processes: number }) | undefined {
  const facts = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 2).trim());
  }
  const pid = Number(facts.get("Pid"));
  const uptime = facts.get("Uptime_sec") ?? "";
  const startTime = facts.get("Start_time_sec");
  if (!Number.isInteger(pid) || !/^\d+(\.\d+)?$/.test(uptime)) return undefined;
  const startTimeS = startTime !== undefined && /^\d+(\.\d+)?$/.test(startTime) ? Number(startTime) : undefined;
  const process = { pid, uptimeS: Number(uptime), startTimeS, version: facts.get("Version") ?? "" };
  return { process, preciseUptime: uptime.includes("."), processes: Number(facts.get("Nbproc") ?? 1) };
}

function parseRows(header: readonly string[], lines: readonly (readonly string[])[]): { rows: Row[]; skipped: number } {
  const index = new Map(header.map((name, at) => [name, at]));
  const proxyAt = index.get("pxname") ?? 0;
  const serverAt = index.get("svname") ?? 1;
  const typeAt = index.get("type") ?? -1;
  const rows: Row[] = [];
  let skipped = 0;
  for (const cells of lines.slice(1)) {
    const kind = KINDS[Number(cells[typeAt] || Number.NaN)];
    if (cells.length !== header.length || kind === undefined) {
      skipped++;
      continue;
    }
    const column = (name: string) => cells[index.get(name) ?? -1] ?? "";
    rows.push({ proxy: cells[proxyAt] ?? "", server: cells[serverAt] ?? "", kind, column });
  }
  return { rows, skipped };
}

/**
 * Lines of fields; `undefined` when a quote never closes. Nearly every dump has no quote and is split; free text
 * of checks may be quoted.
 */
function splitRecords(text: string): string[][] | undefined {
  if (!text.includes('"')) return text.split("\n").map((line) => line.split(","));
  const records: string[][] = [];
  let fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') {
        field += '"';
        at++;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ",") {
      fields.push(field);
      field = "";
    } else if (char === "\n") {
      records.push([...fields, field]);
      fields = [];
      field = "";
    } else field += char;
  }
  records.push([...fields, field]);
  return quoted ? undefined : records;
}
