/** The state of one cluster's fold. Owned by the fold, which changes it in place; nothing else does. */

import type { Action, Alarm, ClusterRules, Direction, State } from "../model/alarm.ts";
import type { Delivery, Gate, Notification, OutcomeKind, ReasonData } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import type { Verdict } from "./judge.ts";
import type { Series } from "./series.ts";
import { createSeries } from "./series.ts";
import { ticksFor } from "./window.ts";

/** A receiver of a lane action that has still to be called. */
export interface PendingAction {
  readonly action: Action;
  /** 0 for the transition's own call; counts up with every new one, and with it the id. */
  readonly repeat: number;
  /** Attempts claimed so far under the same id: more than one only where the ones before provably did not run. */
  readonly attempts: number;
  /** Tick of the first attempt, to give up on a 403 in the end. */
  readonly firstTick: number | undefined;
}

/** What an alarm owes its control receivers: at most one lane action at a time. */
export interface Owed {
  readonly transition: number;
  readonly notification: Notification;
  readonly receivers: readonly PendingAction[];
  /** Most cautious direction of the receivers. */
  readonly direction: Direction;
  /** Tick number since which it is owed: the older goes first. */
  readonly since: number;
  /** Not before this tick number. */
  readonly notBefore: number;
  /** A repeat is sent at its slot or not at all (rule A4). */
  readonly isRepeat: boolean;
}

export interface AlarmState {
  alarm: Alarm;
  state: State;
  /** Reason of the last transition. */
  reason: string;
  reasonData: ReasonData | undefined;
  /** Label of the tick of the last transition, epoch ms; `undefined`: never evaluated to one. */
  stateAt: number | undefined;
  transition: number;
  /** Tick number of the last transition: repeats are counted from it. */
  anchor: number;
  /** Repeat slots that have passed since `anchor`. */
  slots: number;
  /** The next repeat number of this transition. */
  sends: number;
  owed: Owed | undefined;
  /** The gate that was last journalled as holding, to journal changes only. */
  held: Gate | undefined;
  /** Whether receivers of notices have been told that it is not ok, since it last was (rule D4). */
  readonly told: Map<string, boolean>;
  /** Of the newest tick; not kept over a restart. */
  verdict: Verdict;
}

/** Servers as they were at the last complete tick before a send: what an effect is measured against. */
type MembersBefore = ReadonlyMap<string, MemberState>;

/** A lane action that was sent, or is being sent. */
export interface Sent {
  readonly alarmId: string;
  readonly transition: number;
  readonly direction: Direction;
  readonly sentTick: number;
  readonly membersBefore: MembersBefore;
  readonly owed: Owed;
}

/** A receiver that was called, and what came of it. */
export interface Called {
  readonly pending: PendingAction;
  readonly outcome: OutcomeKind;
  /** Ticks to wait before it is called again. */
  readonly waitTicks: number;
}

/** The receivers of a lane action are called one after another, in order. */
export interface Flight extends Sent {
  readonly deliveryId: string;
  readonly current: PendingAction;
  readonly rest: readonly PendingAction[];
  readonly called: readonly Called[];
  /** An `out` has asked that this not be written. */
  readonly cancelAsked: boolean;
}

export interface Settling extends Sent {
  /** Receivers of which nobody knows whether they acted. */
  readonly unsure: readonly PendingAction[];
  /** Ticks after the end of settling at which not all servers could be seen. */
  readonly blindTicks: number;
}

/**
 * The lane (rule L): the control state of one cluster. `owed` is not a phase of its own: alarms owe, and the lane
 * takes one of them when it may.
 */
export type Lane =
  | { readonly phase: "idle" }
  | ({ readonly phase: "in flight" } & Flight)
  | ({ readonly phase: "settling" } & Settling)
  | { readonly phase: "cooldown"; readonly direction: Direction; readonly sentTick: number };

/** A notice in its receiver's queue. */
export interface Notice {
  readonly delivery: Delivery;
  /** For how long it is tried. */
  readonly maxAgeS: number;
  /** Not before this tick number. */
  readonly notBefore: number;
}

export interface ClusterState {
  readonly clusterId: string;
  /** Sequence of the last input folded. */
  seq: number;
  intervalMs: number;
  rules: ClusterRules | undefined;
  /** Between a stop and the next start nothing is sent. */
  stopped: boolean;
  /** Number and label of the newest tick. */
  tick: number;
  at: number;
  series: Series;
  /** Sequence of the input that emptied the series last: ticks before it are not in the windows. */
  seriesFrom: number;
  /** Values of the newest tick, for people; not kept over a restart. */
  values: Readonly<Record<string, number>>;
  readonly totals: Map<string, number>;
  readonly members: Map<string, MemberState>;
  /** As of the last complete tick. */
  completeMembers: Map<string, MemberState>;
  /** Known sources: number of the tick at which each last answered. */
  readonly lastOk: Map<string, number>;
  readonly alarms: Map<string, AlarmState>;
  lane: Lane;
  /** Queues of notices by receiver, the next first. */
  readonly notices: Map<string, Notice[]>;
  /** Transition numbers of alarms that are gone: they go on when one comes back. */
  readonly retired: Map<string, number>;
  /** Deliveries that have not ended, by id. */
  readonly deliveries: Map<string, Delivery>;
}

/** A cluster of which nothing is known. */
export function emptyCluster(clusterId: string): ClusterState {
  return {
    clusterId,
    seq: 0,
    intervalMs: 10_000,
    rules: undefined,
    stopped: false,
    tick: -Infinity,
    at: 0,
    series: createSeries(1, 10, []),
    seriesFrom: 0,
    values: {},
    totals: new Map(),
    members: new Map(),
    completeMembers: new Map(),
    lastOk: new Map(),
    alarms: new Map(),
    lane: { phase: "idle" },
    notices: new Map(),
    retired: new Map(),
    deliveries: new Map(),
  };
}

export const NOT_JUDGED: Verdict = {
  kind: "unknown",
  reason: "no tick has been judged since the service began to work",
};

/** An alarm that has never been evaluated, as Aodh starts one. */
export function newAlarmState(alarm: Alarm): AlarmState {
  return {
    alarm,
    state: "insufficient data",
    reason: "Not evaluated yet",
    reasonData: undefined,
    stateAt: undefined,
    transition: 0,
    anchor: -Infinity,
    slots: 0,
    sends: 0,
    owed: undefined,
    held: undefined,
    told: new Map(),
    verdict: NOT_JUDGED,
  };
}

/** Meters that the alarms read. */
export function metersRead(rules: ClusterRules | undefined): Set<string> {
  return new Set((rules?.alarms ?? []).map((alarm) => alarm.meterName));
}

/** Ticks that the windows of these rules reach back over, with the look-back window of rule J2. */
export function ticksKept(rules: ClusterRules | undefined, intervalMs: number): number {
  const needed = (rules?.alarms ?? []).map((alarm) =>
    ticksFor(alarm.evaluationPeriods + 1, alarm.periodS, intervalMs / 1000),
  );
  return Math.max(4, ...needed);
}

/** Seconds → ticks, rounded up. */
export function ticksOf(seconds: number, cluster: ClusterState): number {
  return Math.ceil((seconds * 1000) / cluster.intervalMs - 1e-9);
}
