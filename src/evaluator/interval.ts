/** Ticks of another length (a start with another interval): windows begin anew, and what counts ticks counts the new ones. */

import type { Start } from "../model/decision.ts";
import type { Called, ClusterState, Lane, Notice, Owed, PendingAction } from "./cluster.ts";
import { emptySeries } from "./rules.ts";
import { fitSeries } from "./series.ts";

/** How the ticks before count in the new ones. */
interface Scale {
  /** A number of ticks. */
  readonly count: (ticks: number) => number;
  /** The number of a tick. */
  readonly tick: (tick: number) => number;
  /** The same, rather later than earlier: what counts from it ends no sooner. */
  readonly late: (tick: number) => number;
}

export function changeInterval(cluster: ClusterState, start: Start): void {
  const { tick: newest, intervalMs: before } = cluster;
  const ratio = before / start.intervalMs;
  // What has passed since the newest tick has passed, whatever its ticks would have been.
  const downMs = Math.max(0, start.at - cluster.at);
  const ago = (tick: number) => ((newest - tick) * before + downMs) / start.intervalMs;
  const late = (tick: number) => start.number - Math.floor(ago(tick));
  const scale: Scale = {
    count: (ticks) => Math.floor(ticks * ratio),
    tick: (tick) => (ago(tick) > 0 ? start.number - Math.ceil(ago(tick)) : late(tick)),
    late,
  };
  for (const alarm of cluster.alarms.values()) {
    alarm.anchor = scale.tick(alarm.anchor);
    alarm.eventTick = scale.tick(alarm.eventTick);
    if (alarm.owed) alarm.owed = ofOwed(alarm.owed, scale);
  }
  cluster.lane = ofLane(cluster.lane, scale);
  for (const [name, tick] of cluster.lastOk) cluster.lastOk.set(name, scale.tick(tick));
  const counted = (counts: ReadonlyMap<string, number>) =>
    new Map([...counts].map(([name, ticks]) => [name, scale.count(ticks)]));
  cluster.failing = counted(cluster.failing);
  cluster.away = counted(cluster.away);
  cluster.pauses = new Map([...cluster.pauses].map(([direction, until]) => [direction, until && scale.tick(until)]));
  const later = (queue: readonly Notice[]) => queue.map((one) => ({ ...one, notBefore: scale.tick(one.notBefore) }));
  cluster.notices = new Map([...cluster.notices].map(([receiver, queue]) => [receiver, later(queue)]));
  cluster.intervalMs = start.intervalMs;
  emptySeries(cluster);
  if (cluster.rules) fitSeries(cluster.series, cluster.rules);
}

function ofOwed(owed: Owed, scale: Scale): Owed {
  const { since, notBefore, receivers } = owed;
  return {
    ...owed,
    since: scale.tick(since),
    notBefore: scale.tick(notBefore),
    receivers: receivers.map((one) => ofPending(one, scale)),
  };
}

function ofPending(pending: PendingAction, scale: Scale): PendingAction {
  const { forbiddenSince } = pending;
  return { ...pending, forbiddenSince: forbiddenSince === undefined ? undefined : scale.tick(forbiddenSince) };
}

/** Of a call that may have run, and of what waits for it. */
function lateOf(tick: number | undefined, scale: Scale): number | undefined {
  return tick === undefined ? undefined : scale.late(tick);
}

function ofCalled(called: Called, scale: Scale): Called {
  return {
    ...called,
    pending: ofPending(called.pending, scale),
    calledTick: lateOf(called.calledTick, scale),
    waitTicks: scale.count(called.waitTicks),
  };
}

function ofLane(lane: Lane, scale: Scale): Lane {
  if (lane.phase === "idle") return lane;
  const overtaken = lane.overtaken && {
    ...lane.overtaken,
    sentTick: scale.tick(lane.overtaken.sentTick),
    untilTick: scale.tick(lane.overtaken.untilTick),
  };
  const sentTick = scale.tick(lane.sentTick);
  if (lane.phase === "cooldown") return { ...lane, sentTick, overtaken, untilTick: scale.tick(lane.untilTick) };
  const moved = { sentTick, overtaken, owed: ofOwed(lane.owed, scale) };
  const pending = (some: readonly PendingAction[]) => some.map((one) => ofPending(one, scale));
  if (lane.phase === "settling") {
    return {
      ...lane,
      ...moved,
      unsure: pending(lane.unsure),
      unsureTick: lateOf(lane.unsureTick, scale),
      untilTick: lateOf(lane.untilTick, scale),
      blindTicks: scale.count(lane.blindTicks),
    };
  }
  const { current, calledTick, rest, called } = lane;
  return {
    ...lane,
    ...moved,
    current: ofPending(current, scale),
    calledTick: lateOf(calledTick, scale),
    rest: pending(rest),
    called: called.map((one) => ofCalled(one, scale)),
  };
}
