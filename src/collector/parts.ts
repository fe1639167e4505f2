/** What some rows add to a meter: increases, sums and means, of a whole cluster as of one server. */

import type { CounterMeter, MeanMeter, Meter, SumMeter } from "../model/meters.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { MeanPart, RawCounters } from "../model/tick.ts";
import { counterText } from "./counters.ts";
import type { Row } from "./dump.ts";

/** A meter that rows make directly. Rates and ratios are made of counters, the others of no counted row. */
export type PartMeter = CounterMeter | SumMeter | MeanMeter;

export const PART_METERS: readonly PartMeter[] = METERS.filter(isPart);

function isPart(meter: Meter): meter is PartMeter {
  return meter.kind === "counter" || meter.kind === "sum" || meter.kind === "mean";
}

/** Meters whose parts give a value of the meter named: itself, or the counters that a rate or ratio is made of. */
export function metersBehind(name: string): readonly PartMeter[] {
  const meter = meterNamed(name);
  switch (meter?.kind) {
    case "counter":
    case "sum":
    case "mean":
      return [meter];
    case "rate":
      return metersBehind(meter.of);
    case "ratio":
      return [...meter.of, ...meter.over].flatMap(metersBehind);
    case "members":
    case "own":
    case undefined:
      return [];
  }
}

/** Increase of each counter column of a row; `undefined`: the row is only a baseline. */
export type Increases = Readonly<Record<string, number>> | undefined;

/** A row and its counters, now and since the scrape before. */
export interface CountedRow {
  readonly row: Row;
  readonly raw: RawCounters;
  readonly increases: Increases;
}

/** Parts of meters, as `ClusterSlice` and `ServerParts` have them. */
export interface Parts {
  readonly increases: Record<string, number>;
  readonly sums: Record<string, number>;
  readonly means: Record<string, MeanPart>;
}

/** Parts of `meters`, each of its own rows; a meter that they say nothing of is left out. */
export function partsOf(meters: readonly PartMeter[], rowsOf: (meter: PartMeter) => readonly CountedRow[]): Parts {
  const parts: Parts = { increases: {}, sums: {}, means: {} };
  for (const meter of meters) {
    const rows = rowsOf(meter);
    if (meter.kind === "counter") put(parts.increases, meter.name, increaseOf(meter, rows));
    else if (meter.kind === "sum") put(parts.sums, meter.name, sumOf(meter, rows));
    else put(parts.means, meter.name, meanOf(meter, rows));
  }
  return parts;
}

/** Sum of the raw counters behind a meter, inexact beyond 2^53; `undefined` when no row has one. */
export function rawOf(meter: CounterMeter, rows: readonly CountedRow[]): number | undefined {
  return total(meter, rows, ({ raw }, column) => (raw[column] === undefined ? undefined : Number(raw[column])));
}

function put<T>(into: Record<string, T>, name: string, value: T | undefined): void {
  if (value !== undefined) into[name] = value;
}

function applies(meter: { readonly httpOnly: boolean }, row: Row): boolean {
  return !meter.httpOnly || row.column("mode") !== "tcp";
}

/** Sum over rows and columns; `undefined` when no row has the column, or none has a baseline. */
function increaseOf(meter: CounterMeter, rows: readonly CountedRow[]): number | undefined {
  return total(meter, rows, ({ increases }, column) => increases?.[column]);
}

function total(
  meter: CounterMeter,
  rows: readonly CountedRow[],
  read: (row: CountedRow, column: string) => number | undefined,
): number | undefined {
  let sum: number | undefined;
  for (const counted of rows) {
    if (!applies(meter, counted.row)) continue;
    for (const column of meter.columns) {
      const value = read(counted, column);
      if (value !== undefined) sum = (sum ?? 0) + value;
    }
  }
  return sum;
}

function sumOf(meter: SumMeter, rows: readonly CountedRow[]): number | undefined {
  let sum: number | undefined;
  for (const { row } of rows) {
    for (const column of meter.columns) {
      const text = counterText(row.column(column));
      if (text !== undefined) sum = (sum ?? 0) + Number(text);
    }
  }
  return sum;
}

/** HAProxy's averages freeze when traffic stops, so each row weighs as much as it did since the scrape before. */
function meanOf(meter: MeanMeter, rows: readonly CountedRow[]): MeanPart | undefined {
  let sum = 0;
  let weight = 0;
  for (const { row, increases } of rows) {
    const text = counterText(row.column(meter.column));
    const sessions = increases?.stot ?? 0;
    if (text === undefined || sessions <= 0 || !applies(meter, row)) continue;
    sum += Number(text) * sessions;
    weight += sessions;
  }
  return weight > 0 ? { sum, weight } : undefined;
}
