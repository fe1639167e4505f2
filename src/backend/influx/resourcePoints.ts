/**
 * Which rows there are, and what meters they have had: a point of `tocsin_resources` when a row is first seen, when it gets
 * a meter that it did not have, and once a day.
 */

import { metersOfRow } from "../../model/rollup.ts";
import type { RowSample } from "../../model/tick.ts";
import type { RowRecord } from "../../seriesPorts.ts";
import { seriesKey, textField } from "./lineProtocol.ts";
import { ROWS, rowTags } from "./rowPoints.ts";

export const RESOURCES = "tocsin_resources";

const DAY_MS = 86_400_000;
/** Rows that are remembered: beyond them all are noted anew. */
const MOST_KNOWN = 200_000;

/** A row of one source, as it was last. */
export interface KnownRow {
  readonly kind: RowSample["kind"];
  /** Measurement and tags of its points, which cost as much to make as all the rest. */
  readonly key: string;
  /** Label at which it was noted, epoch ms; `undefined`: it never was. */
  notedAt: number | undefined;
  meters: ReadonlySet<string>;
  /** Names that its sample had, in order: most have those of the tick before. */
  names: readonly string[];
}

type Place = Pick<RowRecord, "clusterId" | "source" | "tick">;

export class KnownRows {
  readonly #byCluster = new Map<string, Map<string, Map<string, KnownRow>>>();
  #size = 0;

  of({ clusterId, source }: Place, row: RowSample): KnownRow {
    const bySource = childOf(this.#byCluster, clusterId);
    const byName = childOf(bySource, source);
    const known = byName.get(row.resource);
    if (known && known.kind === row.kind) return known;
    if (this.#size++ >= MOST_KNOWN) {
      this.#byCluster.clear();
      this.#size = 0;
    }
    const key = seriesKey(ROWS, rowTags(clusterId, row.resource, source, row.kind));
    const fresh: KnownRow = { kind: row.kind, key, notedAt: undefined, meters: new Set(), names: [] };
    byName.set(row.resource, fresh);
    return fresh;
  }
}

/** The map in a map, made where there is none. */
function childOf<Value>(map: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const found = map.get(key) ?? new Map<string, Value>();
  if (!map.has(key)) map.set(key, found);
  return found;
}

/** A line where there is something new of a row; `undefined`: there is not. `time`: of the line. */
export function noteOf({ tick }: Place, row: RowSample, known: KnownRow, time: string): string | undefined {
  const isOld = known.notedAt === undefined || Math.abs(tick.at - known.notedAt) >= DAY_MS;
  if (!isOld && hasNames(row, known.names)) return undefined;
  known.names = [...Object.keys(row.increases), "", ...Object.keys(row.sums), "", ...Object.keys(row.means)];
  const own = metersOfRow(row);
  const isNew = isOld || own.some((name) => !known.meters.has(name));
  if (!isNew) return undefined;
  known.meters = new Set([...known.meters, ...own]);
  known.notedAt = tick.at;
  const key = `${RESOURCES}${known.key.slice(ROWS.length)}`;
  return `${key} meters=${textField([...known.meters].join(","))} ${time}`;
}

/** Whether a sample has just these names, in this order. */
function hasNames({ increases, sums, means }: RowSample, names: readonly string[]): boolean {
  let n = 0;
  for (const name in increases) if (names[n++] !== name) return false;
  if (names[n++] !== "") return false;
  for (const name in sums) if (names[n++] !== name) return false;
  if (names[n++] !== "") return false;
  for (const name in means) if (names[n++] !== name) return false;
  return n === names.length;
}
