/** Where windows end: at multiples of their length since 1970, so that every answer cuts time alike. */

import { ticksPer } from "../evaluator/needs.ts";

export interface Ends {
  /** Ticks of a window. */
  readonly ticks: number;
  /** Of a window, ms: rounded up to whole ticks. */
  readonly periodMs: number;
  readonly count: number;
  /** End of a window, epoch ms; 0 is the oldest. */
  at(index: number): number;
  /** The first window that ends at `at` or later. */
  indexFrom(at: number): number;
}

/** The windows that end in `(from, to]`, epoch ms. */
export function endsIn(from: number, to: number, periodS: number, intervalMs: number): Ends {
  const ticks = ticksPer(periodS, intervalMs / 1000);
  const periodMs = ticks * intervalMs;
  const first = (Math.floor(from / periodMs) + 1) * periodMs;
  return {
    ticks,
    periodMs,
    count: Math.max(0, Math.floor((to - first) / periodMs) + 1),
    at: (index) => first + index * periodMs,
    indexFrom: (at) => Math.max(0, Math.ceil((at - first) / periodMs)),
  };
}

/** The same windows, over ticks at another interval. */
export function endsAt(ends: Ends, intervalMs: number): Ends {
  return { ...ends, ticks: ticksPer(ends.periodMs / 1000, intervalMs / 1000) };
}
