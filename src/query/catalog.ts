/** What series are kept: of which clusters and rows. */

import { BLOCK_MS } from "../model/rollup.ts";
import type { SampleReader, StoredCluster, StoredResource } from "../seriesPorts.ts";

export interface CatalogFilter {
  /** Id of a cluster; `undefined`: all. */
  readonly clusterId?: string;
  /** Only resources that have had this meter. */
  readonly meterName?: string;
  /** Most of each that are told, 1 to 10,000; `undefined`: 1000. */
  readonly limit?: number;
}

export interface StoredCatalog {
  readonly clusters: readonly StoredCluster[];
  readonly resources: readonly StoredResource[];
  /** As it was used. */
  readonly limit: number;
  /** How many of each there are besides, of resources at least: not all are looked at. */
  readonly more: { readonly clusters: number; readonly resources: number };
}

/** How many of each are listed, where it is not said, and at the most. */
export const LISTED = { usual: 1000, most: 10_000 } as const;

/** Clusters whose first tick is looked up: where rollups are kept, their first begins before it. */
const EXACT = 1000;

/** With its true first tick, as long as that is kept. */
async function exact(one: StoredCluster, reader: SampleReader): Promise<StoredCluster> {
  const [first] = await reader.ticks(one.clusterId, one.firstAt - 1, one.firstAt + BLOCK_MS, 1);
  return first ? { ...one, firstAt: first.tick.at } : one;
}

/** What is kept, by cluster and resource in order, and no more than was asked for. */
export async function catalogOf(reader: SampleReader, filter: CatalogFilter): Promise<StoredCatalog> {
  const { clusterId, limit = LISTED.usual } = filter;
  const clusters = await reader.clusters(clusterId);
  const ids = clusterId === undefined ? clusters.map((one) => one.clusterId) : [clusterId];
  const some = await resourcesOf(ids, limit, filter.meterName, reader);
  // Of a cluster that is gone rows may be all that is kept: where there are few, all are looked at.
  const isAll = clusterId !== undefined || some.length > limit;
  const resources = isAll ? some : await resourcesOf([undefined], limit, filter.meterName, reader);
  return {
    clusters: await Promise.all(
      clusters.slice(0, limit).map((one, index) => (index < EXACT ? exact(one, reader) : one)),
    ),
    resources: resources.slice(0, limit),
    limit,
    more: {
      clusters: Math.max(0, clusters.length - limit),
      resources: Math.max(0, resources.length - limit),
    },
  };
}

/** Cluster by cluster (`undefined`: of all), until there are more than so many: to look at all that are kept may take seconds. */
async function resourcesOf(
  clusterIds: readonly (string | undefined)[],
  limit: number,
  meterName: string | undefined,
  reader: SampleReader,
): Promise<readonly StoredResource[]> {
  const resources: StoredResource[] = [];
  for (const clusterId of clusterIds) {
    if (resources.length > limit) break;
    for (const one of await reader.resources(clusterId)) {
      if (meterName === undefined || one.meters === undefined || one.meters.includes(meterName)) resources.push(one);
    }
  }
  return resources;
}
