/** What stands before the header of HAProxy's statistics: process facts, or something else in their place. */

import type { ProcessIdentity } from "../model/tick.ts";

/** How the header of the rows begins. */
export const HEADER = "# pxname,";

export type RefusalCode = "empty" | "truncated" | "not_stats" | "nbproc" | "html" | "json" | "no_rows" | "too_large";

/** Process facts of `show info`. */
export interface Foreword {
  readonly process: ProcessIdentity;
  /** The uptime has a fraction: exact enough to measure time with. */
  readonly preciseUptime: boolean;
  /** Processes that answer in turn (`nbproc`, until 2.4). */
  readonly processes: number;
  /** What HAProxy calls itself (`node`, by default the name of its host); empty: it does not say. */
  readonly node: string;
  /** Sessions of the process's whole life (`CumConns`), also those of its own sockets; `undefined`: it does not say. */
  readonly connections: number | undefined;
}

/** Reads the answer to `show info`; `undefined`: it does not say which process answers, and since when. */
export function readForeword(text: string): Foreword | undefined {
  const facts = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 2).trim());
  }
  const pid = facts.get("Pid") ?? "";
  const uptime = facts.get("Uptime_sec") ?? "";
  const startTime = facts.get("Start_time_sec") ?? "";
  if (!/^\d{1,15}$/.test(pid) || !isSeconds(uptime)) return undefined;
  const process = {
    pid: Number(pid),
    uptimeS: Number(uptime),
    startTimeS: isSeconds(startTime) ? Number(startTime) : undefined,
    version: facts.get("Version") ?? "",
  };
  const processes = Number(facts.get("Nbproc") ?? 1);
  const connections = facts.get("CumConns") ?? "";
  return {
    process,
    preciseUptime: uptime.includes("."),
    processes,
    node: facts.get("node") ?? "",
    connections: /^\d{1,15}$/.test(connections) ? Number(connections) : undefined,
  };
}

function isSeconds(text: string): boolean {
  return /^\d{1,15}(\.\d+)?$/.test(text);
}

/**
 * What an answer without a header is, in words that say how to mend it. `who` answered; `shown` takes out of the text
 * what nobody may see, before it is cut: a piece of that would not be found.
 */
export function whatItIs(
  text: string,
  who: string,
  shown: (text: string) => string,
): { readonly code: RefusalCode; readonly reason: string } {
  if (text.trim() === "") return { code: "empty", reason: `${who} closed the connection without an answer` };
  const rest = (readForeword(text) ? afterParagraph(text) : text).trimStart();
  if (rest === "") return { code: "truncated", reason: "the answer ends after show info, where show stat begins" };
  if (rest.startsWith("<")) {
    const reason = "the answer is a web page, not CSV: ask the statistics page for it with ;csv at the end of its URL";
    return { code: "html", reason };
  }
  if (/^\[\s*[[{]|^\{\s*"/.test(rest)) {
    return { code: "json", reason: "the answer is JSON, which HAProxy does not escape: ask for CSV (;csv in a URL)" };
  }
  if (HEADER.startsWith(rest) || rest.startsWith(HEADER)) {
    return { code: "truncated", reason: `the answer ends in its header, after ${text.length} bytes` };
  }
  return {
    code: "not_stats",
    reason: `the answer is not statistics: ${JSON.stringify(shown(rest).slice(0, 200).trimEnd())}`,
  };
}

function afterParagraph(text: string): string {
  const end = /\r?\n\r?\n/.exec(text);
  return end ? text.slice(end.index + end[0].length) : "";
}
