/**
 * What an alarm owes its control receivers: at most one lane action. It is owed again where that is due, goes with the
 * state that asked for it, and follows every edit of its rule.
 */

import type { Action, Direction } from "../model/alarm.ts";
import type { Delivery } from "../model/decision.ts";
import type { AlarmState, ClusterState, Flight, Lane, Owed, PendingAction } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { deliveryId, end } from "./folding.ts";
import { stillAsks } from "./gates.ts";

/** The same receivers under new ids. */
export function afresh(folding: Folding, owed: Owed, receivers: readonly PendingAction[]): PendingAction[] {
  const alarm = folding.cluster.alarms.get(owed.notification.alarmId);
  if (!alarm || receivers.length === 0) return [];
  const repeat = alarm.sends++;
  return receivers.map(({ action }) => ({ action, repeat, attempts: 0, forbiddenSince: undefined }));
}

/** Owes receivers of an action again, with what its alarm owes already, if the alarm still asks. */
export function owe(folding: Folding, owed: Owed, receivers: readonly PendingAction[], notBefore: number): void {
  const alarm = folding.cluster.alarms.get(owed.notification.alarmId);
  if (receivers.length === 0) return;
  if (!alarm || !stillAsks(alarm, owed.transition, owed.notification)) {
    supersede(folding, owed, receivers, "the alarm has left the state");
    return;
  }
  // The rule may have been edited since they were called.
  const { still, gone } = asNow(alarm, receivers);
  supersede(folding, owed, gone, GONE);
  if (still.length === 0) return;
  // A repeat that is due at this very tick gives way: what is owed again comes first, and the next slot is not far.
  const other = alarm.owed?.isRepeat ? undefined : alarm.owed;
  const before = other?.receivers ?? [];
  const more = still.filter(({ action }) => !before.some((one) => one.action.receiver === action.receiver));
  const until = Math.max(notBefore, other?.notBefore ?? -Infinity);
  const direction = directionOf(controlOf(alarm));
  alarm.owed = { ...owed, receivers: [...before, ...more], direction, notBefore: until, isRepeat: false };
}

/** Ends the deliveries of an action that wait for another attempt. */
function supersede(folding: Folding, owed: Owed, receivers: readonly PendingAction[], reason: string): void {
  const { notification, transition } = owed;
  for (const { action, repeat } of receivers) {
    const id = deliveryId(notification.alarmId, transition, repeat, action.receiver);
    const waiting = folding.cluster.deliveries.get(id);
    if (waiting?.status === "waiting") end(folding, waiting, "superseded", reason);
  }
}

/** Tick of the alarm's next repeat, whether or not it repeats. */
export function nextSlotTick(folding: Folding, owed: Owed): number {
  const { cluster } = folding;
  const alarm = cluster.alarms.get(owed.notification.alarmId);
  if (!alarm) return cluster.tick;
  const passed = Math.floor(
    ((cluster.tick - alarm.anchor) * cluster.intervalMs) / 1000 / alarm.alarm.repeatIntervalS + 1e-9,
  );
  return alarm.anchor + ticksOf((passed + 1) * alarm.alarm.repeatIntervalS, cluster);
}

const GONE = "the rule does not call it any more";

/** Control receivers of the state that an alarm is in. */
export function controlOf({ alarm, state }: AlarmState): readonly Action[] {
  return alarm.actions[state].filter((action) => action.class === "control");
}

/** Receivers as the rule has them now, and those that it does not call any more. */
function asNow(
  alarm: AlarmState,
  receivers: readonly PendingAction[],
): { readonly still: readonly PendingAction[]; readonly gone: readonly PendingAction[] } {
  const actions = new Map(controlOf(alarm).map((one) => [one.receiver, one]));
  const still = receivers.flatMap((pending) => {
    const action = actions.get(pending.action.receiver);
    return action ? [{ ...pending, action }] : [];
  });
  return { still, gone: receivers.filter(({ action }) => !actions.has(action.receiver)) };
}

/**
 * The rule was edited: what it owes, or is about to send, goes to the receivers that it has now, as they are now.
 */
export function reviseOwed(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase === "in flight" && lane.alarmId === alarm.alarm.id) {
    const { still, gone } = asNow(alarm, lane.rest);
    supersede(folding, lane.owed, gone, GONE);
    cluster.lane = { ...lane, rest: still };
  }
  const { owed } = alarm;
  if (!owed) return;
  const { still, gone } = asNow(alarm, owed.receivers);
  if (still.length === 0) dropOwed(folding, alarm, "the rule calls nobody for it any more");
  else {
    supersede(folding, owed, gone, GONE);
    alarm.owed = { ...owed, receivers: still, direction: directionOf(controlOf(alarm)) };
  }
}

/** A person does not want a waiting one to be called: it is owed no more, nor called after the one that is now. */
export function withdraw(folding: Folding, delivery: Delivery, reason: string): void {
  const { cluster } = folding;
  const { lane } = cluster;
  const stays = (one: PendingAction) => !isOf(delivery, one);
  if (isUnderWay(lane, delivery)) {
    const called = lane.called.filter(({ pending }) => stays(pending));
    cluster.lane = { ...lane, rest: lane.rest.filter(stays), called };
  }
  const alarm = cluster.alarms.get(delivery.alarmId);
  const owed = owedWith(alarm, delivery);
  if (!alarm || !owed) return;
  alarm.owed = { ...owed, receivers: owed.receivers.filter(stays) };
  if (alarm.owed.receivers.length === 0) dropOwed(folding, alarm, reason);
}

/** A person does not want it to wait: what else the action waits for does not either, it is called as one. */
export function callNow(cluster: ClusterState, delivery: Delivery): void {
  const { lane } = cluster;
  if (isUnderWay(lane, delivery)) {
    const called = lane.called.map((one) => (isOf(delivery, one.pending) ? { ...one, waitTicks: 0 } : one));
    cluster.lane = { ...lane, called };
  }
  const alarm = cluster.alarms.get(delivery.alarmId);
  const owed = owedWith(alarm, delivery);
  if (alarm && owed) alarm.owed = { ...owed, notBefore: cluster.tick };
}

function isUnderWay(lane: Lane, { alarmId, transition }: Delivery): lane is Extract<Lane, Flight> {
  return lane.phase === "in flight" && lane.alarmId === alarmId && lane.transition === transition;
}

/** What the alarm owes, where this very delivery is a part of it. */
function owedWith(alarm: AlarmState | undefined, delivery: Delivery): Owed | undefined {
  const owed = alarm?.owed;
  if (owed?.transition !== delivery.transition) return undefined;
  return owed.receivers.some((one) => isOf(delivery, one)) ? owed : undefined;
}

/** Of the same transition. */
function isOf({ receiver, repeat }: Delivery, pending: PendingAction): boolean {
  return pending.action.receiver === receiver && pending.repeat === repeat;
}

/** A list is `out` only when all of it is: anything else is held wherever a scale-in is. */
export function directionOf(control: readonly Action[]): Direction {
  if (control.every((action) => action.direction === "out")) return "out";
  return control.every((action) => action.direction === "in") ? "in" : "unknown";
}

/** The alarm has left the state that asked: what it owed is owed no more. */
export function dropOwed(folding: Folding, alarm: AlarmState, reason: string): void {
  const { owed } = alarm;
  alarm.owed = undefined;
  alarm.held = undefined;
  if (!owed) return;
  supersede(folding, owed, owed.receivers, reason);
  folding.decisions.push({ d: "release", at: folding.cluster.at, alarmId: alarm.alarm.id, reason });
}
