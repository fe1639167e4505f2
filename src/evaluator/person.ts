/** What a person may do with one delivery: have it made again, or give it up. What is refused changes nothing. */

import type { Command, Delivery } from "../model/decision.ts";
import type { ClusterState, Notice, PendingAction } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { end, put } from "./folding.ts";
import { stillAsks } from "./gates.ts";
import { forgetTelling, keep, queueOf, takeOut } from "./notices.ts";
import { callNow, isNewestCall, owe, withdraw } from "./owed.ts";
import { controlOf, directionOf, noticeNamed, whyNotTold } from "./receivers.ts";

/** A person's word about one delivery. */
export type PersonCommand = Extract<Command, { readonly command: "retry" | "drop" }>;

/** Why the cluster refuses the command, in words for the person; `undefined`: it does it. */
export function whyNotDeliver(cluster: ClusterState, { command, delivery: told }: PersonCommand): string | undefined {
  if (told.clusterId !== cluster.clusterId) return `it belongs to cluster ${told.clusterId}`;
  const open = cluster.deliveries.get(told.id);
  if (!open && (told.status === "waiting" || told.status === "claimed")) return "it has ended meanwhile";
  const delivery = open ?? told;
  switch (delivery.status) {
    case "waiting":
      return command === "retry" && delivery.class === "control" ? whyOver(cluster, delivery) : undefined;
    case "claimed":
      return "an attempt is under way: ask again when its outcome is known";
    case "delivered":
      return "it was delivered";
    case "shadow":
      return "it was in shadow: nothing was to be sent";
    default:
      if (command === "drop") return delivery.status === "dropped" ? "it is dropped already" : undefined;
      return delivery.class === "notice" ? whyNotTold(cluster, delivery) : whyNotCalled(cluster, delivery);
  }
}

/**
 * Whether a command was done, by the delivery as the ledger has it afterwards: it may have come too late, for all that
 * nothing was against it when it was given.
 */
export function wasDone({ command, delivery: before }: PersonCommand, after: Delivery): boolean {
  if (command === "drop") return after.status === "dropped";
  const isOpen = after.status === "waiting" || after.status === "claimed";
  if (before.class === "notice" || before.status === "waiting") return isOpen || after.attempts > before.attempts;
  // Another delivery goes in its stead, and it says so.
  return after.status === "superseded" && after.reason !== before.reason;
}

/** Nothing is scaled for a state that is over. */
function whyOver(cluster: ClusterState, delivery: Delivery): string | undefined {
  const { alarmId, alarmName, transition, notification } = delivery;
  const alarm = cluster.alarms.get(alarmId);
  if (!alarm) return `alarm ${alarmName} is gone`;
  if (stillAsks(alarm, transition, notification)) return undefined;
  const { state, transition: now } = alarm;
  return `it was for transition ${transition} to ${notification.current}, and alarm ${alarmName} is at ${now}, ${state}`;
}

/** An action is decided anew, or not at all: not while it may be scaling. */
function whyNotCalled(cluster: ClusterState, delivery: Delivery): string | undefined {
  const { alarmId, alarmName, receiver } = delivery;
  const alarm = cluster.alarms.get(alarmId);
  const { lane } = cluster;
  const over = whyOver(cluster, delivery);
  if (over !== undefined || !alarm) return over;
  const isIt = ({ action }: PendingAction) => action.receiver === receiver;
  if (!controlOf(alarm).some((action) => action.receiver === receiver))
    return `alarm ${alarmName} does not call receiver ${receiver} any more`;
  if (alarm.owed?.receivers.some(isIt)) return "it is owed again already, and is sent as soon as its gates open";
  if (lane.phase === "in flight" && lane.alarmId === alarmId) return "the action is being sent now";
  if (lane.phase === "settling" && lane.alarmId === alarmId && lane.unsure.some(isIt))
    return "it may have run: unless settling shows an effect, it is sent again by itself";
  if (!isNewestCall(alarm, delivery)) return "its receiver was called again since, by another delivery";
  return undefined;
}

const DROPPED = "dropped by a person";

/** Folds a person's word about one delivery. */
export function foldPerson(folding: Folding, command: PersonCommand): void {
  const { cluster } = folding;
  if (whyNotDeliver(cluster, command) !== undefined) return;
  const open = cluster.deliveries.get(command.delivery.id);
  if (command.command === "retry") {
    if (open) retryOpen(folding, open);
    else if (command.delivery.class === "notice") tellAgain(folding, command.delivery);
    else callAgain(folding, command.delivery);
  } else if (open) dropOpen(folding, open);
  else {
    const { delivery } = command;
    end(folding, delivery, "dropped", `${DROPPED}; ${endedBefore(delivery)}`);
    if (delivery.class === "control") withdraw(folding, delivery, DROPPED);
  }
}

/** It waits no longer than for its turn. */
function retryOpen({ cluster }: Folding, delivery: Delivery): void {
  if (delivery.class === "control") callNow(cluster, delivery);
  else {
    const now = (one: Notice) => (one.delivery.id === delivery.id ? { ...one, notBefore: cluster.tick } : one);
    keep(cluster, delivery.receiver, queueOf(cluster, delivery.receiver).map(now));
  }
}

/** A notice that has ended goes again, last in its receiver's queue, under its id. */
function tellAgain(folding: Folding, delivery: Delivery): void {
  const { cluster } = folding;
  const alarm = cluster.alarms.get(delivery.alarmId)?.alarm;
  const action = alarm && noticeNamed(alarm, delivery.receiver);
  if (!action) return;
  const notice: Notice = {
    delivery: put(folding, {
      ...delivery,
      status: "waiting",
      reason: `asked for again by a person; ${endedBefore(delivery)}`,
    }),
    maxAgeS: action.maxAgeS,
    isRepeat: false,
    notBefore: -Infinity,
    askedAt: cluster.at,
  };
  keep(cluster, delivery.receiver, [...queueOf(cluster, delivery.receiver), notice]);
}

function endedBefore({ status, reason }: Delivery): string {
  return `it had ended ${status}: ${reason}`;
}

/** An action that has ended is owed again, under a new id, and is waited for no longer than for its gates. */
function callAgain(folding: Folding, delivery: Delivery): void {
  const { cluster } = folding;
  const { alarmId, receiver, transition } = delivery;
  const alarm = cluster.alarms.get(alarmId);
  const control = alarm ? controlOf(alarm) : [];
  const action = control.find((one) => one.receiver === receiver);
  if (!alarm || !action) return;
  end(folding, delivery, "superseded", `made again by a person; ${endedBefore(delivery)}`);
  // How many servers it is about is counted when it is sent.
  const { count: _, ...notification } = delivery.notification;
  const owed = {
    transition,
    notification,
    receivers: [],
    direction: directionOf(control),
    since: cluster.tick,
    notBefore: cluster.tick,
    isRepeat: false,
  };
  owe(folding, owed, [{ action, repeat: alarm.sends++, forbiddenSince: undefined }], cluster.tick);
  if (alarm.owed) alarm.owed = { ...alarm.owed, notBefore: cluster.tick };
}

function dropOpen(folding: Folding, delivery: Delivery): void {
  const { cluster } = folding;
  end(folding, delivery, "dropped", DROPPED);
  if (delivery.class === "control") {
    withdraw(folding, delivery, DROPPED);
    return;
  }
  const { receiver, id } = delivery;
  const gone = queueOf(cluster, receiver).filter((one) => one.delivery.id === id);
  for (const notice of gone) forgetTelling(folding, notice.delivery);
  takeOut(cluster, receiver, gone);
}
