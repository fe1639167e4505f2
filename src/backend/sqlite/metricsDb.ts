/**
 * `metrics.db`: cluster series, one wide row for each sealed tick, the time first; single rows likewise, packed; and what
 * both are rolled up to. Runs in its worker.
 */

import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { systemClock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Tick } from "../../model/tick.ts";
import type { Kept, Retention, RowRecord, StoredBaseline, TickRecord } from "../../seriesPorts.ts";
import { DEFAULT_RETENTION } from "../blocks.ts";
import { AnswerWriter } from "./answers.ts";
import { inTransaction, openDatabase, storedBaseline } from "./database.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import type { RolledKind } from "./progress.ts";
import { isFull, Quota } from "./quota.ts";
import { Resources } from "./resources.ts";
import { Roller } from "./roller.ts";
import { ensureSchema } from "./schema.ts";
import { Steps } from "./steps.ts";
import type { Sums } from "./sums.ts";
import { damagedRead, damageIn } from "./sums.ts";
import { Sweeper } from "./sweeper.ts";
import { METER_COLUMNS, quoted, TickRows } from "./tickRows.ts";
import { Upkeep } from "./upkeep.ts";
import { Words } from "./words.ts";

/** As sums take them. */
const BY_NAME = METER_COLUMNS.toSorted();

export interface SeriesOptions {
  readonly retention?: Retention;
  /** 0: none. */
  readonly quotaBytes?: number;
  /** Milliseconds that never step. Default: the system's. */
  readonly monotonic?: () => number;
}

export class MetricsDb {
  readonly #db: DatabaseSync;
  readonly #sums: Sums<MetricsTable>;
  readonly #words: Words;
  readonly #resources: Resources;
  readonly #answers: AnswerWriter;
  readonly #ticks: TickRows;
  readonly #upkeep: Upkeep;
  readonly #roller: Roller;
  readonly #steps: Readonly<Record<RolledKind, Steps>>;
  /** By number in order: new ones are greater. */
  readonly #ids = new Map<string, number>();
  /** Clusters that were written to. */
  readonly #inUse = new Set<number>();
  #newestId = 0;
  readonly #onDamage: () => void;
  readonly #putTick: StatementSync;
  readonly #putBaseline: StatementSync;

  /** `id`: of the record that its ticks belong to. `onDamage`: a write met damaged data; a read throws `E306`. */
  constructor(folder: string, id: string, onDamage: () => void = () => {}, options: SeriesOptions = {}) {
    this.#onDamage = onDamage;
    const file = join(folder, "metrics.db");
    this.#db = openDatabase(file, [
      "journal_mode=WAL",
      "synchronous=NORMAL",
      "cache_size=-16000",
      "temp_store=MEMORY",
      "wal_autocheckpoint=1000",
      "journal_size_limit=16777216",
    ]);
    this.#sums = ensureSchema(this.#db, file, METRICS_SCHEMA, id, () => this.#addMeters()).sums;
    const quota = new Quota(this.#db, options.quotaBytes ?? 0);
    const names = ["number", "cluster", "seq", "at", "detail", "sum", ...BY_NAME.map(quoted)];
    this.#putTick = this.#db.prepare(`INSERT OR REPLACE INTO tick(${names}) VALUES(${names.map(() => "?")})`);
    this.#putBaseline = this.#db.prepare(
      `INSERT INTO baseline(cluster, source, seq, doc, sum) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET seq = excluded.seq, doc = excluded.doc, sum = excluded.sum WHERE excluded.seq > baseline.seq`,
    );
    this.#ticks = new TickRows(this.#db, this.#sums);
    this.#words = new Words(this.#db, this.#sums, true);
    this.#resources = new Resources(this.#db, this.#sums, this.#words);
    this.#answers = new AnswerWriter(this.#db, this.#sums, this.#words, this.#resources);
    this.#steps = {
      clusters: new Steps(this.#db, this.#sums, "clusters"),
      rows: new Steps(this.#db, this.#sums, "rows"),
    };
    this.#readIds();
    const parts = {
      database: this.#db,
      sums: this.#sums,
      words: this.#words,
      resources: this.#resources,
      retention: options.retention ?? DEFAULT_RETENTION,
      clusters: () => [...this.#ids.values()],
      monotonic: options.monotonic ?? systemClock.monotonic,
      isInUse: (cluster: number) => this.#inUse.has(cluster),
      forgetCluster: (cluster: number) => this.#forget(cluster),
      forgetSteps: (kind: RolledKind, number: number) => this.#steps[kind].forget(number),
    };
    this.#roller = new Roller(parts);
    this.#upkeep = new Upkeep({ quota, roller: this.#roller, sweeper: new Sweeper(parts) });
  }

  #addMeters(): void {
    const columns = this.#db.prepare("PRAGMA table_info(tick)").all();
    const present = new Set(columns.map((column) => String(column.name)));
    for (const name of METER_COLUMNS)
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

  #forget(cluster: number): void {
    this.#db.prepare("DELETE FROM cluster WHERE id = ?").run(cluster);
    for (const [name, id] of this.#ids) if (id === cluster) this.#ids.delete(name);
  }

  /** Stores all of them in one transaction; the error's text for each when it fails. */
  put(records: readonly TickRecord[]): (string | null)[] {
    return this.#write(records, (record) => this.#writeTick(record));
  }

  /** As `put`. */
  putRows(records: readonly RowRecord[]): (string | null)[] {
    return this.#write(records, (record) => {
      const id = this.#idOf(record.clusterId);
      this.#answers.write(id, record);
      this.#written("rows", id, record.tick, record.coveredS);
    });
  }

  #write<T extends TickRecord | RowRecord>(records: readonly T[], write: (record: T) => void): (string | null)[] {
    try {
      inTransaction(this.#db, () => {
        for (const record of records) write(record);
      });
      this.#upkeep.stored();
      return records.map(() => null);
    } catch (error) {
      const damage = damageIn(error);
      this.#forgetUncommitted();
      if (damage) this.#onDamage();
      if (isFull(error)) this.#makeRoom(error, records.at(-1)?.tick.at ?? 0);
      return records.map(() => messageOf(damage ?? error));
    }
  }

  /** What the next write needs: it must not fail as this one did. */
  #makeRoom(error: unknown, at: number): void {
    try {
      this.#upkeep.refused(error, at);
    } catch {
      // Then the next upkeep tries again.
      this.#forgetUncommitted();
    }
  }

  /** What a transaction that failed has added is not there. */
  #forgetUncommitted(): void {
    const all = [() => this.#readIds(), () => this.#words.reload(), () => this.#resources.reload()];
    for (const reload of [...all, ...Object.values(this.#steps).map((one) => () => one.reload())]) {
      try {
        reload();
      } catch (error) {
        // What cannot be read back is damaged: nothing is written over it.
        if (!damageIn(error)) throw error;
      }
    }
  }

  /** Notes what a tick's place among the others leads to. */
  #written(kind: RolledKind, cluster: number, tick: Tick, spanS: number): void {
    this.#steps[kind].written(tick);
    this.#roller.written(kind, cluster, tick, spanS);
  }

  #idOf(clusterId: string): number {
    const id = this.#ids.get(clusterId) ?? this.#newId(clusterId);
    this.#inUse.add(id);
    return id;
  }

  #writeTick({ clusterId, seq, tick, baselines }: TickRecord): void {
    const id = this.#idOf(clusterId);
    const { sources, members, servers } = tick;
    const detail = JSON.stringify({ sources, members, servers });
    const meters = BY_NAME.map((name) => orNull(tick.values[name]));
    const sum = this.#sums.of("tick", [tick.number, id, seq, tick.at, detail], BY_NAME, meters);
    this.#putTick.run(tick.number, id, seq, tick.at, detail, sum, ...meters);
    this.#written("clusters", id, tick, Math.max(0, ...sources.map(({ coveredS }) => coveredS)));
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

  /** One slice of upkeep. `neededTicks`: so many of the newest stay whatever happens. */
  keep(at: number, neededTicks?: number): Kept {
    try {
      return this.#upkeep.slice(at, neededTicks);
    } catch (error) {
      this.#forgetUncommitted();
      if (damageIn(error)) throw error;
      if (!isFull(error)) throw error;
      return this.#upkeep.failed(error);
    }
  }

  ticks(clusterId: string, afterNumber: number, limit = Infinity): TickRecord[] {
    const id = this.#ids.get(clusterId);
    // Both at once in one select would look at every row.
    const sql = "SELECT (SELECT min(number) FROM tick) AS oldest, (SELECT max(number) FROM tick) AS newest";
    const bounds = this.#db.prepare(sql).get();
    if (id === undefined || bounds?.newest === null) return [];
    // Rows are in order of time: each tick of the cluster is looked up, those of all others are passed over.
    const ticks: TickRecord[] = [];
    const newest = Number(bounds?.newest);
    let number = Math.max(afterNumber + 1, Number(bounds?.oldest));
    for (; number <= newest && ticks.length < limit; number++) {
      const record = this.#ticks.record(clusterId, number, id);
      if (record) ticks.push(record);
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
