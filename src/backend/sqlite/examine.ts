/** Whether a database file is what was written: looked at before it is opened for work, and without changing it. */

import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { commitsIn, isKnown, readMeta, type Schema, shapeOf, tablesOf } from "./schema.ts";
import { Sums } from "./sums.ts";

/**
 * Files up to this size are looked at whole at every start: structure, indexes and every row. Measured, that takes
 * about 7 ms of processor time a MiB of `state.db`, and 32 of `metrics.db`, whose rows are wide: 0.3 s for both. Of
 * larger ones only what the service begins with: rows that it needs and the newest of the series, about 0.2 s. Any
 * other row is verified when it is read.
 */
export const WHOLE_UP_TO_BYTES = 8 * 2 ** 20;

export type Found =
  /** No file, or one that nothing was made in yet. */
  | { readonly kind: "nothing" }
  | { readonly kind: "damaged"; readonly reason: string }
  /** `id` is `undefined` in a file of another version, which is `ensureSchema`'s to judge. */
  | { readonly kind: "intact"; readonly id: string | undefined; readonly commits: number };

/** `whole`: however large it is. Throws what SQLite throws where it is the system that refuses. */
export function examine<Table extends string>(
  file: string,
  schema: Schema<Table>,
  whole: boolean,
  wholeUpToBytes = WHOLE_UP_TO_BYTES,
): Found {
  const bytes = sizeOf(file);
  if (bytes === 0) {
    return sizeOf(`${file}-wal`) > 0 ? { kind: "damaged", reason: "it is empty, and has a -wal" } : { kind: "nothing" };
  }
  let database: DatabaseSync | undefined;
  try {
    // For reading only: closing such a connection moves nothing from the -wal into the file.
    database = new DatabaseSync(file, { timeout: 5000, readOnly: true });
    return look(database, schema, whole || bytes <= wholeUpToBytes);
  } catch (error) {
    if (isRefusal(error)) throw error;
    return { kind: "damaged", reason: error instanceof Error ? error.message : String(error) };
  } finally {
    database?.close();
  }
}

function look<Table extends string>(database: DatabaseSync, schema: Schema<Table>, whole: boolean): Found {
  const damaged = (reason: string): Found => ({ kind: "damaged", reason });
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n;
  if (tables === 0) return { kind: "nothing" };
  const { version, id, shape } = readMeta(database);
  if (typeof version !== "number") return damaged("it does not say which version made it");
  if (id === undefined && shape === undefined && version !== schema.version) {
    const structure = isKnown(schema, version) ? structureOf(database, []) : undefined;
    return structure === undefined ? { kind: "intact", id: undefined, commits: 0 } : damaged(structure);
  }
  if (typeof id !== "string") return damaged("it does not say which file it is");
  if (shape !== shapeOf(database, version)) return damaged("its tables are not those that were made");
  if (!isKnown(schema, version)) return { kind: "intact", id: undefined, commits: 0 };
  const present = tablesOf(schema, version);
  const needed = schema.needed.filter((table) => present.includes(table));
  const structure = structureOf(database, whole ? [] : needed);
  if (structure !== undefined) return damaged(structure);
  const sums = new Sums<Table>(schema.columns, id);
  for (const [table, rest] of whole ? present.map((table) => [table] as const) : neededOf(schema, needed)) {
    const rows = sums.damage(database, table, rest);
    if (rows !== undefined) return damaged(rows);
  }
  return { kind: "intact", id, commits: commitsIn(database, schema) };
}

type Rows<Table> = readonly (readonly [table: Table, rest?: string])[];

function neededOf<Table extends string>({ newest }: Schema<Table>, needed: readonly Table[]): Rows<Table> {
  const rows: Rows<Table> = needed.map((table) => [table]);
  return newest ? [...rows, newest] : rows;
}

/** What SQLite finds wrong with pages and indexes, of all or of some tables. */
function structureOf(database: DatabaseSync, tables: readonly string[]): string | undefined {
  const checks = tables.length === 0 ? ["integrity_check(1)"] : tables.map((table) => `integrity_check('${table}')`);
  for (const check of checks) {
    const [first] = Object.values(database.prepare(`PRAGMA ${check}`).get() ?? {});
    if (first !== "ok") return String(first).split("\n").join("; ");
  }
  return undefined;
}

/** Bytes of a file; 0: there is none. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Codes of SQLite that are about the system and not about the file: no memory, no permission, no room, no luck with the disk. */
const REFUSALS = [3, 5, 6, 7, 8, 10, 13, 14, 23];
const SHORT_READ = 522;

function isRefusal(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" && errcode !== SHORT_READ && REFUSALS.includes(errcode & 0xff);
}
