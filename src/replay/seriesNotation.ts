/** promtool's notation for the values of a series: `1000x5 1000+500x10 _x3 stale 20000`. */

/** A value; `missing`: no value at that tick; `stale`: no value, and what comes later is another series' beginning. */
export type SeriesValue = number | "missing" | "stale";

export type Expanded =
  | { readonly ok: true; readonly values: readonly SeriesValue[] }
  /** `character` counts from 1. */
  | { readonly ok: false; readonly character: number; readonly message: string };

/** More values than this in one series are a slip of the pen. */
const MAX_VALUES = 100_000;
const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?`;
const ITEM = new RegExp(`^([+-]?${NUMBER})(?:([+-])(${NUMBER}))?(?:x(\\d+))?$`);
const GAP = /^_(?:x(\d+))?$/;

/**
 * Expands a text, one value for each tick: `a+bxn` and `a-bxn` are a and n further values, each b on from the one
 * before, `axn` is a n + 1 times, `_` is a missing value and `_xn` n of them, `stale` ends the series.
 */
export function expandSeries(text: string): Expanded {
  const values: SeriesValue[] = [];
  for (const { 0: item, index } of text.matchAll(/\S+/g)) {
    const room = MAX_VALUES - values.length;
    const expanded = expandItem(item, room);
    if (typeof expanded === "string") return { ok: false, character: index + 1, message: expanded };
    values.push(...expanded);
  }
  return { ok: true, values };
}

function expandItem(item: string, room: number): readonly SeriesValue[] | string {
  if (item === "stale") return ["stale"];
  const tooMany = `more than ${MAX_VALUES} values`;
  const gap = GAP.exec(item);
  if (gap) {
    const count = gap[1] === undefined ? 1 : Number(gap[1]);
    return count > room ? tooMany : new Array<SeriesValue>(count).fill("missing");
  }
  const match = ITEM.exec(item);
  const [, first, sign, by, times] = match ?? [];
  if (first === undefined || (by !== undefined && times === undefined))
    return `"${item}" is none of a, axn, a+bxn, a-bxn, _, _xn and stale`;
  const further = Number(times ?? 0);
  if (further + 1 > room) return tooMany;
  const step = sign === "-" ? -Number(by) : Number(by ?? 0);
  const expanded = Array.from({ length: further + 1 }, (_, index) => Number(first) + index * step);
  return expanded.every(Number.isFinite) ? expanded : `"${item}" grows beyond what a number holds`;
}
