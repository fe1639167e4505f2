/**
 * The tables that the answers of one source are read into. Two take turns: what is subtracted from is the one before,
 * so that thousands of rows become no garbage at every scrape.
 */

import type { RowTable } from "./rowTable.ts";
import { TableWriter } from "./rowTable.ts";

export class Tables {
  #last: TableWriter | undefined;
  #next: TableWriter | undefined;
  #spare: TableWriter | undefined;

  /** Rows of the last answer that was used; nearly always the next one has the same, in the same order. */
  get last(): RowTable | undefined {
    return this.#last;
  }

  /** An empty table for the answer that comes. That of an answer that never became one is given up: it may be read still. */
  take(): TableWriter {
    const next = this.#spare ?? new TableWriter(this.#last?.size);
    this.#spare = undefined;
    next.clear();
    this.#next = next;
    return next;
  }

  /** The answer that came is the last one now. The table of the one before is free, unless somebody still needs it. */
  turn(isNeeded: (table: RowTable) => boolean): void {
    if (!this.#next) return;
    this.#spare = this.#last && !isNeeded(this.#last) ? this.#last : undefined;
    this.#last = this.#next;
    this.#next = undefined;
  }
}
