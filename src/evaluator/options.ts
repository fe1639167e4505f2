/** What an evaluator works with. */

import type { Decision } from "../model/decision.ts";
import type { Clock, Dispatcher, Ledger, Logger, SampleBus } from "../ports.ts";
import type { SampleStore, TickRecord } from "../seriesPorts.ts";
import type { Sealer } from "./sealing.ts";
import type { TickKeeping } from "./unrecorded.ts";

export interface EvaluatorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: SampleBus;
  readonly ledger: Ledger;
  /** Where ticks are recorded besides (rule R2); with `ticksPerCommit` none are, and those that it has are read. */
  readonly store?: Pick<SampleStore, "put" | "ticks">;
  /** Ticks are recorded in the ledger alone: after so many of them, at the latest, a commit brings them along. */
  readonly ticksPerCommit?: number;
  /** With `ticksPerCommit`: told of ticks once they are durable. */
  readonly onTicks?: (records: readonly TickRecord[]) => void;
  readonly dispatcher: Dispatcher;
  readonly intervalMs: number;
  /** A tick is sealed at the latest this long after it (rule T2). */
  readonly evaluationDelayMs: number;
  readonly onDecision?: (clusterId: string, decision: Decision) => void;
  /** Whether the tick of a number is long past now: it is late, and nothing is sent at it. Absent: none is. */
  readonly isLate?: (number: number) => boolean;
  /** Whether no samples have come for so long that what they said is old: no action is written. Absent: never. */
  readonly isSilent?: () => boolean;
  /** Ticks that may wait for a commit of their cluster: more is downtime. */
  readonly mostWaiting?: number;
  /** Whether samples of the past come now, so that as many may wait; absent: they may at any time. */
  readonly isCatchingUp?: () => boolean;
}

type Given =
  | "clock"
  | "log"
  | "ledger"
  | "dispatcher"
  | "intervalMs"
  | "evaluationDelayMs"
  | "isLate"
  | "mostWaiting"
  | "isCatchingUp";

/** What one cluster of it works with. */
export interface RunnerPorts extends Pick<EvaluatorOptions, Given> {
  readonly ticks: TickKeeping;
  readonly sealer: Sealer;
  /** Told of every decision once it is durable. */
  readonly onDecision: (clusterId: string, decision: Decision) => void;
}

/** Where ticks are recorded by these options. Throws when they do not say. */
export function tickKeeping({ store, ticksPerCommit, onTicks }: EvaluatorOptions): TickKeeping {
  if (ticksPerCommit !== undefined) return { ticksPerCommit, ...(onTicks ? { onTicks } : {}) };
  if (!store) throw new Error("ticks are recorded in a store, or in the ledger alone with ticksPerCommit");
  return { store };
}

/** What stored ticks are read from; where there is no store, nothing. */
export function storeOf({ store }: EvaluatorOptions): Pick<SampleStore, "ticks"> {
  return store ?? { ticks: async () => [] };
}

/** Where the ledger records ticks itself, there is a commit at least so often, ms (rule N1). */
const COMMIT_EVERY_MS = 60_000;

/** The same in ticks of so many ms. */
export function ticksBetweenCommits(intervalMs: number): number {
  return Math.max(1, Math.floor(COMMIT_EVERY_MS / intervalMs));
}
