/** Sums over rows: what was written and what is read are compared, so that a damaged row is never taken for a good one. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { TocsinError } from "../../lib/errors.ts";

type Row = Readonly<Record<string, unknown>>;
export type Value = string | number | Uint8Array | null;

/** The columns of a table: those of the schema in its order, and what it has besides, by name. */
interface Split {
  readonly own: readonly string[];
  readonly others: readonly string[];
}

/** Numbers of the row at hand. */
let NUMBERS = new Float64Array(256);
/** Columns that two whole numbers tell apart. */
const MOST_TOLD_APART = 96;

/** What is summed up is brought together here: one call of many bytes costs less than some of few. */
const TOGETHER = Buffer.allocUnsafe(16_384);

function sumOf(seed: number, text: string, bytes: Uint8Array, more?: Uint8Array): number {
  // No character takes more than three bytes.
  if (3 * text.length + bytes.length + (more?.length ?? 0) > TOGETHER.length) {
    const sum = crc32(bytes, crc32(text, seed));
    return more ? crc32(more, sum) : sum;
  }
  let end = TOGETHER.write(text);
  TOGETHER.set(bytes, end);
  end += bytes.length;
  if (more) TOGETHER.set(more, end);
  return crc32(TOGETHER.subarray(0, end + (more?.length ?? 0)), seed);
}

export class Sums<Table extends string> {
  readonly #columns: Readonly<Record<Table, readonly string[]>>;
  readonly #seed: number;
  /** A table keeps its columns while it is read: they are told apart once, and not for each row. */
  readonly #splits = new Map<Table, Split>();
  /** By list of names, and by which of them have a value. */
  readonly #names = new WeakMap<readonly string[], Map<string, Uint8Array>>();

  /**
   * `columns` are what the rows' sums are over, in order; after them come all others that have a value, by name, for a
   * table may get more. `id` is the database's own: a row of another one does not have the sum it would have here.
   */
  constructor(columns: Readonly<Record<Table, readonly string[]>>, id: string) {
    this.#columns = columns;
    this.#seed = crc32(id);
  }

  /**
   * The sum of a row, of values that are null where there is none. `others` are the names of more columns, in order,
   * and `theirs` what these hold: numbers.
   */
  of(
    table: Table,
    values: readonly unknown[],
    others: readonly string[] = [],
    theirs: readonly unknown[] = [],
  ): number {
    let text: string = table;
    let seed = this.#seed;
    for (const value of values) {
      if (value instanceof Uint8Array) {
        seed = sumOf(seed, `${text}\0`, value);
        text = "";
      } else text += `\0${value ?? ""}`;
    }
    if (others.length === 0) return text === "" ? seed : crc32(text, seed);
    return this.#over(seed, text, others, theirs, 0);
  }

  /** The same of a row in one array: `own` values, its sum, and then what it has besides. None of them is of bytes. */
  ofWide(table: Table, row: readonly unknown[], own: number, others: readonly string[]): number {
    let text: string = table;
    for (let at = 0; at < own; at++) text += `\0${row[at] ?? ""}`;
    return this.#over(this.#seed, text, others, row, own + 1);
  }

  /** Goes on with numbers, of which the first stands at `from`. */
  #over(seed: number, text: string, others: readonly string[], theirs: readonly unknown[], from: number): number {
    if (others.length > NUMBERS.length) NUMBERS = new Float64Array(others.length);
    let count = 0;
    let [low, high] = [0, 0];
    for (let at = 0; at < others.length; at++) {
      const value = theirs[from + at];
      if (value === null) continue;
      // SQLite does not keep the sign of zero.
      NUMBERS[count++] = typeof value === "number" ? value + 0 : Number.NaN;
      if (at < 48) low += 2 ** at;
      else high += 2 ** (at - 48);
    }
    const names = this.#namesOf(others, theirs, from, low, high);
    return sumOf(seed, text, names, new Uint8Array(NUMBERS.buffer, 0, count * 8));
  }

  /** The names of those that have a value, as bytes: rows of a table nearly always have the same. */
  #namesOf(others: readonly string[], theirs: readonly unknown[], from: number, low: number, high: number): Uint8Array {
    const own = this.#names.get(others) ?? new Map<string, Uint8Array>();
    const pattern = `${low} ${high}`;
    const known = others.length > MOST_TOLD_APART ? undefined : own.get(pattern);
    if (known) return known;
    const names = Buffer.from(others.map((name, at) => (theirs[from + at] === null ? "" : `\0${name}`)).join(""));
    if (own.size < 1000) this.#names.set(others, own.set(pattern, names));
    return names;
  }

  /** The values of a row's columns, and its sum. */
  sealed(table: Table, ...values: Value[]): Value[] {
    return [...values, this.of(table, values)];
  }

  isIntact(table: Table, row: Row): boolean {
    const { own, others } = this.#splits.get(table) ?? this.#split(table, Object.keys(row));
    const at = (name: string) => row[name];
    return row.sum === this.of(table, own.map(at), others, others.map(at));
  }

  #split(table: Table, names: readonly string[]): Split {
    const own = this.#columns[table];
    const split = { own, others: names.filter((name) => name !== "sum" && !own.includes(name)).sort() };
    this.#splits.set(table, split);
    return split;
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

  /** How many rows of a table are damaged; `undefined`: none. `rest` follows its name: which rows are looked at. */
  damage(database: DatabaseSync, table: Table, rest = ""): string | undefined {
    let damaged = 0;
    for (const row of database.prepare(`SELECT * FROM "${table}" ${rest}`).iterate()) {
      if (!this.isIntact(table, row)) damaged++;
    }
    return damaged > 0 ? `${damaged} ${damaged === 1 ? "row" : "rows"} of ${table} not as written` : undefined;
  }

  /** Gives every row of some tables its sum. */
  seal(database: DatabaseSync, tables: readonly Table[]): void {
    for (const table of tables) {
      const present = database.prepare(`PRAGMA table_info("${table}")`).all();
      const { own, others } = this.#split(
        table,
        present.map(({ name }) => String(name)),
      );
      database.function(`sum_of_${table}`, { varargs: true }, (...values) =>
        this.of(table, values.slice(0, own.length), others, values.slice(own.length)),
      );
      const names = [...own, ...others].map((name) => `"${name}"`);
      database.exec(`UPDATE "${table}" SET sum = sum_of_${table}(${names})`);
    }
  }
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
