/** Sums over rows: what was written and what is read are compared, so that a damaged row is never taken for a good one. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { TocsinError } from "../../lib/errors.ts";

type Row = Readonly<Record<string, unknown>>;
export type Value = string | number | null;

/** A value by the name of its column. */
type Named = readonly (readonly [name: string, value: unknown])[];

export class Sums<Table extends string> {
  readonly #columns: Readonly<Record<Table, readonly string[]>>;
  readonly #seed: number;

  /**
   * `columns` are what the rows' sums are over, in order; after them come all others that have a value, by name, for a
   * table may get more. `id` is the database's own: a row of another one does not have the sum it would have here.
   */
  constructor(columns: Readonly<Record<Table, readonly string[]>>, id: string) {
    this.#columns = columns;
    this.#seed = crc32(id);
  }

  /** The sum of a row, of values that are null where there is none. `others` are numbers, in order of name. */
  of(table: Table, values: readonly unknown[], others: Named = []): number {
    let text: string = table;
    for (const value of values) text += `\0${value ?? ""}`;
    if (others.length === 0) return crc32(text, this.#seed);
    const numbers = new Float64Array(others.length);
    let count = 0;
    for (const [name, value] of others) {
      if (value === null) continue;
      text += `\0${name}`;
      // SQLite does not keep the sign of zero.
      numbers[count++] = typeof value === "number" ? value + 0 : Number.NaN;
    }
    return crc32(new Uint8Array(numbers.buffer, 0, count * numbers.BYTES_PER_ELEMENT), crc32(text, this.#seed));
  }

  /** The values of a row's columns, and its sum. */
  sealed(table: Table, ...values: Value[]): Value[] {
    return [...values, this.of(table, values)];
  }

  isIntact(table: Table, row: Row): boolean {
    const columns = this.#columns[table];
    const values = columns.map((name) => row[name]);
    const isWide = Object.keys(row).length > columns.length + 1;
    const others = isWide ? Object.entries(row).filter(([name]) => name !== "sum" && !columns.includes(name)) : [];
    return row.sum === this.of(table, values, others.sort(byName));
  }

  /** The row itself. Throws `E306` when it is not what was written. */
  verified(table: Table, row: Row): Row {
    if (!this.isIntact(table, row)) throw damagedRead(`a row of ${table} is not what was written`);
    return row;
  }

  /** Verified rows of a statement that selects all columns of the table, and only them. */
  all(table: Table, statement: StatementSync, ...values: Value[]): Row[] {
    const rows: Row[] = statement.all(...values);
    for (const row of rows) this.verified(table, row);
    return rows;
  }

  /** A verified row; `undefined`: there is none. */
  get(table: Table, statement: StatementSync, ...values: Value[]): Row | undefined {
    const row = statement.get(...values);
    return row && this.verified(table, row);
  }

  /** The first table that has damaged rows, and how many; `undefined`: all of these are intact. */
  damage(database: DatabaseSync, tables: readonly Table[]): string | undefined {
    for (const table of tables) {
      let damaged = 0;
      for (const row of database.prepare(`SELECT * FROM "${table}"`).iterate()) {
        if (!this.isIntact(table, row)) damaged++;
      }
      if (damaged > 0) return `${damaged} ${damaged === 1 ? "row" : "rows"} of ${table} not as written`;
    }
    return undefined;
  }

  /** Gives every row its sum. */
  sealAll(database: DatabaseSync): void {
    for (const table of Object.keys(this.#columns) as Table[]) {
      const columns = this.#columns[table];
      const others = database
        .prepare(`PRAGMA table_info("${table}")`)
        .all()
        .map(({ name }) => String(name))
        .filter((name) => name !== "sum" && !columns.includes(name))
        .sort();
      database.function(`sum_of_${table}`, { varargs: true }, (...values) =>
        this.of(
          table,
          values.slice(0, columns.length),
          others.map((name, at) => [name, values[columns.length + at]]),
        ),
      );
      const names = [...columns, ...others].map((name) => `"${name}"`);
      database.exec(`UPDATE "${table}" SET sum = sum_of_${table}(${names})`);
    }
  }
}

function byName([a]: Named[number], [b]: Named[number]): number {
  return a < b ? -1 : 1;
}

/** What damaged data made something throw, as the `E306` that it is; `undefined`: it was something else. */
export function damageIn(error: unknown): TocsinError | undefined {
  if (error instanceof TocsinError) return error.code === "E306" ? error : undefined;
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // SQLite's own words for it, whatever their extended codes; and a number that no column of ours can hold.
  const isDamage = typeof errcode === "number" && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff);
  return isDamage || code === "ERR_OUT_OF_RANGE" ? damagedRead(error.message) : undefined;
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What a read of damaged data throws: `E306`. */
export function damagedRead(what: string): TocsinError {
  return new TocsinError(
    "E306",
    `the record is damaged (${what}): nothing is made of it; a new start sets the file aside and begins a new one`,
  );
}
