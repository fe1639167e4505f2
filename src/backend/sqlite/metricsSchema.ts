/** Tables of `metrics.db`. The `sum` of a row is over its other columns. */

import { type Schema, SUM_COLUMN } from "./schema.ts";

export type MetricsTable =
  | "cluster"
  | "tick"
  | "baseline"
  | "word"
  | "resource"
  | "answer"
  | "cluster_rollup"
  | "row_rollup"
  | "progress"
  | "again"
  | "step";

/**
 * `word`: names that are written again and again, by a small number. `answer`: what one source said of single rows of a
 * cluster at a tick, packed, the time first as in `tick`; in parts where it is long. The key of a rollup is its series
 * and, below that, its block: one after the other, as they are read. `again`: blocks that something came late for.
 * `step`: ticks whose label is earlier than that of the one before, because a clock was set back.
 */
const SQL = `
  CREATE TABLE IF NOT EXISTS cluster(
    id INTEGER PRIMARY KEY, cluster_id TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS tick(
    number INTEGER NOT NULL, cluster INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(number, cluster)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS baseline(
    cluster INTEGER NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster, source)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS resource(
    id INTEGER PRIMARY KEY, cluster INTEGER NOT NULL, name TEXT NOT NULL, source INTEGER NOT NULL, kind TEXT NOT NULL,
    series INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, meters TEXT NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, UNIQUE(cluster, name, source)) STRICT;
  CREATE TABLE IF NOT EXISTS answer(
    number INTEGER NOT NULL, cluster INTEGER NOT NULL, source INTEGER NOT NULL, part INTEGER NOT NULL,
    at INTEGER NOT NULL, covered REAL NOT NULL, gap INTEGER NOT NULL, doc BLOB NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(number, cluster, source, part)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cluster_rollup(
    id INTEGER PRIMARY KEY, doc BLOB NOT NULL, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS row_rollup(
    id INTEGER PRIMARY KEY, doc BLOB NOT NULL, sum INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE IF NOT EXISTS progress(
    kind TEXT PRIMARY KEY, number INTEGER NOT NULL, until INTEGER NOT NULL, last INTEGER NOT NULL,
    cursor INTEGER NOT NULL, sum INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS again(
    kind TEXT NOT NULL, cluster INTEGER NOT NULL, until INTEGER NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(kind, cluster, until)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS step(
    kind TEXT NOT NULL, number INTEGER NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(kind, number)) STRICT, WITHOUT ROWID;
`;

/**
 * 2: sums. 3: single rows and rollups. A tick has, besides these, a column for each meter: all that have a value count,
 * by name.
 */
export const METRICS_SCHEMA: Schema<MetricsTable> = {
  version: 3,
  sql: SQL,
  columns: {
    cluster: ["id", "cluster_id"],
    tick: ["number", "cluster", "seq", "at", "detail"],
    baseline: ["cluster", "source", "seq", "doc"],
    word: ["id", "text"],
    resource: ["id", "cluster", "name", "source", "kind", "series", "first_at", "last_at", "meters"],
    answer: ["number", "cluster", "source", "part", "at", "covered", "gap", "doc"],
    cluster_rollup: ["id", "doc"],
    row_rollup: ["id", "doc"],
    progress: ["kind", "number", "until", "last", "cursor"],
    again: ["kind", "cluster", "until"],
    step: ["kind", "number"],
  },
  needed: ["cluster", "baseline", "word", "resource", "progress", "again", "step"],
  newest: ["tick", "ORDER BY number DESC LIMIT 10000"],
  summedSince: 2,
  since: { word: 3, resource: 3, answer: 3, cluster_rollup: 3, row_rollup: 3, progress: 3, again: 3, step: 3 },
  upgrades: [{ columns: ["cluster", "tick", "baseline"].map((table) => [table, SUM_COLUMN] as const) }, {}],
};
