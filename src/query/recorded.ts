/** The recorded ticks of one series, as sealed ticks, a stretch at a time: of a cluster, or of one row of it. */

import { rowValues } from "../model/rollup.ts";
import type { SealedTick, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { RowPoint, SampleReader, TickRecord } from "../seriesPorts.ts";
import { filled } from "./filled.ts";
import type { Budget } from "./limits.ts";

/** What a series is of; `resource` `undefined`: the cluster itself. */
export interface Target {
  readonly clusterId: string;
  readonly resource: string | undefined;
}

export interface Reading {
  readonly reader: SampleReader;
  readonly budget: Budget;
  readonly intervalMs: number;
}

/** Ticks that are read at once. */
const STRETCH = 2000;
/** Ticks that tell how far they are apart. */
const FEW = 12;

/** Records of a cluster labelled in `(from, to]`, epoch ms, by number in order. */
export function recordsOf(
  target: Target,
  from: number,
  to: number,
  reading: Reading,
): AsyncGenerator<readonly TickRecord[]> {
  return filled([from, to], STRETCH * reading.intervalMs, allOf(reading), readerOfTicks(target, reading));
}

/** The same of a row, by all its sources. */
export function pointsOf(
  target: Target,
  from: number,
  to: number,
  reading: Reading,
): AsyncGenerator<readonly RowPoint[]> {
  return filled([from, to], STRETCH * reading.intervalMs, allOf(reading), readerOfRows(target, reading));
}

/** A few of the first ticks of a series labelled in `(from, to]`, epoch ms. */
export async function firstOf(target: Target, from: number, to: number, reading: Reading): Promise<readonly Tick[]> {
  const read = target.resource === undefined ? readerOfTicks(target, reading) : readerOfRows(target, reading);
  const some = filled<{ readonly tick: Tick }>([from, to], STRETCH * reading.intervalMs, () => FEW, read);
  for await (const records of some) return records.map(({ tick }) => tick);
  return [];
}

/** One more than there may be tells that there are too many. */
function allOf({ budget }: Reading): () => number {
  return () => budget.ticksLeft + 1;
}

function readerOfTicks({ clusterId }: Target, { reader, budget }: Reading) {
  return async (from: number, to: number, limit: number) => {
    const records = await reader.ticks(clusterId, from, to, limit);
    budget.ticks(records.length);
    return records;
  };
}

function readerOfRows({ clusterId, resource = "" }: Target, { reader, budget }: Reading) {
  return async (from: number, to: number, limit: number) => {
    const points = await reader.rowPoints(clusterId, resource, from, to, limit);
    budget.ticks(points.length);
    return points;
  };
}

/** Ticks labelled in `(from, to]`, epoch ms, by number in order. Counter meters of a row count from `from` on. */
export async function* ticksOf(
  target: Target,
  from: number,
  to: number,
  reading: Reading,
): AsyncGenerator<readonly SealedTick[]> {
  if (target.resource === undefined) {
    for await (const records of recordsOf(target, from, to, reading)) yield records.map(({ tick }) => tick);
    return;
  }
  const rows = new Rows();
  for await (const points of pointsOf(target, from, to, reading)) yield rows.sealed(points);
}

/**
 * Values of the newest tick labelled at or before `at` (epoch ms) that an increase after it can be counted from;
 * `undefined`: there is none.
 */
export async function valuesBefore(
  { clusterId, resource }: Target,
  at: number,
  { reader, budget, intervalMs }: Reading,
): Promise<SealedTick["values"] | undefined> {
  // A row's increases are recorded as such.
  if (resource !== undefined) return {};
  // Nothing makes a rate of a longer stretch, and a source that was away for as long may not be the only one.
  const furthest = at - 2 * maxGapS(intervalMs) * 1000;
  let end = at;
  for (let reach = intervalMs; end > furthest; reach *= 4) {
    const start = Math.max(furthest, end - reach);
    const records = await reader.ticks(clusterId, start, end, budget.ticksLeft + 1);
    budget.ticks(records.length);
    const newest = records.at(-1);
    if (newest) return newest.tick.values;
    end = start;
  }
  return undefined;
}

/** Points of a row by all its sources → ticks, with kept totals as those of a cluster. */
class Rows {
  #totals: Readonly<Record<string, number>> = {};

  sealed(points: readonly RowPoint[]): readonly SealedTick[] {
    const byNumber = Map.groupBy(points, ({ tick }) => tick.number);
    return [...byNumber.values()].flatMap((own) => {
      const [first] = own;
      return first ? [this.#tick(first.tick, own)] : [];
    });
  }

  #tick({ number, at }: Tick, points: readonly RowPoint[]): SealedTick {
    const values: Record<string, number> = { ...rowValues(points) };
    const totals: Record<string, number> = { ...this.#totals };
    for (const { row } of points) {
      for (const name in row.increases) totals[name] = (totals[name] ?? 0) + (row.increases[name] ?? 0);
    }
    this.#totals = totals;
    const sources = points.map(({ source, coveredS, gap }) => ({ name: source, coveredS, ...(gap ? { gap } : {}) }));
    return { kind: "tick", number, at, values: Object.assign(values, totals), sources, members: [] };
  }
}
