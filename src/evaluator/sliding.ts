/**
 * Sliding windows over ticks, without ever subtracting what left (rule E7). Time is cut into blocks of one window's
 * length, aligned on the tick number; a window is the end of one block and the beginning of the next. The beginning
 * grows by one value a tick, and what the ends hold is worked out once when a block is full (van Herk, Gil and
 * Werman): constant work a tick on the average, and the bits depend on the window's content alone.
 */

import { createFloats } from "../lib/arena.ts";

/** How two stretches become one. */
export interface Joining {
  readonly empty: number;
  readonly join: (older: number, newer: number) => number;
}

export const SUM: Joining = { empty: 0, join: (older, newer) => older + newer };
export const MAX: Joining = { empty: -Infinity, join: Math.max };
export const MIN: Joining = { empty: Infinity, join: Math.min };

/**
 * A window of `ticks` ticks: up to the newest place the values of this block, behind it what the last block holds
 * from there to its end, and in one place more the beginning, joined.
 */
export function createSliding(ticks: number, { empty }: Joining): Float64Array {
  return createFloats(ticks + 1, empty);
}

/** Takes the value of the next tick (NaN: it has none) and returns what the window that ends at it holds. */
export function slide(sliding: Float64Array, number: number, value: number, { empty, join }: Joining): number {
  const ticks = sliding.length - 1;
  const place = number % ticks;
  const own = Number.isNaN(value) ? empty : value;
  const beginning = place === 0 ? own : join(sliding[ticks] ?? empty, own);
  sliding[place] = own;
  sliding[ticks] = beginning;
  if (place < ticks - 1) return join(sliding[place + 1] ?? empty, beginning);
  for (let at = ticks - 2; at >= 0; at--) sliding[at] = join(sliding[at] ?? empty, sliding[at + 1] ?? empty);
  return beginning;
}

/** The values of the last `ticks` ticks in order of size. A value costs a shift of part of the window. */
export class SortedWindow {
  readonly #ticks: number;
  readonly #recent: Float64Array;
  readonly #sorted: Float64Array;
  #count = 0;

  constructor(ticks: number) {
    this.#ticks = ticks;
    this.#recent = createFloats(ticks, Number.NaN);
    this.#sorted = createFloats(ticks, 0);
  }

  /** Takes the value of the next tick (NaN: it has none); the one that it pushes out leaves. */
  push(number: number, value: number): void {
    const place = number % this.#ticks;
    const left = this.#recent[place] ?? Number.NaN;
    if (!Number.isNaN(left)) {
      const at = this.#placeOf(left);
      this.#sorted.copyWithin(at, at + 1, this.#count--);
    }
    this.#recent[place] = value;
    if (Number.isNaN(value)) return;
    const at = this.#placeOf(value);
    this.#sorted.copyWithin(at + 1, at, this.#count++);
    this.#sorted[at] = value;
  }

  /** Value of rank ⌈n·p/100⌉, at least 1; NaN: there is none. */
  percentile(percent: number): number {
    if (this.#count === 0) return Number.NaN;
    // n·p is rounded before it is rounded up: 1000 × 99.9 ÷ 100 must not become rank 1000.
    const rank = Math.ceil(Math.round(this.#count * percent * 1e6) / 1e8);
    return this.#sorted[Math.max(1, rank) - 1] ?? Number.NaN;
  }

  /** The middle value, or the mean of the middle two; NaN: there is none. */
  median(): number {
    if (this.#count === 0) return Number.NaN;
    const middle = this.#count >> 1;
    const high = this.#sorted[middle] ?? Number.NaN;
    return this.#count % 2 === 1 ? high : ((this.#sorted[middle - 1] ?? Number.NaN) + high) / 2;
  }

  /** Index of the first value that is not smaller. */
  #placeOf(value: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
