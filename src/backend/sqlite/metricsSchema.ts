/** Tables of `metrics.db`. The `sum` of a row is over its other columns. */

import type { Schema } from "./schema.ts";

export type MetricsTable = "cluster" | "tick" | "baseline";

const SQL = `
  CREATE TABLE IF NOT EXISTS cluster(
    id INTEGER PRIMARY KEY, cluster_id TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS tick(
    number INTEGER NOT NULL, cluster INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(number, cluster)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS baseline(
    cluster INTEGER NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster, source)) STRICT, WITHOUT ROWID;
`;

/** 2: sums. A tick has, besides these, a column for each meter: all that have a value count, by name. */
export const METRICS_SCHEMA: Schema<MetricsTable> = {
  version: 2,
  sql: SQL,
  columns: {
    cluster: ["id", "cluster_id"],
    tick: ["number", "cluster", "seq", "at", "detail"],
    baseline: ["cluster", "source", "seq", "doc"],
  },
  needed: ["cluster", "baseline"],
  newest: ["tick", "ORDER BY number DESC LIMIT 10000"],
  upgrade: ["cluster", "tick", "baseline"].map((table) => `${table} ADD COLUMN sum INTEGER NOT NULL DEFAULT 0`),
};
