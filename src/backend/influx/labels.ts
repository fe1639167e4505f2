/** Which numbers the ticks have that were written from here, by kind of series, with their labels. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { intervalOf } from "../../model/rollup.ts";
import { INTERVAL_S } from "../blocks.ts";
import type { Label, Labelled } from "../runs.ts";

/** Series of clusters, and of rows. */
export const KINDS = { clusters: 0, rows: 1 } as const;
export type Kind = keyof typeof KINDS;

/** So many of the newest tell the interval. */
const TELLING = 16;

/** A stretch of labels, both ends included, epoch ms. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export class Labels implements Labelled {
  readonly #kind: number;
  readonly #from: StatementSync;
  readonly #before: StatementSync;
  readonly #newest: StatementSync;
  readonly #some: StatementSync;
  readonly #put: StatementSync;
  readonly #add: StatementSync;
  readonly #delete: StatementSync;
  readonly #labelled: StatementSync;
  /** Numbers that are there already: every cluster has them. */
  readonly #recent = new Map<number, number>();

  constructor(database: DatabaseSync, kind: Kind) {
    this.#kind = KINDS[kind];
    const prepare = (rest: string) => database.prepare(`SELECT number, at FROM label WHERE kind = ? ${rest}`);
    this.#from = prepare("AND number >= ? ORDER BY number LIMIT 1");
    this.#before = prepare("AND number < ? ORDER BY number DESC LIMIT 1");
    this.#newest = prepare("ORDER BY number DESC LIMIT ?");
    this.#some = prepare("AND number >= ? AND number <= ? ORDER BY number LIMIT ?");
    this.#labelled = prepare("AND at > ? AND at <= ? ORDER BY number");
    this.#put = database.prepare("INSERT OR REPLACE INTO label VALUES(?, ?, ?)");
    this.#add = database.prepare("INSERT OR IGNORE INTO label VALUES(?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM label WHERE kind = ? AND number <= ?");
  }

  put({ number, at }: Label): void {
    if (this.#recent.get(number) === at) return;
    if (this.#recent.size >= 256) this.#recent.clear();
    this.#recent.set(number, at);
    this.#put.run(this.#kind, number, at);
  }

  /** Of a tick that somebody else has written, if its number is not known. */
  add({ number, at }: Label): void {
    this.#add.run(this.#kind, number, at);
  }

  from(number: number): Label | undefined {
    return labelled(this.#from.get(this.#kind, number));
  }

  before(number: number): Label | undefined {
    return labelled(this.#before.get(this.#kind, number));
  }

  newest(): Label | undefined {
    return labelled(this.#newest.get(this.#kind, 1));
  }

  oldest(): Label | undefined {
    return this.from(Number.MIN_SAFE_INTEGER);
  }

  /** From the first number to the last, by number; `most`: so many at the most. */
  some(first: number, last: number, most = 10_000): readonly Label[] {
    return this.#some.all(this.#kind, first, last, most).flatMap((row) => labelled(row) ?? []);
  }

  /** Those labelled in `(from, to]`, by number. */
  within(from: number, to: number): readonly Label[] {
    return this.#labelled.all(this.#kind, from, to).flatMap((row) => labelled(row) ?? []);
  }

  /** Up to a number they are forgotten. */
  forget(upTo: number): void {
    this.#recent.clear();
    this.#delete.run(this.#kind, upTo);
  }

  /** From tick to tick, as the newest are labelled. */
  intervalMs(): number {
    const newest = this.#newest.all(this.#kind, TELLING).flatMap((row) => labelled(row) ?? []);
    return 1000 * intervalOf(newest.reverse(), INTERVAL_S);
  }
}

function labelled(row: Readonly<Record<string, unknown>> | undefined): Label | undefined {
  return row && { number: Number(row.number), at: Number(row.at) };
}

/** Labels as few stretches: those that lie further apart than `gapMs` are in two. */
export function stretchesOf(labels: readonly Label[], gapMs: number): readonly Stretch[] {
  const stretches: { from: number; to: number }[] = [];
  for (const at of labels.map((one) => one.at).sort((a, b) => a - b)) {
    const last = stretches.at(-1);
    if (last && at - last.to <= gapMs) last.to = at;
    else stretches.push({ from: at, to: at });
  }
  return stretches;
}
