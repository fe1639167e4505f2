/**
 * Checkpoints: snapshots that are kept, so that a past instant is folded again from near by. What a restart does not
 * need, an input that follows without a start does: the verdicts of the newest tick.
 */

import type { ClusterRules } from "../model/alarm.ts";
import type { Checkpoint } from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import { loadCluster } from "./snapshot.ts";
import type { Standing } from "./verdict.ts";

/** The state after the newest input; `doc` is its snapshot. `undefined`: no tick has been folded yet. */
export function checkpointOf(cluster: ClusterState, doc: string): Checkpoint | undefined {
  const { clusterId, seq, tick, at, alarms } = cluster;
  if (!Number.isFinite(tick)) return undefined;
  const verdicts = [...alarms].map(([id, { verdict }]) => [id, verdict] as const);
  // JSON has no line breaks of its own.
  return { clusterId, seq, number: tick, at, doc: `${doc}\n${JSON.stringify(verdicts)}` };
}

/** The state at a checkpoint, with empty windows. `rules`: those in force then. */
export function loadCheckpoint({ clusterId, seq, doc }: Checkpoint, rules: ClusterRules | undefined): ClusterState {
  const [snapshot = "", verdicts = ""] = doc.split("\n");
  const cluster = loadCluster(clusterId, seq, snapshot, rules);
  for (const [id, verdict] of JSON.parse(verdicts) as readonly (readonly [string, Standing])[]) {
    const alarm = cluster.alarms.get(id);
    if (alarm) alarm.verdict = verdict;
  }
  return cluster;
}
