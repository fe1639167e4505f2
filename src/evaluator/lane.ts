/**
 * The lane (rule L), one per cluster, for control receivers.
 *
 *   idle       an alarm owes an action and its gates open: sent                    → in flight
 *   in flight  its receivers have answered: some accepted or uncertain             → settling
 *              none did                                                            → idle
 *   settling   the effect is seen, or `settle` ticks have passed since the send,
 *              or since the last call that may have run                            → cooldown
 *   cooldown   `cooldown` ticks have passed since the send                         → idle
 *
 * What is owed again, while the alarm stays in the state that asked for it: to a receiver that was busy, under a
 * new id, at the alarm's next repeat slot; to one that provably did not run, under the same id, after a wait; to one
 * of which a byte was never written, under a new id; to one that may have run, under a new id, when settling ended
 * without effect. Whether there was an effect is told by a tick that shows all servers; when none comes for as long
 * as settling lasts, it is not waited for any longer. A receiver in shadow is not called, and counts as having accepted.
 */

import { withEntry } from "../lib/maps.ts";
import type { Delivery, Outcome, Start } from "../model/decision.ts";
import type { AlarmState, Called, ClusterState, Flight, Owed, PendingAction, Sent } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { claim, countRepeat, deliveryId, end, newDelivery, put } from "./folding.ts";
import { callHeld, gateOf, stillAsks } from "./gates.ts";
import { afresh, owe } from "./owed.ts";
import { proportionOf } from "./proportional.ts";
import { afterAttempt, forbids, waitTicks } from "./retry.ts";
import { afterPause, overtake } from "./settle.ts";
import { shadowOf } from "./shadow.ts";
import { slotsAt, slotTick } from "./slots.ts";

/** Longest that a refusal is taken for a passing fault of the receiver's own authentication, seconds (rule D1). */
const FORBIDDEN_FOR_S = 600;

/** Sends what is owed as far as gates allow; journals what they hold; drops repeats that they hold. */
export function offer(folding: Folding): void {
  const { cluster } = folding;
  const owing: AlarmState[] = [];
  for (const alarm of cluster.alarms.values()) if (alarm.owed) owing.push(alarm);
  for (const alarm of inOrder(owing)) {
    const { owed } = alarm;
    if (!owed) continue;
    const held = gateOf(cluster, alarm, owed);
    if (!held) {
      send(folding, alarm, owed);
      continue;
    }
    if (alarm.held !== held.gate) {
      const what = owed.isRepeat ? "repeat" : "action";
      folding.decisions.push({ d: "hold", at: cluster.at, alarmId: alarm.alarm.id, what, ...held });
      alarm.held = held.gate;
    }
    if (held.gate === "lane" && owed.direction === "out") askToCancel(folding, alarm);
    if (owed.isRepeat) alarm.owed = undefined;
  }
}

/** Scale-outs first, then the oldest, then the order of the rules. */
function inOrder(alarms: readonly AlarmState[]): readonly AlarmState[] {
  if (alarms.length < 2) return alarms;
  const rank = ({ owed }: AlarmState) => (owed?.direction === "out" ? 0 : 1);
  return alarms.toSorted((a, b) => rank(a) - rank(b) || (a.owed?.since ?? 0) - (b.owed?.since ?? 0));
}

/** A scale-out asks that a scale-in of which nothing was written yet be left (rule L1). */
function askToCancel(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase !== "in flight" || lane.direction === "out" || lane.cancelAsked) return;
  const reason = `alarm ${alarm.alarm.name} asks for a scale-out`;
  folding.decisions.push({ d: "cancel", at: cluster.at, delivery: lane.deliveryId, reason });
  cluster.lane = { ...lane, cancelAsked: true };
}

function send(folding: Folding, alarm: AlarmState, owed: Owed): void {
  const { cluster } = folding;
  const overtaken = overtake(folding);
  alarm.owed = undefined;
  alarm.held = undefined;
  if (owed.isRepeat) countRepeat(alarm);
  const sent: Sent = {
    alarmId: alarm.alarm.id,
    transition: owed.transition,
    direction: owed.direction,
    sentTick: cluster.tick,
    membersBefore: cluster.completeMembers,
    owed,
    overtaken,
  };
  callNext(folding, alarm, sent, owed.receivers, []);
}

/** Calls the next receiver; where there is none, or something holds it by now, the action is over. */
function callNext(
  folding: Folding,
  alarm: AlarmState,
  sent: Sent,
  pending: readonly PendingAction[],
  called: readonly Called[],
): void {
  const { cluster } = folding;
  const [next, ...rest] = pending;
  if (!next || callHeld(cluster, alarm, sent, next) !== undefined) {
    land(folding, sent, [...called, ...neverCalled(folding, sent, pending)]);
    return;
  }
  const { action, repeat } = next;
  const delivery = asNow(folding, alarm, next, newDelivery(folding, alarm, action, repeat, sent.owed.notification));
  alarm.called = withEntry(alarm.called, action.receiver, repeat);
  const shadow = shadowOf(cluster, alarm.alarm, action);
  if (shadow !== undefined) {
    end(folding, delivery, "shadow", shadow);
    callNext(folding, alarm, sent, rest, [
      ...called,
      { pending: next, outcome: "accepted", waitTicks: 0, isShadow: true },
    ]);
    return;
  }
  const { id: deliveryId } = claim(folding, delivery);
  const calledTick = cluster.tick;
  cluster.lane = {
    phase: "in flight",
    ...sent,
    deliveryId,
    current: next,
    calledTick,
    rest,
    called,
    cancelAsked: false,
  };
}

/** One that was tried before keeps its id; how many servers a receiver is asked for is counted whenever it is called. */
function asNow({ cluster }: Folding, alarm: AlarmState, { action }: PendingAction, fresh: Delivery): Delivery {
  const known = cluster.deliveries.get(fresh.id) ?? fresh;
  const { count: _, ...notification } = known.notification;
  const count = proportionOf(cluster, alarm, action)?.count;
  return {
    ...known,
    direction: action.direction,
    notification: count === undefined ? notification : { ...notification, count },
  };
}

/** Folds the outcome of the attempt that the lane awaits. */
export function laneOutcome(folding: Folding, outcome: Outcome): void {
  const { cluster } = folding;
  const { lane } = cluster;
  const delivery = cluster.deliveries.get(outcome.deliveryId);
  if (lane.phase !== "in flight" || lane.deliveryId !== outcome.deliveryId || !delivery) return;
  const alarm = cluster.alarms.get(lane.alarmId);
  const asks = alarm !== undefined && stillAsks(alarm, lane.transition, lane.owed.notification);
  const called = [...lane.called, resolve(folding, lane, outcome, asks)];
  const goesOn = asks && !cluster.stopped && outcome.outcome !== "cancelled";
  if (goesOn) callNext(folding, alarm, lane, lane.rest, called);
  else land(folding, lane, [...called, ...neverCalled(folding, lane, lane.rest)]);
}

/**
 * Those whose turn did not come: for them the action was left, as by a gate at the last moment; but what had been
 * tried before provably did not run, and waits on under its id.
 */
function neverCalled(
  { cluster }: Folding,
  { transition, owed }: Sent,
  rest: readonly PendingAction[],
): readonly Called[] {
  return rest.map((pending) => {
    const id = deliveryId(owed.notification.alarmId, transition, pending.repeat, pending.action.receiver);
    return { pending, outcome: cluster.deliveries.has(id) ? "not_run" : "cancelled", waitTicks: 0 };
  });
}

/** Ends the delivery, or lets it wait where it provably did not run and is still asked for. */
function resolve(folding: Folding, lane: Flight, outcome: Outcome, asks: boolean): Called {
  const { cluster } = folding;
  const delivery = cluster.deliveries.get(lane.deliveryId);
  const pending = afterAttempt(lane.current, outcome, cluster.tick);
  const { calledTick } = lane;
  const done = (kind: Outcome["outcome"]): Called => ({ pending, outcome: kind, calledTick, waitTicks: 0 });
  if (!delivery) return done("rejected");
  const { reason } = outcome;
  switch (outcome.outcome) {
    case "accepted":
      end(folding, delivery, "delivered", reason);
      return done("accepted");
    case "busy":
    case "uncertain":
    case "rejected":
      end(folding, delivery, outcome.outcome, reason);
      return done(outcome.outcome);
    case "cancelled":
      end(folding, delivery, "superseded", reason);
      return { ...done("cancelled"), waitTicks: outcome.wait ? 1 : 0 };
    case "not_run": {
      const { forbiddenSince = Infinity, failed = 0 } = pending;
      if (forbids(outcome) && cluster.tick - forbiddenSince >= ticksOf(FORBIDDEN_FOR_S, cluster)) {
        end(folding, delivery, "dead", `${reason}, for ${FORBIDDEN_FOR_S} s`);
        return done("rejected");
      }
      if (!asks) {
        end(folding, delivery, "superseded", `${reason}; the alarm has left the state`);
        return done("rejected");
      }
      put(folding, { ...delivery, status: "waiting", reason });
      return { pending, outcome: "not_run", waitTicks: waitTicks(cluster, outcome, delivery, failed) };
    }
  }
}

/** What follows from what the receivers did. */
function land(folding: Folding, sent: Sent, called: readonly Called[]): void {
  const { cluster } = folding;
  const of = (kind: Outcome["outcome"]) =>
    called.filter(({ outcome, isGivenUp }) => outcome === kind && !isGivenUp).map(({ pending }) => pending);
  const { alarmId, transition, direction, sentTick, membersBefore, owed, overtaken } = sent;
  const settling = { alarmId, transition, direction, sentTick, membersBefore, owed, overtaken, blindTicks: 0 };
  const unsure = of("uncertain");
  // Those that a person gave up may have run, too.
  const unsureTicks = called.flatMap((one) =>
    one.outcome === "uncertain" ? [Math.max(one.calledTick ?? sentTick, sentTick)] : [],
  );
  // Of one that was in shadow nobody is told that it had no effect: nothing was sent.
  const accepted = called.flatMap((one) => (one.outcome === "accepted" && !one.isShadow ? [one.pending] : []));
  const acted = called.some(({ outcome }) => outcome === "accepted" || outcome === "uncertain");
  const unsureTick = unsureTicks.length > 0 ? Math.max(...unsureTicks) : undefined;
  cluster.lane = acted ? { phase: "settling", accepted, unsure, unsureTick, ...settling } : afterPause(overtaken);

  const busy = of("busy");
  // A repeat that a gate stopped at the last moment is dropped like any repeat that a gate holds (rule A4).
  const cancelled = owed.isRepeat ? [] : of("cancelled");
  const again = [...of("not_run"), ...afresh(folding, owed, [...busy, ...cancelled])];
  const retryTick = cluster.tick + Math.max(0, ...called.map((one) => one.waitTicks));
  owe(folding, owed, again, busy.length > 0 ? Math.max(retryTick, nextSlotTick(cluster, alarmId)) : retryTick);
}

/** Tick of the alarm's next repeat, whether or not it repeats. */
function nextSlotTick(cluster: ClusterState, alarmId: string): number {
  const alarm = cluster.alarms.get(alarmId);
  return alarm ? slotTick(cluster, alarm, slotsAt(cluster, alarm, cluster.tick)) : cluster.tick;
}

/**
 * Rule D3 for the lane: of a claimed attempt without outcome nobody knows whether it ran. Where another process may still
 * have been sending it, everything counts from the takeover (rule N3).
 */
export function laneStart(folding: Folding, { takeover }: Pick<Start, "takeover">): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase !== "in flight") return;
  const delivery = cluster.deliveries.get(lane.deliveryId);
  const reason = "the service ended before the outcome was known";
  if (delivery) end(folding, delivery, "uncertain", reason);
  const { current: pending, calledTick } = lane;
  const unknown: Called = { pending, outcome: "uncertain", calledTick, waitTicks: 0 };
  const sent = takeover ? { ...lane, sentTick: Math.max(lane.sentTick, takeover.number) } : lane;
  land(folding, sent, [...lane.called, unknown, ...neverCalled(folding, lane, lane.rest)]);
  if (takeover && cluster.lane.phase === "settling")
    cluster.lane = { ...cluster.lane, untilTick: sent.sentTick + ticksOf(takeover.leastS, cluster) };
}
