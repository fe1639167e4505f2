/** What some rows add to a meter: increases, sums and means, of a whole cluster as of one server. */

import type { CounterMeter, MeanMeter, Meter, MostMeter, ShareMeter, StateMeter, SumMeter } from "../model/meters.ts";
import { METERS, meterNamed, stateNumber, worseStateNumber } from "../model/meters.ts";
import type { MeanPart } from "../model/tick.ts";
import type { CountedRows } from "./increases.ts";
import { stateOfRow } from "./members.ts";
import type { RowTable } from "./rowTable.ts";
import { COLUMNS, COUNTER_COLUMNS, columnIndex, columnsOf } from "./rowTable.ts";

/** A meter that rows make directly. Rates and ratios are made of counters, the others of no counted row. */
export type PartMeter = CounterMeter | SumMeter | MeanMeter | ShareMeter | MostMeter | StateMeter;

/** Meters of a row by itself. */
export const PART_METERS: readonly PartMeter[] = METERS.filter(isPart);

function isPart(meter: Meter): meter is PartMeter {
  return metersBehind(meter.name).some((part) => part === meter);
}

/** A meter that a whole cluster has. */
export type ClusterMeter = Exclude<PartMeter, StateMeter>;

/** Meters of a whole cluster. */
export const CLUSTER_METERS: readonly ClusterMeter[] = PART_METERS.filter((meter) => meter.kind !== "state");

/** Meters whose parts give a value of the meter named: itself, or those that a rate, ratio or change is made of. */
export function metersBehind(name: string): readonly PartMeter[] {
  const meter = meterNamed(name);
  switch (meter?.kind) {
    case "counter":
    case "sum":
    case "mean":
    case "share":
    case "most":
    case "state":
      return [meter];
    case "rate":
    case "change":
      return metersBehind(meter.of);
    case "ratio":
      return [...meter.of, ...meter.over].flatMap(metersBehind);
    case "members":
    case "own":
    case undefined:
      return [];
  }
}

/** Parts of meters, as `ClusterSlice` and `ServerParts` have them. */
export interface Parts {
  readonly increases: Record<string, number>;
  readonly sums: Record<string, number>;
  readonly means: Record<string, MeanPart>;
}

/** Rows by their places among the counted ones. */
export type Places = readonly number[];

/** Parts of `meters`, each of its own rows; a meter that they say nothing of is left out. */
export function partsOf<M extends PartMeter>(
  meters: readonly M[],
  counted: CountedRows,
  rowsOf: (meter: M) => Places,
): Parts {
  const parts: Parts = { increases: {}, sums: {}, means: {} };
  for (const meter of meters) {
    const places = rowsOf(meter);
    if (places.length > 0) addPart(parts, meter, counted, places);
  }
  return parts;
}

function addPart(parts: Parts, meter: PartMeter, counted: CountedRows, places: Places): void {
  if (meter.kind === "counter") put(parts.increases, meter.name, increaseOf(meter, counted, places));
  else if (meter.kind === "mean") put(parts.means, meter.name, meanOf(meter, counted, places));
  else if (meter.kind === "share") put(parts.means, meter.name, shareOf(meter, counted, places));
  else put(parts.sums, meter.name, gaugeOf(meter, counted, places));
}

function gaugeOf(meter: SumMeter | MostMeter | StateMeter, counted: CountedRows, places: Places): number | undefined {
  switch (meter.kind) {
    case "sum":
      return sumOf(meter, counted, places);
    case "most":
      return mostOf(meter, counted, places);
    case "state":
      return stateOf(counted, places);
  }
}

function put<T>(into: Record<string, T>, name: string, value: T | undefined): void {
  if (value !== undefined) into[name] = value;
}

const WIDTH = COLUMNS.length;
const COUNTERS = COUNTER_COLUMNS.length;
const SESSIONS = columnIndex("stot");
const NO_PLACES: Places = [];

/** Places of columns, by meter: looked up once. */
const PLACES: ReadonlyMap<string, Places> = new Map(
  METERS.map((meter) => [meter.name, columnsOf(meter).map(columnIndex)]),
);

function placesOf(meter: PartMeter): Places {
  return PLACES.get(meter.name) ?? NO_PLACES;
}

/** Sum of the raw counters behind a meter, inexact beyond 2^53; `undefined` when no row has one. */
export function rawOf(meter: CounterMeter, { group }: CountedRows, places: Places): number | undefined {
  const { table, rows } = group;
  let sum: number | undefined;
  for (const at of places) {
    const row = rows[at] ?? 0;
    if (!applies(meter, table, row)) continue;
    for (const column of placesOf(meter)) {
      const value = table.numbers[row * WIDTH + column] ?? Number.NaN;
      if (!Number.isNaN(value)) sum = (sum ?? 0) + value;
    }
  }
  return sum;
}

function applies(meter: { readonly httpOnly: boolean }, table: RowTable, row: number): boolean {
  return !meter.httpOnly || table.texts.mode[row] !== "tcp";
}

/** Sum over rows and columns; `undefined` when no row has the column, or none has a baseline. */
function increaseOf(meter: CounterMeter, { group, increases }: CountedRows, places: Places): number | undefined {
  const columns = placesOf(meter);
  let sum: number | undefined;
  for (const at of places) {
    if (!applies(meter, group.table, group.rows[at] ?? 0)) continue;
    for (const column of columns) {
      const value = increases[at * COUNTERS + column] ?? Number.NaN;
      if (!Number.isNaN(value)) sum = (sum ?? 0) + value;
    }
  }
  return sum;
}

function sumOf(meter: SumMeter, { group }: CountedRows, places: Places): number | undefined {
  const columns = placesOf(meter);
  let sum: number | undefined;
  for (const at of places) {
    const base = (group.rows[at] ?? 0) * WIDTH;
    for (const column of columns) {
      const value = group.table.numbers[base + column] ?? Number.NaN;
      if (!Number.isNaN(value)) sum = (sum ?? 0) + value;
    }
  }
  return sum;
}

/** HAProxy's averages freeze when traffic stops, so each row weighs as much as it did since the scrape before. */
function meanOf(meter: MeanMeter, { group, increases }: CountedRows, places: Places): MeanPart | undefined {
  const [column = 0] = placesOf(meter);
  let sum = 0;
  let weight = 0;
  for (const at of places) {
    const row = group.rows[at] ?? 0;
    const value = group.table.numbers[row * WIDTH + column] ?? Number.NaN;
    const sessions = increases[at * COUNTERS + SESSIONS] ?? Number.NaN;
    if (Number.isNaN(value) || !(sessions > 0) || !applies(meter, group.table, row)) continue;
    sum += value * sessions;
    weight += sessions;
  }
  return weight > 0 ? { sum, weight } : undefined;
}

/** Of the rows that have a limit. */
function shareOf(meter: ShareMeter, { group }: CountedRows, places: Places): MeanPart | undefined {
  const [column = 0, limit = 0] = placesOf(meter);
  let sum = 0;
  let weight = 0;
  for (const at of places) {
    const base = (group.rows[at] ?? 0) * WIDTH;
    const value = group.table.numbers[base + column] ?? Number.NaN;
    const most = group.table.numbers[base + limit] ?? Number.NaN;
    if (Number.isNaN(value) || !(most > 0)) continue;
    sum += 100 * value;
    weight += most;
  }
  return weight > 0 ? { sum, weight } : undefined;
}

/** Of the rows with new sessions: the averages of the others are frozen. */
function mostOf(meter: MostMeter, { group, increases }: CountedRows, places: Places): number | undefined {
  const [column = 0] = placesOf(meter);
  let most: number | undefined;
  for (const at of places) {
    const value = group.table.numbers[(group.rows[at] ?? 0) * WIDTH + column] ?? Number.NaN;
    if (!((increases[at * COUNTERS + SESSIONS] ?? 0) > 0) || Number.isNaN(value)) continue;
    if (most === undefined || value > most) most = value;
  }
  return most;
}

/** Number of a server's state; of one that is in several backends the worst. */
function stateOf({ group }: CountedRows, places: Places): number | undefined {
  let worst: number | undefined;
  for (const at of places) {
    const row = group.rows[at] ?? 0;
    const isChecked = group.table.texts.status[row] !== "no check";
    const number = stateNumber(stateOfRow(group.table, row), isChecked);
    if (number !== undefined) worst = worseStateNumber(worst, number);
  }
  return worst;
}
