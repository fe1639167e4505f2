/**
 * What follows an action (rules L2, L4): settling, in which its effect is looked for, and the pause after it. A scale-out
 * goes ahead of both of a scale-in's.
 */

import type { Direction } from "../model/alarm.ts";
import type { EffectLabel } from "../model/decision.ts";
import type { ClusterState, Lane, Overtaken, Settling } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import { changeSince } from "./effect.ts";
import type { Folding } from "./folding.ts";
import { suppressorOf } from "./gates.ts";
import { enqueueNotice } from "./notices.ts";
import { afresh, owe } from "./owed.ts";

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
export function afterPause(overtaken: Overtaken | undefined): Lane {
  return overtaken ? { phase: "cooldown", ...overtaken, overtaken: undefined } : { phase: "idle" };
}

function settle(folding: Folding, lane: Settling, complete: boolean): void {
  const { cluster } = folding;
  // Of several receivers one may still be called by another process, whatever the others have brought about.
  if (cluster.tick < (lane.untilTick ?? -Infinity)) return;
  // After a takeover ticks of before it may follow.
  const ticks = Math.max(0, cluster.tick - lane.sentTick);
  const { membersBefore } = lane;
  const change = complete && membersBefore ? changeSince(membersBefore, cluster.members, lane.direction) : undefined;
  const effective = change?.kind === "effective";
  if (!effective && cluster.tick < settledTick(cluster, lane)) return;
  if (!change && lane.unsure.length > 0 && lane.blindTicks < settleTicks(cluster)) {
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
      enqueueNotice(folding, alarm, notice, alarm.sends++, { ...owed.notification, reason }, "no effect");
    }
  }
}

/**
 * Number of the tick at which settling ends where no effect is seen. What was accepted settles from the tick of the send,
 * which is the rhythm of the repeats; what may have run, from its own: receivers of a list may answer late.
 */
export function settledTick(cluster: ClusterState, { sentTick, unsureTick, untilTick }: Settling): number {
  return Math.max((unsureTick ?? sentTick) + settleTicks(cluster), untilTick ?? -Infinity);
}

/** The same, as far as can be known now: where the servers are not seen, what may have run settles as long again. */
export function settledAtTheLatest(cluster: ClusterState, lane: Settling): number {
  const end = settledTick(cluster, lane);
  if (lane.unsure.length === 0 || cluster.tick < end) return end;
  return cluster.tick + settleTicks(cluster) - lane.blindTicks + 1;
}

function settleTicks(cluster: ClusterState): number {
  return ticksOf(cluster.rules?.settleS ?? 0, cluster);
}

function cooldownTicks({ cluster }: Folding, direction: Direction): number {
  const cooldown = cluster.rules?.cooldownS;
  return ticksOf((direction === "out" ? cooldown?.out : cooldown?.in) ?? 0, cluster);
}

/**
 * A scale-out goes ahead of what a scale-in may still do: whether that one had an effect will not be known. Its pause
 * goes on afterwards, and where it may not have run at all it is owed again, if its alarm still asks by then.
 */
export function overtake(folding: Folding): Overtaken | undefined {
  const { cluster, decisions } = folding;
  const { lane, at } = cluster;
  if (lane.phase !== "settling" && lane.phase !== "cooldown") return undefined;
  const { direction, sentTick } = lane;
  const pauseTicks = cooldownTicks(folding, direction);
  if (lane.phase === "cooldown") {
    return { direction, sentTick, untilTick: Math.max(lane.untilTick, sentTick + pauseTicks) };
  }
  const { alarmId, transition } = lane;
  const ticks = Math.max(0, cluster.tick - sentTick);
  decisions.push({ d: "effect", at, alarmId, transition, effect: "unclear", direction, ticks, servers: [] });
  const settled = settledTick(cluster, lane);
  const { membersBefore } = lane;
  const now = cluster.completeMembers;
  const seen = membersBefore && now && changeSince(membersBefore, now, direction);
  if (seen?.kind !== "effective") owe(folding, lane.owed, afresh(folding, lane.owed, lane.unsure), settled);
  return { direction, sentTick, untilTick: Math.max(settled, sentTick + pauseTicks) };
}
