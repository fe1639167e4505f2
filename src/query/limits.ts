/** What one query may cost: counted while it is answered, and refused before it has cost much. */

import { TocsinError } from "../lib/errors.ts";

export const LIMITS = {
  /** Points or windows of an answer, over all its series. */
  points: 11_000,
  series: 1000,
  /** Recorded ticks that are read, over all series. */
  ticks: 500_000,
  /** Ticks that a window may be of, over all series: so many are held at once, whether they are there or not. */
  windowTicks: 500_000,
  timeMs: 10_000,
  /** Above so many ticks rollups answer, where they can. */
  rawTicks: 5000,
} as const;

/** What is left to one query. Every method throws `E410` when it is too little. */
export class Budget {
  readonly #monotonic: () => number;
  readonly #until: number;
  #ticks: number = LIMITS.ticks;
  #points: number = LIMITS.points;

  /** `monotonic`: milliseconds that never step. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#until = monotonic() + LIMITS.timeMs;
  }

  /** Ticks that may still be read. */
  get ticksLeft(): number {
    return this.#ticks;
  }

  series(count: number): void {
    if (count <= LIMITS.series) return;
    throw tooLarge(`${count} series, and ${LIMITS.series} are the most: name a cluster, or narrower resources`);
  }

  ticks(count: number): void {
    this.#ticks -= count;
    if (this.#ticks < 0) {
      throw tooLarge(`more than ${LIMITS.ticks} ticks would be read: ask for less time, or for fewer series`);
    }
    this.time();
  }

  /** To be called wherever much is worked out at a time. */
  time(): void {
    if (this.#monotonic() > this.#until) throw tooSlow();
  }

  /** A window of so many ticks, of so many series. */
  window(ticks: number, series: number): void {
    if (ticks * series <= LIMITS.windowTicks) return;
    const cure = series === 1 ? "shorten the period" : "shorten the period, or ask for fewer series";
    const what = series === 1 ? `a window of ${ticks} ticks` : `windows of ${ticks} ticks of ${series} series`;
    throw tooLarge(`${what}, and ${LIMITS.windowTicks} ticks are the most: ${cure}`);
  }

  /** `cure`: what makes it fewer. */
  points(count: number, cure: string): void {
    this.#points -= count;
    if (this.#points >= 0) return;
    throw tooLarge(`more than ${LIMITS.points} points: ${cure}`);
  }
}

/** A query that took longer than it may. */
export function tooSlow(): TocsinError {
  return tooLarge(`no answer within ${LIMITS.timeMs / 1000} s: ask for less time, or for fewer series`);
}

function tooLarge(why: string): TocsinError {
  return new TocsinError("E410", `the query is too large: ${why}`);
}
