/** What an engine works with: all of it passed in, so that it knows no backend. */

import type { ClusterRules } from "../model/alarm.ts";
import type { Decision } from "../model/decision.ts";
import type { ScrapeReport } from "../model/tick.ts";
import type { Clock, Dispatcher, Logger } from "../ports.ts";
import type { Coordination, PartitionSamples, SharedLog } from "../scalePorts.ts";
import type { TickRecord } from "../seriesPorts.ts";

/** What agents are told of where rows go, by those who own the clusters (rule N4). Each call resolves when it is done, or over. */
export interface Mapping {
  put(rules: ClusterRules, isOver: () => boolean): Promise<void>;
  /** No rule file has the cluster any more. */
  remove(clusterId: string, isOver: () => boolean): Promise<void>;
  /** Clusters of a partition that agents have been told of, by whoever. */
  clusters(partition: number): Promise<readonly string[]>;
  /** The sources that clusters of a partition know. */
  putKnown(partition: number, sources: readonly string[], isOver: () => boolean): Promise<void>;
  /** A report without what was mapped by older words than the newest. */
  current(report: ScrapeReport): ScrapeReport;
}

export interface EngineOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly coordination: Pick<Coordination, "partitions" | "isFresh" | "reload">;
  readonly sharedLog: Pick<SharedLog, "partition" | "takeLoss">;
  readonly samples: PartitionSamples;
  readonly mapping: Mapping;
  readonly dispatcher: Dispatcher;
  readonly intervalMs: number;
  /** A tick is sealed at the latest this long after it (rule T2), if anything was heard of it. */
  readonly evaluationDelayMs: number;
  /** How far back samples can be had, ms. */
  readonly backlogMs: number;
  /** What another process had under way may be written for so long after a takeover, seconds (rule N3). */
  readonly takeoverS: () => number;
  readonly shadow: boolean;
  /** Rules of all clusters, also of those in partitions of others. */
  readonly rules: readonly ClusterRules[];
  /** Reports of owned partitions, each once in this process. */
  readonly onReport?: (report: ScrapeReport) => void;
  /** Ticks, once they are durable. */
  readonly onTicks?: (records: readonly TickRecord[]) => void;
  /** Told of every decision once it is durable. */
  readonly onDecision?: (clusterId: string, decision: Decision) => void;
}
