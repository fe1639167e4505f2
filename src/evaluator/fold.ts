/**
 * The fold: state × input → state, decisions (rules R1, R5). Live, after a restart and in a replay it is this one
 * function. It reads no clock, draws no random number and asks no store; the state is changed in place.
 */

import type { Action, Alarm, ClusterRules, State } from "../model/alarm.ts";
import type { Decision, Delivery, Input, Notification, Outcome, Start } from "../model/decision.ts";
import type { SealedTick } from "../model/tick.ts";
import { isComplete } from "../model/tick.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";
import { metersRead, NOT_JUDGED, newAlarmState, ticksKept } from "./cluster.ts";
import { COUNTER_NAMES } from "./combine.ts";
import type { Folding } from "./folding.ts";
import { end } from "./folding.ts";
import { judge } from "./judge.ts";
import { advanceLane, dropOwed, laneOutcome, laneStart, offer } from "./lane.ts";
import { enqueueNotice, noticeOutcome, noticesStart, pumpNotices } from "./notices.ts";
import { createSeries, pushTick } from "./series.ts";
import type { Step } from "./transition.ts";
import { remainingSince, step } from "./transition.ts";

export interface Folded {
  readonly decisions: readonly Decision[];
  /** Deliveries that changed, as they are now. */
  readonly deliveries: readonly Delivery[];
}

/** Folds the next input of a cluster into its state. */
export function fold(cluster: ClusterState, input: Input): Folded {
  const folding: Folding = { cluster, decisions: [], touched: new Map() };
  cluster.seq++;
  switch (input.kind) {
    case "tick":
      foldTick(folding, input);
      break;
    case "outcome":
      foldOutcome(folding, input);
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
      else cluster.lastOk.delete(input.source);
      break;
  }
  if (!cluster.stopped) {
    offer(folding);
    pumpNotices(folding);
  }
  return { decisions: folding.decisions, deliveries: [...folding.touched.values()] };
}

function foldTick(folding: Folding, tick: SealedTick): void {
  const { cluster } = folding;
  absorbTick(cluster, tick);
  const complete = isComplete(tick);
  advanceLane(folding, complete);
  if (complete) cluster.completeMembers = new Map(cluster.members);
  for (const alarm of cluster.alarms.values()) evaluate(folding, alarm);
}

/** Takes a tick into series, totals, members and sources: all of it that does not judge. */
function absorbTick(cluster: ClusterState, tick: SealedTick): void {
  cluster.tick = tick.number;
  cluster.at = tick.at;
  cluster.values = tick.values;
  pushTick(cluster.series, tick, cluster.totals);
  for (const name of COUNTER_NAMES) {
    const total = tick.values[name];
    if (total !== undefined) cluster.totals.set(name, total);
  }
  for (const [name, state] of tick.members) {
    if (state === null) cluster.members.delete(name);
    else cluster.members.set(name, state);
  }
  for (const source of tick.sources) {
    if (source.error === undefined) cluster.lastOk.set(source.name, tick.number);
  }
}

function evaluate(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const rule = alarm.alarm;
  if (!rule.enabled) {
    alarm.verdict = { kind: "unknown", reason: "the alarm is disabled" };
    return;
  }
  alarm.verdict = judge(rule, cluster.series);
  const next = step(rule, alarm.state, alarm.verdict);
  if (next?.kind === "transition") transition(folding, alarm, next);
  else repeat(folding, alarm, next);
}

function transition(folding: Folding, alarm: AlarmState, next: Step): void {
  const { cluster } = folding;
  const from = alarm.state;
  dropOwed(folding, alarm, `the alarm went from ${from} to ${next.to}`);
  alarm.state = next.to;
  alarm.reason = next.reason;
  alarm.reasonData = next.reasonData;
  alarm.stateAt = cluster.at;
  alarm.transition++;
  alarm.anchor = cluster.tick;
  alarm.slots = 0;
  alarm.sends = 0;
  const { id, name } = alarm.alarm;
  const { reason, reasonData, to } = next;
  folding.decisions.push({
    d: "transition",
    at: cluster.at,
    alarmId: id,
    name,
    transition: alarm.transition,
    from,
    to,
    reason,
    reasonData,
  });
  act(folding, alarm, notificationOf(alarm.alarm, from, next), false);
}

/** Repeats are due at the tick of the decision + n × `repeat_interval`, whatever the answers were (rule A4). */
function repeat(folding: Folding, alarm: AlarmState, next: Step | undefined): void {
  const slots = slotsAt(folding.cluster, alarm, folding.cluster.tick);
  if (slots <= alarm.slots) return;
  alarm.slots = slots;
  const rule = alarm.alarm;
  if (!rule.repeatActions || !rule.repeatStates.includes(alarm.state)) return;
  const said = next ?? (alarm.reasonData && remainingSince(alarm.state, alarm.reasonData));
  if (said) act(folding, alarm, notificationOf(rule, alarm.state, said), true);
}

function slotsAt(cluster: ClusterState, alarm: AlarmState, tick: number): number {
  if (!Number.isFinite(alarm.anchor)) return 0;
  return Math.floor(((tick - alarm.anchor) * cluster.intervalMs) / 1000 / alarm.alarm.repeatIntervalS + 1e-9);
}

/** Owes the control part of the state's actions to the lane, and queues the notices. */
function act(folding: Folding, alarm: AlarmState, notification: Notification, isRepeat: boolean): void {
  const { cluster } = folding;
  const actions = alarm.alarm.actions[alarm.state];
  const control = actions.filter((action) => action.class === "control");
  const notices = actions.filter((action) => action.class === "notice");
  const number = isRepeat ? Math.max(1, alarm.sends) : 0;
  if (control.length > 0 && !alarm.owed && !isUnderWay(cluster, alarm)) {
    alarm.owed = {
      transition: alarm.transition,
      notification,
      receivers: control.map((action) => ({ action, repeat: number, attempts: 0, firstTick: undefined })),
      direction: directionOf(control),
      since: cluster.tick,
      notBefore: cluster.tick,
      isRepeat,
    };
  }
  for (const action of notices) enqueueNotice(folding, alarm, action, number, notification);
  alarm.sends = Math.max(alarm.sends, number + 1);
}

/** The lane is still busy with this very send: a repeat would be a second one. */
function isUnderWay(cluster: ClusterState, alarm: AlarmState): boolean {
  const { lane } = cluster;
  return lane.phase === "in flight" && lane.alarmId === alarm.alarm.id && lane.transition === alarm.transition;
}

/** A list is `out` only when all of it is: anything else is held wherever a scale-in is. */
function directionOf(control: readonly Action[]): "in" | "out" | "unknown" {
  if (control.every((action) => action.direction === "out")) return "out";
  return control.every((action) => action.direction === "in") ? "in" : "unknown";
}

function notificationOf(rule: Alarm, previous: State, said: Step): Notification {
  const { reason, reasonData, to } = said;
  return { alarmName: rule.name, alarmId: rule.id, severity: rule.severity, previous, current: to, reason, reasonData };
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
  if (start.intervalMs !== cluster.intervalMs) changeInterval(cluster, start);
  for (const alarm of cluster.alarms.values()) {
    alarm.verdict = NOT_JUDGED;
    // Repeats that were due while nobody was there are gone.
    alarm.slots = Math.max(alarm.slots, slotsAt(cluster, alarm, start.number));
  }
  laneStart(folding);
  noticesStart(folding);
}

/** Ticks of another length: windows begin anew, and what counts ticks is counted in the new ones. */
function changeInterval(cluster: ClusterState, start: Start): void {
  const ratio = cluster.intervalMs / start.intervalMs;
  const rescale = (tick: number) => start.number - Math.ceil((cluster.tick - tick) * ratio);
  for (const alarm of cluster.alarms.values()) {
    alarm.anchor = rescale(alarm.anchor);
    if (alarm.owed)
      alarm.owed = { ...alarm.owed, since: rescale(alarm.owed.since), notBefore: rescale(alarm.owed.notBefore) };
  }
  if (cluster.lane.phase !== "idle") cluster.lane = { ...cluster.lane, sentTick: rescale(cluster.lane.sentTick) };
  for (const [name, tick] of cluster.lastOk) cluster.lastOk.set(name, rescale(tick));
  for (const [receiver, queue] of cluster.notices) {
    cluster.notices.set(
      receiver,
      queue.map((notice) => ({ ...notice, notBefore: rescale(notice.notBefore) })),
    );
  }
  cluster.intervalMs = start.intervalMs;
  emptySeries(cluster);
}

function emptySeries(cluster: ClusterState): void {
  const { rules, intervalMs } = cluster;
  cluster.series = createSeries(ticksKept(rules, intervalMs), intervalMs / 1000, metersRead(rules));
  cluster.seriesFrom = cluster.seq;
}

/** A new revision of the cluster's rules: alarms come, go, keep their state or start anew. */
function foldRules(folding: Folding, rules: ClusterRules): void {
  const { cluster } = folding;
  cluster.rules = rules;
  const { series, intervalMs } = cluster;
  const enough =
    series.capacity >= ticksKept(rules, intervalMs) && [...metersRead(rules)].every((name) => series.values.has(name));
  if (!enough) emptySeries(cluster);
  const before = new Map(cluster.alarms);
  cluster.alarms.clear();
  for (const rule of rules.alarms) {
    const known = before.get(rule.id);
    before.delete(rule.id);
    const alarm = known ?? { ...newAlarmState(rule), transition: cluster.retired.get(rule.id) ?? 0 };
    cluster.alarms.set(rule.id, alarm);
    cluster.retired.delete(rule.id);
    if (known) revise(folding, known, rule);
  }
  for (const gone of before.values()) retire(folding, gone);
}

/** What an alarm measures has changed: its state says nothing any more. */
function measuresOther(before: Alarm, after: Alarm): boolean {
  const keys = ["type", "meterName", "statistic", "per", "comparison"] as const;
  return keys.some((key) => before[key] !== after[key]);
}

function revise(folding: Folding, alarm: AlarmState, rule: Alarm): void {
  const { cluster, decisions } = folding;
  const restarts = measuresOther(alarm.alarm, rule);
  alarm.alarm = rule;
  // Slots are counted in the interval of now: those that have passed have passed.
  alarm.slots = slotsAt(cluster, alarm, cluster.tick);
  if (!restarts || alarm.state === "insufficient data") return;
  const from = alarm.state;
  dropOwed(folding, alarm, "the rule measures something else now");
  const { transition: number } = alarm;
  const fresh = newAlarmState(rule);
  const reason = "The rule measures something else now";
  Object.assign(alarm, fresh, {
    transition: number + 1,
    reason,
    stateAt: cluster.at,
    anchor: cluster.tick,
    told: alarm.told,
  });
  decisions.push({
    d: "transition",
    at: cluster.at,
    alarmId: rule.id,
    name: rule.name,
    transition: alarm.transition,
    from,
    to: "insufficient data",
    reason,
    reasonData: { disposition: "unknown", count: rule.evaluationPeriods, mostRecent: null },
    by: "rule change",
  });
}

function retire(folding: Folding, alarm: AlarmState): void {
  folding.cluster.retired.set(alarm.alarm.id, alarm.transition);
  dropOwed(folding, alarm, "the alarm is gone");
  for (const [receiver, queue] of folding.cluster.notices) {
    const kept = queue.filter(({ delivery }) => delivery.alarmId !== alarm.alarm.id || delivery.status === "claimed");
    for (const { delivery } of queue)
      if (!kept.some((one) => one.delivery === delivery)) end(folding, delivery, "dropped", "the alarm is gone");
    folding.cluster.notices.set(receiver, kept);
  }
}
