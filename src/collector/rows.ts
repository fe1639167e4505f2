/** Rows of HAProxy's statistics, whatever way they came. */

import type { ProcessIdentity, RowKind } from "../model/tick.ts";
import { counterOf } from "./counters.ts";
import type { RowTable, TextColumn } from "./rowTable.ts";
import { COLUMNS, COUNTER_COLUMNS, KINDS, knownColumn, TableWriter, TEXT_COLUMNS } from "./rowTable.ts";

export { COLUMNS } from "./rowTable.ts";

/** One line of `show stat`: a place in a table. */
export class Row {
  readonly #table: RowTable;
  readonly #index: number;

  constructor(table: RowTable, index: number) {
    this.#table = table;
    this.#index = index;
  }

  get proxy(): string {
    return this.#table.proxies[this.#index] ?? "";
  }

  get server(): string {
    return this.#table.servers[this.#index] ?? "";
  }

  get kind(): RowKind {
    return KINDS[this.#table.kinds[this.#index] ?? 0] ?? "frontend";
  }

  get status(): string {
    return this.#table.texts.status[this.#index] ?? "";
  }

  /** `http`, `tcp`; empty where it is not said. */
  get mode(): string {
    return this.#table.texts.mode[this.#index] ?? "";
  }

  /** A number by its place in `COLUMNS`, rounded above 2^53; NaN: HAProxy printed none. */
  value(column: number): number {
    return this.#table.numbers[this.#index * COLUMNS.length + column] ?? Number.NaN;
  }

  /** Text of a column that is read, numbers exact; empty when HAProxy printed nothing, or it is not read. */
  column(name: string): string {
    if (isText(name)) return this.#table.texts[name][this.#index] ?? "";
    const column = knownColumn(name);
    if (column === undefined) return "";
    const value = this.value(column);
    if (Number.isNaN(value)) return "";
    return String(this.#table.exact.get(this.#index * COLUMNS.length + column) ?? value);
  }
}

/** One answer that can be trusted. */
export interface Dump {
  readonly process: ProcessIdentity;
  /** The uptime was printed with a fraction: exact enough to measure time with. */
  readonly preciseUptime: boolean;
  /** What HAProxy calls itself; empty: it does not say. */
  readonly node: string;
  /** Sessions of the process's whole life, also those of its own sockets; `undefined`: it does not say. */
  readonly connections: number | undefined;
  readonly rows: readonly Row[];
  /** The same rows as columns; how many there are is cheaper to ask here. */
  readonly table: RowTable;
  /** Lines that were no rows: another field count, an unknown type, or a row once more. */
  readonly skipped: number;
}

/** An answer of these rows. */
export function dumpOf(
  process: ProcessIdentity,
  preciseUptime: boolean,
  table: RowTable,
  skipped: number,
  node = "",
  connections: number | undefined = undefined,
): Dump {
  let rows: readonly Row[] | undefined;
  return {
    process,
    preciseUptime,
    node,
    connections,
    table,
    skipped,
    // Made when somebody asks: counting does without.
    get rows() {
      rows ??= Array.from({ length: table.size }, (_, index) => new Row(table, index));
      return rows;
    },
  };
}

/** Makes the rows of an answer from names and numbers, in any order. */
export class RowsBuilder {
  readonly #table: TableWriter;
  readonly #rows = new Map<string, Map<string, number>>();

  /** Makes them in an empty table. */
  constructor(table = new TableWriter()) {
    this.#table = table;
  }

  /** The row of that name, a new one where there is none yet. */
  row(proxy: string, server: string, kind: RowKind): number {
    const key = `${kind}/${proxy}`;
    const ofProxy = this.#rows.get(key) ?? new Map<string, number>();
    const known = ofProxy.get(server);
    if (known !== undefined) return known;
    const index = this.#table.size;
    this.#table.add(proxy, server, KINDS.indexOf(kind));
    this.#rows.set(key, ofProxy.set(server, index));
    return index;
  }

  /**
   * Sets what a column says of a row; one that is not read is left out. A number is one from 0 below 2^64, or its
   * digits: anything else says nothing.
   */
  set(row: number, column: string, value: number | string): void {
    const table = this.#table;
    if (row >= table.size) throw new Error(`there is no row ${row}`);
    if (isText(column)) {
      table.texts[column][row] = String(value);
      return;
    }
    const index = knownColumn(column);
    if (index === undefined) return;
    const place = row * COLUMNS.length + index;
    const exact = typeof value === "string" ? counterOf(value) : numberOf(value, index < COUNTER_COLUMNS.length);
    table.exact.delete(place);
    table.numbers[place] = exact === undefined ? Number.NaN : Number(exact);
    if (typeof exact === "bigint") table.exact.set(place, exact);
  }

  build(process: ProcessIdentity, skipped: number, preciseUptime = false, connections?: number): Dump {
    return dumpOf(process, preciseUptime, this.#table.end(), skipped, "", connections);
  }
}

function isText(name: string): name is TextColumn {
  return TEXT_COLUMNS.some((text) => text === name);
}

/** A number of somebody else's arithmetic; counters are whole. */
function numberOf(value: number, isCounter: boolean): number | bigint | undefined {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) return undefined;
  if (value > Number.MAX_SAFE_INTEGER) return BigInt(value);
  return isCounter ? Math.floor(value) : value;
}
