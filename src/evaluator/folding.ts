/** What one folding step gathers: decisions, and the deliveries they touch. */

import { withEntry, withoutEntry } from "../lib/maps.ts";
import { uuidV5 } from "../lib/uuid.ts";
import type { Action } from "../model/alarm.ts";
import type { Decision, Delivery, DeliveryEnd, Notification } from "../model/decision.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";

export interface Folding {
  readonly cluster: ClusterState;
  readonly decisions: Decision[];
  /** Deliveries as they are after the step, by id. */
  touched: ReadonlyMap<string, Delivery>;
}

/** Namespace of `webhook-id`s: a constant of this program. */
const DELIVERY_NAMESPACE = "1e8e1f6c-2f0f-5a6f-9a0e-5d3b0f1c7a11";

/** Id of one send to one receiver, the same however often it is tried (rule D5): the `webhook-id`. */
export function deliveryId(alarmId: string, transition: number, repeat: number, receiver: string): string {
  return `msg_${uuidV5(DELIVERY_NAMESPACE, `${alarmId}/${transition}/${repeat}/${receiver}`)}`;
}

/** The delivery of one send to one receiver, not yet claimed. */
export function newDelivery(
  folding: Folding,
  alarm: AlarmState,
  action: Action,
  repeat: number,
  notification: Notification,
): Delivery {
  const { cluster } = folding;
  return {
    id: deliveryId(alarm.alarm.id, alarm.transition, repeat, action.receiver),
    clusterId: cluster.clusterId,
    alarmId: alarm.alarm.id,
    alarmName: alarm.alarm.name,
    receiver: action.receiver,
    class: action.class,
    direction: action.direction,
    transition: alarm.transition,
    repeat,
    createdAt: cluster.at,
    status: "waiting",
    attempts: 0,
    reason: "",
    notification,
  };
}

/** Keeps a delivery that has not ended. */
export function put(folding: Folding, delivery: Delivery): Delivery {
  const { cluster } = folding;
  cluster.deliveries = withEntry(cluster.deliveries, delivery.id, delivery);
  folding.touched = withEntry(folding.touched, delivery.id, delivery);
  return delivery;
}

/** A repeat was made: one for each slot, however many receivers it has. */
export function countRepeat(alarm: AlarmState): void {
  if (alarm.countedSlot === alarm.slots) return;
  alarm.countedSlot = alarm.slots;
  alarm.repeats++;
}

/** Decides that the next attempt is made: committed, it counts as claimed (rule D1). */
export function claim(folding: Folding, delivery: Delivery): Delivery {
  const claimed = put(folding, { ...delivery, status: "claimed", attempts: delivery.attempts + 1 });
  folding.decisions.push({
    d: "send",
    at: folding.cluster.at,
    delivery: claimed.id,
    attempt: claimed.attempts,
    receiver: claimed.receiver,
    class: claimed.class,
    direction: claimed.direction,
    transition: claimed.transition,
    repeat: claimed.repeat,
    notification: claimed.notification,
  });
  return claimed;
}

/** Ends a delivery. */
export function end(folding: Folding, delivery: Delivery, how: DeliveryEnd, reason: string): void {
  const { cluster } = folding;
  cluster.deliveries = withoutEntry(cluster.deliveries, delivery.id);
  folding.touched = withEntry(folding.touched, delivery.id, { ...delivery, status: how, reason });
  folding.decisions.push({ d: "end", at: folding.cluster.at, delivery: delivery.id, end: how, reason });
}
