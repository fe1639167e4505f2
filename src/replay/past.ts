/** A cluster as it stood before a past tick: the nearest checkpoint, and from there the fold itself. */

import { loadCheckpoint } from "../evaluator/checkpoint.ts";
import type { ClusterState } from "../evaluator/cluster.ts";
import { emptyCluster } from "../evaluator/cluster.ts";
import { fold } from "../evaluator/fold.ts";
import type { RecordedTick } from "../evaluator/restore.ts";
import { fillFromRecord, recordedTicks } from "../evaluator/restore.ts";
import { ticksToRead } from "../evaluator/snapshot.ts";
import { rfc3339 } from "../lib/clock.ts";
import { TocsinError } from "../lib/errors.ts";
import type { RecordedInput } from "../model/decision.ts";
import type { Ledger } from "../ports.ts";
import type { SampleStore } from "../seriesPorts.ts";

/** The record, and a way to let others work between two stretches of it. */
export interface Past {
  readonly ledger: Pick<Ledger, "ticks" | "inputs" | "checkpoint" | "rulesAt" | "decisions">;
  readonly store: Pick<SampleStore, "ticks">;
  /** Gives way to the event loop. */
  readonly pause: () => Promise<void>;
}

/** Ticks that are read, and folded without a pause, at a time. */
const CHUNK = 200;

/** Ticks among which one is looked for that is stored: those that decided something are elsewhere. */
const NEAR = 10;

/** A cluster just before the input that is the tick asked for. */
export interface BeforeTick {
  readonly cluster: ClusterState;
  readonly target: RecordedTick;
  /** Seq of the checkpoint that it was folded from; Infinity: there was none. */
  readonly begin: number;
}

/**
 * The cluster just before its newest tick labelled at or before `at` (epoch ms; Infinity: the newest there is).
 * Where the wall clock was set back, that is the last before labels pass `at` for the first time. Throws `E414` when
 * ticks that led to it are not kept any more.
 */
export async function beforeTick(clusterId: string, at: number, past: Past): Promise<BeforeTick | undefined> {
  for (let beforeSeq = Infinity; ; ) {
    const checkpoint = await past.ledger.checkpoint(clusterId, at, beforeSeq);
    const target = await newestTick(clusterId, checkpoint?.number ?? -Infinity, at, past);
    // A checkpoint at the very tick comes too late for what led to it.
    if (!target && checkpoint) {
      beforeSeq = checkpoint.seq;
      continue;
    }
    if (!target) return undefined;
    const cluster = checkpoint
      ? loadCheckpoint(checkpoint, await past.ledger.rulesAt(clusterId, checkpoint.seq))
      : emptyCluster(clusterId);
    const reach = ticksToRead(cluster) + 1;
    await checkKept(
      clusterId,
      checkpoint ? cluster.tick - reach : -Infinity,
      checkpoint?.seq ?? Infinity,
      target,
      past,
    );
    if (checkpoint) await fillFromRecord(cluster, past, reach);
    for await (const { seq, input } of inputsAfter(cluster, past, target.seq - 1)) {
      // The beginning has been forgotten: nobody knows where the cluster stood.
      if (cluster.seq === 0 && seq > 1) return undefined;
      // A tick that was lost is a gap in the sequence: it was downtime.
      cluster.seq = seq - 1;
      fold(cluster, input);
    }
    cluster.seq = target.seq - 1;
    return { cluster, target, begin: checkpoint?.seq ?? Infinity };
  }
}

/**
 * Throws `E414` where ticks with number > `after` that led to a tick are not kept any more: of those that the store has
 * deleted the ledger still has the ones that decided something, and a fold of these alone would be of another past.
 * After `begin`, a seq, the ledger has forgotten nothing; before it, it may have.
 */
export async function checkKept(
  clusterId: string,
  after: number,
  begin: number,
  target: RecordedTick,
  past: Past,
): Promise<void> {
  // Where the store has one just before, it has deleted none of them: the oldest go first.
  const [near] = await past.store.ticks(clusterId, after - NEAR, 1);
  if (near && near.tick.number <= after + 1) return;
  const [oldest] = await past.store.ticks(clusterId, -Infinity, 1);
  if (oldest && oldest.tick.number <= after + 1) return;
  // Before the store's oldest everything must be in the ledger: what is not is a hole in the sequence.
  for (let seq = Math.min(oldest?.seq ?? Infinity, target.seq); seq > 1; ) {
    const inputs = await past.ledger.inputs(clusterId, Math.max(0, seq - 1 - CHUNK), seq - 1);
    for (const one of inputs.toReversed()) {
      if (one.seq !== seq - 1) break;
      seq = one.seq;
      if (one.input.kind === "tick" && one.input.number <= after) return;
    }
    if (seq > 1 && inputs.at(0)?.seq !== seq) {
      // Where the ledger's own beginning is, what is not there need not have been a tick.
      if (seq - 1 <= begin && (await past.ledger.inputs(clusterId, 0, seq - 1)).length === 0) return;
      throw notKept(target, oldest?.tick.at);
    }
    await past.pause();
  }
}

function notKept({ tick }: RecordedTick, since: number | undefined): TocsinError {
  const kept = since === undefined ? "none of this cluster are" : `those of this cluster are from ${rfc3339(since)} on`;
  return new TocsinError(
    "E414",
    `what led to ${rfc3339(tick.at)} cannot be told: single ticks are not kept for as long as decisions, and ${kept} ` +
      "(store.retention); ask for a later time, or see the alarm's history",
  );
}

/** The last tick before labels pass `at`, of those with number > `after`. */
async function newestTick(clusterId: string, after: number, at: number, past: Past): Promise<RecordedTick | undefined> {
  let newest: RecordedTick | undefined;
  for (let number = after; ; ) {
    const ticks = await recordedTicks(clusterId, number, past, CHUNK);
    for (const one of ticks) {
      if (one.tick.at > at) return newest;
      newest = one;
    }
    const last = ticks.at(-1);
    if (!last) return newest;
    number = last.tick.number;
    await past.pause();
  }
}

/** What is recorded of a cluster after what it has folded, up to a seq, in order. */
export async function* inputsAfter(cluster: ClusterState, past: Past, upToSeq: number): AsyncGenerator<RecordedInput> {
  const { clusterId } = cluster;
  let { seq, tick: number } = cluster;
  while (seq < upToSeq) {
    const ticks = (await recordedTicks(clusterId, number, past, CHUNK)).filter((one) => one.seq <= upToSeq);
    const last = ticks.at(-1);
    const end = last ? last.seq : upToSeq;
    const inputs = new Map<number, RecordedInput>();
    for (const one of ticks) if (one.seq > seq) inputs.set(one.seq, { seq: one.seq, input: one.tick });
    for (const one of await past.ledger.inputs(clusterId, seq, end)) inputs.set(one.seq, one);
    yield* [...inputs.values()].sort((a, b) => a.seq - b.seq);
    if (!last) return;
    [seq, number] = [end, last.tick.number];
    await past.pause();
  }
}

/** Recorded ticks from so many before a tick up to it, by number. */
export async function ticksUpTo(
  clusterId: string,
  target: RecordedTick,
  count: number,
  past: Past,
): Promise<readonly RecordedTick[]> {
  const ticks: RecordedTick[] = [];
  for (let number = target.tick.number - count; ; ) {
    const some = (await recordedTicks(clusterId, number, past, CHUNK)).filter(({ seq }) => seq <= target.seq);
    const last = some.at(-1);
    if (!last) return ticks;
    ticks.push(...some);
    number = last.tick.number;
    await past.pause();
  }
}
