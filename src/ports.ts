/** The borders between the stages and what serves them: interfaces only, owned by those who call them. */

import type { ClusterRules, Direction } from "./model/alarm.ts";
import type { BodyTemplate } from "./model/body.ts";
import type { Decision, Delivery, Notification, Outcome, RecordedInput } from "./model/decision.ts";
import type { ScrapeReport } from "./model/tick.ts";
import type { StoredBaseline } from "./seriesPorts.ts";

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

/** Where a cluster's fold stood after its last commit (rule R3): opaque to the ledger. */
export interface ClusterSnapshot {
  readonly clusterId: string;
  readonly seq: number;
  /** JSON of everything but the windows. */
  readonly doc: string;
}

/** Where a cluster's fold stood after a past commit: what explanations begin from. Kept for as long as the inputs. */
export interface Checkpoint {
  readonly clusterId: string;
  readonly seq: number;
  /** Number and label of the newest tick folded. */
  readonly number: number;
  readonly at: number;
  /** Opaque to the ledger. */
  readonly doc: string;
}

/** One attempt of a delivery, for people. */
export type AttemptRow = Outcome;

/** One atomic write: inputs, the decisions they led to, and all that changed by them. */
export interface Commit {
  readonly clusterId: string;
  /** The input that decided, and before it the ticks that the store has not acknowledged (rule R2). */
  readonly inputs: readonly RecordedInput[];
  /** Decision log lines that `inputs` led to, in order. */
  readonly decisions: readonly Decision[];
  readonly snapshot: ClusterSnapshot;
  readonly deliveries: readonly Delivery[];
  readonly attempts: readonly AttemptRow[];
  /** Raw counters of the ticks among `inputs` (rule R3). */
  readonly baselines: readonly StoredBaseline[];
  /** There now and then. */
  readonly checkpoint?: Checkpoint;
  /** In force after it, `null`: none are; given with a checkpoint, so that a record may begin here. */
  readonly rules?: ClusterRules | null;
}

/** A cluster as the ledger has it. */
export interface LedgerCluster {
  readonly snapshot: ClusterSnapshot;
  /** The newest revision of its rules. */
  readonly rules: ClusterRules | undefined;
}

export interface DeliveryQuery {
  readonly clusterId?: string;
  /** Only those that stand so. */
  readonly statuses?: readonly Delivery["status"][];
  /** Only those whose id begins so. */
  readonly idPrefix?: string;
  /** At most this many, newest first. */
  readonly limit: number;
}

/** A delivery and every attempt whose outcome is known. */
export interface DeliveryRecord {
  readonly delivery: Delivery;
  readonly attempts: readonly AttemptRow[];
}

export interface DecisionQuery {
  readonly alarmId: string;
  /** At most this many, newest first. */
  readonly limit: number;
  /** None that was made after the input of this seq. */
  readonly upToSeq?: number;
}

/** What one slice of forgetting did. */
export interface Trimmed {
  /** Rows deleted. */
  readonly deleted: number;
  /** There is more to do at once. */
  readonly more: boolean;
}

/** The durable record of inputs and decisions. */
export interface Ledger {
  /** All clusters that have ever committed. */
  load(): Promise<readonly LedgerCluster[]>;
  /**
   * Ticks recorded with commits, number > `afterNumber`, by seq in order, the oldest `limit` of them or all: the store
   * may lack them (rule R2).
   */
  ticks(clusterId: string, afterNumber: number, limit?: number): Promise<readonly RecordedInput[]>;
  /** Resolves when the commit is durable. Rejects when it is not: nothing of it is stored then. */
  commit(commit: Commit): Promise<void>;
  deliveries(query: DeliveryQuery): Promise<readonly Delivery[]>;
  /** A delivery with its attempts, the first one first; `undefined`: there is none of that id. */
  delivery(id: string): Promise<DeliveryRecord | undefined>;
  /**
   * Recorded inputs of a cluster with `afterSeq` < seq <= `upToSeq`, or all, by seq in order (a replay merges the
   * store's ticks in).
   */
  inputs(clusterId: string, afterSeq?: number, upToSeq?: number): Promise<readonly RecordedInput[]>;
  /** The newest checkpoint labelled at or before `at` (epoch ms) with seq < `beforeSeq`; `undefined`: there is none. */
  checkpoint(clusterId: string, at: number, beforeSeq: number): Promise<Checkpoint | undefined>;
  /** The revision of the rules that was in force after the input of a seq; `undefined`: none was. */
  rulesAt(clusterId: string, seq: number): Promise<ClusterRules | undefined>;
  /** Decisions about an alarm: its own, and those about its deliveries. */
  decisions(clusterId: string, query: DecisionQuery): Promise<readonly Decision[]>;
  /** The newest raw counters that came with commits. */
  baselines(): Promise<readonly StoredBaseline[]>;
  /** The decision log of a cluster: one line for each decision, in order. */
  decisionLog(clusterId: string): Promise<readonly string[]>;
  /**
   * One slice of forgetting what is older than `before` (epoch ms): of each cluster at most what came before its newest
   * checkpoint that is older. Never what a restart, an open delivery, or an explanation from then on needs.
   */
  trim(before: number): Promise<Trimmed>;
  close(): Promise<void>;
}

/** One claimed attempt, to be sent now. */
export interface Dispatch {
  readonly clusterId: string;
  readonly deliveryId: string;
  readonly attempt: number;
  readonly receiver: string;
  readonly control: boolean;
  readonly direction: Direction;
  readonly transition: number;
  readonly repeat: number;
  /** Label of the tick at which the attempt was decided, epoch ms. */
  readonly at: number;
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
export type ReceiverTarget = WebhookTarget | LocalTarget;

/** A POST. Every secret is in place. */
export interface WebhookTarget {
  readonly kind: "webhook";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly body: BodyTemplate;
  /** For bodies that name labels. */
  readonly labels: Readonly<Record<string, string>>;
  readonly clusterName: string;
  /** What stands in the place of every `${env:…}` and `${file:…}`, wherever in it: never to be shown. */
  readonly secrets: readonly string[];
  /** Secret of the Standard Webhooks signature (`whsec_…` or bare base64); `undefined`: not signed. */
  readonly signSecret?: string;
  readonly tls?: TlsFiles;
  /** Whether its connections may be used again; `undefined`: no. */
  readonly keepAlive?: boolean;
  /** A token of the configured Keystone goes with it (`trust+http`, `trust+https`). */
  readonly trust?: boolean;
  /** Made over the API rather than in a rule file, as alarms will be: more addresses are refused to it. */
  readonly isGuest?: boolean;
}

/** PEM texts. Absent: the system's authorities, no certificate of our own. */
export interface TlsFiles {
  /** The authority that its certificate must be signed by. */
  readonly ca?: string;
  /** What we show of ourselves; both or none. */
  readonly cert?: string;
  readonly key?: string;
}

/** Nothing leaves the process: `log` writes one line, `test` does nothing at all. */
export interface LocalTarget {
  readonly kind: "log" | "test";
}

export interface ReceiverDirectory {
  /** `undefined`: no such receiver any more. Throws when its secrets cannot be read. */
  resolve(clusterId: string, receiver: string): ReceiverTarget | undefined;
}
