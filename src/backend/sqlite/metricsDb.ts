/** `metrics.db`: the cluster series, one wide row for each sealed tick, the time first. Runs in its worker. */

import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { METERS } from "../../model/meters.ts";
import type { SealedTick } from "../../model/tick.ts";
import type { StoredBaseline, TickRecord } from "../../ports.ts";
import { ensureSchema, inTransaction, openDatabase, storedBaseline } from "./database.ts";

const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cluster(id INTEGER PRIMARY KEY, cluster_id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS tick(
    number INTEGER NOT NULL, cluster INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY(number, cluster)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS baseline(
    cluster INTEGER NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(cluster, source)) STRICT, WITHOUT ROWID;
`;

/** Identifiers cannot be bound; meter names are our own, and quoted all the same. */
function quoted(meter: string): string {
  return `"${meter.replaceAll('"', '""')}"`;
}

const COLUMNS = METERS.map((meter) => meter.name);

export class MetricsDb {
  readonly #db: DatabaseSync;
  readonly #ids = new Map<string, number>();
  readonly #putTick: StatementSync;
  readonly #putBaseline: StatementSync;

  constructor(folder: string) {
    this.#db = openDatabase(join(folder, "metrics.db"), [
      "journal_mode=WAL",
      "synchronous=NORMAL",
      "cache_size=-32000",
      "temp_store=MEMORY",
      "wal_autocheckpoint=1000",
      "journal_size_limit=16777216",
    ]);
    ensureSchema(this.#db, join(folder, "metrics.db"), SCHEMA, SCHEMA_VERSION);
    const present = new Set(
      this.#db
        .prepare("PRAGMA table_info(tick)")
        .all()
        .map((column) => String(column.name)),
    );
    for (const name of COLUMNS)
      if (!present.has(name)) this.#db.exec(`ALTER TABLE tick ADD COLUMN ${quoted(name)} REAL`);
    const names = ["number", "cluster", "seq", "at", "detail", ...COLUMNS.map(quoted)];
    this.#putTick = this.#db.prepare(`INSERT OR REPLACE INTO tick(${names}) VALUES(${names.map(() => "?")})`);
    this.#putBaseline = this.#db.prepare(
      `INSERT INTO baseline(cluster, source, seq, doc) VALUES(?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET seq = excluded.seq, doc = excluded.doc WHERE excluded.seq > baseline.seq`,
    );
  }

  /** Stores all of them in one transaction; the error's text for each when it fails. */
  put(records: readonly TickRecord[]): (string | null)[] {
    try {
      inTransaction(this.#db, () => {
        for (const record of records) this.#write(record);
      });
      return records.map(() => null);
    } catch (error) {
      this.#ids.clear();
      const reason = error instanceof Error ? error.message : String(error);
      return records.map(() => reason);
    }
  }

  #write({ clusterId, seq, tick, baselines }: TickRecord): void {
    const id = this.#idOf(clusterId);
    const { sources, members, servers } = tick;
    const detail = JSON.stringify({ sources, members, servers });
    const values = COLUMNS.map((name) => tick.values[name] ?? null);
    this.#putTick.run(tick.number, id, seq, tick.at, detail, ...values);
    for (const [source, baseline] of Object.entries(baselines))
      this.#putBaseline.run(id, source, seq, JSON.stringify(baseline));
  }

  #idOf(clusterId: string): number {
    const known = this.#ids.get(clusterId);
    if (known !== undefined) return known;
    this.#db.prepare("INSERT OR IGNORE INTO cluster(cluster_id) VALUES(?)").run(clusterId);
    const id = Number(this.#db.prepare("SELECT id FROM cluster WHERE cluster_id = ?").get(clusterId)?.id);
    this.#ids.set(clusterId, id);
    return id;
  }

  ticks(clusterId: string, afterNumber: number, limit = Infinity): TickRecord[] {
    const id = this.#db.prepare("SELECT id FROM cluster WHERE cluster_id = ?").get(clusterId)?.id;
    // Both at once in one select would look at every row.
    const sql = "SELECT (SELECT min(number) FROM tick) AS oldest, (SELECT max(number) FROM tick) AS newest";
    const bounds = this.#db.prepare(sql).get();
    if (id === undefined || bounds?.newest === null) return [];
    // Rows are in order of time: each tick of the cluster is looked up, those of all others are passed over.
    const tickAt = this.#db.prepare("SELECT * FROM tick WHERE number = ? AND cluster = ?");
    const ticks: TickRecord[] = [];
    const newest = Number(bounds?.newest);
    let number = Math.max(afterNumber + 1, Number(bounds?.oldest));
    for (; number <= newest && ticks.length < limit; number++) {
      const row = tickAt.get(number, Number(id));
      if (row) ticks.push({ clusterId, seq: Number(row.seq), tick: tickOf(row), baselines: {} });
    }
    return ticks;
  }

  baselines(): StoredBaseline[] {
    const sql = "SELECT cluster_id, source, seq, doc FROM baseline JOIN cluster ON cluster.id = baseline.cluster";
    return this.#db.prepare(sql).all().map(storedBaseline);
  }

  close(): void {
    this.#db.close();
  }
}

/** The record as it was folded: to the bit, and with its keys in the same order. */
function tickOf(row: Record<string, unknown>): SealedTick {
  type Detail = Pick<SealedTick, "sources" | "members" | "servers">;
  const { sources, members, servers } = JSON.parse(String(row.detail)) as Detail;
  const values: Record<string, number> = {};
  for (const name of COLUMNS) {
    const value = row[name];
    if (typeof value === "number") values[name] = value;
  }
  return {
    kind: "tick",
    number: Number(row.number),
    at: Number(row.at),
    values,
    sources,
    members,
    ...(servers ? { servers } : {}),
  };
}
