/** Rows of one answer as columns: numbers lie in one array, so that thousands of rows are a few objects. */

import type { Meter } from "../model/meters.ts";
import { METERS } from "../model/meters.ts";
import type { RowKind } from "../model/tick.ts";

/** Column 32, `type`, decides what a row is: `svname` may be any legal name, even BACKEND. Its number is the place here. */
export const KINDS: readonly RowKind[] = ["frontend", "backend", "server", "listener"];

export const [FRONTEND, BACKEND, SERVER, LISTENER] = [0, 1, 2, 3] as const;

/** Columns that some meter counts increases of; `stot` also says how much a mean weighs. */
export const COUNTER_COLUMNS: readonly string[] = [
  ...new Set(["stot", ...METERS.flatMap((meter) => (meter.kind === "counter" ? meter.columns : []))]),
];

/** Numeric columns that are read: those that meters are made of, counters first, and what a server's state is told by. */
export const COLUMNS: readonly string[] = [
  ...new Set([...COUNTER_COLUMNS, ...METERS.flatMap(columnsOf), "weight", "act", "bck"]),
];

/** Columns that are read as text. */
export const TEXT_COLUMNS = ["status", "mode", "last_chk"] as const;

export type TextColumn = (typeof TEXT_COLUMNS)[number];

const INDEX: ReadonlyMap<string, number> = new Map(COLUMNS.map((name, index) => [name, index]));

/** Place of a numeric column in a row; throws of one that is not read. */
export function columnIndex(name: string): number {
  const index = INDEX.get(name);
  if (index === undefined) throw new Error(`column ${name} is not read`);
  return index;
}

/** Place of a numeric column in a row; `undefined`: it is not read. */
export function knownColumn(name: string): number | undefined {
  return INDEX.get(name);
}

/** Columns of HAProxy that a meter is made of directly. */
export function columnsOf(meter: Meter): readonly string[] {
  switch (meter.kind) {
    case "counter":
    case "sum":
      return meter.columns;
    case "mean":
    case "most":
      return [meter.column];
    case "share":
      return [meter.column, meter.limit];
    case "rate":
    case "change":
    case "ratio":
    case "members":
    case "state":
    case "own":
      return [];
  }
}

/** Rows as columns. Every list has the row's number as its index. */
export interface RowTable {
  readonly size: number;
  /** Grows when the table is cleared for other rows: what was remembered of those before is no longer so. */
  readonly turn: number;
  /** Row by row, `COLUMNS.length` each; NaN: HAProxy printed nothing. Rounded above 2^53. */
  readonly numbers: Float64Array;
  /** Exact values of those above 2^53, by place in `numbers`. */
  readonly exact: ReadonlyMap<number, bigint>;
  readonly proxies: readonly string[];
  readonly servers: readonly string[];
  /** Indices into `KINDS`. */
  readonly kinds: Uint8Array;
  readonly texts: Readonly<Record<TextColumn, readonly string[]>>;
}

const FIRST_ROWS = 64;

/** Grows a table row by row. */
export class TableWriter implements RowTable {
  size = 0;
  turn = 0;
  numbers: Float64Array<ArrayBufferLike>;
  readonly exact = new Map<number, bigint>();
  readonly proxies: string[] = [];
  readonly servers: string[] = [];
  kinds: Uint8Array<ArrayBufferLike>;
  readonly texts: Record<TextColumn, string[]> = { status: [], mode: [], last_chk: [] };

  /** `rows` is how many there will be, as far as that can be told. */
  constructor(rows = 0) {
    // One more than there are: the row that is being made has its place always.
    const capacity = Math.max(FIRST_ROWS, rows + 1);
    this.numbers = new Float64Array(capacity * COLUMNS.length).fill(Number.NaN);
    this.kinds = new Uint8Array(capacity);
  }

  /** Place of the first number of the row that is being made. */
  get base(): number {
    return this.size * COLUMNS.length;
  }

  /** Takes all rows out and keeps the room that they had. */
  clear(): void {
    this.turn++;
    // The row that was being made may have been begun.
    this.numbers.fill(Number.NaN, 0, this.base + COLUMNS.length);
    this.exact.clear();
    this.size = 0;
  }

  /** All rows are there. */
  end(): RowTable {
    const { status, mode, last_chk } = this.texts;
    for (const texts of [this.proxies, this.servers, status, mode, last_chk]) texts.length = this.size;
    return this;
  }

  /** Adds the row that is being made; another begins, with nothing in it. */
  add(proxy: string, server: string, kind: number, status = "", mode = "", lastCheck = ""): void {
    const row = this.size++;
    this.proxies[row] = proxy;
    this.servers[row] = server;
    this.kinds[row] = kind;
    this.texts.status[row] = status;
    this.texts.mode[row] = mode;
    this.texts.last_chk[row] = lastCheck;
    if (this.base < this.numbers.length) return;
    const wider = new Float64Array(this.numbers.length * 2);
    wider.set(this.numbers);
    wider.fill(Number.NaN, this.numbers.length);
    this.numbers = wider;
    const kinds = new Uint8Array(this.kinds.length * 2);
    kinds.set(this.kinds);
    this.kinds = kinds;
  }
}
