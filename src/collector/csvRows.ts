/**
 * HAProxy's CSV, read byte by byte as it arrives. Columns are known by the header's names; of a line only what is read
 * is looked at twice. A line that has not ended yet waits in a buffer, and where its reading stopped is remembered, so
 * that the work is proportional to the bytes, however they are cut.
 */

import { counterOf } from "./counters.ts";
import type { Refused } from "./csvHeader.ts";
import { columnNames, isWritten, MAX_COLUMNS, TEXTS, unquoted, wrongHeader } from "./csvHeader.ts";
import type { RowNames } from "./rowNames.ts";
import { addName, MAX_NAME_BYTES, namesIn } from "./rowNames.ts";
import type { RowTable, TableWriter } from "./rowTable.ts";
import { KINDS, knownColumn } from "./rowTable.ts";
import { Tables } from "./tables.ts";

/** Longest line; the header of HAProxy 3.4 with every module is 4 kB. */
export const MAX_LINE_BYTES = 64 * 1024;
const MAX_ROWS = 200_000;

const LF = 10;
const CR = 13;
const QUOTE = 34;
const COMMA = 44;
const ZERO = 48;
/** Digits that fit into a number whatever they are. */
const SAFE_DIGITS = 15;

/** Indices of `TEXTS`. */
const [PROXY, SERVER, TYPE, STATUS, MODE, CHECK] = [0, 1, 2, 3, 4, 5] as const;

export class CsvRows {
  /** Which columns of a line are read as numbers, and their places in a row. */
  readonly #columns: Int16Array;
  readonly #slots: Int16Array;
  /** Which columns the texts are; -1: there is none. */
  readonly #texts: Int16Array;
  readonly #width: number;
  readonly #table: TableWriter;
  readonly #known: RowTable | undefined;
  /** Kinds that a proxy and server name were seen as, as bits; `undefined`: all rows so far are as they were known. */
  #seen: RowNames | undefined;
  #skipped = 0;
  #refused: Refused | undefined;

  #bytes = Buffer.allocUnsafe(16 * 1024);
  #end = 0;
  /** Where the line begins, and how far it has been read. */
  #lineAt = 0;
  #at = 0;
  /** Where the line's commas are, as many as a header may have. */
  readonly #commas = new Int32Array(MAX_COLUMNS + 1);
  #count = 0;
  /** The next quote of what is there; none: `Infinity`. The line that has it is read with more care. */
  #quoteAt = Number.POSITIVE_INFINITY;
  #isCareful = false;
  #isQuoted = false;
  /** The last line was empty: so ends an answer on the socket. */
  #ended = false;

  /** `tables` of the same source: texts that are still the same are taken from its last answer. */
  constructor(header: string, tables = new Tables()) {
    this.#known = tables.last;
    this.#table = tables.take();
    const names = columnNames(header);
    const read = names.flatMap((name, column) => {
      const slot = knownColumn(name);
      return slot === undefined ? [] : [{ column, slot }];
    });
    this.#columns = Int16Array.from(read, ({ column }) => column);
    this.#slots = Int16Array.from(read, ({ slot }) => slot);
    this.#texts = Int16Array.from(TEXTS, (name) => names.indexOf(name));
    this.#width = names.length;
    this.#refused = wrongHeader(names);
  }

  get refused(): Refused | undefined {
    return this.#refused;
  }

  /** The rows, when all have come. */
  get table(): RowTable {
    return this.#table.end();
  }

  get skipped(): number {
    return this.#skipped;
  }

  /** Whether the last line was whole. */
  get isWhole(): boolean {
    return this.#lineAt === this.#end;
  }

  /** Whether the answer ended with an empty line. */
  get isEnded(): boolean {
    return this.#ended && this.isWhole;
  }

  /** Whether a quoted field has not ended. */
  get isQuoted(): boolean {
    return this.#isQuoted;
  }

  push(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length && !this.#refused; from += MAX_LINE_BYTES) {
      this.#take(chunk.subarray(from, from + MAX_LINE_BYTES));
      this.#scan();
    }
  }

  /** Puts bytes behind those that wait; those of lines that are read make room. */
  #take(chunk: Uint8Array): void {
    const waiting = this.#end - this.#lineAt;
    // One more for the line end that stops the reading.
    if (this.#end + chunk.length >= this.#bytes.length) {
      const isRoomy = waiting + chunk.length < this.#bytes.length;
      const bytes = isRoomy ? this.#bytes : Buffer.allocUnsafe(2 * (waiting + chunk.length));
      this.#bytes.copy(bytes, 0, this.#lineAt, this.#end);
      this.#bytes = bytes;
      for (let index = 0; index < this.#count; index++) this.#commas[index] = this.#comma(index) - this.#lineAt;
      this.#at -= this.#lineAt;
      this.#quoteAt -= this.#lineAt;
      this.#end = waiting;
      this.#lineAt = 0;
    }
    this.#bytes.set(chunk, this.#end);
    const from = this.#end;
    this.#end += chunk.length;
    this.#bytes[this.#end] = LF;
    if (this.#quoteAt === Number.POSITIVE_INFINITY) this.#quoteAt = this.#nextQuote(from);
  }

  #nextQuote(from: number): number {
    const at = this.#bytes.subarray(0, this.#end).indexOf(QUOTE, from);
    return at < 0 ? Number.POSITIVE_INFINITY : at;
  }

  #comma(index: number): number {
    return this.#commas[index] ?? 0;
  }

  #fieldAt(column: number): number {
    return column === 0 ? this.#lineAt : this.#comma(column - 1) + 1;
  }

  /** Reads on to the end of what is there. */
  #scan(): void {
    while (!this.#refused) {
      if (this.#isCareful) this.#findCarefully();
      else this.#findCommas();
      if (!this.#isCareful && this.#quoteAt < this.#at) {
        this.#isCareful = true;
        this.#at = this.#lineAt;
        this.#count = 0;
        continue;
      }
      if (this.#at - this.#lineAt > MAX_LINE_BYTES) this.#refused = tooLong(this.#isQuoted);
      if (this.#at === this.#end) return;
      this.#endLine(this.#at);
      this.#at++;
      this.#lineAt = this.#at;
      this.#count = 0;
      if (this.#isCareful) this.#quoteAt = this.#nextQuote(this.#at);
      this.#isCareful = false;
    }
  }

  /** Finds the line's commas and its end. No branch but the loop's own: this is where the time goes. */
  #findCommas(): void {
    const bytes = this.#bytes;
    const commas = this.#commas;
    let at = this.#at;
    let count = this.#count;
    let byte = bytes[at] ?? LF;
    while (byte !== LF) {
      commas[count] = at;
      // 1 where the byte is a comma, else 0.
      count += ((byte ^ COMMA) - 1) >>> 31;
      byte = bytes[++at] ?? LF;
    }
    this.#at = at;
    this.#count = count;
  }

  /** The same of a line with quotes, in which neither commas nor line ends mean anything. */
  #findCarefully(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (; at < this.#end; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) this.#isQuoted = !this.#isQuoted;
      else if (this.#isQuoted) continue;
      else if (byte === LF) break;
      else if (byte === COMMA) this.#commas[this.#count++] = at;
    }
    this.#at = at;
  }

  #endLine(at: number): void {
    const isCrLf = at > this.#lineAt && this.#bytes[at - 1] === CR;
    const end = isCrLf ? at - 1 : at;
    this.#ended = end === this.#lineAt;
    if (this.#ended) return;
    if (this.#count + 1 !== this.#width || !this.#addRow(end)) this.#skipped++;
    if (this.#table.size > MAX_ROWS)
      this.#refused = { code: "too_large", reason: `there are more than ${MAX_ROWS} rows` };
  }

  /** Whether the line is a row that was not there yet. */
  #addRow(end: number): boolean {
    if (this.#count < this.#commas.length) this.#commas[this.#count] = end;
    const table = this.#table;
    const known = this.#known;
    const { size } = table;
    const kind = this.#kind();
    if (kind === undefined) return false;
    const proxy = this.#text(PROXY, known?.proxies[size], table.proxies[size - 1]);
    const server = this.#text(SERVER, known?.servers[size]);
    if (proxy.length > MAX_NAME_BYTES || server.length > MAX_NAME_BYTES) return false;
    if (proxy === "" || server === "" || this.#isSeen(proxy, server, kind)) return false;
    const { texts } = table;
    const status = this.#text(STATUS, known?.texts.status[size], texts.status[size - 1]);
    const mode = this.#text(MODE, known?.texts.mode[size], texts.mode[size - 1]);
    const check = this.#text(CHECK, known?.texts.last_chk[size], texts.last_chk[size - 1]);
    this.#readNumbers();
    table.add(proxy, server, kind, status, mode, check);
    return true;
  }

  #readNumbers(): void {
    const bytes = this.#bytes;
    const commas = this.#commas;
    const columns = this.#columns;
    const slots = this.#slots;
    const { numbers, base } = this.#table;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index] ?? 0;
      const from = column === 0 ? this.#lineAt : (commas[column - 1] ?? 0) + 1;
      const to = commas[column] ?? 0;
      if (from === to) continue;
      const slot = base + (slots[index] ?? 0);
      let value = (bytes[from] ?? 0) - ZERO;
      let isPlain = value >= 0 && value <= 9 && to - from <= SAFE_DIGITS;
      for (let place = from + 1; place < to && isPlain; place++) {
        const digit = (bytes[place] ?? 0) - ZERO;
        isPlain = digit >= 0 && digit <= 9;
        value = value * 10 + digit;
      }
      if (isPlain) numbers[slot] = value;
      else this.#putLong(slot, unquoted(bytes.toString("latin1", from, to)));
    }
  }

  /** A number that is quoted, none at all, or so long that it may not fit. */
  #putLong(place: number, text: string): void {
    const value = counterOf(text);
    if (value === undefined) return;
    this.#table.numbers[place] = Number(value);
    if (typeof value === "bigint") this.#table.exact.set(place, value);
  }

  #kind(): number | undefined {
    const column = this.#texts[TYPE] ?? -1;
    const from = this.#fieldAt(column);
    const isDigit = this.#comma(column) === from + 1;
    const kind = isDigit ? (this.#bytes[from] ?? 0) - ZERO : Number(counterOf(this.#text(TYPE, undefined)));
    return KINDS[kind] === undefined ? undefined : kind;
  }

  #isSeen(proxy: string, server: string, kind: number): boolean {
    if (!this.#seen) {
      const { size } = this.#table;
      const known = this.#known;
      // What is where it was in an answer without a row twice is there once.
      if (known?.proxies[size] === proxy && known.servers[size] === server && known.kinds[size] === kind) return false;
      this.#seen = namesIn(this.#table);
    }
    return !addName(this.#seen, proxy, server, kind);
  }

  /** A text of the line; `usual` or `other` is taken where it says the same, so that answers and rows share it. */
  #text(index: number, usual: string | undefined, other?: string): string {
    const column = this.#texts[index] ?? -1;
    if (column < 0) return "";
    const from = this.#fieldAt(column);
    const to = this.#comma(column);
    if (from === to) return "";
    const bytes = this.#bytes;
    const written = isWritten(usual, bytes, from, to) ? usual : isWritten(other, bytes, from, to) ? other : undefined;
    // In quotes a text with a quote looks otherwise.
    if (written !== undefined && !(this.#isCareful && written.includes('"'))) return written;
    return unquoted(bytes.toString("latin1", from, to));
  }
}

function tooLong(isQuoted: boolean): Refused {
  if (isQuoted) return { code: "truncated", reason: "a quoted field of the answer never ends" };
  return { code: "too_large", reason: `a line is longer than ${MAX_LINE_BYTES} bytes` };
}
