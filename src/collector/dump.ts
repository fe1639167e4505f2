/** The answer to `show info float;show stat`, or a statistics page: process facts and rows, or why it cannot be trusted. */

import type { ProcessIdentity } from "../model/tick.ts";
import { CsvRows } from "./csvRows.ts";
import type { Foreword, RefusalCode } from "./foreword.ts";
import { HEADER, readForeword, whatItIs } from "./foreword.ts";
import type { Dump } from "./rows.ts";
import { dumpOf } from "./rows.ts";
import type { Tables } from "./tables.ts";

/** The question; `float` gives microseconds of uptime from 2.4 on and is ignored before. */
export const QUESTION = "show info float;show stat";

/**
 * `socket`: process facts, then rows, then an empty line. `page`: rows alone, of a process of which nothing is said;
 * its transport knows where it ends.
 */
export type DumpMode = "socket" | "page";

export type { Dump } from "./rows.ts";

export type ParsedDump =
  | { readonly ok: true; readonly dump: Dump }
  | { readonly ok: false; readonly code: RefusalCode; readonly reason: string };

/** What stands before the header is no longer; `show info` of HAProxy 3.4 is 2 kB. */
const MAX_FOREWORD_BYTES = 64 * 1024;

const UNKNOWN: ProcessIdentity = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };

const LF = 10;

/** Reads one answer as it arrives. */
export class DumpReader {
  readonly #mode: DumpMode;
  readonly #tables: Tables | undefined;
  readonly #shown: (text: string) => string;
  #bytes = 0;
  /** All that stands before the header, and as much of it as has been looked through. */
  #before: Buffer = Buffer.allocUnsafe(4096);
  #length = 0;
  #lineAt = 0;
  #searched = 0;
  #foreword: Foreword | undefined;
  #rows: CsvRows | undefined;
  #refused: ParsedDump | undefined;

  /** `tables` are those of the source that answers; `shown`: what of an answer that is none may be shown. */
  constructor(mode: DumpMode, tables?: Tables, shown: (text: string) => string = (text) => text) {
    this.#mode = mode;
    this.#tables = tables;
    this.#shown = shown;
  }

  /** Nothing that comes can make it an answer any more: it need not be read on. */
  get isRefused(): boolean {
    return this.#refused !== undefined || this.#rows?.refused !== undefined;
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.isRefused) return;
    if (this.#rows) this.#rows.push(chunk);
    else this.#search(chunk);
  }

  /** All has come. An answer without its end is refused whole: half of it would under-report. */
  end(): ParsedDump {
    if (this.#refused) return this.#refused;
    const rows = this.#rows;
    if (!rows) return this.#noHeader();
    if (rows.refused) return { ok: false, ...rows.refused };
    if (rows.isQuoted) return refuse("truncated", "a quoted field of the answer never ends");
    const isSocket = this.#mode === "socket";
    if (isSocket ? !rows.isEnded : !rows.isWhole) {
      const end = isSocket ? "its empty line" : "the end of its line";
      return refuse("truncated", `the answer ends after ${this.#bytes} bytes without ${end}`);
    }
    if (!isSocket && rows.table.size === 0) return refuse("no_rows", "the page has a header and no row");
    const { process = UNKNOWN, preciseUptime = false, node, connections } = this.#foreword ?? {};
    return { ok: true, dump: dumpOf(process, preciseUptime, rows.table, rows.skipped, node, connections) };
  }

  /** Looks for the header, line by line. */
  #search(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.#before.length) {
      const wider = Buffer.allocUnsafe(2 * (this.#length + chunk.length));
      this.#before.copy(wider, 0, 0, this.#length);
      this.#before = wider;
    }
    this.#before.set(chunk, this.#length);
    this.#length += chunk.length;
    const text = this.#before.subarray(0, this.#length);
    for (let end = text.indexOf(LF, this.#searched); end >= 0; end = text.indexOf(LF, this.#lineAt)) {
      if (text.toString("latin1", this.#lineAt, this.#lineAt + HEADER.length) === HEADER) {
        this.#begin(text.toString("latin1", 0, this.#lineAt), text.toString("latin1", this.#lineAt, end));
        this.#rows?.push(text.subarray(end + 1));
        return;
      }
      this.#lineAt = end + 1;
    }
    this.#searched = this.#length;
    if (this.#length > MAX_FOREWORD_BYTES) this.#refused = this.#noHeader();
  }

  /** The header is there: what stands before it says which process answers. */
  #begin(before: string, header: string): void {
    this.#before = Buffer.alloc(0);
    this.#rows = new CsvRows(header, this.#tables);
    if (this.#mode === "page") return;
    this.#foreword = readForeword(before);
    if (!this.#foreword) this.#refused = refuse("not_stats", "the answer to show info has no Pid and Uptime_sec");
    else if (this.#foreword.processes > 1) {
      const reason = `${this.#foreword.processes} processes answer in turn on this socket: give each its own (bind-process, or nbthread)`;
      this.#refused = refuse("nbproc", reason);
    }
  }

  #noHeader(): ParsedDump {
    const text = this.#before.toString("latin1", 0, this.#length);
    return { ok: false, ...whatItIs(text, this.#mode === "socket" ? "HAProxy" : "the web server", this.#shown) };
  }
}

/** Reads a whole answer; text is one of latin1. */
export function parseDump(answer: string | Uint8Array, mode: DumpMode = "socket"): ParsedDump {
  const reader = new DumpReader(mode);
  reader.push(typeof answer === "string" ? Buffer.from(answer, "latin1") : answer);
  return reader.end();
}

function refuse(code: RefusalCode, reason: string): ParsedDump {
  return { ok: false, code, reason };
}
