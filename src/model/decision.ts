/**
 * Inputs and decisions of a cluster's fold: the whole record (rules R1, R5). Nothing else reaches a decision, and
 * the decisions of equal inputs are equal to the byte.
 */

import type { ClusterRules, Direction, Json, ReceiverClass, Severity, State } from "./alarm.ts";
import type { SealedTick } from "./tick.ts";

/** What became of one attempt (rule D1). */
export type OutcomeKind =
  /** 2xx. */
  | "accepted"
  /** 409 of a control receiver: it is doing something else. */
  | "busy"
  /**
   * Proved not to have run: DNS, refused, connect timeout, 403, 429, 503; 401 where the token is ours. Nor was it where
   * no attempt was made, and so there is no status: a token could not be had, or, with a wait that no answer asked for,
   * its turn did not come or the receiver keeps failing and is left alone.
   */
  | "not_run"
  /** It may have run: reset or timeout after the request, 408, 425, 500, 502, 504. */
  | "uncertain"
  /** An answer that no retry will change. */
  | "rejected"
  /** No byte was written, because a gate closed or a cancel came first (rule D2). */
  | "cancelled";

/** Facts of an attempt that are kept for people and never read by the fold. */
export interface AttemptDetail {
  /** Wall clock of the attempt's start, epoch ms: it waited for its turn before that. */
  readonly startedAt: number;
  /** From the claim to the start: for a turn among the requests to the same origin. */
  readonly waitMs?: number;
  /** From the start to a connection, TLS included. */
  readonly connectMs?: number;
  /** From the start to the answer's head. */
  readonly firstByteMs?: number;
  /** From the start to the end of what was read of the answer. */
  readonly totalMs: number;
  /** First 2 kB of the answer. */
  readonly answer?: string;
  readonly requestId?: string;
}

export interface Outcome {
  readonly kind: "outcome";
  readonly deliveryId: string;
  readonly attempt: number;
  readonly outcome: OutcomeKind;
  readonly status?: number;
  readonly reason: string;
  readonly retryAfterS?: number;
  /** It was called off by what no tick and no person tells: it is not claimed again before the next tick. */
  readonly wait?: true;
  readonly detail?: AttemptDetail;
}

/** The process began to run: what was under way is settled by rule D3. */
export interface Start {
  readonly kind: "start";
  /** Number of the last tick that is in the past: the first tick of this run is later. */
  readonly number: number;
  readonly at: number;
  readonly intervalMs: number;
  /** Everything is decided, and nothing is sent. */
  readonly shadow?: true;
  /** Another process may have been at work on the cluster until now: absent, none was. */
  readonly takeover?: Takeover;
}

/** What was under way when one process takes over from another, which may be late with a last write (rule N3). */
export interface Takeover {
  /** Number of the tick at which it happened. Ticks between the start's and this one may follow the start. */
  readonly number: number;
  /** What was under way settles from that tick, for at least so many seconds. */
  readonly leastS: number;
}

/** The process is about to end: nothing more is sent until the next start. */
export interface Stop {
  readonly kind: "stop";
}

/** Ticks were lost while the record could not be written: what was judged before them says nothing now (rule R4). */
export interface Stall {
  readonly kind: "stall";
}

export type Command =
  | { readonly kind: "command"; readonly command: "rules"; readonly rules: ClusterRules }
  | { readonly kind: "command"; readonly command: "forget"; readonly source: string }
  /** Scaling in that direction (both where there is none) is held, for so long or until it is resumed. */
  | {
      readonly kind: "command";
      readonly command: "pause";
      readonly direction?: PauseDirection;
      readonly forS?: number;
    }
  | { readonly kind: "command"; readonly command: "resume"; readonly direction?: PauseDirection }
  /** A delivery, as the ledger has it, is made again: a notice under its id, an action only where it is still asked for. */
  | { readonly kind: "command"; readonly command: "retry"; readonly delivery: Delivery }
  /** A delivery that waits is given up; one that has ended needs nobody any more. */
  | { readonly kind: "command"; readonly command: "drop"; readonly delivery: Delivery };

export type PauseDirection = "in" | "out";

/** Something that happened, as event alarms see it: Ceilometer's shape. */
export interface EventInput {
  readonly kind: "event";
  readonly messageId: string;
  /** E.g. `haproxy.server.down`. */
  readonly eventType: string;
  /** RFC 3339. */
  readonly generated: string;
  readonly traits: Readonly<Record<string, string | number | boolean>>;
}

export type Input = SealedTick | Outcome | Start | Stop | Stall | Command | EventInput;

/** An input with its place in the cluster's gapless sequence. */
export interface RecordedInput {
  readonly seq: number;
  readonly input: Input;
}

/** Aodh's `reason_data`, by the type of the rule. */
export type ReasonData =
  | {
      readonly type: "threshold";
      readonly disposition: "inside" | "outside" | "unknown";
      readonly count: number;
      /** `null` when no datapoint has a value. */
      readonly mostRecent: number | null;
      /** The server that it is about, of a rule `per: server`. */
      readonly server?: string;
    }
  | {
      readonly type: "composite";
      /** E.g. `(rule1 or (rule2 and rule3))`. */
      readonly form: string;
      /** Leaves that the state is due to, by name in order, each with its rule as it was written. */
      readonly causes: readonly (readonly [name: string, rule: { readonly [key: string]: Json }])[];
    }
  | { readonly type: "event"; readonly event: { readonly [key: string]: Json } };

/** What a receiver is told: Aodh's seven facts. */
export interface Notification {
  readonly alarmName: string;
  readonly alarmId: string;
  readonly severity: Severity;
  readonly previous: State;
  readonly current: State;
  readonly reason: string;
  readonly reasonData: ReasonData;
  /** By how many servers, for receivers that scale in proportion. */
  readonly count?: number;
}

/** How a delivery ended (rule D6). */
export type DeliveryEnd =
  | "delivered"
  | "busy"
  | "uncertain"
  | "superseded"
  | "expired"
  | "rejected"
  /** Proved not to have run, and given up. */
  | "dead"
  | "dropped"
  /** Decided in shadow mode: nothing was sent. */
  | "shadow";

/** Why an action waits: a closed set, each explained by its `reason`. */
export const GATES = [
  // The alarm is not evaluated: it is disabled, or outside its time constraints.
  "enabled",
  "time_constraint",
  "suppressor",
  "pause",
  "evidence",
  "opposite",
  // A proportional action has no room: the cluster is as large, or as small, as it may be.
  "capacity",
  "lane",
  "cooldown",
  "backoff",
  "direction",
  "max_repeats",
] as const;

export type Gate = (typeof GATES)[number];

/** Whether the cluster changed after an action (rule L4). */
export type EffectLabel = "effective" | "unclear" | "no_effect";

/** Every decision carries the label of the tick it was made at, never a latency or a row id. */
export type Decision =
  | {
      readonly d: "transition";
      readonly at: number;
      readonly alarmId: string;
      readonly name: string;
      readonly transition: number;
      readonly from: State;
      readonly to: State;
      readonly reason: string;
      readonly reasonData: ReasonData;
      /** Why it changed when not by evaluation. */
      readonly by?: "rule change";
    }
  | {
      readonly d: "send";
      readonly at: number;
      readonly delivery: string;
      readonly attempt: number;
      readonly receiver: string;
      readonly class: ReceiverClass;
      readonly direction: Direction;
      readonly transition: number;
      readonly repeat: number;
      readonly notification: Notification;
    }
  | {
      readonly d: "hold";
      readonly at: number;
      readonly alarmId: string;
      readonly what: "action" | "repeat" | "notice";
      readonly gate: Gate;
      readonly reason: string;
    }
  | { readonly d: "release"; readonly at: number; readonly alarmId: string; readonly reason: string }
  | { readonly d: "cancel"; readonly at: number; readonly delivery: string; readonly reason: string }
  | {
      readonly d: "end";
      readonly at: number;
      readonly delivery: string;
      readonly end: DeliveryEnd;
      readonly reason: string;
    }
  | {
      readonly d: "effect";
      readonly at: number;
      readonly alarmId: string;
      readonly transition: number;
      readonly effect: EffectLabel;
      readonly direction: Direction;
      /** Ticks from the send to the effect, or to the end of settling. */
      readonly ticks: number;
      /** Names of the servers that came or went. */
      readonly servers: readonly string[];
    }
  /** A source is waited for no longer (rule T4). */
  | { readonly d: "source"; readonly at: number; readonly source: string; readonly reason: string };

/** A delivery as the ledger keeps it. */
export interface Delivery {
  readonly id: string;
  readonly clusterId: string;
  readonly alarmId: string;
  readonly alarmName: string;
  readonly receiver: string;
  readonly class: ReceiverClass;
  readonly direction: Direction;
  readonly transition: number;
  readonly repeat: number;
  /** Label of the tick of its decision, epoch ms. */
  readonly createdAt: number;
  /** `waiting`: for its turn or its next attempt; `claimed`: an attempt is under way. */
  readonly status: "waiting" | "claimed" | DeliveryEnd;
  /** Attempts claimed so far. */
  readonly attempts: number;
  /** Last thing that is known of it, in words. */
  readonly reason: string;
  readonly notification: Notification;
}
