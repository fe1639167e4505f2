/**
 * A statistic of one meter over one length of window, worked out once a tick for all alarms that ask the same.
 *
 * Work a tick, for a window of W ticks: constant on the average for avg, sum, count, max, min, range, rate and
 * increase; a shift of at most W values for median and percentiles; at most W values for last and first, and W for
 * stddev. Memory: one window for each, two for range, rate, median and percentiles, and none for count; where rules
 * look at several windows, a result for each tick as well.
 */

import { createFloats } from "../lib/arena.ts";
import type { Statistic } from "../model/alarm.ts";
import { percentOf } from "../model/alarm.ts";
import { createSliding, MAX, MIN, SortedWindow, SUM, slide } from "./sliding.ts";

/**
 * A tick number before any there is. Numbers of ticks are kept as small integers: in place, where an infinity would
 * be an object of its own, and with tens of thousands of clusters it is memory that takes the time.
 */
export const NEVER = -(2 ** 30);

/** Values by place; NaN: none. */
export interface Ring {
  /** Of values; of increases where `isIncrease`. */
  readonly meter: string;
  readonly isIncrease: boolean;
  readonly data: Float64Array;
  /** The first tick whose value it could hold: what came before was not kept. */
  readonly since: number;
}

/** Takes what consecutive ticks say, and tells what the window that ends at each holds. */
export abstract class Track {
  readonly ring: Ring;
  readonly statistic: Statistic;
  /** Ticks of the window. */
  readonly ticks: number;
  /** Of the window that ends at the newest tick; NaN: it holds nothing. */
  newest = Number.NaN;
  /** Of windows that end at earlier ticks, by place; `undefined`: no rule looks back regularly. */
  results: Float64Array | undefined;

  constructor(ring: Ring, statistic: Statistic, ticks: number) {
    this.ring = ring;
    this.statistic = statistic;
    this.ticks = ticks;
  }

  /**
   * `value`: of a gauge or rate, or the increase of a counter where the ring is of increases; NaN: none.
   * `coveredS`: mean of the seconds that the sources' answers cover; NaN: none answered. `isAsked`: whether anybody reads
   * what the window that ends at this tick holds; where not, statistics that look at all of it return NaN.
   */
  abstract push(number: number, value: number, coveredS: number, isAsked?: boolean): number;
}

/** A track that has seen nothing. Of a ring of increases the statistics are `increase`, and else `rate`. */
export function createTrack(ring: Ring, statistic: Statistic, ticks: number): Track {
  if (ring.isIncrease && statistic !== "count") {
    return statistic === "increase" ? new Total(ring, statistic, ticks) : new PerSecond(ring, statistic, ticks);
  }
  if (percentOf(statistic) !== undefined || statistic === "median") return new Sorted(ring, statistic, ticks);
  switch (statistic) {
    case "avg":
      return new Mean(ring, statistic, ticks);
    case "sum":
      return new Total(ring, statistic, ticks);
    case "count":
      return new Count(ring, statistic, ticks);
    case "max":
    case "min":
      return new Extreme(ring, statistic, ticks);
    case "range":
      return new Range(ring, statistic, ticks);
    default:
      return new Recent(ring, statistic, ticks);
  }
}

/** How many values are in the window: as long as none is missing that needs no memory. */
class Count extends Track {
  /** First tick since which no value was missing. */
  #since = NEVER;
  #present: Float64Array | undefined;

  override push(number: number, value: number): number {
    const many = this.many(number, value);
    return many === 0 ? Number.NaN : many;
  }

  /** As `push`, with 0 for none. */
  protected many(number: number, value: number): number {
    if (this.#since === NEVER) this.#since = number;
    const isMissing = Number.isNaN(value);
    if (isMissing) {
      this.#present ??= this.#allPresent(number);
      this.#since = number + 1;
    }
    if (!this.#present) return Math.min(this.ticks, number - this.#since + 1);
    const many = slide(this.#present, number, isMissing ? 0 : 1, SUM);
    if (many === this.ticks) this.#present = undefined;
    return many;
  }

  /** What was counted by its length alone, value by value. */
  #allPresent(number: number): Float64Array {
    const present = createSliding(this.ticks, SUM);
    for (let seen = Math.max(this.#since, number - this.ticks); seen < number; seen++) slide(present, seen, 1, SUM);
    return present;
  }
}

class Total extends Count {
  readonly #sum = createSliding(this.ticks, SUM);

  override push(number: number, value: number): number {
    const sum = slide(this.#sum, number, value, SUM);
    return this.many(number, value) === 0 ? Number.NaN : sum;
  }
}

class Mean extends Count {
  readonly #sum = createSliding(this.ticks, SUM);

  override push(number: number, value: number): number {
    const sum = slide(this.#sum, number, value, SUM);
    return sum / this.many(number, value);
  }
}

/** Increase ÷ the seconds in which it was counted, so that a late poll biases nothing. */
class PerSecond extends Count {
  readonly #increase = createSliding(this.ticks, SUM);
  readonly #covered = createSliding(this.ticks, SUM);

  override push(number: number, value: number, coveredS = Number.NaN): number {
    const increase = slide(this.#increase, number, value, SUM);
    const seconds = slide(this.#covered, number, coveredS, SUM);
    return this.many(number, value) > 0 && seconds > 0 ? increase / seconds : Number.NaN;
  }
}

class Extreme extends Track {
  readonly #side = this.statistic === "max" ? MAX : MIN;
  readonly #sliding = createSliding(this.ticks, this.#side);

  override push(number: number, value: number): number {
    const held = slide(this.#sliding, number, value, this.#side);
    return Number.isFinite(held) ? held : Number.NaN;
  }
}

class Range extends Track {
  readonly #most = createSliding(this.ticks, MAX);
  readonly #least = createSliding(this.ticks, MIN);

  override push(number: number, value: number): number {
    const range = slide(this.#most, number, value, MAX) - slide(this.#least, number, value, MIN);
    return Number.isFinite(range) ? range : Number.NaN;
  }
}

/** The median, or a percentile. */
class Sorted extends Track {
  readonly #window = new SortedWindow(this.ticks);
  readonly #percent = percentOf(this.statistic);

  override push(number: number, value: number): number {
    this.#window.push(number, value);
    return this.#percent === undefined ? this.#window.median() : this.#window.percentile(this.#percent);
  }
}

/** Statistics that look at the window's values anew at every tick. */
class Recent extends Track {
  readonly #values = createFloats(this.ticks, Number.NaN);

  override push(number: number, value: number, _coveredS?: number, isAsked = true): number {
    this.#values[number % this.ticks] = value;
    if (!isAsked) return Number.NaN;
    if (this.statistic === "last") return this.#first(number, -1);
    if (this.statistic === "first") return this.#first(number - this.ticks + 1, 1);
    const inOrder: number[] = [];
    for (let at = number + 1; at <= number + this.ticks; at++) {
      const one = this.#values[at % this.ticks] ?? Number.NaN;
      if (!Number.isNaN(one)) inOrder.push(one);
    }
    return sampleDeviation(inOrder);
  }

  /** The first value from a tick on, forwards or backwards. */
  #first(from: number, step: 1 | -1): number {
    for (let seen = 0; seen < this.ticks; seen++) {
      const place = (from + seen * step) % this.ticks;
      const value = this.#values[place < 0 ? place + this.ticks : place] ?? Number.NaN;
      if (!Number.isNaN(value)) return value;
    }
    return Number.NaN;
  }
}

/** Sample standard deviation (n − 1); NaN with fewer than two values. */
function sampleDeviation(values: readonly number[]): number {
  if (values.length < 2) return Number.NaN;
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}
