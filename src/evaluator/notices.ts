/**
 * Notices (rule D4): every transition, in order for each receiver, tried for the receiver's `max_age`. One is in
 * flight at a time for each receiver; the head of a queue that waits for its next attempt holds the rest.
 */

import { withEntry, withoutEntry } from "../lib/maps.ts";
import type { Action } from "../model/alarm.ts";
import type { Delivery, Notification, Outcome } from "../model/decision.ts";
import type { AlarmState, Notice } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { claim, end, newDelivery, put } from "./folding.ts";
import { waitTicks } from "./retry.ts";

/** Puts a notice at the end of its receiver's queue; a repeat takes the place of one that is still there. */
export function enqueueNotice(
  folding: Folding,
  alarm: AlarmState,
  action: Action,
  repeat: number,
  notification: Notification,
  isRepeat: boolean,
): void {
  const { cluster } = folding;
  const queue = cluster.notices.get(action.receiver) ?? [];
  const stale = queue.filter((one) => isRepeat && isWaitingRepeat(one, alarm.alarm.id));
  for (const { delivery } of stale) end(folding, delivery, "superseded", "replaced by the next repeat");
  const delivery = put(folding, newDelivery(folding, alarm, action, repeat, notification));
  const notice: Notice = { delivery, maxAgeS: action.maxAgeS, notBefore: -Infinity, isRepeat };
  const rest = queue.filter((one) => !stale.includes(one));
  cluster.notices = withEntry(cluster.notices, action.receiver, [...rest, notice]);
}

function isWaitingRepeat({ delivery, isRepeat }: Notice, alarmId: string): boolean {
  return isRepeat && delivery.alarmId === alarmId && delivery.status === "waiting";
}

/** Claims the head of each queue that may go. */
export function pumpNotices(folding: Folding): void {
  const { cluster } = folding;
  for (const [receiver, queue] of cluster.notices) {
    let rest = queue;
    for (let head = rest[0]; head && head.delivery.status === "waiting"; head = rest[0]) {
      const dropped = whyNot(folding, head);
      if (dropped) {
        const [how, reason] = dropped;
        end(folding, head.delivery, how, reason);
        if (how === "expired") forgetTelling(folding, head.delivery);
        rest = rest.slice(1);
        continue;
      }
      if (cluster.shadow) {
        end(folding, head.delivery, "shadow", "shadow mode: nothing is sent");
        rememberTelling(folding, head.delivery);
        rest = rest.slice(1);
        continue;
      }
      if (cluster.tick < head.notBefore) break;
      rest = [{ ...head, delivery: claim(folding, head.delivery) }, ...rest.slice(1)];
    }
    if (rest === queue && rest.length > 0) continue;
    cluster.notices =
      rest.length > 0 ? withEntry(cluster.notices, receiver, rest) : withoutEntry(cluster.notices, receiver);
  }
}

function whyNot(folding: Folding, { delivery, maxAgeS }: Notice): readonly ["expired" | "dropped", string] | undefined {
  const { cluster } = folding;
  if (cluster.at - delivery.createdAt > maxAgeS * 1000) return ["expired", `not delivered within ${maxAgeS} s`];
  const told = cluster.alarms.get(delivery.alarmId)?.told.get(delivery.receiver);
  if (delivery.notification.current === "ok" && told === false)
    return ["dropped", "the receiver was never told of the alarm"];
  return undefined;
}

/** Folds the outcome of a notice's attempt. */
export function noticeOutcome(folding: Folding, delivery: Delivery, outcome: Outcome): void {
  const { cluster } = folding;
  const queue = cluster.notices.get(delivery.receiver) ?? [];
  const keep = (rest: readonly Notice[]) => {
    cluster.notices = withEntry(cluster.notices, delivery.receiver, rest);
  };
  const [head, ...rest] = queue;
  if (head?.delivery.id !== delivery.id) return;
  switch (outcome.outcome) {
    case "accepted":
      end(folding, delivery, "delivered", outcome.reason);
      rememberTelling(folding, delivery);
      keep(rest);
      return;
    case "busy":
    case "rejected":
      end(folding, delivery, "rejected", outcome.reason);
      forgetTelling(folding, delivery);
      keep(rest);
      return;
    case "not_run":
    case "uncertain":
    case "cancelled": {
      // What may have run is sent again under the same id: the receiver can tell.
      const waiting = put(folding, { ...delivery, status: "waiting", reason: outcome.reason });
      const notBefore = cluster.tick + waitTicks(cluster, outcome, delivery.attempts);
      keep([{ ...head, delivery: waiting, notBefore }, ...rest]);
      return;
    }
  }
}

/** The receiver has learnt that the alarm is not ok, or that it is again. */
function rememberTelling(folding: Folding, { notification, receiver, alarmId }: Delivery): void {
  const alarm = folding.cluster.alarms.get(alarmId);
  if (!alarm) return;
  const isOk = notification.current === "ok";
  alarm.told = isOk ? withoutEntry(alarm.told, receiver) : withEntry(alarm.told, receiver, true);
}

/** The receiver did not learn of a state that is not ok: unless it learnt of another, the return to ok is no news. */
function forgetTelling(folding: Folding, { notification, receiver, alarmId, repeat }: Delivery): void {
  const alarm = folding.cluster.alarms.get(alarmId);
  if (alarm && notification.current !== "ok" && repeat === 0 && !alarm.told.get(receiver))
    alarm.told = withEntry(alarm.told, receiver, false);
}

/** Notices that were held until they had no meaning: whom they were for never learnt of that state. */
export function forgetNotice(alarm: AlarmState, receivers: readonly Action[], { current }: Notification): void {
  if (current === "ok") return;
  for (const { receiver } of receivers)
    if (!alarm.told.get(receiver)) alarm.told = withEntry(alarm.told, receiver, false);
}

/** Rule D3 for notices: those that were claimed are sent again, with their ids. */
export function noticesStart(folding: Folding): void {
  for (const [receiver, queue] of folding.cluster.notices) {
    const waiting = queue.map((notice) => {
      if (notice.delivery.status !== "claimed") return notice;
      const reason = "the service ended before the outcome was known";
      return {
        ...notice,
        delivery: put(folding, { ...notice.delivery, status: "waiting", reason }),
        notBefore: -Infinity,
      };
    });
    folding.cluster.notices = withEntry(folding.cluster.notices, receiver, waiting);
  }
}
