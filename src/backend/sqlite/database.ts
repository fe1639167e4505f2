/** The one place that opens SQLite files. */

import { closeSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Baseline } from "../../model/tick.ts";
import type { StoredBaseline } from "../../seriesPorts.ts";

/** Opens a file, readable by its owner only, waiting up to 5 s where another connection holds it. */
export function openDatabase(file: string, pragmas: readonly string[]): DatabaseSync {
  // SQLite gives its -wal and -shm files the mode of the database file.
  closeSync(openSync(file, "a", 0o600));
  const database = new DatabaseSync(file, { timeout: 5000 });
  for (const pragma of pragmas) database.exec(`PRAGMA ${pragma}`);
  return database;
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

/** Whether there is a file, with something in it. */
export function hasContent(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
