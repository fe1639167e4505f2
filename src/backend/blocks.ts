/** Ticks and rows as they are stored → rollups of one block: what every store makes of them. */

import type { Rollup } from "../model/rollup.ts";
import { BLOCK_MS, blockOf, intervalOf, readingOfRow, readingOfTick, rollUp } from "../model/rollup.ts";
import type { SealedTick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Retention, RowPoint } from "../seriesPorts.ts";

/** A block is rolled up so long after its end: no answer that comes later reaches back into it. */
export function graceMs(intervalMs: number): number {
  return Math.max(LEAST_GRACE_MS, maxGapS(intervalMs) * 1000 + intervalMs);
}

const LEAST_GRACE_MS = 150_000;

/** So many ticks before a block are looked at: its first increase counts on from one of them. */
export const LOOK_BACK = 60;

/** How many ticks below the newest that is rolled up are still needed: what blocks count on from. */
export function marginOf(intervalMs: number): number {
  return LOOK_BACK + 2 * Math.ceil(BLOCK_MS / intervalMs);
}

/**
 * Newest numbers of which nothing is deleted, unless somebody knows how many a restart needs: twice the ticks from one
 * checkpoint to the next, and windows of as many.
 */
export const NEEDED_TICKS = 1440;

/** However short a time ticks are kept, so much is: nobody deletes a day because a clock was wrong for a moment. */
export const SAFE_S = 26 * 3600;

export const DEFAULT_RETENTION: Retention = {
  clustersS: 30 * 86_400,
  rowsS: 48 * 3600,
  rollupsS: 90 * 86_400,
  historyS: 90 * 86_400,
};

/** Where ticks are too few to tell, seconds. */
export const INTERVAL_S = 10;

/** End of the newest block that can change no more. */
export function newestWhole(at: number, intervalMs: number): number {
  return blockOf(at - graceMs(intervalMs) - BLOCK_MS + 1);
}

/**
 * `ticks`: by number in order, from the one before the block to those whose answers reach back into it. `labelOf`: when
 * a tick counts, epoch ms; `undefined`: it does not, and the next one's increase counts on from it all the same.
 */
export function clusterBlock(
  end: number,
  ticks: readonly SealedTick[],
  labelOf: (tick: SealedTick) => number | undefined = ({ at }) => at,
): ReadonlyMap<string, Rollup> {
  const intervalS = intervalOf(ticks, INTERVAL_S);
  const readings = ticks.flatMap((tick, n) => {
    const at = labelOf(tick);
    return at === undefined ? [] : [{ ...readingOfTick(tick, ticks[n - 1]?.values, intervalS), at }];
  });
  return rollUp(end, readings, intervalS);
}

/** Of one row. `points`: by number in order, of all its sources. */
export function rowBlock(end: number, points: readonly RowPoint[]): ReadonlyMap<string, Rollup> {
  const byTick = [...Map.groupBy(points, ({ tick }) => tick.number).values()];
  const intervalS = intervalOf(
    byTick.flatMap(([first]) => (first ? [first.tick] : [])),
    INTERVAL_S,
  );
  const readings = byTick.flatMap((parts) => {
    const [first] = parts;
    return first ? [readingOfRow(first.tick.at, parts)] : [];
  });
  return rollUp(end, readings, intervalS);
}
