/** Tables of `state.db`. The `sum` of a row is over its other columns. */

import type { Schema } from "./schema.ts";

export type StateTable =
  | "cluster"
  | "input"
  | "decision"
  | "delivery"
  | "baseline"
  | "attempt"
  | "checkpoint"
  | "alarm_decision";

const SQL = `
  CREATE TABLE IF NOT EXISTS cluster(
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    commits INTEGER NOT NULL DEFAULT 0, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS input(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, number INTEGER, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS decision(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, seq, n)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery(
    id TEXT PRIMARY KEY, cluster_id TEXT NOT NULL, created_at INTEGER NOT NULL, status TEXT NOT NULL,
    doc TEXT NOT NULL, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE INDEX IF NOT EXISTS delivery_created ON delivery(created_at);
  CREATE INDEX IF NOT EXISTS delivery_status ON delivery(status, created_at);
  CREATE TABLE IF NOT EXISTS baseline(
    cluster_id TEXT NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, source)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS attempt(
    delivery_id TEXT NOT NULL, attempt INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(delivery_id, attempt)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS alarm_decision(
    cluster_id TEXT NOT NULL, alarm_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, alarm_id, seq, n)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS input_tick ON input(cluster_id, number) WHERE number IS NOT NULL;
  CREATE INDEX IF NOT EXISTS input_command ON input(cluster_id, seq) WHERE kind = 'command';
`;

const COLUMNS: Readonly<Record<StateTable, readonly string[]>> = {
  cluster: ["id", "seq", "doc", "commits"],
  input: ["cluster_id", "seq", "kind", "number", "doc"],
  decision: ["cluster_id", "seq", "n", "doc"],
  delivery: ["id", "cluster_id", "created_at", "status", "doc"],
  baseline: ["cluster_id", "source", "seq", "doc"],
  attempt: ["delivery_id", "attempt", "doc"],
  checkpoint: ["cluster_id", "seq", "number", "at", "doc"],
  alarm_decision: ["cluster_id", "alarm_id", "seq", "n"],
};

/** 2: rules of every type, checkpoints, decisions by alarm. 3: sums, and the count of commits. */
export const STATE_SCHEMA: Schema<StateTable> = {
  version: 3,
  sql: SQL,
  columns: COLUMNS,
  needed: ["cluster", "baseline"],
  upgrade: [
    "cluster ADD COLUMN commits INTEGER NOT NULL DEFAULT 0",
    ...Object.keys(COLUMNS).map((table) => `${table} ADD COLUMN sum INTEGER NOT NULL DEFAULT 0`),
  ],
};
