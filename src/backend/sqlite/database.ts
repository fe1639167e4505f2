/** The one place that opens SQLite files. */

import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { TocsinError } from "../../lib/errors.ts";
import type { Baseline } from "../../model/tick.ts";
import type { StoredBaseline } from "../../ports.ts";

/** Opens a file, readable by its owner only, waiting up to 5 s where another connection holds it. */
export function openDatabase(file: string, pragmas: readonly string[]): DatabaseSync {
  // SQLite gives its -wal and -shm files the mode of the database file.
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: 5000 });
  for (const pragma of pragmas) database.exec(`PRAGMA ${pragma}`);
  return database;
}

/**
 * Makes what the schema says, in one transaction, of a new file; throws `E304`, and leaves the file as it is, when
 * another version made it.
 */
export function ensureSchema(database: DatabaseSync, file: string, schema: string, version: number): void {
  inTransaction(database, () => {
    database.exec("CREATE TABLE IF NOT EXISTS meta(k TEXT PRIMARY KEY, v ANY) STRICT");
    const made = database.prepare("SELECT v FROM meta WHERE k = 'schema_version'").get()?.v;
    if (made !== undefined && Number(made) !== version) {
      throw new TocsinError(
        "E304",
        `${file} has schema ${made}, and this version of tocsin knows ${version}: move the data folder away`,
      );
    }
    database.exec(schema);
    database.prepare("INSERT OR REPLACE INTO meta(k, v) VALUES('schema_version', CAST(? AS INTEGER))").run(version);
  });
}

/** Runs `work` in one transaction; rolls back and rethrows when it throws. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // On a full disk SQLite has rolled back by itself.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** SQLite's bounds for what JavaScript calls infinite. */
export function asInteger(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
}

/** A row of a baseline table. */
export function storedBaseline(row: Record<string, unknown>): StoredBaseline {
  const baseline = JSON.parse(String(row.doc)) as Baseline;
  return { clusterId: String(row.cluster_id), source: String(row.source), seq: Number(row.seq), baseline };
}
