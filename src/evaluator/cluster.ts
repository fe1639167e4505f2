/** The state of one cluster's fold. Owned by the fold, which changes it in place; nothing else does. */

import { noEntries } from "../lib/maps.ts";
import type { Action, Alarm, ClusterRules, Direction, State } from "../model/alarm.ts";
import type { Delivery, Gate, Notification, OutcomeKind, ReasonData } from "../model/decision.ts";
import type { MemberState } from "../model/meters.ts";
import type { Pauses } from "./pause.ts";
import type { Series } from "./series.ts";
import { createSeries } from "./series.ts";
import type { Standing } from "./verdict.ts";
import { NOT_JUDGED } from "./verdict.ts";

/** A receiver of a lane action that has still to be called. */
export interface PendingAction {
  readonly action: Action;
  /** 0 for the transition's own call; counts up with every new one, and with it the id. */
  readonly repeat: number;
  /** Tick since which it has only been forbidden, to give up in the end; `undefined`: it is not. */
  readonly forbiddenSince: number | undefined;
  /** Attempts under this number that were made and failed: the back-off goes by them. */
  readonly failed?: number;
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

/** Notices of a state that have not been queued: a suppressor may hold them. */
export interface Suppressed {
  readonly notification: Notification;
  readonly repeat: number;
  readonly isRepeat: boolean;
  /** That they are held has been journalled. */
  readonly journalled?: true;
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
  /** Number of the newest call of each control receiver in this transition. */
  called: ReadonlyMap<string, number>;
  /** Repeats of this transition, where they are limited; one more than the limit: that it was reached is journalled. */
  repeats: number;
  /** The slot whose repeat has been counted: it is one, however many receivers it has. */
  countedSlot: number;
  /** Notices that have still to be queued. */
  suppressed: Suppressed | undefined;
  /** Of a composite: what leaves that remember were decided to be last, by name. */
  leaves: Readonly<Record<string, "alarm" | "ok">>;
  /** Of an event alarm: tick number of the newest event that hit it. */
  eventTick: number;
  /** Whether receivers of notices have been told that it is not ok, since it last was (rule D4). */
  told: ReadonlyMap<string, boolean>;
  /** Of the newest tick; not kept over a restart. */
  verdict: Standing;
}

/** Servers as they were at the last complete tick before a send, if there was one: what an effect is measured against. */
type MembersBefore = ReadonlyMap<string, MemberState> | undefined;

/** A scale-in that a scale-out went ahead of: its pause goes on when that one's is over. */
export interface Overtaken {
  readonly direction: Direction;
  readonly sentTick: number;
  /** Its settling and its cooldown are over then. */
  readonly untilTick: number;
}

/** A lane action that was sent, or is being sent. */
export interface Sent {
  readonly alarmId: string;
  readonly transition: number;
  readonly direction: Direction;
  readonly sentTick: number;
  readonly membersBefore: MembersBefore;
  readonly owed: Owed;
  readonly overtaken: Overtaken | undefined;
}

/** A receiver that was called, and what came of it. */
export interface Called {
  readonly pending: PendingAction;
  readonly outcome: OutcomeKind;
  /** Tick of the attempt, of one that may have run; absent in older snapshots: that of the send. */
  readonly calledTick?: number | undefined;
  /** Ticks to wait before it is called again. */
  readonly waitTicks: number;
  /** It was in shadow: nothing was sent to it. */
  readonly isShadow?: true;
  /** It may have run, and a person has given it up: it is not called again. */
  readonly isGivenUp?: true;
}

/** The receivers of a lane action are called one after another, in order. */
export interface Flight extends Sent {
  readonly deliveryId: string;
  readonly current: PendingAction;
  /** Tick at which it was called; absent in older snapshots: that of the send. */
  readonly calledTick?: number | undefined;
  readonly rest: readonly PendingAction[];
  readonly called: readonly Called[];
  /** An `out` has asked that this not be written. */
  readonly cancelAsked: boolean;
}

export interface Settling extends Sent {
  /** Receivers that took it; none that was in shadow. */
  readonly accepted: readonly PendingAction[];
  /** Receivers of which nobody knows whether they acted. */
  readonly unsure: readonly PendingAction[];
  /** Tick of the last call that may have run, which settling counts from; absent: that of the send. */
  readonly unsureTick?: number | undefined;
  /** Ticks after the end of settling at which not all servers could be seen. */
  readonly blindTicks: number;
  /** Not over before this tick number: another process may still have been sending (rule N3). */
  readonly untilTick?: number | undefined;
}

/**
 * The lane (rule L): the control state of one cluster. `owed` is not a phase of its own: alarms owe, and the lane
 * takes one of them when it may.
 */
export type Lane =
  | { readonly phase: "idle" }
  | ({ readonly phase: "in flight" } & Flight)
  | ({ readonly phase: "settling" } & Settling)
  | {
      readonly phase: "cooldown";
      readonly direction: Direction;
      readonly sentTick: number;
      /** Not over before this tick, whatever the cooldown of the direction says. */
      readonly untilTick: number;
      readonly overtaken: Overtaken | undefined;
    };

/** A notice in its receiver's queue. */
export interface Notice {
  readonly delivery: Delivery;
  /** For how long it is tried. */
  readonly maxAgeS: number;
  /** The next repeat takes its place while it waits. */
  readonly isRepeat: boolean;
  /** It tells that an action had no effect: the next that does takes its place while it waits. */
  readonly isNoEffect?: true;
  /** Not before this tick number. */
  readonly notBefore: number;
  /** Attempts that were made and failed: the back-off goes by them. */
  readonly failed?: number;
  /** A person asked for it again, epoch ms: its age counts from then, and it is news whatever was told before. */
  readonly askedAt?: number;
}

export interface ClusterState {
  readonly clusterId: string;
  /** Sequence of the last input folded. */
  seq: number;
  intervalMs: number;
  rules: ClusterRules | undefined;
  /** Between a stop and the next start nothing is sent. */
  stopped: boolean;
  /** Everything is decided, and nothing is sent. */
  shadow: boolean;
  /** The newest tick was sealed long after its time: nothing is sent until one is not. */
  late: boolean;
  pauses: Pauses;
  /** Number and label of the newest tick. */
  tick: number;
  at: number;
  series: Series;
  /** Values of the newest tick: kept totals of counter meters among them, which are all that a restart keeps. */
  values: Readonly<Record<string, number>>;
  members: ReadonlyMap<string, MemberState>;
  /** As of the last complete tick; `undefined`: there was none yet. */
  completeMembers: ReadonlyMap<string, MemberState> | undefined;
  /** Known sources: number of the tick at which each last answered. */
  readonly lastOk: Map<string, number>;
  /** For how many ticks in a row a source has not answered, and for how many its path has been away (rule T4). */
  failing: ReadonlyMap<string, number>;
  away: ReadonlyMap<string, number>;
  /** Sources that moved bytes at the last tick at which any did: they say what state the servers are in. */
  carriers: readonly string[];
  /** Alarms by id, in the order of the rules. */
  readonly alarms: Map<string, AlarmState>;
  /** The same in the order in which they are judged: what others refer to goes first. */
  order: readonly AlarmState[];
  /** Some alarm is of type event. Follows from the rules. */
  hearsEvents: boolean;
  lane: Lane;
  /** Queues of notices by receiver, the next first. */
  notices: ReadonlyMap<string, readonly Notice[]>;
  /** How far the numbers of alarms that are gone had come: they go on when one comes back. */
  retired: ReadonlyMap<string, Pick<AlarmState, "transition" | "sends">>;
  /** Deliveries that have not ended, by id. */
  deliveries: ReadonlyMap<string, Delivery>;
}

const NOBODY: readonly string[] = [];

/** A cluster of which nothing is known. */
export function emptyCluster(clusterId: string): ClusterState {
  return {
    clusterId,
    seq: 0,
    intervalMs: 10_000,
    rules: undefined,
    stopped: false,
    shadow: false,
    late: false,
    pauses: noEntries(),
    tick: -Infinity,
    at: 0,
    series: createSeries(4, 10),
    values: {},
    members: noEntries(),
    completeMembers: undefined,
    lastOk: new Map(),
    failing: noEntries(),
    away: noEntries(),
    carriers: NOBODY,
    alarms: new Map(),
    order: [],
    hearsEvents: false,
    lane: { phase: "idle" },
    notices: noEntries(),
    retired: noEntries(),
    deliveries: noEntries(),
  };
}

const NO_LEAVES: AlarmState["leaves"] = {};

/** An alarm that has never been evaluated, as Aodh starts one. */
export function newAlarmState(alarm: Alarm): AlarmState {
  return {
    // What every tick reads goes first: with many alarms it is memory that takes the time.
    alarm,
    verdict: NOT_JUDGED,
    state: "insufficient data",
    owed: undefined,
    suppressed: undefined,
    reason: "Not evaluated yet",
    reasonData: undefined,
    stateAt: undefined,
    transition: 0,
    anchor: -Infinity,
    slots: 0,
    sends: 0,
    held: undefined,
    called: noEntries(),
    repeats: 0,
    countedSlot: -1,
    leaves: NO_LEAVES,
    eventTick: -Infinity,
    told: noEntries(),
  };
}

/** Seconds → ticks, rounded up. */
export function ticksOf(seconds: number, cluster: ClusterState): number {
  return Math.ceil((seconds * 1000) / cluster.intervalMs - 1e-9);
}
