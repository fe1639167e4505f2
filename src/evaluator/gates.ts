/** What holds an action back, each gate with a name and a reason (rules A3, A5, L). */

import type { Action } from "../model/alarm.ts";
import type { Delivery, Gate, Notification } from "../model/decision.ts";
import type { AlarmState, ClusterState, Owed, PendingAction, Sent } from "./cluster.ts";
import { pausedBecause } from "./pause.ts";
import { proportionOf } from "./proportional.ts";
import { controlOf, directionOf, noticeNamed, whyNotTold } from "./receivers.ts";
import { shadowOf } from "./shadow.ts";

export interface Held {
  readonly gate: Gate;
  readonly reason: string;
}

/** Why an edit of the rule takes a receiver from an action. */
export const NOT_CALLED = "the rule does not call it any more";

/** The alarm is still where the action belongs: same transition, same state. */
export function stillAsks(alarm: AlarmState | undefined, transition: number, notification: Notification): boolean {
  return alarm !== undefined && alarm.transition === transition && alarm.state === notification.current;
}

/** Why an owed action is not sent now, `undefined`: nothing holds it. */
export function gateOf(cluster: ClusterState, alarm: AlarmState, owed: Owed): Held | undefined {
  return (
    worldGate(cluster, alarm, owed) ??
    capacityGate(cluster, alarm, owed) ??
    waitGate(cluster, owed) ??
    laneGate(cluster, owed)
  );
}

/**
 * Why the claimed attempt of a delivery must not be written now, `undefined`: nothing holds it. Read immediately before
 * the first byte: what the world may have changed since it was decided.
 */
export function heldBecause(cluster: ClusterState, deliveryId: string): string | undefined {
  const delivery = cluster.deliveries.get(deliveryId);
  if (delivery?.status !== "claimed") return "the delivery has ended";
  if (delivery.class === "notice") return endOfNotice(cluster, delivery)?.[1];
  const alarm = cluster.alarms.get(delivery.alarmId);
  const { lane } = cluster;
  const { notification, transition, receiver } = delivery;
  if (!alarm || !stillAsks(alarm, transition, notification)) return "the alarm has left the state";
  if (lane.phase !== "in flight" || lane.deliveryId !== deliveryId) return "the lane has gone on";
  if (lane.cancelAsked) return "a scale-out goes first";
  const action = controlOf(alarm).find((one) => one.receiver === receiver);
  return (
    callHeld(cluster, alarm, lane, lane.current) ??
    shadowOf(cluster, alarm.alarm, action) ??
    (action && miscounted(cluster, alarm, action, notification))
  );
}

/** Why a receiver of the action that the lane is about must not be called now; `undefined`: nothing holds it. */
export function callHeld(
  cluster: ClusterState,
  alarm: AlarmState,
  { direction }: Pick<Sent, "direction">,
  { action: before }: PendingAction,
): string | undefined {
  const control = controlOf(alarm);
  const action = control.find((one) => one.receiver === before.receiver);
  if (!action) return NOT_CALLED;
  if (action.direction !== before.direction || directionOf(control) !== direction) return "its direction has changed";
  const held = worldGate(cluster, alarm, { direction }) ?? capacityGate(cluster, alarm, { receivers: [{ action }] });
  return held?.reason;
}

/** The servers that it asks for were counted when it was claimed. */
function miscounted(
  cluster: ClusterState,
  alarm: AlarmState,
  action: Action,
  { count }: Notification,
): string | undefined {
  const now = proportionOf(cluster, alarm, action);
  if (now === undefined) return count === undefined ? undefined : "the rule asks for no number of servers any more";
  if (count === undefined) return "the rule asks for a number of servers by now";
  if (now.count === undefined || count <= now.room) return undefined;
  return `there is room for ${now.room} servers by now, and it asks for ${count}`;
}

/** How a notice ends that must not be sent as its rule is now, and why; `undefined`: it may be sent. */
export function endOfNotice(
  cluster: ClusterState,
  delivery: Delivery,
): readonly ["dropped" | "shadow", string] | undefined {
  const gone = whyNotTold(cluster, delivery);
  if (gone !== undefined) return ["dropped", gone];
  const alarm = cluster.alarms.get(delivery.alarmId)?.alarm;
  const shadow = shadowOf(cluster, alarm, alarm && noticeNamed(alarm, delivery.receiver));
  return shadow === undefined ? undefined : ["shadow", shadow];
}

/** The gates that ask what the cluster is like at the newest tick, and what people say. */
function worldGate(cluster: ClusterState, alarm: AlarmState, owed: Pick<Owed, "direction">): Held | undefined {
  if (alarm.state === "insufficient data" && owed.direction !== "out") {
    return { gate: "direction", reason: "without data only a scale-out may be sent" };
  }
  const { verdict } = alarm;
  if (verdict.kind === "stopped") return { gate: verdict.gate, reason: verdict.reason };
  const suppressor = suppressorOf(cluster, alarm);
  if (suppressor !== undefined) return { gate: "suppressor", reason: suppressor };
  const paused = pausedBecause(cluster, owed.direction);
  if (paused !== undefined) return { gate: "pause", reason: paused };
  if (verdict.kind === "unknown") return { gate: "evidence", reason: verdict.reason };
  if (verdict.assumed && owed.direction !== "out") {
    return { gate: "evidence", reason: "a source is silent, and its policy alone says that there is little" };
  }
  if (verdict.kind === "insufficient data" && alarm.state !== "insufficient data") {
    return { gate: "evidence", reason: "too few datapoints at the newest tick" };
  }
  if (owed.direction !== "out") {
    const asks = [...cluster.alarms.values()].find((other) => other !== alarm && asksOut(other));
    if (asks) return { gate: "opposite", reason: `alarm ${asks.alarm.name} asks for a scale-out` };
  }
  return undefined;
}

/** Why a suppressor holds the alarm's actions, notices too; `undefined`: none does. */
export function suppressorOf(cluster: ClusterState, { alarm }: AlarmState): string | undefined {
  for (const id of alarm.suppressedBy) {
    const suppressor = cluster.alarms.get(id);
    if (suppressor?.state === "alarm" && suppressor.verdict.kind !== "stopped")
      return `alarm ${suppressor.alarm.name} suppresses it`;
  }
  return undefined;
}

/** Rule L1: an evaluated alarm with a scale-out receiver that is in alarm or owed. */
function asksOut(alarm: AlarmState): boolean {
  if (alarm.verdict.kind === "stopped") return false;
  if (alarm.owed?.direction === "out" && !alarm.owed.isRepeat) return true;
  const outward = alarm.alarm.actions.alarm.some((action) => action.class === "control" && action.direction === "out");
  return alarm.state === "alarm" && outward;
}

/**
 * There is no room for what a proportional receiver would ask for. It holds the whole action, other receivers too: their
 * order is a person's, and what is called after another may need what that one did.
 */
function capacityGate(
  cluster: ClusterState,
  alarm: AlarmState,
  { receivers }: { readonly receivers: readonly Pick<PendingAction, "action">[] },
): Held | undefined {
  for (const { action } of receivers) {
    const asked = proportionOf(cluster, alarm, action);
    if (asked && asked.count === undefined) return { gate: "capacity", reason: asked.reason };
  }
  return undefined;
}

function waitGate(cluster: ClusterState, owed: Owed): Held | undefined {
  const ticks = owed.notBefore - cluster.tick;
  return ticks > 0 ? { gate: "backoff", reason: `the receiver is called again ${ticks} ticks from now` } : undefined;
}

function laneGate(cluster: ClusterState, owed: Owed): Held | undefined {
  const { lane } = cluster;
  switch (lane.phase) {
    case "idle":
      return undefined;
    case "in flight":
      return { gate: "lane", reason: "another action of the cluster is being sent" };
    case "settling":
      // A scale-out never waits for what came of a scale-in, but for one that another process may still be sending.
      if (owed.direction === "out" && lane.direction !== "out" && cluster.tick >= (lane.untilTick ?? -Infinity))
        return undefined;
      return { gate: "lane", reason: "the effect of the action before is awaited" };
    case "cooldown":
      if (owed.direction === "out" && lane.direction !== "out") return undefined;
      return { gate: "cooldown", reason: "the cooldown of the action before runs" };
  }
}
