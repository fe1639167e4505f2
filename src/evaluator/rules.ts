/** A new revision of a cluster's rules: alarms come, go, keep their state or start anew. */

import { withEntry, withoutEntry } from "../lib/maps.ts";
import type { Alarm, ClusterRules } from "../model/alarm.ts";
import { stoppedBecause } from "./alarms.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";
import { newAlarmState } from "./cluster.ts";
import type { Folding } from "./folding.ts";
import { end } from "./folding.ts";
import { judgingOrder, measureOf } from "./identity.ts";
import { takeOut } from "./notices.ts";
import { dropOwed, reviseOwed } from "./owed.ts";
import { createSeries, fitSeries } from "./series.ts";
import { slotsAt } from "./slots.ts";
import { NOT_JUDGED, standingOf } from "./verdict.ts";

/** Applies the revision. The lane, and the transition numbers of all alarms, go on (rule L3). */
export function foldRules(folding: Folding, rules: ClusterRules): void {
  const { cluster } = folding;
  const previous = cluster.rules;
  cluster.rules = rules;
  // What was counted of other rows says nothing of these.
  if (previous && JSON.stringify(previous.rows) !== JSON.stringify(rules.rows)) emptySeries(cluster);
  fitSeries(cluster.series, rules);
  const before = new Map(cluster.alarms);
  cluster.alarms.clear();
  for (const rule of rules.alarms) {
    const known = before.get(rule.id);
    before.delete(rule.id);
    const alarm = known ?? { ...newAlarmState(rule), ...cluster.retired.get(rule.id) };
    cluster.alarms.set(rule.id, alarm);
    cluster.retired = withoutEntry(cluster.retired, rule.id);
    if (known) revise(folding, known, rule, previous ?? rules);
  }
  cluster.order = judgingOrder(cluster.alarms);
  cluster.hearsEvents = rules.alarms.some(({ rule }) => rule.kind === "event");
  for (const gone of before.values()) retire(folding, gone);
}

/** Windows begin anew after the newest tick. */
export function emptySeries(cluster: ClusterState): void {
  cluster.series = createSeries(4, cluster.intervalMs / 1000);
  if (cluster.tick !== -Infinity) cluster.series.from = cluster.tick + 1;
}

function revise(folding: Folding, alarm: AlarmState, rule: Alarm, previous: ClusterRules): void {
  const { cluster, decisions } = folding;
  if (alarm.alarm.repeatIntervalS !== rule.repeatIntervalS) alarm.countedSlot = -1;
  const restarts = measureOf(alarm.alarm, previous) !== measureOf(rule, cluster.rules ?? previous);
  alarm.alarm = rule;
  // What the rule before it said of the newest tick is not this one's word: nothing is sent before the next.
  alarm.verdict =
    stoppedBecause(rule, cluster.at) ?? (rule.rule.kind === "event" ? standingOf({ kind: "event" }) : NOT_JUDGED);
  // Slots are counted in the interval of now: those that have passed have passed.
  alarm.slots = slotsAt(cluster, alarm, cluster.tick);
  reviseOwed(folding, alarm);
  if (!restarts) return;
  const from = alarm.state;
  dropOwed(folding, alarm, "the rule measures something else now");
  const { transition: number, told, sends, called, verdict } = alarm;
  if (from === "insufficient data") {
    Object.assign(alarm, newAlarmState(rule), { transition: number, told, sends, called, verdict });
    return;
  }
  const reason = "The rule measures something else now";
  Object.assign(alarm, newAlarmState(rule), {
    transition: number + 1,
    reason,
    stateAt: cluster.at,
    anchor: cluster.tick,
    told,
    verdict,
  });
  const periods = rule.rule.kind === "threshold" ? rule.rule.evaluationPeriods : 0;
  decisions.push({
    d: "transition",
    at: cluster.at,
    alarmId: rule.id,
    name: rule.name,
    transition: alarm.transition,
    from,
    to: "insufficient data",
    reason,
    reasonData: { type: "threshold", disposition: "unknown", count: periods, mostRecent: null },
    by: "rule change",
  });
}

function retire(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { id } = alarm.alarm;
  const { transition, sends } = alarm;
  cluster.retired = withEntry(cluster.retired, id, { transition, sends });
  dropOwed(folding, alarm, "the alarm is gone");
  for (const [receiver, queue] of cluster.notices) {
    const gone = queue.filter(({ delivery }) => delivery.alarmId === id && delivery.status !== "claimed");
    for (const { delivery } of gone) end(folding, delivery, "dropped", "the alarm is gone");
    takeOut(cluster, receiver, gone);
  }
}
