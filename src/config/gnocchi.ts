/** Aodh's rules on Gnocchi, mapped on our own series. */

import type { Statistic } from "../model/alarm.ts";

/** Gnocchi's aggregation methods under our names. */
const PLAIN: Readonly<Record<string, Statistic>> = {
  mean: "avg",
  max: "max",
  min: "min",
  sum: "sum",
  count: "count",
  last: "last",
  first: "first",
  std: "stddev",
  median: "median",
};

/** Aggregates of the differences between successive measures. */
const RATES = ["mean", "sum", "last", "first", "max", "min", "median"].map((method) => `rate:${method}`);

/** All that is accepted, for messages and for "did you mean". */
export const AGGREGATION_METHODS: readonly string[] = [...Object.keys(PLAIN), ...RATES];

/**
 * The statistic of an aggregation method; `undefined`: there is none. Gnocchi's `rate:` is a difference, not one per
 * second, and with one measure for each granularity all of them are the increase over it.
 */
export function statisticOf(
  method: string,
): { readonly statistic: Statistic; readonly ofCounter: boolean } | undefined {
  const plain = Object.hasOwn(PLAIN, method) ? PLAIN[method] : undefined;
  if (plain !== undefined) return { statistic: plain, ofCounter: false };
  if (RATES.includes(method)) return { statistic: "increase", ofCounter: true };
  const percent = /^([1-9]\d?)pct$/.exec(method)?.[1];
  return percent === undefined ? undefined : { statistic: `p${Number(percent)}`, ofCounter: false };
}
