/** Whether a sample would become a POST: what the dead-man's switch is told. */

import type { ClusterState } from "./evaluator/cluster.ts";

/** So many ticks may pass without news before the path counts as broken. */
const PATIENCE_TICKS = 3;

/**
 * What is broken on the path from the sources to the notifier, one line each; empty: nothing is. `at`: label of the tick
 * that should have been sealed by now, epoch ms.
 */
export function troubles(clusters: readonly ClusterState[], degraded: readonly string[], at: number): string[] {
  const ofClusters = clusters.flatMap(({ clusterId, rules, at: sealedAt, tick, intervalMs, lastOk }) => {
    // Events need no source.
    if (!rules?.alarms.some(({ rule }) => rule.kind !== "event")) return [];
    if (at - sealedAt > PATIENCE_TICKS * intervalMs) return [`${clusterId}: no tick is judged`];
    const newest = Math.max(...lastOk.values());
    return tick - newest > PATIENCE_TICKS ? [`${clusterId}: no source answers`] : [];
  });
  return [...degraded, ...ofClusters];
}
