/** How large `metrics.db` may become, and how much room is left in it. */

import type { DatabaseSync, StatementSync } from "node:sqlite";

export class Quota {
  readonly #pages: StatementSync;
  readonly #free: StatementSync;
  readonly #most: number;
  /** Bytes; infinite: as large as it likes. */
  readonly most: number;
  readonly #pageBytes: number;

  /** `bytes`: 0: as large as it likes. It holds for one connection, and as long as that is open. */
  constructor(database: DatabaseSync, bytes: number) {
    this.#pageBytes = Number(database.prepare("PRAGMA page_size").get()?.page_size);
    this.#most = bytes > 0 ? Math.max(LEAST_PAGES, Math.floor(bytes / this.#pageBytes)) : Infinity;
    this.most = this.#most * this.#pageBytes;
    if (bytes > 0) database.exec(`PRAGMA max_page_count=${this.#most}`);
    this.#pages = database.prepare("PRAGMA page_count");
    this.#free = database.prepare("PRAGMA freelist_count");
  }

  /** Size of the file. */
  get bytes(): number {
    return this.#pageCount() * this.#pageBytes;
  }

  /** Without pages that are free again. */
  get usedBytes(): number {
    return (this.#pageCount() - Number(this.#free.get()?.freelist_count)) * this.#pageBytes;
  }

  /** So little room is left that the oldest must go before their time. `spare`: how many times the least there must be. */
  isNear(spare: number): boolean {
    const free = Number(this.#free.get()?.freelist_count);
    return this.#most - this.#pageCount() + free < spare * Math.max(RESERVE_PAGES, this.#most / 128);
  }

  #pageCount(): number {
    return Number(this.#pages.get()?.page_count);
  }
}

/** Room for what a minute brings. */
const RESERVE_PAGES = 32;
/** Tables and indexes must fit. */
const LEAST_PAGES = 128;

/** Whether SQLite has no room left: the quota, or the disk. */
export function isFull(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" && (errcode & 0xff) === SQLITE_FULL;
}

const SQLITE_FULL = 13;
