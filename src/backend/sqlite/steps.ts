/** Keeps where labels go back while numbers go on, for each kind of what is written. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Label } from "../runs.ts";
import { Labels } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import type { RolledKind } from "./progress.ts";
import type { Sums } from "./sums.ts";

export class Steps {
  readonly #sums: Sums<MetricsTable>;
  readonly #kind: RolledKind;
  readonly #labels: Labels;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  #newest: Label | undefined;
  /** The newest is looked up when it is first needed: what is damaged by then is met by whoever writes. */
  #isRead = false;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, kind: RolledKind) {
    this.#sums = sums;
    this.#kind = kind;
    this.#labels = new Labels(database, sums, kind);
    this.#put = database.prepare("INSERT OR REPLACE INTO step(kind, number, sum) VALUES(?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM step WHERE kind = ? AND number <= ?");
  }

  /** Knows nothing but what is in the file: after a transaction that failed. */
  reload(): void {
    this.#isRead = false;
  }

  /** A tick was written, in the transaction under way. */
  written({ number, at }: Label): void {
    // The tick that was just written is no help.
    const newest = this.#isRead ? this.#newest : this.#newestBut(number);
    this.#isRead = true;
    this.#newest = newest;
    if (number === newest?.number) return;
    if (newest && number < newest.number) {
      // It came late, and stands between two others.
      const [before, after] = [this.#labels.before(number), this.#labels.from(number + 1)];
      if (before && before.at > at) this.#step(number);
      if (after && after.at < at) this.#step(after.number);
      return;
    }
    if (newest && newest.at > at) this.#step(number);
    this.#newest = { number, at };
  }

  /** Ticks up to a number are gone. */
  forget(number: number): void {
    this.#delete.run(this.#kind, number);
  }

  #newestBut(number: number): Label | undefined {
    const newest = this.#labels.newest();
    return newest?.number === number ? this.#labels.before(number) : newest;
  }

  #step(number: number): void {
    this.#put.run(...this.#sums.sealed("step", this.#kind, number));
  }
}
