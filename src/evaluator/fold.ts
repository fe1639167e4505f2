/**
 * The fold: state × input → state, decisions (rules R1, R5). Live, after a restart and in a replay it is this one
 * function. It reads no clock, draws no random number and asks no store; the state is changed in place.
 */

import { noEntries } from "../lib/maps.ts";
import type { Command, Decision, Delivery, EventInput, Input, Outcome, Start } from "../model/decision.ts";
import type { SealedTick } from "../model/tick.ts";
import { isComplete } from "../model/tick.ts";
import { evaluate, foldEvent, releaseNotices } from "./alarms.ts";
import type { ClusterState } from "./cluster.ts";
import { eventsOf } from "./events.ts";
import type { Folding } from "./folding.ts";
import { changeInterval } from "./interval.ts";
import { laneOutcome, laneStart, offer } from "./lane.ts";
import { noticeOutcome, noticesStart, pumpNotices } from "./notices.ts";
import { foldPause } from "./pause.ts";
import { foldPerson } from "./person.ts";
import { foldRules } from "./rules.ts";
import { pushTick } from "./series.ts";
import { advanceLane } from "./settle.ts";
import { slotsAt } from "./slots.ts";
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
      foldCommand(folding, input);
      break;
  }
  releaseNotices(folding);
  if (cluster.late) dropRepeats(folding);
  else if (!cluster.stopped) {
    offer(folding);
    pumpNotices(folding);
  }
  const { decisions, touched } = folding;
  if (decisions.length === 0 && touched.size === 0) return NOTHING;
  return { decisions, deliveries: [...touched.values()] };
}

function foldCommand(folding: Folding, command: Command): void {
  switch (command.command) {
    case "rules":
      foldRules(folding, command.rules);
      break;
    case "forget":
      forgetSource(folding, command.source, "it was forgotten");
      break;
    case "pause":
    case "resume":
      foldPause(folding.cluster, command);
      break;
    case "retry":
    case "drop":
      foldPerson(folding, command);
      break;
  }
}

function foldTick(folding: Folding, tick: SealedTick): void {
  const { cluster } = folding;
  cluster.late = tick.late === true;
  const events = cluster.hearsEvents ? eventsAt(cluster, tick) : undefined;
  absorbTick(cluster, tick);
  absorbSources(folding, tick);
  const complete = isComplete(tick, cluster.rules?.expect ?? 0);
  advanceLane(folding, complete);
  if (complete) cluster.completeMembers = cluster.members;
  if (events) for (const event of events) foldEvent(folding, event);
  for (const alarm of cluster.order) evaluate(folding, alarm);
}

/** Events that a tick tells which is not folded yet. */
export function eventsAt(cluster: ClusterState, tick: SealedTick): readonly Omit<EventInput, "kind">[] {
  const { clusterId, seq, members, failing, lastOk, rules } = cluster;
  return eventsOf(tick, { clusterId, clusterName: rules?.clusterName ?? clusterId, seq, members, failing, lastOk });
}

/** A repeat is sent at its slot or not at all (rule A4): at a late tick it is not. */
function dropRepeats({ cluster, decisions }: Folding): void {
  const reason = "the samples of this tick came long after it";
  for (const alarm of cluster.alarms.values()) {
    if (!alarm.owed?.isRepeat) continue;
    alarm.owed = undefined;
    if (alarm.held === "evidence") continue;
    alarm.held = "evidence";
    decisions.push({ d: "hold", at: cluster.at, alarmId: alarm.alarm.id, what: "repeat", gate: "evidence", reason });
  }
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
  cluster.late = false;
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
  laneStart(folding, start);
  noticesStart(folding);
}
