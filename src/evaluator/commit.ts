/** What one commit of a cluster writes. */

import type { Outcome, RecordedInput } from "../model/decision.ts";
import type { Baseline } from "../model/tick.ts";
import type { Commit } from "../ports.ts";
import type { StoredBaseline, TickRecord } from "../seriesPorts.ts";
import type { ClusterState } from "./cluster.ts";
import type { Folded } from "./fold.ts";
import type { Seal } from "./sealing.ts";

/** What is to be recorded of a cluster. */
export interface ToCommit {
  /** The input that decided; `undefined`: there is none. */
  readonly recorded: RecordedInput | undefined;
  readonly folded: Folded;
  /** Ticks that are brought along, by seq in order. */
  readonly ticks: readonly TickRecord[];
  /** The input, where it is a tick. */
  readonly record: TickRecord | undefined;
}

/** `doc`: the cluster's snapshot. */
export function commitOf(
  { clusterId, seq }: ClusterState,
  doc: string,
  { recorded, folded, ticks, record }: ToCommit,
): Commit {
  const before = ticks.map(({ seq: tickSeq, tick }) => ({ seq: tickSeq, input: tick }));
  return {
    clusterId,
    inputs: [...before, ...(recorded ? [recorded] : [])],
    decisions: folded.decisions,
    snapshot: { clusterId, seq, doc },
    deliveries: folded.deliveries,
    baselines: newestOf([...ticks, ...(record ? [record] : [])]),
    attempts: recorded?.input.kind === "outcome" ? [recorded.input satisfies Outcome] : [],
  };
}

/** Raw counters of a seal, by source. */
export function baselinesOf(seal: Seal): Record<string, Baseline> {
  return Object.fromEntries(
    [...seal.sources].flatMap(([source, says]) =>
      says.ok && says.slice ? [[source, says.slice.baseline] as const] : [],
    ),
  );
}

/** Of each source the newest raw counters. */
function newestOf(records: readonly TickRecord[]): StoredBaseline[] {
  const newest = new Map<string, StoredBaseline>();
  for (const { clusterId, seq, baselines } of records) {
    for (const [source, baseline] of Object.entries(baselines))
      newest.set(source, { clusterId, source, seq, baseline });
  }
  return [...newest.values()];
}
