/**
 * Rollups: five minutes of one meter, (at − 300 s, at], aligned on the epoch. They are what is left of a series when its
 * ticks are deleted. An increase that an answer counted over the edge of a block belongs to each side by its seconds, as
 * windows cut it, so that neighbouring blocks add up to what a window over the same ticks says. Values are of whole
 * ticks, as those of windows: at others a source is lacking, and what there is shows but a part.
 */

import type { Meter } from "./meterKinds.ts";
import { METERS, meterNamed, worseStateNumber } from "./meters.ts";
import type { SealedTick, ServerParts } from "./tick.ts";

export interface Rollup {
  /** End of the block, epoch ms. */
  readonly at: number;
  /** Whole ticks of the block with a value, or any of an own meter; 0: there is but an increase, and the values are 0. */
  readonly count: number;
  /** Of the values; of a counter meter of a cluster these are its kept totals, of one of a row its increases. */
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
  /** Of a counter meter: what it grew by inside the block. */
  readonly increase?: number;
  /** Seconds of the block in which that was counted, mean over the sources. */
  readonly coveredS?: number;
  /** Ticks of the block at which every source that counts in it answered: it answered at one of them, or is known at the last. */
  readonly whole: number;
  /** Sources that count in the block; 0: nobody was ever asked. */
  readonly sources: number;
  /** Seconds of the block that were covered of the source of which the least was. */
  readonly leastCoveredS: number;
  /** Seconds from tick to tick: a block that lacks nothing has 300 by that of whole ones. */
  readonly intervalS: number;
}

export const BLOCK_MS = 300_000;

/** End of the block that an instant is in, epoch ms. */
export function blockOf(at: number): number {
  return Math.ceil(at / BLOCK_MS) * BLOCK_MS;
}

/** What one tick says of one cluster, or of one row of it. */
export interface Reading {
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
  /** Stretches that answers span, seconds above 0, and what was counted in each. */
  readonly grown: readonly { readonly spanS: number; readonly increases: Readonly<Record<string, number>> }[];
  /** Every known source: seconds that its answer spans, or 0; `failed`: there is no answer. */
  readonly covered: readonly { readonly source: string; readonly spanS: number; readonly failed?: true }[];
}

/** An answer may come so much later than its tick, in parts of the interval, and cover it all the same. */
const JITTER = 0.1;

/** Names of the counter meters that have a rate: those whose increases are kept. */
const COUNTED: readonly string[] = METERS.flatMap((meter) => (meter.kind === "rate" ? [meter.of] : []));

/** A cluster's tick. `before`: values of the tick before it; `undefined`: they are not known, and it gives no increase. */
export function readingOfTick(tick: SealedTick, before: SealedTick["values"] | undefined, intervalS: number): Reading {
  const { at, values, sources } = tick;
  const covered = sources.map(({ name, coveredS, error }) => {
    return { source: name, spanS: coveredS, ...(error === undefined ? {} : { failed: true as const }) };
  });
  const spanS = covered.reduce((longest, own) => Math.max(longest, own.spanS), 0);
  if (!before || spanS === 0) return { at, values, grown: [], covered };
  const hasGap = sources.some(({ gap }) => gap);
  const increases: Record<string, number> = {};
  for (const name of COUNTED) {
    const total = values[name];
    const rate = values[`${name}.rate`];
    if (total === undefined || rate === undefined) continue;
    // Over a gap the total grew by what no rate was made of.
    increases[name] = hasGap ? rate * intervalS : total - (before[name] ?? 0);
  }
  return { at, values, grown: [{ spanS, increases }], covered };
}

/** What one source says of a row at a tick. */
export interface RowPart {
  readonly source: string;
  readonly coveredS: number;
  readonly row: ServerParts;
}

/** One tick of a row, over the sources that have it. */
export function readingOfRow(at: number, parts: readonly RowPart[]): Reading {
  const timed = parts.filter(({ coveredS }) => coveredS > 0);
  return {
    at,
    values: rowValues(parts),
    grown: timed.map(({ coveredS, row }) => ({ spanS: coveredS, increases: row.increases })),
    covered: parts.map(({ source, coveredS }) => ({ source, spanS: coveredS })),
  };
}

const RATIOS = METERS.filter((meter) => meter.kind === "ratio");

/** Values of a row over its sources: of a counter meter its increase since the tick before, and the rate beside it. */
export function rowValues(parts: readonly RowPart[]): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  const add = (name: string, value: number) => {
    values[name] = (values[name] ?? 0) + value;
  };
  const weights: Record<string, number> = {};
  const weighted: Record<string, number> = {};
  for (const { coveredS, row } of parts) {
    for (const name in row.increases) {
      const grown = row.increases[name] ?? 0;
      add(name, grown);
      if (coveredS > 0) add(`${name}.rate`, grown / coveredS);
    }
    for (const name in row.sums) values[name] = together(meterNamed(name), values[name], row.sums[name] ?? 0);
    for (const name in row.means) {
      weighted[name] = (weighted[name] ?? 0) + (row.means[name]?.sum ?? 0);
      weights[name] = (weights[name] ?? 0) + (row.means[name]?.weight ?? 0);
    }
  }
  for (const name in weights) if (weights[name]) values[name] = (weighted[name] ?? 0) / weights[name];
  for (const { name, of, over } of RATIOS) {
    if (!over.every((one) => one in values)) continue;
    const whole = total(over, values);
    if (whole > 0) values[name] = (100 * total(of, values)) / whole;
  }
  return values;
}

/** Names of the values that a row may have at a tick. */
export function metersOfRow({ increases, sums, means }: ServerParts): readonly string[] {
  const counters = Object.keys(increases);
  const ratios = RATIOS.filter(({ over }) => over.every((one) => one in increases)).map(({ name }) => name);
  return [...counters, ...counters.map((one) => `${one}.rate`), ...Object.keys(sums), ...Object.keys(means), ...ratios];
}

/** Values of one row from two sources. */
function together(meter: Meter | undefined, one: number | undefined, other: number): number {
  if (one === undefined) return other;
  if (meter?.kind === "most") return Math.max(one, other);
  return meter?.kind === "state" ? worseStateNumber(one, other) : one + other;
}

function total(names: readonly string[], values: Readonly<Record<string, number>>): number {
  return names.reduce((sum, name) => sum + (values[name] ?? 0), 0);
}

/**
 * Every meter of the block that ends at `end`. `readings`: in order of time, those of the block and those after it
 * whose answers reach back into it; any others change nothing.
 */
export function rollUp(end: number, readings: readonly Reading[], intervalS: number): ReadonlyMap<string, Rollup> {
  const inside = readings.filter(({ at }) => at > end - BLOCK_MS && at <= end);
  const needed = sourcesOf(inside);
  const whole = new Set(inside.filter((reading) => isWhole(reading, needed)));
  const values = new Map<string, Values>();
  for (const reading of inside) {
    const shows = whole.has(reading);
    for (const name in reading.values)
      if (shows || OWN.has(name)) count(values, name, reading.values[name] ?? Number.NaN);
  }
  const increases = new Map<string, number>();
  const covered = new Map([...needed].map((source) => [source, 0]));
  for (const { at, grown, covered: answers } of readings) {
    if (at <= end - BLOCK_MS) continue;
    for (const { spanS, increases: of } of grown) {
      const share = shareOf(end, at, spanS, intervalS);
      if (share === 0) continue;
      for (const name in of) increases.set(name, (increases.get(name) ?? 0) + (of[name] ?? 0) * share);
    }
    for (const { source, spanS } of answers) {
      const seconds = spanS > 0 ? spanS * shareOf(end, at, spanS, intervalS) : 0;
      if (seconds > 0) covered.set(source, (covered.get(source) ?? 0) + seconds);
    }
  }
  const seconds = [...covered.values()];
  const coveredS = meanOf(seconds.filter((own) => own > 0));
  const leastCoveredS = seconds.length === 0 ? 0 : Math.min(...seconds);
  const block = { at: end, whole: whole.size, sources: covered.size, leastCoveredS, intervalS };
  const rollups = new Map<string, Rollup>();
  for (const name of new Set([...values.keys(), ...increases.keys()])) {
    const increase = increases.get(name);
    const counted = increase === undefined ? {} : { increase, coveredS };
    rollups.set(name, { ...block, ...(values.get(name) ?? NONE), ...counted });
  }
  return rollups;
}

/** Meters that every tick has, whatever the sources say. */
const OWN: ReadonlySet<string> = new Set(METERS.flatMap(({ kind, name }) => (kind === "own" ? [name] : [])));

/** Sources that count among some ticks: those that answered at one, and those that are known at the last. */
function sourcesOf(readings: readonly Reading[]): ReadonlySet<string> {
  const newest = readings.at(-1);
  const names = new Set<string>();
  for (const reading of readings) {
    for (const { source, failed } of reading.covered) if (!failed || reading === newest) names.add(source);
  }
  return names;
}

function isWhole({ covered }: Reading, needed: ReadonlySet<string>): boolean {
  let answered = 0;
  for (const { source, failed } of covered) if (!failed && needed.has(source)) answered++;
  return answered === needed.size;
}

type Values = { -readonly [K in "count" | "sum" | "min" | "max" | "first" | "last"]: number };

const NONE: Values = { count: 0, sum: 0, min: 0, max: 0, first: 0, last: 0 };

function count(all: Map<string, Values>, name: string, value: number): void {
  if (Number.isNaN(value)) return;
  const own = all.get(name);
  if (!own) {
    all.set(name, { count: 1, sum: value, min: value, max: value, first: value, last: value });
    return;
  }
  own.count++;
  own.sum += value;
  own.last = value;
  if (value < own.min) own.min = value;
  if (value > own.max) own.max = value;
}

/** What part of a stretch of seconds that ends at `at` lies in the block that ends at `end`. */
function shareOf(end: number, at: number, spanS: number, intervalS: number): number {
  const after = (instant: number) => Math.min(1, ((at - instant) / 1000 + JITTER * intervalS) / spanS);
  return after(end - BLOCK_MS) - (at > end ? after(end) : 0);
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The interval of labelled ticks, seconds: the median of their distances; `otherwise`: there are none. */
export function intervalOf(
  ticks: readonly { readonly number: number; readonly at: number }[],
  otherwise: number,
): number {
  const distances: number[] = [];
  for (let n = 1; n < ticks.length; n++) {
    const [before, tick] = [ticks[n - 1], ticks[n]];
    if (!before || !tick || tick.number <= before.number || tick.at <= before.at) continue;
    distances.push((tick.at - before.at) / 1000 / (tick.number - before.number));
  }
  distances.sort((a, b) => a - b);
  return distances[distances.length >> 1] ?? otherwise;
}
