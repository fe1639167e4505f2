/** Makes the rows that `show stat` gives of the metrics of HAProxy's exporter, or of Octavia's. */

import { fnv1a32 } from "../lib/hash.ts";
import type { ParsedDump } from "./dump.ts";
import { ExpositionReader } from "./exposition.ts";
import type { Metric, MetricKind, ProcessFact } from "./metricNames.ts";
import { isOfHaproxy, metricNamed } from "./metricNames.ts";
import { MAX_NAME_BYTES } from "./rowNames.ts";
import { RowsBuilder } from "./rows.ts";
import type { Tables } from "./tables.ts";
import type { AnswerReader } from "./transport.ts";

/** States as numbers, which they were before 2.4. */
const STATES: Readonly<Record<MetricKind, readonly string[]>> = {
  frontend: ["STOP", "OPEN", "FULL"],
  backend: ["DOWN", "UP"],
  server: ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"],
};

/** Words for the states of a frontend that `show stat` has others for. */
const FRONTEND_STATES: ReadonlyMap<string, string> = new Map([
  ["UP", "OPEN"],
  ["DOWN", "STOP"],
]);

const TIMES: readonly string[] = ["qtime", "ctime", "rtime", "ttime"];

/**
 * HAProxy averages over its last 1024 requests, and the exporter divides by that many also where there were fewer: an
 * average of less would be far too low, and is left out.
 */
const AVERAGED = 1024;

/** Most rows of one answer. */
const MAX_ROWS = 200_000;

/**
 * Comes after all that is read, whatever the version of HAProxy behind Octavia's proxy. That writes neither a length nor
 * chunks, so that nothing else tells whether all of its answer has come.
 */
const OCTAVIA_LAST = "octavia_member_idle_connections_limit";

/** Says of each pool whether members have to follow. */
const OCTAVIA_ACTIVE = "octavia_pool_active_members";

/** Reads metrics as they arrive and makes rows of them. */
export class MetricsReader implements AnswerReader {
  readonly #text = new ExpositionReader<Metric>(
    (name) => this.#wanted(name),
    (metric, labels, value) => this.#sample(metric, labels, value),
    ({ is }) => is === "column",
  );
  readonly #rows: RowsBuilder;
  readonly #rowByLabels: Readonly<Record<MetricKind, Map<ReadonlyMap<string, string>, number>>> = {
    frontend: new Map(),
    backend: new Map(),
    server: new Map(),
  };
  /** Rows that have counters of HTTP: HAProxy gives none for those in TCP mode. */
  readonly #http = new Set<number>();
  /** Every row, and the state that it is in. */
  readonly #states = new Map<number, string>();
  /** Servers without a health check: what is not counted is not a number. */
  readonly #unchecked = new Set<number>();
  /** Of rows that say so: sessions, which for a backend or server are requests. */
  readonly #sessions = new Map<number, number>();
  /** Rows whose names are too long, by a hash of these: each has many lines. */
  readonly #overlong = new Set<number>();
  #known = false;
  /** Metric of the last line. */
  #metric = "";
  #isPastLast = false;
  #isPastActive = false;
  /** There are servers, or must be. */
  #hasServers = false;
  #bytes = 0;
  #uptime = "";
  #start = "";
  #version = "";
  #connections = "";
  #processes = 1;

  /** `tables` are those of the source that answers. */
  constructor(tables?: Tables) {
    this.#rows = new RowsBuilder(tables?.take());
  }

  get isRefused(): boolean {
    return this.#states.size > MAX_ROWS;
  }

  /** What has come says itself that nothing is missing; of HAProxy's own exporter nothing does. */
  get isSurelyWhole(): boolean {
    if (this.#isPastLast) return true;
    // Pools come after listeners, and members after pools, where there are any.
    return this.#metric.startsWith("octavia_pool_") && this.#isPastActive && !this.#hasServers;
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    this.#text.push(chunk);
  }

  end(): ParsedDump {
    const { skipped, whole } = this.#text.end();
    if (this.#bytes === 0) return { ok: false, code: "empty", reason: "the answer is empty" };
    if (!this.#known) {
      return { ok: false, code: "not_stats", reason: "there is no metric of HAProxy or Octavia in the answer" };
    }
    if (this.isRefused) return { ok: false, code: "too_large", reason: `there are more than ${MAX_ROWS} rows` };
    if (!whole)
      return { ok: false, code: "truncated", reason: `the answer ends after ${this.#bytes} bytes within a line` };
    if (this.#processes > 1) {
      const reason = `${this.#processes} processes answer in turn here: give each its own address (bind-process, or nbthread)`;
      return { ok: false, code: "nbproc", reason };
    }
    for (const [row, state] of this.#states) {
      if ((this.#sessions.get(row) ?? AVERAGED) < AVERAGED) {
        for (const time of TIMES) this.#rows.set(row, time, Number.NaN);
      }
      this.#rows.set(row, "mode", this.#http.has(row) ? "http" : "tcp");
      this.#rows.set(row, "status", state === "UP" && this.#unchecked.has(row) ? "no check" : state);
    }
    const process = {
      pid: undefined,
      uptimeS: numberOf(this.#uptime),
      startTimeS: numberOf(this.#start),
      version: this.#version,
    };
    const [skippedRows, isPrecise] = [skipped + this.#overlong.size, this.#uptime.includes(".")];
    return { ok: true, dump: this.#rows.build(process, skippedRows, isPrecise, numberOf(this.#connections)) };
  }

  #wanted(name: string): Metric | undefined {
    if (!this.#known) this.#known = isOfHaproxy(name);
    if (this.#metric === OCTAVIA_ACTIVE) this.#isPastActive = true;
    this.#metric = name;
    if (name === OCTAVIA_LAST) this.#isPastLast = true;
    return metricNamed(name);
  }

  #sample(metric: Metric, labels: ReadonlyMap<string, string>, value: string): void {
    if (metric.is === "process") {
      this.#fact(metric.fact, labels, value);
      return;
    }
    // Most states are those that it is not in.
    const state = metric.is === "status" ? stateOf(metric.kind, labels, value) : "";
    if (state === undefined) return;
    const row = metric.is === "column" ? this.#steadyRowOf(metric.kind, labels) : this.#rowOf(metric.kind, labels);
    if (row === undefined) return;
    if (metric.is === "status") this.#states.set(row, state);
    else if (metric.is === "responses") {
      this.#http.add(row);
      this.#rows.set(row, `hrsp_${labels.get("code") ?? ""}`, digitsOf(value, false));
    } else this.#column(row, metric.column, value, metric.inMs);
  }

  #column(row: number, column: string, value: string, inMs: boolean): void {
    if (column === "req_tot") this.#http.add(row);
    if (column === "act" && Number(value) > 0) this.#hasServers = true;
    if (column === "stot") this.#sessions.set(row, Number(value));
    if (value !== "NaN") this.#rows.set(row, column, digitsOf(value, inMs));
    else if (column === "chkfail") this.#unchecked.add(row);
  }

  #fact(fact: ProcessFact, labels: ReadonlyMap<string, string>, value: string): void {
    if (fact === "uptime") this.#uptime = value;
    else if (fact === "start") this.#start = value;
    else if (fact === "connections") this.#connections = value;
    else if (fact === "version") this.#version = labels.get("version") ?? "";
    else this.#processes = numberOf(value) ?? 1;
  }

  /** The same of labels that are one object for one row. */
  #steadyRowOf(kind: MetricKind, labels: ReadonlyMap<string, string>): number | undefined {
    const known = this.#rowByLabels[kind].get(labels);
    if (known !== undefined) return known;
    const row = this.#rowOf(kind, labels);
    if (row !== undefined) this.#rowByLabels[kind].set(labels, row);
    return row;
  }

  /** The row that labels name; `undefined`: none. */
  #rowOf(kind: MetricKind, labels: ReadonlyMap<string, string>): number | undefined {
    const proxy = labelOf(labels, PROXY_LABELS[kind]);
    const server = kind === "server" ? labelOf(labels, SERVER_LABELS) : kind.toUpperCase();
    if (proxy === undefined || server === undefined || this.isRefused) return undefined;
    if (kind === "server") this.#hasServers = true;
    if (proxy.length > MAX_NAME_BYTES || server.length > MAX_NAME_BYTES) {
      if (this.#overlong.size < MAX_ROWS) this.#overlong.add(fnv1a32(`${kind}/${proxy}/${server}`));
      return undefined;
    }
    const row = this.#rows.row(proxy, server, kind);
    if (!this.#states.has(row)) this.#states.set(row, "");
    return row;
  }
}

/** HAProxy's word, Octavia's, and that of the exporter before. */
const PROXY_LABELS: Readonly<Record<MetricKind, readonly string[]>> = {
  frontend: ["proxy", "listener", "frontend"],
  backend: ["proxy", "pool", "backend"],
  server: ["proxy", "pool", "backend"],
};
const SERVER_LABELS: readonly string[] = ["server", "member"];

function labelOf(labels: ReadonlyMap<string, string>, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = labels.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The state that a sample tells of; `undefined`: it tells of one that it is not in. */
function stateOf(kind: MetricKind, labels: ReadonlyMap<string, string>, value: string): string | undefined {
  const state = labels.get("state");
  if (state === undefined) return STATES[kind][Number(value)] ?? "";
  if (Number(value) !== 1) return undefined;
  return kind === "frontend" ? (FRONTEND_STATES.get(state) ?? state) : state;
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** A number as `show stat` prints it: digits of a whole one are kept, exact beyond 2^53; seconds become milliseconds. */
function digitsOf(value: string, inMs: boolean): number | string {
  if (inMs) return Math.round(Number(value) * 1000);
  return /^\d+$/.test(value) ? value : Number(value);
}
