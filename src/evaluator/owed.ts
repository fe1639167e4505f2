/**
 * What an alarm owes its control receivers: at most one lane action. It is owed again where that is due, goes with the
 * state that asked for it, and follows every edit of its rule.
 */

import type { Delivery } from "../model/decision.ts";
import type { AlarmState, ClusterState, Flight, Lane, Owed, PendingAction } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { deliveryId, end } from "./folding.ts";
import { NOT_CALLED, stillAsks } from "./gates.ts";
import { controlOf, directionOf } from "./receivers.ts";

/** The same receivers under new ids. */
export function afresh(folding: Folding, owed: Owed, receivers: readonly PendingAction[]): PendingAction[] {
  const alarm = folding.cluster.alarms.get(owed.notification.alarmId);
  if (!alarm || receivers.length === 0) return [];
  const repeat = alarm.sends++;
  return receivers.map(({ action, forbiddenSince }) => ({ action, repeat, forbiddenSince }));
}

/** Owes receivers of an action again, with what its alarm owes already, if the alarm still asks. */
export function owe(folding: Folding, owed: Owed, receivers: readonly PendingAction[], notBefore: number): void {
  const alarm = folding.cluster.alarms.get(owed.notification.alarmId);
  if (receivers.length === 0) return;
  if (!alarm || !stillAsks(alarm, owed.transition, owed.notification)) {
    supersede(folding, owed, receivers, "the alarm has left the state");
    return;
  }
  // A repeat that is due at this very tick gives way: what is owed again comes first, and the next slot is not far.
  const other = alarm.owed?.isRepeat ? undefined : alarm.owed;
  // The rule may have been edited since they were called.
  const { still, gone } = asNow(alarm, [...(other?.receivers ?? []), ...receivers]);
  supersede(folding, owed, gone, NOT_CALLED);
  if (still.length === 0) return;
  alarm.owed = {
    ...owed,
    receivers: still,
    direction: directionOf(controlOf(alarm)),
    since: Math.min(owed.since, other?.since ?? Infinity),
    notBefore: Math.max(notBefore, other?.notBefore ?? -Infinity),
    isRepeat: false,
  };
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

/** Receivers as the rule has them now, in its order, and those that it does not call any more. */
function asNow(
  alarm: AlarmState,
  receivers: readonly PendingAction[],
): { readonly still: readonly PendingAction[]; readonly gone: readonly PendingAction[] } {
  const control = controlOf(alarm);
  const still = control.flatMap((action) => {
    const pending = receivers.find((one) => one.action.receiver === action.receiver);
    return pending ? [{ ...pending, action }] : [];
  });
  return { still, gone: receivers.filter(({ action }) => !control.some((one) => one.receiver === action.receiver)) };
}

/**
 * The rule was edited: what it owes, or is about to send, goes to the receivers that it has now, as they are now.
 */
export function reviseOwed(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase === "in flight" && lane.alarmId === alarm.alarm.id) {
    const { still, gone } = asNow(alarm, lane.rest);
    supersede(folding, lane.owed, gone, NOT_CALLED);
    cluster.lane = { ...lane, rest: still };
  }
  const { owed } = alarm;
  if (!owed) return;
  const { still, gone } = asNow(alarm, owed.receivers);
  if (still.length === 0) dropOwed(folding, alarm, "the rule calls nobody for it any more");
  else {
    supersede(folding, owed, gone, NOT_CALLED);
    alarm.owed = { ...owed, receivers: still, direction: directionOf(controlOf(alarm)) };
  }
}

/**
 * A person gives up one that waits, or one that has ended: it is not called again, nor what is owed in its stead. What
 * may have run is settled all the same.
 */
export function withdraw(folding: Folding, delivery: Delivery, reason: string): void {
  const { cluster } = folding;
  const { lane } = cluster;
  const alarm = cluster.alarms.get(delivery.alarmId);
  const isNewest = alarm !== undefined && isNewestCall(alarm, delivery);
  const stays = ({ isRepeat }: Owed) => {
    // What a slot made due is no second try of what was called before.
    const isInstead = isNewest && !isRepeat;
    return (one: PendingAction) => one.action.receiver !== delivery.receiver || !(isInstead || isOf(delivery, one));
  };
  if (isUnderWay(lane, delivery)) {
    const called = lane.called.flatMap((one) => {
      if (!isOf(delivery, one.pending)) return [one];
      return one.outcome === "uncertain" ? [{ ...one, isGivenUp: true as const }] : [];
    });
    cluster.lane = { ...lane, rest: lane.rest.filter(stays(lane.owed)), called };
  }
  if (lane.phase === "settling" && lane.alarmId === delivery.alarmId && lane.transition === delivery.transition)
    cluster.lane = { ...lane, unsure: lane.unsure.filter((one) => !isOf(delivery, one)) };
  const { owed } = alarm ?? {};
  if (!alarm || owed?.transition !== delivery.transition) return;
  const receivers = owed.receivers.filter(stays(owed));
  if (receivers.length === owed.receivers.length) return;
  alarm.owed = { ...owed, receivers };
  if (receivers.length === 0) dropOwed(folding, alarm, reason);
}

/** Its receiver was not called again since, in this transition. */
export function isNewestCall({ called }: AlarmState, { receiver, repeat }: Delivery): boolean {
  return (called.get(receiver) ?? repeat) <= repeat;
}

/** A person does not want it to wait: what else the action waits for does not either, it is called as one. */
export function callNow(cluster: ClusterState, delivery: Delivery): void {
  const { lane } = cluster;
  if (isUnderWay(lane, delivery)) {
    const called = lane.called.map((one) => (isOf(delivery, one.pending) ? { ...one, waitTicks: 0 } : one));
    cluster.lane = { ...lane, called };
  }
  const alarm = cluster.alarms.get(delivery.alarmId);
  const { owed } = alarm ?? {};
  if (!alarm || owed?.transition !== delivery.transition) return;
  if (owed.receivers.some((one) => isOf(delivery, one))) alarm.owed = { ...owed, notBefore: cluster.tick };
}

function isUnderWay(lane: Lane, { alarmId, transition }: Delivery): lane is Extract<Lane, Flight> {
  return lane.phase === "in flight" && lane.alarmId === alarmId && lane.transition === transition;
}

/** Of the same transition. */
function isOf({ receiver, repeat }: Delivery, pending: PendingAction): boolean {
  return pending.action.receiver === receiver && pending.repeat === repeat;
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
