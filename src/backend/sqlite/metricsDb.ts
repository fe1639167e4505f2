/** `metrics.db`: the cluster series, one wide row for each sealed tick, the time first. Runs in its worker. */

import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { messageOf } from "../../lib/errors.ts";
import { METERS } from "../../model/meters.ts";
import type { SealedTick } from "../../model/tick.ts";
import type { StoredBaseline, TickRecord } from "../../ports.ts";
import { inTransaction, openDatabase, storedBaseline } from "./database.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import { ensureSchema } from "./schema.ts";
import type { Sums } from "./sums.ts";
import { damagedRead, damageIn } from "./sums.ts";

/** Identifiers cannot be bound; meter names are our own, and quoted all the same. */
function quoted(meter: string): string {
  return `"${meter.replaceAll('"', '""')}"`;
}

const COLUMNS = METERS.map((meter) => meter.name);
/** As sums take them. */
const BY_NAME = COLUMNS.toSorted();

export class MetricsDb {
  readonly #db: DatabaseSync;
  readonly #sums: Sums<MetricsTable>;
  readonly #ids = new Map<string, number>();
  #newestId = 0;
  readonly #onDamage: () => void;
  readonly #putTick: StatementSync;
  readonly #putBaseline: StatementSync;

  /** `id`: of the record that its ticks belong to. `onDamage`: a write met damaged data; a read throws `E306`. */
  constructor(folder: string, id: string, onDamage: () => void = () => {}) {
    this.#onDamage = onDamage;
    const file = join(folder, "metrics.db");
    this.#db = openDatabase(file, [
      "journal_mode=WAL",
      "synchronous=NORMAL",
      "cache_size=-32000",
      "temp_store=MEMORY",
      "wal_autocheckpoint=1000",
      "journal_size_limit=16777216",
    ]);
    this.#sums = ensureSchema(this.#db, file, METRICS_SCHEMA, id, () => this.#addMeters()).sums;
    const names = ["number", "cluster", "seq", "at", "detail", "sum", ...BY_NAME.map(quoted)];
    this.#putTick = this.#db.prepare(`INSERT OR REPLACE INTO tick(${names}) VALUES(${names.map(() => "?")})`);
    this.#putBaseline = this.#db.prepare(
      `INSERT INTO baseline(cluster, source, seq, doc, sum) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET seq = excluded.seq, doc = excluded.doc, sum = excluded.sum WHERE excluded.seq > baseline.seq`,
    );
    this.#readIds();
  }

  #addMeters(): void {
    const columns = this.#db.prepare("PRAGMA table_info(tick)").all();
    const present = new Set(columns.map((column) => String(column.name)));
    for (const name of COLUMNS)
      if (!present.has(name)) this.#db.exec(`ALTER TABLE tick ADD COLUMN ${quoted(name)} REAL`);
  }

  #readIds(): void {
    this.#ids.clear();
    this.#newestId = 0;
    for (const row of this.#sums.all("cluster", this.#db.prepare("SELECT * FROM cluster ORDER BY id"))) {
      this.#newestId = Number(row.id);
      this.#ids.set(String(row.cluster_id), this.#newestId);
    }
  }

  /** Stores all of them in one transaction; the error's text for each when it fails. */
  put(records: readonly TickRecord[]): (string | null)[] {
    try {
      inTransaction(this.#db, () => {
        for (const record of records) this.#write(record);
      });
      return records.map(() => null);
    } catch (error) {
      const damage = damageIn(error);
      if (damage) this.#onDamage();
      this.#readIds();
      return records.map(() => messageOf(damage ?? error));
    }
  }

  #write({ clusterId, seq, tick, baselines }: TickRecord): void {
    const id = this.#ids.get(clusterId) ?? this.#newId(clusterId);
    const { sources, members, servers } = tick;
    const detail = JSON.stringify({ sources, members, servers });
    const meters = BY_NAME.map((name) => orNull(tick.values[name]));
    const sum = this.#sums.of("tick", [tick.number, id, seq, tick.at, detail], BY_NAME, meters);
    this.#putTick.run(tick.number, id, seq, tick.at, detail, sum, ...meters);
    for (const [source, baseline] of Object.entries(baselines))
      this.#putBaseline.run(...this.#sums.sealed("baseline", id, source, seq, JSON.stringify(baseline)));
  }

  #newId(clusterId: string): number {
    const id = this.#newestId + 1;
    this.#db
      .prepare("INSERT INTO cluster(id, cluster_id, sum) VALUES(?, ?, ?)")
      .run(...this.#sums.sealed("cluster", id, clusterId));
    this.#ids.set(clusterId, id);
    this.#newestId = id;
    return id;
  }

  ticks(clusterId: string, afterNumber: number, limit = Infinity): TickRecord[] {
    const id = this.#ids.get(clusterId);
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
      const row = this.#sums.get("tick", tickAt, number, id);
      if (row) ticks.push({ clusterId, seq: Number(row.seq), tick: tickOf(row), baselines: {} });
    }
    return ticks;
  }

  baselines(): StoredBaseline[] {
    const names = new Map([...this.#ids].map(([name, id]) => [id, name]));
    return this.#sums.all("baseline", this.#db.prepare("SELECT * FROM baseline")).map((row) => {
      const clusterId = names.get(Number(row.cluster));
      if (clusterId === undefined) throw damagedRead("a row of baseline has no cluster");
      return storedBaseline({ ...row, cluster_id: clusterId });
    });
  }

  close(): void {
    this.#db.close();
  }
}

/** As SQLite keeps it: what is no number is nothing. */
function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
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
