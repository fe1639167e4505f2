/** Lines that wait to be written, first in, first out, on disk; the oldest go when there are too many. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";

/** How much waits. */
export interface Spooled {
  readonly lines: number;
  readonly bytes: number;
}

/** Some of the oldest, as one text. */
export interface Batch {
  /** Everything up to it is in this batch, or gone. */
  readonly lastId: number;
  readonly lines: number;
  readonly body: string;
}

/** Lines that are set aside, to be looked at: the newest. */
const MOST_ASIDE = 1000;
/** So much of what was added last is remembered, so that it need not be read again, bytes. */
const MOST_REMEMBERED = 8 * 2 ** 20;
/** What one row of the file holds at the most, but for a single line, characters. */
const MOST_BODY = 256 * 1024;

export class Spool {
  readonly #mostBytes: number;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #next: StatementSync;
  readonly #delete: StatementSync;
  readonly #setAside: StatementSync;
  readonly #trimAside: StatementSync;
  #lines = 0;
  #bytes = 0;
  #newest = 0;
  /** By id, in order. */
  readonly #remembered = new Map<number, { readonly body: string; readonly lines: number; readonly bytes: number }>();
  #rememberedBytes = 0;

  /** `mostBytes`: of lines that wait. */
  constructor(database: DatabaseSync, mostBytes: number) {
    this.#database = database;
    this.#mostBytes = mostBytes;
    this.#insert = database.prepare("INSERT INTO spool(lines, bytes, sum, body) VALUES(?, ?, ?, ?) RETURNING id");
    this.#oldest = database.prepare("SELECT id, lines, sum, body FROM spool WHERE id > ? ORDER BY id LIMIT 1");
    this.#next = database.prepare("SELECT id FROM spool WHERE id > ? ORDER BY id LIMIT 1");
    this.#delete = database.prepare("DELETE FROM spool WHERE id > ? AND id <= ? RETURNING id, lines, bytes");
    this.#setAside = database.prepare("INSERT INTO aside(reason, line) VALUES(?, ?)");
    this.#trimAside = database.prepare(`DELETE FROM aside WHERE id <= (SELECT max(id) FROM aside) - ${MOST_ASIDE}`);
    this.recount();
  }

  /** Counts what is there: at the start, and when a transaction was rolled back. */
  recount(): void {
    this.#remembered.clear();
    this.#rememberedBytes = 0;
    const found = this.#database.prepare("SELECT sum(lines) AS lines, sum(bytes) AS bytes FROM spool").get();
    this.#lines = Number(found?.lines ?? 0);
    this.#bytes = Number(found?.bytes ?? 0);
    const newest = this.#database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").get();
    this.#newest = Number(newest?.seq ?? 0);
  }

  get spooled(): Spooled {
    return { lines: this.#lines, bytes: this.#bytes };
  }

  /** What was added last; 0: nothing ever was. */
  get newestId(): number {
    return this.#newest;
  }

  /** To be called in a transaction. `keepUpTo`: what is under way stays. Returns how many older lines went to make room. */
  add(lines: readonly string[], keepUpTo: number): number {
    let first = 0;
    let length = 0;
    for (let n = 0; n <= lines.length; n++) {
      const own = lines[n]?.length ?? Infinity;
      if (n > first && length + own > MOST_BODY) {
        this.#append(lines.slice(first, n));
        [first, length] = [n, 0];
      }
      length += own + 1;
    }
    return this.#makeRoom(keepUpTo);
  }

  #append(lines: readonly string[]): void {
    const body = lines.join("\n");
    const bytes = Buffer.byteLength(body);
    this.#newest = Number(this.#insert.get(lines.length, bytes, crc32(body), body)?.id);
    this.#lines += lines.length;
    this.#bytes += bytes;
    this.#rememberedBytes += bytes;
    this.#remembered.set(this.#newest, { body, lines: lines.length, bytes });
    for (const id of this.#remembered.keys()) {
      if (this.#rememberedBytes <= MOST_REMEMBERED) break;
      this.#forget(id);
    }
  }

  #forget(id: number): void {
    this.#rememberedBytes -= this.#remembered.get(id)?.bytes ?? 0;
    this.#remembered.delete(id);
  }

  #makeRoom(keepUpTo: number): number {
    let dropped = 0;
    for (let after = keepUpTo; this.#bytes > this.#mostBytes; ) {
      const row = this.#next.get(after);
      if (!row || Number(row.id) === this.#newest) break;
      after = Number(row.id);
      dropped += this.#drop(after - 1, after);
    }
    return dropped;
  }

  /**
   * The oldest of what waits: at least one row, and no more lines than so many besides; `undefined`: nothing waits. Rows
   * that are not what was written go, and are told to `damaged`.
   */
  oldest(mostLines: number, damaged: (lines: number) => void): Batch | undefined {
    const bodies: string[] = [];
    let [after, lines] = [0, 0];
    for (;;) {
      const found = this.#following(after);
      if (!found) break;
      const { id, lines: own, body } = found;
      if (body === undefined) {
        damaged(this.#drop(id - 1, id));
        continue;
      }
      if (lines > 0 && lines + own > mostLines) break;
      bodies.push(body);
      lines += own;
      after = id;
      if (lines >= mostLines) break;
    }
    return bodies.length === 0 ? undefined : { lastId: after, lines, body: bodies.join("\n") };
  }

  /** The row after an id, `body` only where it is what was written. */
  #following(
    after: number,
  ): { readonly id: number; readonly lines: number; readonly body: string | undefined } | undefined {
    const next = this.#next.get(after);
    if (!next) return undefined;
    const known = this.#remembered.get(Number(next.id));
    if (known) return { id: Number(next.id), lines: known.lines, body: known.body };
    const row = this.#oldest.get(after);
    if (!row) return undefined;
    const { id, lines, sum, body } = row;
    const isWhole = typeof body === "string" && crc32(body) === sum;
    return { id: Number(id), lines: Number(lines), body: isWhole ? body : undefined };
  }

  /** It is written. */
  done(lastId: number): void {
    this.#drop(0, lastId);
  }

  #drop(after: number, upTo: number): number {
    let dropped = 0;
    for (const { id, lines, bytes } of this.#delete.all(after, upTo)) {
      dropped += Number(lines);
      this.#bytes -= Number(bytes);
      this.#forget(Number(id));
    }
    this.#lines -= dropped;
    return dropped;
  }

  /** A line that the store will never take. */
  setAside(line: string, reason: string): void {
    this.#setAside.run(reason, line);
    this.#trimAside.run();
  }

  /** Gives some of what is free in the file back to the disk. Returns whether there is more. */
  shrink(): boolean {
    if (this.#lines > 0) return false;
    const free = () => Number(this.#database.prepare("PRAGMA freelist_count").get()?.freelist_count ?? 0);
    if (free() < FREE_PAGES) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`);
    return free() >= FREE_PAGES;
  }
}

/** So many free pages are used again. */
const FREE_PAGES = 4096;
const PAGES_AT_ONCE = 2048;
