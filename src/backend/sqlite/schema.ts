/** What a database file must look like, and what brings an older one there. */

import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { TocsinError } from "../../lib/errors.ts";
import { inTransaction } from "./database.ts";
import { Sums } from "./sums.ts";

export interface Schema<Table extends string = string> {
  /** Raised with what is recorded. */
  readonly version: number;
  /** Tables and indexes, each `IF NOT EXISTS`. */
  readonly sql: string;
  /** Of each table, what its rows' sums are over. */
  readonly columns: Readonly<Record<Table, readonly string[]>>;
  /** Rows without which the service cannot begin. */
  readonly needed: readonly Table[];
  /** And the newest of a table that grows: what follows its name in a select. */
  readonly newest?: readonly [table: Table, rest: string];
  /** The first version whose rows have sums. */
  readonly summedSince: number;
  /** The version that a table came with, of those that came after that one. */
  readonly since: Readonly<Partial<Record<Table, number>>>;
  /** What makes a file of each version one of the next, from the first version on. */
  readonly upgrades: readonly Upgrade[];
}

/** What the rows of a version without sums lack. */
export const SUM_COLUMN = "sum INTEGER NOT NULL DEFAULT 0";

/** A step from one version to the next: columns that are added, and what is worked out once all tables are there. */
export interface Upgrade {
  readonly columns?: readonly (readonly [table: string, column: string])[];
  readonly fill?: (database: DatabaseSync) => void;
}

/** The tables of a version of the schema whose rows have sums. */
export function tablesOf<Table extends string>({ columns, since }: Schema<Table>, version: number): readonly Table[] {
  return (Object.keys(columns) as Table[]).filter((table) => (since[table] ?? 0) <= version);
}

/** What a file says of itself. Each is `undefined` where it says nothing. */
export interface Meta {
  readonly version: unknown;
  readonly id: unknown;
  readonly shape: unknown;
}

export function readMeta(database: DatabaseSync): Meta {
  const rows = database.prepare("SELECT k, v FROM meta").all();
  const of = (key: string) => rows.find(({ k }) => k === key)?.v;
  return { version: of("schema_version"), id: of("id"), shape: of("shape") };
}

/** How many commits a file of the schema holds; 0 where it counts none. */
export function commitsIn(database: DatabaseSync, { columns }: Schema): number {
  if (!columns.cluster?.includes("commits")) return 0;
  return Number(database.prepare("SELECT coalesce(max(commits), 0) AS n FROM cluster").get()?.n);
}

/** Sum over the version and the texts that made the tables and indexes. */
export function shapeOf(database: DatabaseSync, version: number): number {
  const rows = database.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all();
  return crc32(JSON.stringify([version, ...rows.map(({ type, name, tbl_name, sql }) => [type, name, tbl_name, sql])]));
}

/** A database whose tables are there, and what its rows are verified by. */
export interface Made<Table extends string> {
  readonly id: string;
  readonly sums: Sums<Table>;
}

/**
 * Makes what the schema says, in one transaction, of a new file or of one of any version before; throws `E304`, and
 * leaves the file as it is, when a newer version made it. `id`: whose rows a new file will hold. `more` adds to it.
 */
export function ensureSchema<Table extends string>(
  database: DatabaseSync,
  file: string,
  schema: Schema<Table>,
  id: string = randomUUID(),
  more: () => void = () => {},
): Made<Table> {
  return inTransaction(database, () => {
    database.exec("CREATE TABLE IF NOT EXISTS meta(k TEXT PRIMARY KEY, v ANY) STRICT");
    const meta = readMeta(database);
    const { version = schema.version } = meta;
    if (!isKnown(schema, version)) {
      throw new TocsinError(
        "E304",
        `${file} has schema ${version}, and this version of tocsin knows ${schema.version}: move the data folder away`,
      );
    }
    const own = typeof meta.id === "string" ? meta.id : id;
    const sums = new Sums<Table>(schema.columns, own);
    const upgrades = schema.upgrades.slice(version - 1);
    const present = new Set(
      database
        .prepare("SELECT name FROM sqlite_schema")
        .all()
        .map(({ name }) => name),
    );
    for (const [table, column] of upgrades.flatMap(({ columns = [] }) => columns)) {
      // A table that is not there yet is made whole.
      if (present.has(table)) database.exec(`ALTER TABLE "${table}" ADD COLUMN ${column}`);
    }
    database.exec(schema.sql);
    more();
    for (const { fill } of upgrades) fill?.(database);
    if (version < schema.version) {
      const summed = version < schema.summedSince ? [] : tablesOf(schema, version);
      sums.seal(
        database,
        tablesOf(schema, schema.version).filter((table) => !summed.includes(table)),
      );
    }
    const put = database.prepare("INSERT OR REPLACE INTO meta(k, v) VALUES(?, ?)");
    put.run("id", own);
    for (const [key, value] of [
      ["schema_version", schema.version],
      ["shape", shapeOf(database, schema.version)],
    ] as const)
      put.run(key, BigInt(value));
    return { id: own, sums };
  });
}

/** Whether a file of that version can be used, as it is or after an upgrade. */
export function isKnown({ version: newest }: Schema, version: unknown): version is number {
  return typeof version === "number" && Number.isInteger(version) && version >= 1 && version <= newest;
}
