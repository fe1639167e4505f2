/** Rollups of one block of a series, all its meters ↔ a point of `tocsin_rollups` or `tocsin_row_rollups`. */

import type { Rollup } from "../../model/rollup.ts";
import { docFields, docFrom, numberField, seriesKey, timeOf } from "./lineProtocol.ts";
import type { Point } from "./points.ts";
import { jsonNumber } from "./tickPoints.ts";

/** Rollups of clusters, and of rows. */
export const ROLLUPS = "tocsin_rollups";
export const ROW_ROLLUPS = "tocsin_row_rollups";

type Packed = readonly (number | string)[];

/** `whole, sources, leastCoveredS, intervalS` of the block, and by meter what differs. */
interface Doc {
  readonly b: Packed;
  readonly m: Readonly<Record<string, Packed>>;
}

/** `resource`: `undefined`: of the cluster. There must be some. */
export function rollupLine(
  clusterId: string,
  resource: string | undefined,
  end: number,
  rollups: ReadonlyMap<string, Rollup>,
): string {
  const [first] = rollups.values();
  if (!first) throw new Error("there are no rollups to store");
  const meters: Record<string, Packed> = {};
  for (const [name, { count, sum, min, max, first: begun, last, increase, coveredS }] of rollups) {
    const counted = increase === undefined ? [] : [increase, coveredS ?? 0];
    meters[name] = [count, sum, min, max, begun, last, ...counted].map(jsonNumber);
  }
  const { whole, sources, leastCoveredS, intervalS } = first;
  const doc: Doc = { b: [whole, sources, leastCoveredS, intervalS].map(jsonNumber), m: meters };
  const key = seriesKey(resource === undefined ? ROLLUPS : ROW_ROLLUPS, [
    ["cluster_id", clusterId],
    ...(resource === undefined ? [] : [["resource", resource] as const]),
  ]);
  return `${key} ticks=${numberField(ticksIn(rollups))},${docFields(doc)} ${timeOf(end, 0)}`;
}

/** How many ticks rollups of a block are of. */
export function ticksIn(rollups: ReadonlyMap<string, Rollup>): number {
  return [...rollups.values()].reduce((most, { count }) => Math.max(most, count), 0);
}

/** That of one meter; `undefined`: it has none. Throws where it is not what was written. */
export function rollupOf(point: Point, meterName: string): Rollup | undefined {
  const { b: block, m: meters } = docFrom(point.field) as Doc;
  const own = Object.hasOwn(meters, meterName) ? meters[meterName] : undefined;
  if (!own) return undefined;
  const at = (packed: Packed, place: number) => Number(packed[place]);
  return {
    at: point.at,
    count: at(own, 0),
    sum: at(own, 1),
    min: at(own, 2),
    max: at(own, 3),
    first: at(own, 4),
    last: at(own, 5),
    ...(own.length > 6 ? { increase: at(own, 6), coveredS: at(own, 7) } : {}),
    whole: at(block, 0),
    sources: at(block, 1),
    leastCoveredS: at(block, 2),
    intervalS: at(block, 3),
  };
}
