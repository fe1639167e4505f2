/** The borders between the stages and what serves them: interfaces only, owned by those who call them. */

import type { ClusterRules } from "./model/alarm.ts";
import type { Decision, Delivery, Notification, Outcome, RecordedInput } from "./model/decision.ts";
import type { Baseline, ScrapeReport, SealedTick } from "./model/tick.ts";

/** Time, always injected. */
export interface Clock {
  /** Wall clock, epoch ms. May step; only labels, journals and calendars use it. */
  now(): number;
  /** Milliseconds since some fixed instant; never steps, has a fraction. */
  monotonic(): number;
  /** Runs `run` once after `delayMs`; at once (but not before returning) when it is 0 or less. */
  after(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** `log.warn("scrape failed", { source, code })`: fixed text, facts as fields, once per change. */
export interface Logger {
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void;
  info(text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void;
  error(text: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Carries reports from collectors to evaluators, in order for each source. */
export interface SampleBus {
  publish(report: ScrapeReport): void;
  /** Each subscriber gets every report published after it subscribed. Returns what ends the subscription. */
  subscribe(handle: (report: ScrapeReport) => void): () => void;
}

/** One sealed tick of one cluster, as stored. */
export interface TickRecord {
  readonly clusterId: string;
  readonly seq: number;
  readonly tick: SealedTick;
  /** Raw counters by source: the newest of each replace those before. */
  readonly baselines: Readonly<Record<string, Baseline>>;
}

/** Raw counters of one source of one cluster, with the sequence of the tick that they were recorded with. */
export interface StoredBaseline {
  readonly clusterId: string;
  readonly source: string;
  readonly seq: number;
  readonly baseline: Baseline;
}

/** Keeps cluster series. */
export interface SampleStore {
  /** Resolves when the record is stored. The same (cluster, seq) twice is one record. */
  put(record: TickRecord): Promise<void>;
  /** Stored ticks of a cluster with number > `afterNumber`, by seq in order. */
  ticks(clusterId: string, afterNumber: number): Promise<readonly TickRecord[]>;
  /** The newest raw counters of each source of each cluster. */
  baselines(): Promise<readonly StoredBaseline[]>;
  close(): Promise<void>;
}

/** Where a cluster's fold stood after its last commit (rule R3): opaque to the ledger. */
export interface ClusterSnapshot {
  readonly clusterId: string;
  readonly seq: number;
  /** JSON of everything but the windows. */
  readonly doc: string;
}

/** One attempt of a delivery, for people. */
export type AttemptRow = Outcome;

/** One atomic write: inputs, the decisions they led to, and all that changed by them. */
export interface Commit {
  readonly clusterId: string;
  /** The input that decided, and before it the ticks that the store has not acknowledged (rule R2). */
  readonly inputs: readonly RecordedInput[];
  /** Decision log lines of the last of `inputs`, in order. */
  readonly decisions: readonly Decision[];
  readonly snapshot: ClusterSnapshot;
  readonly deliveries: readonly Delivery[];
  readonly attempts: readonly AttemptRow[];
  /** Raw counters of the ticks among `inputs` (rule R3). */
  readonly baselines: readonly StoredBaseline[];
}

/** A cluster as the ledger has it. */
export interface LedgerCluster {
  readonly snapshot: ClusterSnapshot;
  /** The newest revision of its rules. */
  readonly rules: ClusterRules | undefined;
}

export interface DeliveryQuery {
  readonly clusterId?: string;
  /** At most this many, newest first. */
  readonly limit: number;
}

/** The durable record of inputs and decisions. */
export interface Ledger {
  /** All clusters that have ever committed. */
  load(): Promise<readonly LedgerCluster[]>;
  /** Ticks recorded with commits, number > `afterNumber`, by seq in order: the store may lack them (rule R2). */
  ticks(clusterId: string, afterNumber: number): Promise<readonly RecordedInput[]>;
  /** Resolves when the commit is durable. Rejects when it is not: nothing of it is stored then. */
  commit(commit: Commit): Promise<void>;
  deliveries(query: DeliveryQuery): Promise<readonly Delivery[]>;
  /** All recorded inputs of a cluster, by seq in order (a replay merges the store's ticks in). */
  inputs(clusterId: string): Promise<readonly RecordedInput[]>;
  /** The newest raw counters that came with commits. */
  baselines(): Promise<readonly StoredBaseline[]>;
  /** The decision log of a cluster: one line for each decision, in order. */
  decisionLog(clusterId: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** One claimed attempt, to be sent now. */
export interface Dispatch {
  readonly clusterId: string;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly receiver: string;
  readonly control: boolean;
  readonly notification: Notification;
}

/** The evaluator's way to the notifier. */
export interface Dispatcher {
  /** Sends a claimed attempt; its outcome comes back as an input. */
  dispatch(dispatch: Dispatch): void;
  /** Asks that nothing be written for that delivery, if nothing was yet (rule D2). */
  cancel(deliveryId: string): void;
}

/** The notifier's way to the evaluator. */
export interface OutcomeSink {
  /** Gates, read again immediately before the socket write (rule A5): why not to write, or `undefined`. */
  heldBecause(clusterId: string, deliveryId: string): string | undefined;
  outcome(clusterId: string, outcome: Outcome): void;
}

/** Where a receiver is and how to talk to it: resolved when it is sent, never stored or logged. */
export interface ReceiverTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface ReceiverDirectory {
  /** `undefined`: no such receiver any more. Throws when its secrets cannot be read. */
  resolve(clusterId: string, receiver: string): ReceiverTarget | undefined;
}

/** An alarm as people and programs see it: Aodh's names. */
export interface AlarmView {
  readonly alarm_id: string;
  readonly name: string;
  readonly description: string;
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly type: string;
  readonly severity: string;
  readonly enabled: boolean;
  readonly state: string;
  readonly state_reason: string;
  /** RFC 3339; `null`: never changed. */
  readonly state_timestamp: string | null;
  readonly transition: number;
  /** Verdict of the newest tick: a state, `undecided` or `unknown`, and why it is the latter. */
  readonly verdict: string;
  readonly verdict_reason: string | null;
  /** Newest datapoint; `null`: none. */
  readonly value: number | null;
  readonly unit: string;
  readonly threshold_rule: {
    readonly meter_name: string;
    readonly statistic: string;
    readonly per: string;
    readonly period: number;
    readonly evaluation_periods: number;
    readonly datapoints_to_alarm: number;
    readonly comparison_operator: string;
    readonly threshold: number;
    readonly clear_threshold: number;
    readonly treat_missing_data: string;
  };
  readonly repeat_actions: boolean;
  readonly repeat_interval: number;
  readonly alarm_actions: readonly string[];
  readonly ok_actions: readonly string[];
  readonly insufficient_data_actions: readonly string[];
  /** The gate that holds what the alarm owes; `null`: it owes nothing, or nothing holds it. */
  readonly held_by: string | null;
}

/** The newest value of one meter of one cluster. */
export interface MetricView {
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly meter_name: string;
  readonly type: string;
  readonly unit: string;
  readonly value: number;
  /** RFC 3339: label of the tick. */
  readonly timestamp: string;
}

/** One cluster: its servers, sources and lane. */
export interface ClusterView {
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly lane: string;
  readonly servers: Readonly<Record<string, string>>;
  readonly sources: readonly string[];
  /** RFC 3339: label of the newest sealed tick; `null`: none yet. */
  readonly timestamp: string | null;
}

export interface SourceView {
  readonly name: string;
  readonly ok: boolean;
  readonly code: string;
  readonly reason: string;
  readonly unmapped: readonly string[];
}

/** A delivery as it is listed. */
export interface DeliveryView {
  readonly delivery_id: string;
  readonly cluster_id: string;
  readonly alarm_id: string;
  readonly alarm_name: string;
  readonly receiver: string;
  readonly class: string;
  readonly direction: string;
  readonly previous: string;
  readonly current: string;
  readonly transition: number;
  readonly repeat: number;
  readonly status: string;
  readonly attempts: number;
  readonly reason: string;
  /** RFC 3339: label of the tick of its decision. */
  readonly created_at: string;
}

/** What the HTTP interface shows of the service. */
export interface ServiceView {
  /** Why the service does not do all of its work, one line each; empty: it does. */
  degraded(): readonly string[];
  alarms(): readonly AlarmView[];
  metrics(): readonly MetricView[];
  clusters(): readonly ClusterView[];
  sources(): readonly SourceView[];
  deliveries(limit: number): Promise<readonly DeliveryView[]>;
}
