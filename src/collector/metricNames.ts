/** What Prometheus metrics are called, and which column of `show stat` each one is. */

import type { RowKind } from "../model/tick.ts";
import { COLUMNS } from "./rows.ts";

/** Numbers of `show stat` that are read. */
const COLUMNS_READ: ReadonlySet<string> = new Set(COLUMNS);

/** Rows that metrics tell of; those of listeners are not read. */
export type MetricKind = Exclude<RowKind, "listener">;

export type ProcessFact = "uptime" | "start" | "version" | "processes" | "connections";

/** A metric that is a column of rows, or a fact of the process. */
export type Metric =
  | { readonly is: "column"; readonly kind: MetricKind; readonly column: string; readonly inMs: boolean }
  /** One counter per class of answers, told by the label `code`. */
  | { readonly is: "responses"; readonly kind: MetricKind }
  /** Since 2.4 one gauge per state, 1 for that which is; before, one number. */
  | { readonly is: "status"; readonly kind: MetricKind }
  | { readonly is: "process"; readonly fact: ProcessFact };

/** Names of columns by what follows `haproxy_frontend_`, `haproxy_backend_` or `haproxy_server_`. */
const COLUMN_OF: ReadonlyMap<string, string> = new Map([
  ["current_queue", "qcur"],
  ["max_queue", "qmax"],
  ["current_sessions", "scur"],
  ["max_sessions", "smax"],
  ["limit_sessions", "slim"],
  ["sessions_total", "stot"],
  ["bytes_in_total", "bin"],
  ["bytes_out_total", "bout"],
  ["requests_denied_total", "dreq"],
  ["responses_denied_total", "dresp"],
  ["request_errors_total", "ereq"],
  ["connection_errors_total", "econ"],
  ["response_errors_total", "eresp"],
  ["retry_warnings_total", "wretr"],
  ["redispatch_warnings_total", "wredis"],
  ["weight", "weight"],
  ["active_servers", "act"],
  ["backup_servers", "bck"],
  ["check_failures_total", "chkfail"],
  ["check_up_down_total", "chkdown"],
  ["downtime_seconds_total", "downtime"],
  ["loadbalanced_total", "lbtot"],
  ["http_requests_total", "req_tot"],
  ["client_aborts_total", "cli_abrt"],
  ["server_aborts_total", "srv_abrt"],
  ["connections_total", "conn_tot"],
  ["denied_connections_total", "dcon"],
  ["denied_sessions_total", "dses"],
]);

/** Averages: seconds here, milliseconds there. The retired exporter wrote `http_` before them. */
const TIME_OF: ReadonlyMap<string, string> = new Map([
  ["queue_time_average_seconds", "qtime"],
  ["connect_time_average_seconds", "ctime"],
  ["response_time_average_seconds", "rtime"],
  ["total_time_average_seconds", "ttime"],
]);

/** What Octavia calls otherwise than by other words for frontend, backend and server. */
const OCTAVIA_COLUMN_OF: ReadonlyMap<string, string> = new Map([
  ["active_members", "act"],
  ["backup_members", "bck"],
  ["member_aborts_total", "srv_abrt"],
]);

const PREFIXES: readonly (readonly [prefix: string, kind: MetricKind, isOctavia: boolean])[] = [
  ["haproxy_frontend_", "frontend", false],
  ["haproxy_backend_", "backend", false],
  ["haproxy_server_", "server", false],
  ["octavia_listener_", "frontend", true],
  ["octavia_pool_", "backend", true],
  ["octavia_member_", "server", true],
];

const PROCESS_FACTS: ReadonlyMap<string, Metric> = new Map<string, Metric>([
  ["haproxy_process_uptime_seconds", { is: "process", fact: "uptime" }],
  ["haproxy_process_start_time_seconds", { is: "process", fact: "start" }],
  ["haproxy_process_build_info", { is: "process", fact: "version" }],
  ["haproxy_process_connections_total", { is: "process", fact: "connections" }],
  ["haproxy_process_nbproc", { is: "process", fact: "processes" }],
]);

/** What a metric stands for; `undefined`: nothing that is read. */
export function metricNamed(name: string): Metric | undefined {
  const fact = PROCESS_FACTS.get(name);
  if (fact) return fact;
  for (const [prefix, kind, isOctavia] of PREFIXES) {
    if (name.startsWith(prefix)) return ofRow(name.slice(prefix.length), kind, isOctavia);
  }
  return undefined;
}

/** Whether a name is of the kind that we read from, even if not itself. */
export function isOfHaproxy(name: string): boolean {
  return name.startsWith("haproxy_") || name.startsWith("octavia_");
}

function ofRow(word: string, kind: MetricKind, isOctavia: boolean): Metric | undefined {
  if (word === "status" || word === "up") return { is: "status", kind };
  if (word === "http_responses_total") return { is: "responses", kind };
  const time = TIME_OF.get(word.replace(/^http_/, ""));
  const column = (isOctavia ? OCTAVIA_COLUMN_OF.get(word) : undefined) ?? time ?? COLUMN_OF.get(word);
  if (column === undefined || !COLUMNS_READ.has(column)) return undefined;
  return { is: "column", kind, column, inMs: time !== undefined };
}

/** Every metric of HAProxy's own exporter that is read: newer versions send only these when asked so. */
export function metricsRead(): readonly string[] {
  const words = ["status", "http_responses_total", ...COLUMN_OF.keys(), ...TIME_OF.keys()];
  const ofRows = ["haproxy_frontend_", "haproxy_backend_", "haproxy_server_"].flatMap((prefix) =>
    words.map((word) => prefix + word).filter((name) => metricNamed(name) !== undefined),
  );
  return [...PROCESS_FACTS.keys(), ...ofRows];
}
