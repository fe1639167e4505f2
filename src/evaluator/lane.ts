/**
 * The lane (rule L), one per cluster, for control receivers.
 *
 *   idle       an alarm owes an action and its gates open: sent                    → in flight
 *   in flight  its receivers have answered: some accepted or uncertain             → settling
 *              none did                                                            → idle
 *   settling   the effect is seen, or `settle` ticks have passed since the send    → cooldown
 *   cooldown   `cooldown` ticks have passed since the send                         → idle
 *
 * What is owed again, while the alarm stays in the state that asked for it: to a receiver that was busy, under a
 * new id, at the alarm's next repeat slot; to one that provably did not run, under the same id, after a wait; to one
 * of which a byte was never written, under a new id; to one that may have run, under a new id, when settling ended
 * without effect. Whether there was an effect is told by a tick that shows all servers; when none comes for as long
 * as settling lasts, it is not waited for any longer.
 */

import type { Direction } from "../model/alarm.ts";
import type { EffectLabel, Outcome } from "../model/decision.ts";
import type { AlarmState, Called, Flight, Lane, Overtaken, Owed, PendingAction, Sent, Settling } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import { changeSince } from "./effect.ts";
import type { Folding } from "./folding.ts";
import { claim, countRepeat, end, newDelivery, put } from "./folding.ts";
import { gateOf, stillAsks, suppressorOf } from "./gates.ts";
import { enqueueNotice } from "./notices.ts";
import { afresh, nextSlotTick, owe } from "./owed.ts";
import { waitTicks } from "./retry.ts";

/** Longest that a 403 is taken for a passing fault of the receiver's own authentication, seconds (rule D1). */
const FORBIDDEN_FOR_S = 600;

/** Moves settling and cooldown on at a tick, before repeats are looked at (rule L2). */
export function advanceLane(folding: Folding, complete: boolean): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase === "settling") settle(folding, lane, complete);
  if (cluster.lane.phase === "cooldown") {
    const { direction, sentTick, untilTick, overtaken } = cluster.lane;
    const over = Math.max(untilTick, sentTick + cooldownTicks(folding, direction));
    if (cluster.tick >= over) cluster.lane = afterPause(overtaken);
  }
}

/** What follows when a pause is over, or nothing was done that asks for one: that of the action that was overtaken. */
function afterPause(overtaken: Overtaken | undefined): Lane {
  return overtaken ? { phase: "cooldown", ...overtaken, overtaken: undefined } : { phase: "idle" };
}

function settle(folding: Folding, lane: Settling, complete: boolean): void {
  const { cluster } = folding;
  const ticks = cluster.tick - lane.sentTick;
  const settleTicks = ticksOf(cluster.rules?.settleS ?? 0, cluster);
  const { membersBefore } = lane;
  const change = complete && membersBefore ? changeSince(membersBefore, cluster.members, lane.direction) : undefined;
  const effective = change?.kind === "effective";
  if (!effective && ticks < settleTicks) return;
  if (!change && lane.unsure.length > 0 && lane.blindTicks < settleTicks) {
    cluster.lane = { phase: "settling", ...lane, blindTicks: lane.blindTicks + 1 };
    return;
  }
  const effect: EffectLabel = effective ? "effective" : !change || change.kind === "unclear" ? "unclear" : "no_effect";
  const { alarmId, transition, direction, sentTick, overtaken } = lane;
  const servers = change?.servers ?? [];
  folding.decisions.push({ d: "effect", at: cluster.at, alarmId, transition, effect, direction, ticks, servers });
  cluster.lane = { phase: "cooldown", direction, sentTick, untilTick: sentTick, overtaken };
  if (effective) return;
  owe(folding, lane.owed, afresh(folding, lane.owed, lane.unsure), cluster.tick);
  if (effect === "no_effect" && lane.unsure.length === 0) tellNoEffect(folding, lane, ticks);
}

/** Tells those whom the receivers name for the case that an accepted action changed nothing. */
function tellNoEffect(folding: Folding, { owed, accepted }: Settling, ticks: number): void {
  const { cluster } = folding;
  const alarm = cluster.alarms.get(owed.notification.alarmId);
  if (!alarm || suppressorOf(cluster, alarm) !== undefined) return;
  for (const { action } of accepted) {
    for (const notice of action.onNoEffect ?? []) {
      const waited = (ticks * cluster.intervalMs) / 1000;
      const reason = `Receiver ${action.receiver} accepted the action, and no server came or went within ${waited} s`;
      enqueueNotice(folding, alarm, notice, alarm.sends++, { ...owed.notification, reason }, false);
    }
  }
}

function cooldownTicks({ cluster }: Folding, direction: Direction): number {
  const cooldown = cluster.rules?.cooldownS;
  return ticksOf((direction === "out" ? cooldown?.out : cooldown?.in) ?? 0, cluster);
}

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
  const [first, ...rest] = owed.receivers;
  const overtaken = overtake(folding);
  alarm.owed = undefined;
  alarm.held = undefined;
  if (owed.isRepeat) countRepeat(alarm);
  if (!first) return;
  const sent: Sent = {
    alarmId: alarm.alarm.id,
    transition: owed.transition,
    direction: owed.direction,
    sentTick: cluster.tick,
    membersBefore: cluster.completeMembers,
    owed,
    overtaken,
  };
  call(folding, alarm, sent, first, rest, []);
}

/**
 * A scale-out goes ahead of what a scale-in may still do: whether that one had an effect will not be known. Its pause
 * goes on afterwards, and where it may not have run at all it is owed again, if its alarm still asks by then.
 */
function overtake(folding: Folding): Overtaken | undefined {
  const { cluster, decisions } = folding;
  const { lane, at } = cluster;
  if (lane.phase !== "settling" && lane.phase !== "cooldown") return undefined;
  const { direction, sentTick } = lane;
  const pauseTicks = cooldownTicks(folding, direction);
  if (lane.phase === "cooldown") {
    return { direction, sentTick, untilTick: Math.max(lane.untilTick, sentTick + pauseTicks) };
  }
  const { alarmId, transition } = lane;
  const ticks = cluster.tick - sentTick;
  decisions.push({ d: "effect", at, alarmId, transition, effect: "unclear", direction, ticks, servers: [] });
  const settledTick = sentTick + ticksOf(cluster.rules?.settleS ?? 0, cluster);
  const { membersBefore } = lane;
  const now = cluster.completeMembers;
  const seen = membersBefore && now && changeSince(membersBefore, now, direction);
  if (seen?.kind !== "effective") owe(folding, lane.owed, afresh(folding, lane.owed, lane.unsure), settledTick);
  return { direction, sentTick, untilTick: Math.max(settledTick, sentTick + pauseTicks) };
}

function call(
  folding: Folding,
  alarm: AlarmState,
  sent: Sent,
  pending: PendingAction,
  rest: readonly PendingAction[],
  called: readonly Called[],
): void {
  const { cluster } = folding;
  const fresh = newDelivery(folding, alarm, pending.action, pending.repeat, sent.owed.notification);
  if (cluster.shadow) {
    end(folding, cluster.deliveries.get(fresh.id) ?? fresh, "shadow", "shadow mode: nothing is sent");
    const done = [...called, { pending, outcome: "accepted" as const, waitTicks: 0 }];
    const [next, ...others] = rest;
    if (next) call(folding, alarm, sent, next, others, done);
    else land(folding, sent, done);
    return;
  }
  const delivery = claim(folding, cluster.deliveries.get(fresh.id) ?? fresh);
  const current = { ...pending, attempts: delivery.attempts, firstTick: pending.firstTick ?? cluster.tick };
  cluster.lane = { phase: "in flight", ...sent, deliveryId: delivery.id, current, rest, called, cancelAsked: false };
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
  const [next, ...rest] = lane.rest;
  const goesOn = next !== undefined && asks && !cluster.stopped && outcome.outcome !== "cancelled";
  if (goesOn && alarm) call(folding, alarm, lane, next, rest, called);
  else land(folding, lane, [...called, ...lane.rest.map(neverCalled)]);
}

/** Its turn did not come: for it the action was left, as by a gate at the last moment. */
function neverCalled(pending: PendingAction): Called {
  return { pending, outcome: "cancelled", waitTicks: 0 };
}

/** Ends the delivery, or lets it wait where it provably did not run and is still asked for. */
function resolve(folding: Folding, lane: Flight, outcome: Outcome, asks: boolean): Called {
  const { cluster } = folding;
  const delivery = cluster.deliveries.get(lane.deliveryId);
  const pending = lane.current;
  const done = (kind: Outcome["outcome"]): Called => ({ pending, outcome: kind, waitTicks: 0 });
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
      return done("cancelled");
    case "not_run": {
      const forbiddenTicks = cluster.tick - (pending.firstTick ?? cluster.tick);
      if (outcome.status === 403 && forbiddenTicks >= ticksOf(FORBIDDEN_FOR_S, cluster)) {
        end(folding, delivery, "rejected", `${reason}, for ${FORBIDDEN_FOR_S} s`);
        return done("rejected");
      }
      if (!asks) {
        end(folding, delivery, "superseded", `${reason}; the alarm has left the state`);
        return done("rejected");
      }
      put(folding, { ...delivery, status: "waiting", reason });
      return { pending, outcome: "not_run", waitTicks: waitTicks(cluster, outcome, delivery.attempts) };
    }
  }
}

/** What follows from what the receivers did. */
function land(folding: Folding, sent: Sent, called: readonly Called[]): void {
  const { cluster } = folding;
  const of = (kind: Outcome["outcome"]) =>
    called.filter(({ outcome }) => outcome === kind).map(({ pending }) => pending);
  const { alarmId, transition, direction, sentTick, membersBefore, owed, overtaken } = sent;
  const settling = { alarmId, transition, direction, sentTick, membersBefore, owed, overtaken, blindTicks: 0 };
  const unsure = of("uncertain");
  const accepted = of("accepted");
  const acted = unsure.length + accepted.length > 0;
  cluster.lane = acted ? { phase: "settling", accepted, unsure, ...settling } : afterPause(overtaken);

  const busy = of("busy");
  // A repeat that a gate stopped at the last moment is dropped like any repeat that a gate holds (rule A4).
  const cancelled = owed.isRepeat ? [] : of("cancelled");
  const again = [...of("not_run"), ...afresh(folding, owed, [...busy, ...cancelled])];
  const retryTick = cluster.tick + Math.max(0, ...called.map((one) => one.waitTicks));
  owe(folding, owed, again, busy.length > 0 ? Math.max(retryTick, nextSlotTick(folding, owed)) : retryTick);
}

/** Rule D3 for the lane: of a claimed attempt without outcome nobody knows whether it ran. */
export function laneStart(folding: Folding): void {
  const { cluster } = folding;
  const { lane } = cluster;
  if (lane.phase !== "in flight") return;
  const delivery = cluster.deliveries.get(lane.deliveryId);
  const reason = "the service ended before the outcome was known";
  if (delivery) end(folding, delivery, "uncertain", reason);
  const unknown: Called = { pending: lane.current, outcome: "uncertain", waitTicks: 0 };
  land(folding, lane, [...lane.called, unknown, ...lane.rest.map(neverCalled)]);
}
