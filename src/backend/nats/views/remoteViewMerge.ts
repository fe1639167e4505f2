/**
 * What several engines say, as one of them would. A cluster is told by one engine alone, its owner where that has it:
 * during a hand-over it may be at two.
 */

import type { MetricCatalog, MetricSeriesView } from "../../../model/metricView.ts";
import type { Answered } from "./remoteViewAsking.ts";

type OfCluster = { readonly cluster_id: string };

/** Which engine works on a cluster; `undefined`: none does. */
export type OwnerOf = (clusterId: string) => string | undefined;

/** Rows of each cluster from one engine, by engine in order; the rows of a cluster stay as they were. */
export function merged<T extends OfCluster>(
  answered: readonly Answered<readonly T[]>[],
  ownerOf: OwnerOf,
): readonly T[] {
  const teller = new Map<string, string>();
  for (const { id, value } of answered) {
    for (const clusterId of new Set(value.map((row) => row.cluster_id))) {
      if (!teller.has(clusterId) || ownerOf(clusterId) === id) teller.set(clusterId, id);
    }
  }
  return answered.flatMap(({ id, value }) => value.filter((row) => teller.get(row.cluster_id) === id));
}

/** The same, by name of the cluster in order. */
export function mergedByName<T extends OfCluster & { readonly cluster_name: string }>(
  answered: readonly Answered<readonly T[]>[],
  ownerOf: OwnerOf,
): readonly T[] {
  return merged(answered, ownerOf).toSorted(
    (a, b) => compare(a.cluster_name, b.cluster_name) || compare(a.cluster_id, b.cluster_id),
  );
}

/** The same, the newest first, so many at the most. */
export function mergedByAge<T extends OfCluster & { readonly created_at: string }>(
  answered: readonly Answered<readonly T[]>[],
  ownerOf: OwnerOf,
  limit: number,
): readonly T[] {
  // All are in UTC, and written the same way.
  return merged(answered, ownerOf)
    .toSorted((a, b) => compare(b.created_at, a.created_at))
    .slice(0, limit);
}

/** Catalogs as one. `undefined`: there are none. */
export function mergedCatalogs(
  answered: readonly Answered<MetricCatalog>[],
  ownerOf: OwnerOf,
): MetricCatalog | undefined {
  const [first] = answered;
  if (!first) return undefined;
  const { limit } = first.value;
  const meters = new Map(answered.flatMap(({ value }) => value.meters.map((one) => [one.meter_name, one] as const)));
  const listOf = <T extends OfCluster>(
    part: (catalog: MetricCatalog) => readonly T[],
    more: (catalog: MetricCatalog) => number,
  ) => {
    const own = answered.map(({ id, value }) => ({ id, value: part(value) }));
    const all = merged(own, ownerOf).toSorted((a, b) => compare(a.cluster_id, b.cluster_id));
    const besides = answered.map(({ value }) => more(value));
    // Where engines share a store, they leave out the same.
    const isShared = all.length < own.reduce((sum, { value }) => sum + value.length, 0);
    const left = isShared ? Math.max(...besides) : besides.reduce((sum, one) => sum + one, 0);
    return { rows: all.slice(0, limit), more: left + Math.max(0, all.length - limit) };
  };
  const clusters = listOf(
    (catalog) => catalog.clusters,
    ({ more }) => more.clusters,
  );
  const resources = listOf(
    (catalog) => catalog.resources,
    ({ more }) => more.resources,
  );
  return {
    meters: [...meters.values()],
    clusters: clusters.rows,
    resources: resources.rows,
    limit,
    more: { clusters: clusters.more, resources: resources.more },
  };
}

/** Series as one answer. `undefined`: there are none. */
export function mergedSeries(
  answered: readonly Answered<MetricSeriesView>[],
  ownerOf: OwnerOf,
): MetricSeriesView | undefined {
  const [first] = answered;
  if (!first) return undefined;
  const rows = answered.map(({ id, value }) => ({ id, value: value.series }));
  return {
    ...first.value,
    resolution: answered.some(({ value }) => value.resolution === "rollup") ? "rollup" : "raw",
    series: merged(rows, ownerOf).toSorted((a, b) => compare(a.cluster_id, b.cluster_id)),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
