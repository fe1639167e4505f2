/** Tables of `state.db`. The `sum` of a row is over its other columns. */

import { type Schema, SUM_COLUMN } from "./schema.ts";
import { fromVersion1 } from "./stateV1.ts";

export type StateTable =
  | "cluster"
  | "input"
  | "decision"
  | "delivery"
  | "baseline"
  | "attempt"
  | "checkpoint"
  | "alarm_decision"
  | "touched";

/** `touched`: the newest commit that said anything of a delivery. */
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
  CREATE TABLE IF NOT EXISTS touched(
    cluster_id TEXT NOT NULL, delivery_id TEXT NOT NULL, seq INTEGER NOT NULL,
    sum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(cluster_id, delivery_id)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS touched_seq ON touched(cluster_id, seq);
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
  touched: ["cluster_id", "delivery_id", "seq"],
};

/** Files up to version 3 do not say which commit was the last to say anything of a delivery. */
const TOUCHED = `
  INSERT INTO touched(cluster_id, delivery_id, seq)
  SELECT delivery.cluster_id, delivery.id, coalesce(said.seq, cluster.seq) FROM delivery
    JOIN cluster ON cluster.id = delivery.cluster_id
    LEFT JOIN (SELECT json_extract(doc, '$.delivery') AS delivery_id, max(seq) AS seq FROM decision
      WHERE json_extract(doc, '$.delivery') IS NOT NULL GROUP BY 1) AS said ON said.delivery_id = delivery.id
`;

const SUMMED = Object.keys(COLUMNS).filter((table) => table !== "touched");

/**
 * 2: rules of every type, checkpoints, decisions by alarm. 3: sums, and the count of commits. 4: what of the record is
 * old enough to go.
 */
export const STATE_SCHEMA: Schema<StateTable> = {
  version: 4,
  sql: SQL,
  columns: COLUMNS,
  needed: ["cluster", "baseline"],
  summedSince: 3,
  since: { touched: 4 },
  upgrades: [
    { fill: fromVersion1 },
    {
      columns: [
        ["cluster", "commits INTEGER NOT NULL DEFAULT 0"],
        ...SUMMED.map((table) => [table, SUM_COLUMN] as const),
      ],
    },
    { fill: (database) => database.exec(TOUCHED) },
  ],
};
