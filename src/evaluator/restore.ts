/** A cluster as its record has it: ticks of ledger and store together, and the state that they and a snapshot make. */

import type { SealedTick } from "../model/tick.ts";
import type { Ledger, LedgerCluster, Logger, SampleStore } from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import { fold } from "./fold.ts";
import { fillWindows, loadCluster, ticksToRead } from "./snapshot.ts";

export interface RecordedTick {
  readonly seq: number;
  readonly tick: SealedTick;
}

/** Where ticks are recorded: with commits, and in the store (rule R2). */
export interface TickRecords {
  readonly ledger: Pick<Ledger, "ticks">;
  readonly store: Pick<SampleStore, "ticks">;
}

/** Recorded ticks of a cluster with number > `after`, by seq in order: the oldest `limit` or a few more, or all. */
export async function recordedTicks(
  clusterId: string,
  after: number,
  { ledger, store }: TickRecords,
  limit = Infinity,
): Promise<readonly RecordedTick[]> {
  const stored = await store.ticks(clusterId, after, limit);
  const committed = (await ledger.ticks(clusterId, after, limit)).flatMap(({ seq, input }) =>
    input.kind === "tick" ? [{ seq, tick: input }] : [],
  );
  // What one of the two has beyond the other's limit is not all that there is.
  const upTo = Math.min(...[stored, committed].map((some) => (some.length < limit ? Infinity : lastOf(some))));
  const ticks = new Map<number, SealedTick>();
  for (const { seq, tick } of [...stored, ...committed]) if (tick.number <= upTo) ticks.set(seq, tick);
  return [...ticks].sort(([a], [b]) => a - b).map(([seq, tick]) => ({ seq, tick }));
}

function lastOf(ticks: readonly { readonly tick: SealedTick }[]): number {
  return ticks.at(-1)?.tick.number ?? Infinity;
}

/** Fills the windows of a loaded cluster from the ticks up to it. Returns the ticks after it, as far as `limit` says. */
export async function fillFromRecord(
  cluster: ClusterState,
  records: TickRecords,
  limit = Infinity,
): Promise<readonly RecordedTick[]> {
  const ticks = await recordedTicks(cluster.clusterId, cluster.tick - ticksToRead(cluster), records, limit);
  fillWindows(cluster, ticks);
  return ticks.filter(({ seq }) => seq > cluster.seq);
}

/** A cluster as it stood at its last recorded tick. */
export async function restoreCluster(
  { snapshot, rules }: LedgerCluster,
  records: TickRecords,
  log: Logger,
): Promise<ClusterState> {
  const { clusterId } = snapshot;
  const cluster = loadCluster(clusterId, snapshot.seq, snapshot.doc, rules);
  for (const { seq, tick } of await fillFromRecord(cluster, records)) {
    if (seq > cluster.seq + 1) log.warn("recorded ticks are missing", { cluster_id: clusterId, before_seq: seq });
    cluster.seq = seq - 1;
    const { decisions } = fold(cluster, tick);
    // Ticks with decisions are committed with them: these had none, and must have none again.
    if (decisions.length > 0) log.error("a recorded tick decides otherwise now", { cluster_id: clusterId, seq });
  }
  return cluster;
}
