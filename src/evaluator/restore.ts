/** A cluster as its record has it: ticks of ledger and store together, and the state that they and a snapshot make. */

import type { Command, Input, PauseDirection, RecordedInput } from "../model/decision.ts";
import type { SealedTick } from "../model/tick.ts";
import type { Commit, Ledger, LedgerCluster, Logger } from "../ports.ts";
import type { SampleStore } from "../seriesPorts.ts";
import type { ClusterState } from "./cluster.ts";
import type { Folded } from "./fold.ts";
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
  // A store that was not asked for a while has ticks of before, under numbers that were used again.
  return ticks.filter(({ seq, tick }) => seq > cluster.seq && tick.number > cluster.tick);
}

/** What a restart works on. Only where the record has a hole is anything committed. */
export interface RestorePorts {
  readonly ledger: Pick<Ledger, "ticks" | "commit">;
  readonly store: Pick<SampleStore, "ticks">;
}

/**
 * A cluster as it stood at its last recorded tick. `now`: epoch ms; `undefined`: just after that tick.
 *
 * A hole in the sequence after the snapshot is something that is not there any more: commits, if something was sent
 * that nobody knows of now, or nothing but ticks. What follows it is folded as by a process that was about to end, so
 * that nothing is sent, and recorded with what it decides; and scaling is paused.
 */
export async function restoreCluster(
  { snapshot, rules }: LedgerCluster,
  ports: RestorePorts,
  log: Logger,
  now?: number,
): Promise<ClusterState> {
  const { clusterId } = snapshot;
  const cluster = loadCluster(clusterId, snapshot.seq, snapshot.doc, rules);
  const again: Again[] = [];
  for (const { seq, tick } of await fillFromRecord(cluster, ports)) {
    if (seq > cluster.seq + 1 && again.length === 0) {
      log.error("inputs are missing from the record", { cluster_id: clusterId, from: cluster.seq + 1, to: seq - 1 });
      cluster.seq = seq - 2;
      again.push(foldAgain(cluster, { kind: "stop" }));
    }
    cluster.seq = seq - 1;
    if (again.length > 0) {
      again.push(foldAgain(cluster, tick));
      continue;
    }
    const { decisions } = fold(cluster, tick);
    // Ticks with decisions are committed with them: these had none, and must have none again.
    if (decisions.length > 0) log.error("a recorded tick decides otherwise now", { cluster_id: clusterId, seq });
  }
  if (again.length > 0) {
    log.warn("scaling is paused, scaling in until it is resumed: what was asked for is not known", {
      cluster_id: clusterId,
    });
    for (const pause of pausesAfterLoss(cluster, now ?? cluster.at, "record")) again.push(foldAgain(cluster, pause));
    await ports.ledger.commit(oneCommit(cluster, again));
  }
  return cluster;
}

/** An input that no runner sees, and what it led to. */
interface Again extends Folded, RecordedInput {}

function foldAgain(cluster: ClusterState, input: Input): Again {
  const folded = fold(cluster, input);
  return { seq: cluster.seq, input, ...folded };
}

/** A crash, or a full disk, leaves the hole, or all of what was made of it: never the one without the pauses. */
function oneCommit(cluster: ClusterState, again: readonly Again[]): Commit {
  const { clusterId, seq } = cluster;
  return {
    clusterId,
    inputs: again.map(({ seq: own, input }) => ({ seq: own, input })),
    decisions: again.flatMap(({ decisions }) => decisions),
    snapshot: { clusterId, seq, doc: saveCluster(cluster) },
    deliveries: again.flatMap(({ deliveries }) => deliveries),
    attempts: [],
    baselines: [],
  };
}

/** What is gone: commits, with whatever people said in them, or nothing but ticks. */
export type Lost = "record" | "series";

/**
 * What protects a cluster whose past is not known any more: no scaling for the time that an action of `now` (epoch ms)
 * would take to settle and to cool down. Where people may have paused it, and nobody knows who is to be waited for, it
 * is not scaled in until they resume it: what is missing must not make a cluster smaller. A pause that lasts as long
 * stays as it is.
 */
export function pausesAfterLoss(cluster: ClusterState, now: number, lost: Lost): readonly Pause[] {
  const { rules, at, tick, intervalMs } = cluster;
  const { in: coolInS = 0, out: coolOutS = 0 } = rules?.cooldownS ?? {};
  const forS = Math.max(0, Math.ceil((now - at) / 1000)) + (rules?.settleS ?? 0) + Math.max(coolInS, coolOutS);
  const until = tick + Math.ceil((forS * 1000) / intervalMs);
  const pause = { kind: "command", command: "pause" } as const;
  const pauses: readonly (Pause & { readonly direction: PauseDirection })[] = [
    lost === "record" ? { ...pause, direction: "in" } : { ...pause, direction: "in", forS },
    { ...pause, direction: "out", forS },
  ];
  return pauses.filter(({ direction, forS: wanted }) => {
    const end = cluster.pauses.get(direction);
    return end === undefined || (end !== null && (wanted === undefined || end < until));
  });
}

type Pause = Extract<Command, { readonly command: "pause" }>;
