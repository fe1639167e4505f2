/** What a record has of all its clusters, when somebody begins to work on them. */

import type { LedgerCluster } from "../ports.ts";
import type { StoredBaseline } from "../seriesPorts.ts";
import { restingIn } from "./away.ts";
import type { ClusterState } from "./cluster.ts";
import type { SealedBefore } from "./sealing.ts";
import type { Resting } from "./snapshot.ts";

/** Clusters that are restored at a time. */
const AT_ONCE = 32;

/** Every cluster as it stood, in the order of the record, or that it rests. */
export async function restoreAll(
  all: readonly LedgerCluster[],
  restore: (saved: LedgerCluster) => Promise<ClusterState>,
): Promise<readonly { readonly clusterId: string; readonly stood: ClusterState | Resting }[]> {
  const restored: { readonly clusterId: string; readonly stood: ClusterState | Resting }[] = [];
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const some = all.slice(from, from + AT_ONCE).map(async (saved) => ({
      clusterId: saved.snapshot.clusterId,
      stood: restingIn(saved) ?? (await restore(saved)),
    }));
    restored.push(...(await Promise.all(some)));
  }
  return restored;
}

/** Wall clock of the newest recorded scrape, epoch ms, by cluster and source. */
export type ScrapedAt = ReadonlyMap<string, SealedBefore["scrapedAt"]>;

export function scrapedAt(baselines: readonly StoredBaseline[]): ScrapedAt {
  const byCluster = new Map<string, Map<string, number>>();
  for (const { clusterId, source, baseline } of baselines) {
    const own = byCluster.get(clusterId) ?? new Map<string, number>();
    byCluster.set(clusterId, own.set(source, Math.max(baseline.at, own.get(source) ?? -Infinity)));
  }
  return byCluster;
}
