/** How far each kind of series is rolled up, and what of that must be made anew. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { MetricsTable } from "./metricsSchema.ts";
import type { Sums } from "./sums.ts";

export type RolledKind = "clusters" | "rows";

export interface Progress {
  /** All ticks up to this number are rolled up. */
  readonly number: number;
  /** End of the block under way, epoch ms, or of the one made last. */
  readonly until: number;
  /** Number of that block's last tick. */
  readonly last: number;
  /** Of the block under way: every cluster up to this number is done; 0: none is under way. */
  readonly cursor: number;
}

/** A block of one cluster, by its end, that a tick came late for. */
export interface Again {
  readonly cluster: number;
  readonly until: number;
}

export class ProgressTable {
  readonly #sums: Sums<MetricsTable>;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #again: StatementSync;
  readonly #putAgain: StatementSync;
  readonly #deleteAgain: StatementSync;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>) {
    this.#sums = sums;
    this.#get = database.prepare("SELECT * FROM progress WHERE kind = ?");
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO progress(kind, number, until, last, cursor, sum) VALUES(?, ?, ?, ?, ?, ?)",
    );
    this.#again = database.prepare("SELECT * FROM again WHERE kind = ? LIMIT 1");
    this.#putAgain = database.prepare("INSERT OR REPLACE INTO again(kind, cluster, until, sum) VALUES(?, ?, ?, ?)");
    this.#deleteAgain = database.prepare("DELETE FROM again WHERE kind = ? AND cluster = ? AND until = ?");
  }

  /** `undefined`: nothing has been rolled up yet. */
  of(kind: RolledKind): Progress | undefined {
    const row = this.#sums.get("progress", this.#get, kind);
    if (!row) return undefined;
    const { number, until, last, cursor } = row;
    return { number: Number(number), until: Number(until), last: Number(last), cursor: Number(cursor) };
  }

  set(kind: RolledKind, { number, until, last, cursor }: Progress): void {
    this.#put.run(...this.#sums.sealed("progress", kind, number, until, last, cursor));
  }

  /** One that is to be made again; `undefined`: none is. */
  again(kind: RolledKind): Again | undefined {
    const row = this.#sums.get("again", this.#again, kind);
    return row && { cluster: Number(row.cluster), until: Number(row.until) };
  }

  addAgain(kind: RolledKind, { cluster, until }: Again): void {
    this.#putAgain.run(...this.#sums.sealed("again", kind, cluster, until));
  }

  endAgain(kind: RolledKind, { cluster, until }: Again): void {
    this.#deleteAgain.run(kind, cluster, until);
  }
}
