/** Names that are written again and again, each by a small number. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { MetricsTable } from "./metricsSchema.ts";
import type { Sums } from "./sums.ts";
import { damagedRead } from "./sums.ts";

export class Words {
  readonly #sums: Sums<MetricsTable>;
  readonly #all: StatementSync;
  readonly #byId: StatementSync;
  readonly #byText: StatementSync;
  readonly #put: StatementSync | undefined;
  readonly #ids = new Map<string, number>();
  readonly #texts = new Map<number, string>();
  #newest = 0;

  /** `isWriter`: this connection is the one that adds words. */
  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, isWriter: boolean) {
    this.#sums = sums;
    this.#all = database.prepare("SELECT * FROM word ORDER BY id");
    this.#byId = database.prepare("SELECT * FROM word WHERE id = ?");
    this.#byText = database.prepare("SELECT * FROM word WHERE text = ?");
    this.#put = isWriter ? database.prepare("INSERT INTO word(id, text, sum) VALUES(?, ?, ?)") : undefined;
    this.reload();
  }

  /** Knows what is in the file, and nothing else: after a transaction that failed. */
  reload(): void {
    this.#ids.clear();
    this.#texts.clear();
    for (const row of this.#sums.all("word", this.#all)) this.#know(row);
  }

  /** The number of a word; a new one where there is none yet. */
  idOf(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const row = { id: this.#newest + 1, text };
    this.#put?.run(...this.#sums.sealed("word", row.id, text));
    this.#know(row);
    return row.id;
  }

  /** The number of a word that another connection may have added; `undefined`: there is none. */
  find(text: string): number | undefined {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const row = this.#sums.get("word", this.#byText, text);
    return row && this.#know(row);
  }

  textOf(id: number): string {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const row = this.#sums.get("word", this.#byId, id);
    if (!row) throw damagedRead(`there is no word ${id}`);
    this.#know(row);
    return String(row.text);
  }

  #know(row: Readonly<Record<string, unknown>>): number {
    const id = Number(row.id);
    this.#ids.set(String(row.text), id);
    this.#texts.set(id, String(row.text));
    this.#newest = Math.max(this.#newest, id);
    return id;
  }
}
