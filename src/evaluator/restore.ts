/** A cluster as its record has it: ticks of ledger and store together, and the state that they and a snapshot make. */

import type { Command, Input } from "../model/decision.ts";
import type { SealedTick } from "../model/tick.ts";
import type { Commit, Ledger, LedgerCluster, Logger, SampleStore } from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import { fold } from "./fold.ts";
import { fillWindows, loadCluster, saveCluster, ticksToRead } from "./snapshot.ts";

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

/** What a restart works on. Only where the record has a hole is anything committed. */
export interface RestorePorts {
  readonly ledger: Pick<Ledger, "ticks" | "commit">;
  readonly store: Pick<SampleStore, "ticks">;
}

/**
 * A cluster as it stood at its last recorded tick. `now`: epoch ms; `undefined`: just after that tick.
 *
 * A hole in the sequence after the snapshot is a commit that is not there any more: something may have been sent that
 * nobody knows of. What follows it is then folded as by a process that was about to end, so that nothing is sent, and
 * recorded with what it decides; and scaling is paused for as long as any action may still have an effect.
 */
export async function restoreCluster(
  { snapshot, rules }: LedgerCluster,
  ports: RestorePorts,
  log: Logger,
  now?: number,
): Promise<ClusterState> {
  const { clusterId } = snapshot;
  const cluster = loadCluster(clusterId, snapshot.seq, snapshot.doc, rules);
  const commits: Commit[] = [];
  let hasHole = false;
  for (const { seq, tick } of await fillFromRecord(cluster, ports)) {
    if (seq > cluster.seq + 1 && !hasHole) {
      hasHole = true;
      log.error("commits are missing from the record", { cluster_id: clusterId, from: cluster.seq + 1, to: seq - 1 });
      cluster.seq = seq - 2;
      commits.push(commitOf(cluster, { kind: "stop" }));
    }
    cluster.seq = seq - 1;
    if (hasHole) {
      commits.push(commitOf(cluster, tick));
      continue;
    }
    const { decisions } = fold(cluster, tick);
    // Ticks with decisions are committed with them: these had none, and must have none again.
    if (decisions.length > 0) log.error("a recorded tick decides otherwise now", { cluster_id: clusterId, seq });
  }
  if (hasHole) {
    const pause = scalingPause(cluster, now ?? cluster.at);
    if (pause) {
      log.warn("scaling is paused: what was asked for is not known", { cluster_id: clusterId, for_s: pause.forS });
      commits.push(commitOf(cluster, pause));
    }
  }
  // Given together they are one transaction: a crash leaves the hole, or all of what was made of it.
  await Promise.all(commits.map((commit) => ports.ledger.commit(commit)));
  return cluster;
}

/** Folds an input that no runner sees. */
function commitOf(cluster: ClusterState, input: Input): Commit {
  const { decisions, deliveries } = fold(cluster, input);
  const { clusterId, seq } = cluster;
  return {
    clusterId,
    inputs: [{ seq, input }],
    decisions,
    snapshot: { clusterId, seq, doc: saveCluster(cluster) },
    deliveries,
    attempts: [],
    baselines: [],
  };
}

/**
 * For the time that an action of now would take to settle and to cool down; `undefined`: a person has paused it for
 * longer already.
 */
function scalingPause({ rules, at, tick, intervalMs, pauses }: ClusterState, now: number): Pause | undefined {
  const { in: coolInS = 0, out: coolOutS = 0 } = rules?.cooldownS ?? {};
  const forS = Math.max(0, Math.ceil((now - at) / 1000)) + (rules?.settleS ?? 0) + Math.max(coolInS, coolOutS);
  const until = tick + Math.ceil((forS * 1000) / intervalMs);
  const shorter = (["in", "out"] as const).filter((direction) => {
    const end = pauses.get(direction);
    return end === undefined || (end !== null && end < until);
  });
  const [only] = shorter;
  if (!only) return undefined;
  const pause = { kind: "command", command: "pause", forS } as const;
  return shorter.length === 1 ? { ...pause, direction: only } : pause;
}

type Pause = Extract<Command, { readonly command: "pause" }>;
