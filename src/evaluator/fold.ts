/**
 * The fold: state × input → state, decisions (rules R1, R5). Live, after a restart and in a replay it is this one
 * function. It reads no clock, draws no random number and asks no store; the state is changed in place.
 */

import { noEntries } from "../lib/maps.ts";
import type { Decision, Delivery, Input, Outcome, Start } from "../model/decision.ts";
import type { SealedTick } from "../model/tick.ts";
import { isComplete } from "../model/tick.ts";
import { evaluate, foldEvent, releaseNotices, slotsAt } from "./alarms.ts";
import type { ClusterState, Lane, Notice } from "./cluster.ts";
import { eventsOf } from "./events.ts";
import type { Folding } from "./folding.ts";
import { advanceLane, laneOutcome, laneStart, offer } from "./lane.ts";
import { noticeOutcome, noticesStart, pumpNotices } from "./notices.ts";
import { foldPause } from "./pause.ts";
import { emptySeries, foldRules } from "./rules.ts";
import { fitSeries, pushTick } from "./series.ts";
import { absorbSources, forgetSource } from "./sources.ts";
import { NOT_JUDGED } from "./verdict.ts";

export interface Folded {
  readonly decisions: readonly Decision[];
  /** Deliveries that changed, as they are now. */
  readonly deliveries: readonly Delivery[];
}

const NOTHING: Folded = { decisions: [], deliveries: [] };

/** Folds the next input of a cluster into its state. */
export function fold(cluster: ClusterState, input: Input): Folded {
  const folding: Folding = { cluster, decisions: [], touched: noEntries() };
  cluster.seq++;
  switch (input.kind) {
    case "tick":
      foldTick(folding, input);
      break;
    case "outcome":
      foldOutcome(folding, input);
      break;
    case "event":
      foldEvent(folding, input);
      break;
    case "start":
      foldStart(folding, input);
      break;
    case "stall":
      for (const alarm of cluster.alarms.values()) alarm.verdict = NOT_JUDGED;
      break;
    case "stop":
      cluster.stopped = true;
      break;
    case "command":
      if (input.command === "rules") foldRules(folding, input.rules);
      else if (input.command === "forget") forgetSource(folding, input.source, "it was forgotten");
      else foldPause(cluster, input);
      break;
  }
  releaseNotices(folding);
  if (!cluster.stopped) {
    offer(folding);
    pumpNotices(folding);
  }
  const { decisions, touched } = folding;
  if (decisions.length === 0 && touched.size === 0) return NOTHING;
  return { decisions, deliveries: [...touched.values()] };
}

function foldTick(folding: Folding, tick: SealedTick): void {
  const { cluster } = folding;
  const events = cluster.hearsEvents && cluster.lastOk.size > 0 ? eventsOf(tick, pastOf(cluster)) : undefined;
  absorbTick(cluster, tick);
  absorbSources(folding, tick);
  const complete = isComplete(tick, cluster.rules?.expect ?? 0);
  advanceLane(folding, complete);
  if (complete) cluster.completeMembers = cluster.members;
  if (events) for (const event of events) foldEvent(folding, event);
  for (const alarm of cluster.order) evaluate(folding, alarm);
}

function pastOf(cluster: ClusterState) {
  const { clusterId, seq, members, failing, rules } = cluster;
  return { clusterId, clusterName: rules?.clusterName ?? clusterId, seq, members, failing };
}

/** Takes a tick into series, values and members: all of it that does not judge. */
function absorbTick(cluster: ClusterState, tick: SealedTick): void {
  cluster.tick = tick.number;
  cluster.at = tick.at;
  const before = cluster.values;
  cluster.values = tick.values;
  pushTick(cluster.series, tick, before);
  if (tick.members.length === 0) return;
  const members = new Map(cluster.members);
  for (const [name, state] of tick.members) {
    if (state === null) members.delete(name);
    else members.set(name, state);
  }
  cluster.members = members;
}

function foldOutcome(folding: Folding, outcome: Outcome): void {
  const delivery = folding.cluster.deliveries.get(outcome.deliveryId);
  // An outcome that nobody awaits any more (an older attempt's) changes nothing.
  if (delivery?.status !== "claimed" || delivery.attempts !== outcome.attempt) return;
  if (delivery.class === "control") laneOutcome(folding, outcome);
  else noticeOutcome(folding, delivery, outcome);
}

/** The process starts: what was under way is settled (rule D3), and nothing is sent because of it. */
function foldStart(folding: Folding, start: Start): void {
  const { cluster } = folding;
  cluster.stopped = false;
  cluster.shadow = start.shadow === true;
  if (start.intervalMs !== cluster.intervalMs) changeInterval(cluster, start);
  // What comes before the first tick of this run comes now, not when the run before ended.
  cluster.tick = Math.max(cluster.tick, start.number);
  cluster.at = start.at;
  for (const alarm of cluster.alarms.values()) {
    alarm.verdict = NOT_JUDGED;
    // Repeats that were due while nobody was there are gone.
    alarm.slots = Math.max(alarm.slots, slotsAt(cluster, alarm, start.number));
  }
  laneStart(folding);
  noticesStart(folding);
}

function rescaled(lane: Lane, rescale: (tick: number) => number): Lane {
  if (lane.phase === "idle") return lane;
  const overtaken = lane.overtaken && {
    ...lane.overtaken,
    sentTick: rescale(lane.overtaken.sentTick),
    untilTick: rescale(lane.overtaken.untilTick),
  };
  const moved = { sentTick: rescale(lane.sentTick), overtaken };
  return lane.phase === "cooldown" ? { ...lane, ...moved, untilTick: rescale(lane.untilTick) } : { ...lane, ...moved };
}

/** Ticks of another length: windows begin anew, and what counts ticks is counted in the new ones. */
function changeInterval(cluster: ClusterState, start: Start): void {
  const ratio = cluster.intervalMs / start.intervalMs;
  const rescale = (tick: number) => start.number - Math.ceil((cluster.tick - tick) * ratio);
  for (const alarm of cluster.alarms.values()) {
    alarm.anchor = rescale(alarm.anchor);
    alarm.eventTick = rescale(alarm.eventTick);
    if (alarm.owed)
      alarm.owed = { ...alarm.owed, since: rescale(alarm.owed.since), notBefore: rescale(alarm.owed.notBefore) };
  }
  cluster.lane = rescaled(cluster.lane, rescale);
  for (const [name, tick] of cluster.lastOk) cluster.lastOk.set(name, rescale(tick));
  const counted = (counts: ReadonlyMap<string, number>) =>
    new Map([...counts].map(([name, ticks]) => [name, Math.floor(ticks * ratio)]));
  cluster.failing = counted(cluster.failing);
  cluster.away = counted(cluster.away);
  cluster.pauses = new Map([...cluster.pauses].map(([direction, until]) => [direction, until && rescale(until)]));
  const later = (queue: readonly Notice[]) => queue.map((one) => ({ ...one, notBefore: rescale(one.notBefore) }));
  cluster.notices = new Map([...cluster.notices].map(([receiver, queue]) => [receiver, later(queue)]));
  cluster.intervalMs = start.intervalMs;
  emptySeries(cluster);
  if (cluster.rules) fitSeries(cluster.series, cluster.rules);
}
