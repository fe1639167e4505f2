/** What the counters of a cluster's rows grew by since the scrape before. */

import type { Continued } from "./continuity.ts";
import { growth } from "./counters.ts";
import type { RowGroup } from "./rowGroup.ts";
import { matched } from "./rowGroup.ts";
import type { RowTable } from "./rowTable.ts";
import { BACKEND, COLUMNS, COUNTER_COLUMNS, SERVER } from "./rowTable.ts";

const WIDTH = COLUMNS.length;
const COUNTERS = COUNTER_COLUMNS.length;

/** Rows of a cluster and what they counted. */
export interface CountedRows {
  readonly group: RowGroup;
  /** Row by row, `COUNTER_COLUMNS.length` each; NaN: only a baseline, or HAProxy printed nothing. Good until its room is another's. */
  readonly increases: Float64Array;
  /** Rows whose counters were set back within one process. */
  readonly resets: number;
  /**
   * A proxy's row has counted what is not ours: it was given to the cluster, whose traffic since the scrape before is
   * then known in part only and makes no rate.
   */
  readonly isPartial: boolean;
}

/** Room for the increases of one group after the other, none of which has more rows. */
export function roomFor(rows: number): Float64Array {
  return new Float64Array(rows * COUNTERS);
}

/** Counts without a scrape before: all rows are only baselines. */
export function nothingCounted(group: RowGroup, room: Float64Array): CountedRows {
  const increases = room.subarray(0, group.rows.length * COUNTERS).fill(Number.NaN);
  return { group, increases, resets: 0, isPartial: false };
}

/**
 * Counts what came since the scrape before. A row that appears inside a living process has a past, and one that
 * appears when other rules have just given it to the cluster may have: they are only baselines. One that appears with a
 * new process began at 0, and so did all its rows. Of one that loaded the counters of the old process only rows that
 * went on count: a server that fell began at 0, or with what an old file said.
 */
export function countRows(
  group: RowGroup,
  before: RowGroup,
  { began, previous }: Continued,
  room: Float64Array,
): CountedRows {
  const counted = nothingCounted(group, room);
  if (began === "unknown") return counted;
  const places = matched(group, before);
  const { table, rows } = group;
  const isSame = began === "before";
  let [resets, isPartial] = [0, false];
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    const place = places[at] ?? -1;
    if (place < 0 && (began !== "zero" || previous?.remapped === true)) {
      isPartial ||= table.kinds[row] !== SERVER;
      continue;
    }
    if (began === "zero") countFromZero(counted.increases, at, table, row);
    else if (isSame || !hasCounted(before.table, place) || wasCarried(before.table, place, table, row))
      resets += countRow(counted.increases, at, before.table, place, table, row);
  }
  return { ...counted, resets, isPartial };
}

/** Writes a row's increases; 1: its counters were set back. */
function countRow(
  increases: Float64Array,
  at: number,
  before: RowTable,
  place: number,
  now: RowTable,
  row: number,
): number {
  const [was, is, into] = [place * WIDTH, row * WIDTH, at * COUNTERS];
  let isPlain = true;
  for (let column = 0; column < COUNTERS; column++) {
    const from = before.numbers[was + column] ?? Number.NaN;
    const to = now.numbers[is + column] ?? Number.NaN;
    if (to >= from && to <= Number.MAX_SAFE_INTEGER) increases[into + column] = to - from;
    else if (!Number.isNaN(from) && !Number.isNaN(to)) isPlain = false;
  }
  return isPlain ? 0 : countUnusual(increases.subarray(into, into + COUNTERS), before, was, now, is);
}

/**
 * The same of a row of which some counter fell or is large. All counters of a row are set back together: where one
 * fell that did not pass 2^64, none did.
 */
function countUnusual(increases: Float64Array, before: RowTable, was: number, now: RowTable, is: number): number {
  const grown = COUNTER_COLUMNS.map((_, column) => {
    const isThere = !Number.isNaN(before.numbers[was + column]) && !Number.isNaN(now.numbers[is + column]);
    return isThere ? growth(exactAt(before, was + column), exactAt(now, is + column)) : undefined;
  });
  const isReset = grown.some((one) => one === "reset");
  grown.forEach((one, column) => {
    if (one === undefined) return;
    const fell = one === "reset" || (isReset && exactAt(now, is + column) < exactAt(before, was + column));
    increases[column] = fell ? (now.numbers[is + column] ?? 0) : one;
  });
  return isReset ? 1 : 0;
}

function countFromZero(increases: Float64Array, at: number, now: RowTable, row: number): void {
  const from = row * WIDTH;
  increases.set(now.numbers.subarray(from, from + COUNTERS), at * COUNTERS);
}

function exactAt(table: RowTable, place: number): bigint {
  return table.exact.get(place) ?? BigInt(table.numbers[place] ?? 0);
}

/**
 * The new process of 3.0 and later went on with this row's counters: none of them was set back, and there was something
 * to tell by. Where it did not and has passed what the old one counted, too little is counted, never too much.
 */
export function wasCarried(before: RowTable, place: number, now: RowTable, row: number): boolean {
  let isTold = false;
  for (let column = 0; column < COUNTERS; column++) {
    const [from, to] = [place * WIDTH + column, row * WIDTH + column];
    const previous = before.numbers[from] ?? Number.NaN;
    const current = now.numbers[to] ?? Number.NaN;
    if (Number.isNaN(previous)) continue;
    isTold ||= previous > 0;
    if (current >= previous && current <= Number.MAX_SAFE_INTEGER) continue;
    if (Number.isNaN(current) || growth(exactAt(before, from), exactAt(now, to)) === "reset") return false;
  }
  return isTold;
}

/** Whether a row has counted anything. */
export function hasCounted({ numbers }: RowTable, row: number): boolean {
  for (let column = 0; column < COUNTERS; column++) if ((numbers[row * WIDTH + column] ?? 0) > 0) return true;
  return false;
}

/**
 * Whether a FRONTEND or BACKEND row was set back: alone they never are, so that all rows began anew with it. Servers may
 * be taken out and put in again by themselves.
 */
export function isProxySetBack(group: RowGroup, before: RowGroup): boolean {
  const places = matched(group, before);
  const { table, rows } = group;
  const unused = new Float64Array(COUNTERS);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    const place = places[at] ?? -1;
    if (place < 0 || (table.kinds[row] ?? SERVER) > BACKEND) continue;
    if (countRow(unused, 0, before.table, place, table, row) > 0) return true;
  }
  return false;
}
