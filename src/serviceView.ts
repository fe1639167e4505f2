/** What people see of the running service, and may tell it: shapes for the interface, commands and documents. */

import type { Command, Decision, EventInput, Notification } from "./model/decision.ts";
import type { Explanation } from "./model/explanation.ts";
import type { MetricQuery } from "./model/metricQuery.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "./model/metricView.ts";
import type { ThresholdRuleView } from "./model/ruleView.ts";

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
  /**
   * Verdict of the newest tick: a state, `undecided` or `unknown`, and why it is the latter, or `insufficient data`
   * while a source is silent.
   */
  readonly verdict: string;
  readonly verdict_reason: string | null;
  /** Newest datapoint; `null`: none. */
  readonly value: number | null;
  readonly unit: string;
  /** Of the alarm's type; the others are absent. */
  readonly threshold_rule?: ThresholdRuleView;
  /** The expression as text, e.g. `(rule1 or (rule2 and not rule3))`, and each leaf by its name. */
  readonly composite_rule?: {
    readonly form: string;
    readonly rules: Readonly<Record<string, ThresholdRuleView | { readonly alarm: string; readonly state?: string }>>;
  };
  readonly event_rule?: {
    readonly event_type: string;
    readonly query: readonly { readonly field: string; readonly op: string; readonly value: unknown }[];
    readonly auto_ok_after: number | null;
  };
  readonly repeat_actions: boolean;
  readonly repeat_interval: number;
  readonly alarm_actions: readonly string[];
  readonly ok_actions: readonly string[];
  readonly insufficient_data_actions: readonly string[];
  /** The gate that holds what the alarm owes; `null`: it owes nothing, or nothing holds it. */
  readonly held_by: string | null;
  /** Why the gate holds it, in words; `null`: nothing is held. */
  readonly held_reason: string | null;
}

/** One cluster: its servers, sources and lane. */
export interface ClusterView {
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly lane: string;
  readonly servers: Readonly<Record<string, string>>;
  readonly sources: readonly string[];
  /** Directions in which scaling is paused, each with how long it still is, seconds; `null`: until it is resumed. */
  readonly paused: Readonly<Record<string, number | null>>;
  /** Everything is decided, and nothing is sent. */
  readonly shadow: boolean;
  /** RFC 3339: label of the newest sealed tick; `null`: none yet. */
  readonly timestamp: string | null;
}

export interface SourceView {
  readonly name: string;
  /** `socket`, `tcp`, `page` or `prometheus`. */
  readonly kind: string;
  /** Path, host and port, or URL, without secrets. */
  readonly address: string;
  readonly ok: boolean;
  readonly code: string;
  readonly reason: string;
  readonly unmapped: readonly string[];
  /** Rows of its newest answer that could not be read. */
  readonly skipped_rows: number;
  /** HAProxy's; empty: unknown. */
  readonly version: string;
  /** The process that answered last: a reload or a restart is another one. `null`: none has, or it does not say. */
  readonly pid: number | null;
  /** At its newest answer. */
  readonly uptime_s: number | null;
  /** RFC 3339, to a second or two: when that process started. */
  readonly process_since: string | null;
  /** Rows of its newest answer, also those of no cluster. */
  readonly rows: number;
  /** Answers that failed since the service was started. */
  readonly errors: number;
  /** How long its newest answer took, ms. */
  readonly duration_ms: number;
  /** What a person might improve, one line each. */
  readonly hints: readonly string[];
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
  /** A person should look: it was given up, or nobody knows whether it ran, also where the lane asks again by itself. */
  readonly attention: boolean;
  readonly attempts: number;
  readonly reason: string;
  /** RFC 3339: label of the tick of its decision. */
  readonly created_at: string;
}

export interface DeliveriesAsked {
  /** At most this many, the newest first. */
  readonly limit: number;
  readonly clusterId?: string;
  /** Only what needs a person. */
  readonly attention?: boolean;
}

/** An attempt as it is shown. */
export interface AttemptView {
  readonly attempt: number;
  readonly outcome: string;
  readonly status: number | null;
  readonly reason: string;
  /** RFC 3339; `null`: it was not made. */
  readonly started_at: string | null;
  readonly wait_ms: number | null;
  readonly connect_ms: number | null;
  readonly first_byte_ms: number | null;
  readonly total_ms: number | null;
  /** First 2 kB. */
  readonly answer: string | null;
  /** The receiver's own `x-openstack-request-id`. */
  readonly request_id: string | null;
}

export interface DeliveryDetail extends DeliveryView {
  readonly notification: Notification;
  readonly attempt_list: readonly AttemptView[];
}

/** A receiver, without its secrets. */
export interface ReceiverView {
  readonly name: string;
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly class: string;
  /** `null`: the alarm's operator says. */
  readonly direction: string | null;
  /** `scheme://host/…`; `log:` or `test:`. */
  readonly target: string;
  readonly shadow: boolean;
  /** `closed`: it is called; `open`: it is left alone for a while; `half-open`: one attempt tells. */
  readonly breaker: "closed" | "open" | "half-open";
  /** What its last attempt failed of; `null`: it did not. */
  readonly failing: string | null;
}

/** What `receiver test` found. */
export interface ReceiverTest
  extends Pick<ReceiverView, "name" | "cluster_id" | "cluster_name" | "class" | "direction" | "target"> {
  /** Header names and values, secrets starred out; empty where nothing is posted. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Addresses of its host, each with why it is refused, or `null`. */
  readonly addresses: readonly { readonly address: string; readonly refused: string | null }[];
  /** Why nothing could be sent there; `null`: nothing is wrong. */
  readonly problem: string | null;
  /** Of what was sent; `null`: nothing was. */
  readonly outcome: TestOutcome | null;
}

/** What a receiver made of a test. */
export interface TestOutcome {
  readonly outcome: string;
  readonly status: number | null;
  readonly reason: string;
  readonly total_ms: number;
  /** First 2 kB. */
  readonly answer: string | null;
}

/** Told at once, or later, where others have to be asked first: then it rejects with `E66x` when they do not answer. */
export type Told<T> = T | Promise<T>;

/** This process among those that make up the service, as far as it sees them. */
export interface BusView {
  /** A server of the bus is connected now. */
  readonly connected: boolean;
  /** Of this process. */
  readonly id: string;
  readonly roles: readonly string[];
  /** Into how many parts the clusters are divided. */
  readonly partitions: number;
  /** Those that this process works on. */
  readonly owned: readonly number[];
  /** Those that nobody works on now: nothing of their clusters is judged or sent. */
  readonly unowned: readonly number[];
  /** All that are there, this process among them. */
  readonly members: readonly {
    readonly id: string;
    readonly roles: readonly string[];
    /** It may own partitions. */
    readonly ready: boolean;
    readonly host: string;
    readonly version: string;
  }[];
}

/** What people may ask of the running service, and tell it. */
export interface ServiceView {
  /** Why the service does not do all of its work, one line each; empty: it does. */
  degraded(): Told<readonly string[]>;
  alarms(): Told<readonly AlarmView[]>;
  /** Newest values. */
  metrics(): Told<readonly MetricView[]>;
  /**
   * Which series are kept; of one cluster, by id or name, or of those that have one meter. Throws `E411` for an unknown
   * one.
   */
  metricCatalog(filter: {
    readonly cluster?: string;
    readonly meter?: string;
    readonly limit?: number;
  }): Promise<MetricCatalog>;
  /**
   * Answers a query. Throws `E410` when it is too large, `E411` when it names what is not there, `E412` when there is no
   * such statistic, `E413` when too many wait.
   */
  queryMetrics(query: MetricQuery): Promise<MetricSeriesView>;
  clusters(): Told<readonly ClusterView[]>;
  sources(): Told<readonly SourceView[]>;
  deliveries(query: DeliveriesAsked): Promise<readonly DeliveryView[]>;
  /**
   * One delivery, with its attempts, by its id or the beginning of it, 8 digits at least; `undefined`: there is none.
   * Throws `E406` where several begin so.
   */
  delivery(id: string): Promise<DeliveryDetail | undefined>;
  /** Makes a delivery again, or gives it up. Throws `E406` for an unknown one, `E407` where that cannot be. */
  deliver(id: string, what: "retry" | "drop"): Promise<DeliveryView>;
  receivers(): Told<readonly ReceiverView[]>;
  /**
   * What a receiver would get, and, with `send`, what it answers to a POST that is marked as a test. Throws `E408` for an
   * unknown receiver, `E409` where a test would come between scaling actions.
   */
  testReceiver(clusterId: string, receiver: string, send: boolean): Promise<ReceiverTest>;
  /**
   * Why the alarm stood where it stood at the newest tick at or before `at` (epoch ms; `undefined`: now), recomputed
   * from the record; `undefined`: nothing is recorded of it by then.
   */
  explain(alarmId: string, at: number | undefined): Promise<Explanation | undefined>;
  /** Decisions about an alarm, the newest first. */
  history(alarmId: string, limit: number): Promise<readonly Decision[]>;
  /** Folds a command of a person. Throws `E403` for an unknown cluster, `E404` while nothing can be recorded. */
  command(clusterId: string, command: Command): Promise<void>;
  /** Hands an event to the clusters that hear it; returns how many did. */
  event(event: EventInput): Promise<number>;
  /** The bus that the processes of the service meet on; absent: there is but one process. */
  bus?(): BusView;
  /**
   * Why its lists may lack something that is there, one line each; empty: they are whole. Absent: they always are.
   */
  lacks?(): Told<readonly string[]>;
}

/** The view of a process that knows all of it by itself: lists are told at once. */
export interface OwnView extends ServiceView {
  degraded(): readonly string[];
  alarms(): readonly AlarmView[];
  metrics(): readonly MetricView[];
  clusters(): readonly ClusterView[];
  sources(): readonly SourceView[];
  receivers(): readonly ReceiverView[];
}
