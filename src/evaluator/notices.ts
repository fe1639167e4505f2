/**
 * Notices (rule D4): every transition, in order for each receiver, tried for the receiver's `max_age`. One is in
 * flight at a time for each receiver; the head of a queue that waits for its next attempt holds the rest.
 */

import { withEntry, withoutEntry } from "../lib/maps.ts";
import type { Action } from "../model/alarm.ts";
import type { Delivery, Notification, Outcome } from "../model/decision.ts";
import type { AlarmState, ClusterState, Notice } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { claim, end, newDelivery, put } from "./folding.ts";
import { endOfNotice } from "./gates.ts";
import { failures, waitTicks } from "./retry.ts";

/** What a notice tells of a state: that it was entered, that it goes on, or that an action in it had no effect. */
type Telling = "news" | "repeat" | "no effect";

/** Puts a notice at the end of its receiver's queue; what goes on takes the place of what it told before. */
export function enqueueNotice(
  folding: Folding,
  alarm: AlarmState,
  action: Action,
  repeat: number,
  notification: Notification,
  telling: Telling,
): void {
  const { cluster } = folding;
  const queue = queueOf(cluster, action.receiver);
  const stale = queue.filter((one) => isReplaced(one, alarm, telling, cluster.at));
  for (const { delivery } of stale) end(folding, delivery, "superseded", "replaced by the next repeat");
  const delivery = put(folding, newDelivery(folding, alarm, action, repeat, notification));
  const notice: Notice = {
    delivery,
    maxAgeS: action.maxAgeS,
    notBefore: -Infinity,
    isRepeat: telling === "repeat",
    ...(telling === "no effect" ? { isNoEffect: true } : {}),
  };
  keep(cluster, action.receiver, without([...queue, notice], stale));
}

function isReplaced(one: Notice, { alarm }: AlarmState, telling: Telling, at: number): boolean {
  const { delivery } = one;
  if (delivery.status !== "waiting" || delivery.alarmId !== alarm.id) return false;
  switch (telling) {
    case "news":
      return false;
    case "repeat":
      return one.isRepeat;
    case "no effect":
      // Several receivers of one action may have had none.
      return one.isNoEffect === true && delivery.createdAt !== at;
  }
}

/** Claims the head of each queue that may go. */
export function pumpNotices(folding: Folding): void {
  const { cluster } = folding;
  for (const [receiver, queue] of cluster.notices) {
    let rest = queue;
    for (let head = rest[0]; head && head.delivery.status === "waiting"; head = rest[0]) {
      const gone = leave(folding, head);
      if (!gone && cluster.tick < head.notBefore) break;
      rest = gone ? without(rest, [head]) : [{ ...head, delivery: claim(folding, head.delivery) }, ...rest.slice(1)];
    }
    if (rest !== queue || rest.length === 0) keep(cluster, receiver, rest);
  }
}

/** Notices of a receiver that have not ended, the next first. */
export function queueOf(cluster: ClusterState, receiver: string): readonly Notice[] {
  return cluster.notices.get(receiver) ?? [];
}

/** Takes notices that have ended from their receiver's queue. */
export function takeOut(cluster: ClusterState, receiver: string, gone: readonly Notice[]): void {
  keep(cluster, receiver, without(queueOf(cluster, receiver), gone));
}

/** The receiver is left alone for as long as was said, whichever notice is the next now. */
function without(queue: readonly Notice[], gone: readonly Notice[]): readonly Notice[] {
  const [next, ...others] = queue.filter((one) => !gone.includes(one));
  if (!next) return [];
  const notBefore = Math.max(next.notBefore, queue[0]?.notBefore ?? -Infinity);
  return [{ ...next, notBefore }, ...others];
}

/** Keeps the queue of a receiver as it is now. */
export function keep(cluster: ClusterState, receiver: string, queue: readonly Notice[]): void {
  cluster.notices =
    queue.length > 0 ? withEntry(cluster.notices, receiver, queue) : withoutEntry(cluster.notices, receiver);
}

/** Ends a notice that is not to be sent, or not any more. Returns whether it was one. */
function leave(folding: Folding, notice: Notice): boolean {
  const { cluster } = folding;
  const { delivery } = notice;
  const left = whyNot(folding, notice) ?? endOfNotice(cluster, delivery);
  if (!left) return false;
  const [how, reason] = left;
  end(folding, delivery, how, reason);
  if (how === "shadow") rememberTelling(folding, delivery);
  else forgetTelling(folding, delivery);
  return true;
}

function whyNot(
  { cluster }: Folding,
  { delivery, maxAgeS, askedAt }: Notice,
): readonly ["expired" | "dropped", string] | undefined {
  if (cluster.at - (askedAt ?? delivery.createdAt) > maxAgeS * 1000)
    return ["expired", `not delivered within ${maxAgeS} s`];
  const told = cluster.alarms.get(delivery.alarmId)?.told.get(delivery.receiver);
  if (askedAt === undefined && delivery.notification.current === "ok" && told === false)
    return ["dropped", "the receiver was never told of the alarm"];
  return undefined;
}

/** Folds the outcome of a notice's attempt. */
export function noticeOutcome(folding: Folding, delivery: Delivery, outcome: Outcome): void {
  const { cluster } = folding;
  const { receiver } = delivery;
  const [head, ...rest] = queueOf(cluster, receiver);
  if (head?.delivery.id !== delivery.id) return;
  switch (outcome.outcome) {
    case "accepted":
      end(folding, delivery, "delivered", outcome.reason);
      rememberTelling(folding, delivery);
      keep(cluster, receiver, rest);
      return;
    case "busy":
    case "rejected":
      end(folding, delivery, "rejected", outcome.reason);
      forgetTelling(folding, delivery);
      keep(cluster, receiver, rest);
      return;
    case "not_run":
    case "uncertain":
    case "cancelled": {
      if (outcome.outcome === "uncertain") mayKnow(folding, delivery);
      const failed = failures(head.failed, outcome);
      const notBefore = cluster.tick + waitTicks(cluster, outcome, delivery, failed);
      waitAgain(folding, { ...head, failed, notBefore }, rest, outcome.reason);
      return;
    }
  }
}

/**
 * The head of the queue waits once more, under the same id: the receiver can tell. A repeat gives way to one that came
 * behind it meanwhile.
 */
function waitAgain(folding: Folding, head: Notice, rest: readonly Notice[], reason: string): void {
  const { delivery } = head;
  const { receiver } = delivery;
  const isReplaced = head.isRepeat && rest.some((one) => one.isRepeat && one.delivery.alarmId === delivery.alarmId);
  if (isReplaced) {
    end(folding, delivery, "superseded", "replaced by the next repeat");
    keep(folding.cluster, receiver, without([head, ...rest], [head]));
    return;
  }
  const waiting = { ...head, delivery: put(folding, { ...delivery, status: "waiting", reason }) };
  keep(folding.cluster, receiver, [waiting, ...rest]);
}

/** Nobody knows whether it arrived: if it did, the receiver waits for the return to ok. */
function mayKnow(folding: Folding, delivery: Delivery): void {
  if (delivery.notification.current !== "ok") rememberTelling(folding, delivery);
}

/** The receiver has learnt that the alarm is not ok, or that it is again. */
function rememberTelling(folding: Folding, { notification, receiver, alarmId }: Delivery): void {
  const alarm = folding.cluster.alarms.get(alarmId);
  if (!alarm) return;
  const isOk = notification.current === "ok";
  alarm.told = isOk ? withoutEntry(alarm.told, receiver) : withEntry(alarm.told, receiver, true);
}

/** The receiver did not learn of a state that is not ok: unless it may know of another, the return to ok is no news. */
export function forgetTelling({ cluster }: Folding, { notification, receiver, alarmId, repeat }: Delivery): void {
  const alarm = cluster.alarms.get(alarmId);
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
  for (const [head, ...rest] of folding.cluster.notices.values()) {
    if (head?.delivery.status !== "claimed") continue;
    mayKnow(folding, head.delivery);
    waitAgain(folding, { ...head, notBefore: -Infinity }, rest, "the service ended before the outcome was known");
  }
}
