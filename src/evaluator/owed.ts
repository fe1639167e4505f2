/**
 * What an alarm owes its control receivers: at most one lane action. It is owed again where that is due, goes with the
 * state that asked for it, and follows every edit of its rule.
 */

import type { Action, Direction } from "../model/alarm.ts";
import type { AlarmState, Owed, PendingAction } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { deliveryId, end } from "./folding.ts";
import { stillAsks } from "./gates.ts";

/** The same receivers under new ids. */
export function afresh(folding: Folding, owed: Owed, receivers: readonly PendingAction[]): PendingAction[] {
  const alarm = folding.cluster.alarms.get(owed.notification.alarmId);
  if (!alarm || receivers.length === 0) return [];
  const repeat = alarm.sends++;
  return receivers.map(({ action }) => ({ action, repeat, attempts: 0, firstTick: undefined }));
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
  const before = other?.receivers ?? [];
  const more = receivers.filter(({ action }) => !before.some((one) => one.action.receiver === action.receiver));
  const until = Math.max(notBefore, other?.notBefore ?? -Infinity);
  alarm.owed = { ...owed, receivers: [...before, ...more], notBefore: until, isRepeat: false };
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

/**
 * The rule was edited: what it owes, or is about to send, goes to the receivers that it has now, as they are now.
 */
export function reviseOwed(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const actions = new Map(
    alarm.alarm.actions[alarm.state].filter((one) => one.class === "control").map((one) => [one.receiver, one]),
  );
  const still = (receivers: readonly PendingAction[]) =>
    receivers.flatMap((pending) => {
      const action = actions.get(pending.action.receiver);
      return action ? [{ ...pending, action }] : [];
    });
  const { lane } = cluster;
  if (lane.phase === "in flight" && lane.alarmId === alarm.alarm.id) cluster.lane = { ...lane, rest: still(lane.rest) };
  const { owed } = alarm;
  if (!owed) return;
  const receivers = still(owed.receivers);
  const gone = owed.receivers.filter(({ action }) => !actions.has(action.receiver));
  if (receivers.length === 0) dropOwed(folding, alarm, "the rule calls nobody for it any more");
  else {
    supersede(folding, owed, gone, "the rule does not call it any more");
    alarm.owed = { ...owed, receivers, direction: directionOf([...actions.values()]) };
  }
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
