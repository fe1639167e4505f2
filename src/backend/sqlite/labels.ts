/**
 * Which numbers the ticks of a stretch of labels have. Labels grow with numbers, but where a clock was set back: those
 * steps are kept, and between two of them labels are in order.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { intervalOf } from "../../model/rollup.ts";
import type { Label } from "../runs.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import type { RolledKind } from "./progress.ts";
import type { Sums } from "./sums.ts";

export interface Numbers {
  readonly first: number;
  /** Less than `first`: there is none. */
  readonly last: number;
}

export class Labels {
  readonly #oldest: StatementSync;
  readonly #newest: StatementSync;
  readonly #from: StatementSync;
  readonly #before: StatementSync;
  readonly #steps: StatementSync;
  readonly #sums: Sums<MetricsTable>;
  readonly #kind: RolledKind;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>, kind: RolledKind) {
    this.#sums = sums;
    this.#kind = kind;
    this.#steps = database.prepare("SELECT * FROM step WHERE kind = ? ORDER BY number");
    const table = kind === "clusters" ? "tick" : "answer";
    const prepare = (rest: string) => {
      const statement = database.prepare(`SELECT number, at FROM ${table} ${rest} LIMIT 1`);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#oldest = prepare("ORDER BY number");
    this.#newest = prepare("ORDER BY number DESC");
    this.#from = prepare("WHERE number >= ? ORDER BY number");
    this.#before = prepare("WHERE number < ? ORDER BY number DESC");
  }

  oldest(): Label | undefined {
    return labelled(this.#oldest.get());
  }

  newest(): Label | undefined {
    return labelled(this.#newest.get());
  }

  /** The first tick from a number on. */
  from(number: number): Label | undefined {
    return labelled(this.#from.get(number));
  }

  /** The last tick before a number. */
  before(number: number): Label | undefined {
    return labelled(this.#before.get(number));
  }

  /** Milliseconds from tick to tick, as the newest are labelled; `otherwise`: there are too few. */
  intervalMs(otherwise: number): number {
    const newest: Label[] = [];
    for (let tick = this.newest(); tick && newest.length < TELLING; tick = this.before(tick.number)) newest.push(tick);
    return 1000 * intervalOf(newest.reverse(), otherwise / 1000);
  }

  /** From where to where labels are in order: one stretch, but where clocks were set back. */
  #inOrder(): readonly (readonly [oldest: Label, newest: Label])[] {
    const [oldest, newest] = [this.oldest(), this.newest()];
    if (!oldest || !newest) return [];
    const steps = this.#sums
      .all("step", this.#steps, this.#kind)
      .map((row) => Number(row.number))
      .filter((number) => number > oldest.number && number <= newest.number);
    if (steps.length === 0) return [[oldest, newest]];
    return [oldest.number, ...steps].flatMap((number, n) => {
      const first = this.from(number);
      const next = steps[n];
      const last = next === undefined ? newest : this.before(next);
      return first && last && first.number <= last.number ? [[first, last] as const] : [];
    });
  }

  #firstAfter(at: number, oldest: Label, newest: Label): Label | undefined {
    if (newest.at <= at) return undefined;
    if (oldest.at > at) return oldest;
    return this.#guessed(at, oldest, newest) ?? this.#searched(at, oldest, newest);
  }

  /** Where ticks came at one interval all the time, the label tells the number; `undefined`: it was another. */
  #guessed(at: number, oldest: Label, newest: Label): Label | undefined {
    const perTick = (newest.at - oldest.at) / (newest.number - oldest.number);
    if (!(perTick > 0)) return undefined;
    const first = this.from(newest.number - Math.ceil((newest.at - at) / perTick) + 1);
    if (!first || first.at <= at) return undefined;
    const before = labelled(this.#before.get(first.number));
    return !before || before.at <= at ? first : undefined;
  }

  #searched(at: number, oldest: Label, newest: Label): Label {
    let [low, high] = [oldest.number, newest.number];
    let found = newest;
    // All up to `low` are not later, `high` is.
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2);
      const tick = this.from(middle);
      if (tick && tick.at <= at) low = Math.max(middle, tick.number);
      else {
        high = middle;
        if (tick) found = tick;
      }
    }
    return found;
  }

  /** Numbers of the ticks labelled in `(from, to]`, and whatever lies between them; in order. */
  within(from: number, to: number): readonly Numbers[] {
    return this.#inOrder().flatMap(([oldest, newest]) => {
      const first = this.#firstAfter(from, oldest, newest);
      if (!first) return [];
      const after = this.#firstAfter(to, oldest, newest);
      const last = after ? after.number - 1 : newest.number;
      return first.number <= last ? [{ first: first.number, last }] : [];
    });
  }
}

/** Stretches of numbers, one after the other, until `left` says that no more are wanted: each about as long as that. */
export function* stretches(all: readonly Numbers[], left: () => number): Generator<Numbers> {
  for (const { first, last } of all) {
    for (let start = first; start <= last && left() > 0; ) {
      const end = Math.min(last, start + Math.min(MOST_AT_ONCE, left()) - 1);
      yield { first: start, last: end };
      start = end + 1;
    }
  }
}

/** So many of the newest tell the interval. */
const TELLING = 16;
/** So much is held at once. */
const MOST_AT_ONCE = 256;

function labelled(row: unknown): Label | undefined {
  if (!row) return undefined;
  const [number, at] = row as readonly [number, number];
  return { number, at };
}
