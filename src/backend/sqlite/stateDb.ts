/** `state.db`: inputs, decisions, alarms, deliveries. Runs in its worker; every call is synchronous. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TocsinError } from "../../lib/errors.ts";
import type { ClusterRules } from "../../model/alarm.ts";
import type { Decision, Delivery, Input, RecordedInput } from "../../model/decision.ts";
import type { Checkpoint, Commit, DecisionQuery, DeliveryQuery, LedgerCluster, StoredBaseline } from "../../ports.ts";
import { aboutOf } from "../about.ts";
import { asInteger, ensureSchema, inTransaction, openDatabase, storedBaseline } from "./database.ts";

/** Raised with what is recorded. 2: rules of every type, checkpoints, decisions by alarm. */
const SCHEMA_VERSION = 2;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cluster(id TEXT PRIMARY KEY, seq INTEGER NOT NULL, doc TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS input(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, number INTEGER, doc TEXT NOT NULL,
    PRIMARY KEY(cluster_id, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS decision(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(cluster_id, seq, n)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS delivery(
    id TEXT PRIMARY KEY, cluster_id TEXT NOT NULL, created_at INTEGER NOT NULL, status TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS delivery_created ON delivery(created_at);
  CREATE TABLE IF NOT EXISTS baseline(
    cluster_id TEXT NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(cluster_id, source)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS attempt(
    delivery_id TEXT NOT NULL, attempt INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(delivery_id, attempt)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint(
    cluster_id TEXT NOT NULL, seq INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(cluster_id, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS alarm_decision(
    cluster_id TEXT NOT NULL, alarm_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY(cluster_id, alarm_id, seq, n)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS input_tick ON input(cluster_id, number) WHERE number IS NOT NULL;
  CREATE INDEX IF NOT EXISTS input_command ON input(cluster_id, seq) WHERE kind = 'command';
`;

function alarmOf(row: Record<string, unknown> | undefined): string | undefined {
  return row && (JSON.parse(String(row.doc)) as Delivery).alarmId;
}

/** Holds the folder for one process (rule R6): the kernel frees it when the process dies, however it dies. */
function lockFolder(folder: string): DatabaseSync {
  const pidFile = join(folder, "tocsin.pid");
  const lock = openDatabase(join(folder, "lock.db"), ["busy_timeout=0", "locking_mode=EXCLUSIVE"]);
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    throw new TocsinError(
      "E303",
      `another tocsin (pid ${readPid(pidFile)}) works on ${folder}: stop it, or set store.path`,
      {
        cause: error,
      },
    );
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return lock;
}

function readPid(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "unknown";
  }
}

export class StateDb {
  readonly #lock: DatabaseSync | undefined;
  readonly #db: DatabaseSync;
  readonly #put: Readonly<
    Record<
      "cluster" | "input" | "decision" | "delivery" | "attempt" | "baseline" | "checkpoint" | "about",
      StatementSync
    >
  >;
  readonly #deliveryOf: StatementSync;

  /** `lock: false` opens it beside the running service, for reading only. */
  constructor(folder: string, options: { readonly lock: boolean }) {
    this.#lock = options.lock ? lockFolder(folder) : undefined;
    this.#db = openDatabase(join(folder, "state.db"), ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]);
    ensureSchema(this.#db, join(folder, "state.db"), SCHEMA, SCHEMA_VERSION);
    this.#deliveryOf = this.#db.prepare("SELECT doc FROM delivery WHERE id = ?");
    this.#put = {
      // A commit that failed may have been written all the same: writing it again must give the same.
      cluster: this.#db.prepare("INSERT OR REPLACE INTO cluster(id, seq, doc) VALUES(?, ?, ?)"),
      input: this.#db.prepare("INSERT OR IGNORE INTO input(cluster_id, seq, kind, number, doc) VALUES(?, ?, ?, ?, ?)"),
      decision: this.#db.prepare("INSERT OR REPLACE INTO decision(cluster_id, seq, n, doc) VALUES(?, ?, ?, ?)"),
      delivery: this.#db.prepare(
        "INSERT OR REPLACE INTO delivery(id, cluster_id, created_at, status, doc) VALUES(?, ?, ?, ?, ?)",
      ),
      // A record that was tried again must not take the place of a newer one.
      baseline: this.#db.prepare(
        `INSERT INTO baseline(cluster_id, source, seq, doc) VALUES(?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET seq = excluded.seq, doc = excluded.doc WHERE excluded.seq > baseline.seq`,
      ),
      attempt: this.#db.prepare("INSERT OR REPLACE INTO attempt(delivery_id, attempt, doc) VALUES(?, ?, ?)"),
      checkpoint: this.#db.prepare(
        "INSERT OR REPLACE INTO checkpoint(cluster_id, seq, number, at, doc) VALUES(?, ?, ?, ?, ?)",
      ),
      about: this.#db.prepare("INSERT OR REPLACE INTO alarm_decision(cluster_id, alarm_id, seq, n) VALUES(?, ?, ?, ?)"),
    };
  }

  /** Group commit: all of them in one transaction, or one by one when that fails. An error's text for each that failed. */
  commit(commits: readonly Commit[]): (string | null)[] {
    try {
      inTransaction(this.#db, () => {
        for (const commit of commits) this.#write(commit);
      });
      return commits.map(() => null);
    } catch (error) {
      const [only] = commits;
      if (commits.length === 1 && only) return [error instanceof Error ? error.message : String(error)];
      return commits.flatMap((commit) => this.commit([commit]));
    }
  }

  #write(commit: Commit): void {
    const { clusterId, inputs, decisions, snapshot, deliveries, attempts, baselines, checkpoint } = commit;
    for (const { seq, input } of inputs) {
      const number = input.kind === "tick" ? input.number : null;
      this.#put.input.run(clusterId, seq, input.kind, number, JSON.stringify(input));
    }
    this.#put.cluster.run(clusterId, snapshot.seq, snapshot.doc);
    for (const delivery of deliveries) {
      this.#put.delivery.run(delivery.id, clusterId, delivery.createdAt, delivery.status, JSON.stringify(delivery));
    }
    decisions.forEach((decision, n) => {
      this.#put.decision.run(clusterId, snapshot.seq, n, JSON.stringify(decision));
      const alarmId = aboutOf(decision, (id) => alarmOf(this.#deliveryOf.get(id)));
      if (alarmId !== undefined) this.#put.about.run(clusterId, alarmId, snapshot.seq, n);
    });
    if (checkpoint) {
      const { seq, number, at, doc } = checkpoint;
      this.#put.checkpoint.run(clusterId, seq, number, at, doc);
    }
    for (const { source, seq, baseline } of baselines) {
      this.#put.baseline.run(clusterId, source, seq, JSON.stringify(baseline));
    }
    for (const attempt of attempts) this.#put.attempt.run(attempt.deliveryId, attempt.attempt, JSON.stringify(attempt));
  }

  load(): LedgerCluster[] {
    const rows = this.#db.prepare("SELECT id, seq, doc FROM cluster ORDER BY id").all();
    return rows.map((row) => {
      const clusterId = String(row.id);
      const snapshot = { clusterId, seq: Number(row.seq), doc: String(row.doc) };
      return { snapshot, rules: this.rulesAt(clusterId, Number.MAX_SAFE_INTEGER) };
    });
  }

  rulesAt(clusterId: string, seq: number): ClusterRules | undefined {
    const sql = `SELECT doc FROM input WHERE cluster_id = ? AND kind = 'command' AND doc LIKE '%"command":"rules"%'
      AND seq <= ? ORDER BY seq DESC LIMIT 1`;
    const doc = this.#db.prepare(sql).get(clusterId, asInteger(seq))?.doc;
    const input = doc === undefined ? undefined : (JSON.parse(String(doc)) as Input);
    return input?.kind === "command" && input.command === "rules" ? input.rules : undefined;
  }

  ticks(clusterId: string, afterNumber: number, limit = Infinity): RecordedInput[] {
    const sql = "SELECT seq, doc FROM input WHERE cluster_id = ? AND number > ? ORDER BY number LIMIT ?";
    return this.#db.prepare(sql).all(clusterId, asInteger(afterNumber), asInteger(limit)).map(recordedInput);
  }

  inputs(clusterId: string, afterSeq = -Infinity, upToSeq = Infinity): RecordedInput[] {
    return this.#db
      .prepare("SELECT seq, doc FROM input WHERE cluster_id = ? AND seq > ? AND seq <= ? ORDER BY seq")
      .all(clusterId, asInteger(afterSeq), asInteger(upToSeq))
      .map(recordedInput);
  }

  checkpoint(clusterId: string, at: number, beforeSeq: number): Checkpoint | undefined {
    const sql = `SELECT seq, number, at, doc FROM checkpoint WHERE cluster_id = ? AND seq < ? AND at <= ?
      ORDER BY seq DESC LIMIT 1`;
    const row = this.#db.prepare(sql).get(clusterId, asInteger(beforeSeq), asInteger(at));
    if (!row) return undefined;
    return { clusterId, seq: Number(row.seq), number: Number(row.number), at: Number(row.at), doc: String(row.doc) };
  }

  decisions(clusterId: string, { alarmId, limit, upToSeq = Infinity }: DecisionQuery): Decision[] {
    const sql = `SELECT doc FROM alarm_decision JOIN decision USING(cluster_id, seq, n)
      WHERE cluster_id = ? AND alarm_id = ? AND seq <= ? ORDER BY seq DESC, n DESC LIMIT ?`;
    return this.#db
      .prepare(sql)
      .all(clusterId, alarmId, asInteger(upToSeq), asInteger(limit))
      .map((row) => JSON.parse(String(row.doc)) as Decision);
  }

  baselines(): StoredBaseline[] {
    const rows = this.#db.prepare("SELECT cluster_id, source, seq, doc FROM baseline").all();
    return rows.map(storedBaseline);
  }

  decisionLog(clusterId: string): string[] {
    const rows = this.#db.prepare("SELECT doc FROM decision WHERE cluster_id = ? ORDER BY seq, n").all(clusterId);
    return rows.map((row) => String(row.doc));
  }

  deliveries({ clusterId, limit }: DeliveryQuery): Delivery[] {
    const where = clusterId === undefined ? "" : "WHERE cluster_id = ?";
    const sql = `SELECT doc FROM delivery ${where} ORDER BY created_at DESC, id LIMIT CAST(? AS INTEGER)`;
    const rows =
      clusterId === undefined ? this.#db.prepare(sql).all(limit) : this.#db.prepare(sql).all(clusterId, limit);
    return rows.map((row) => JSON.parse(String(row.doc)) as Delivery);
  }

  close(): void {
    this.#db.close();
    this.#lock?.close();
  }
}

function recordedInput(row: Record<string, unknown>): RecordedInput {
  return { seq: Number(row.seq), input: JSON.parse(String(row.doc)) as Input };
}
