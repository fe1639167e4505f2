/** Which partition a cluster is in: the same everywhere, so that agents, engines and commands agree without asking. */

import { fnv1a32 } from "./hash.ts";

/** FNV-1a-32 of the id, modulo `partitions` (1 or more): 0 … partitions - 1. */
export function partitionOf(clusterId: string, partitions: number): number {
  return fnv1a32(clusterId) % partitions;
}
