/** One alarm at one tick: its verdict, its transition, its repeats, and what they make it owe. */

import { isWithin } from "../lib/cron.ts";
import { noEntries } from "../lib/maps.ts";
import type { Action, Alarm, State } from "../model/alarm.ts";
import type { EventInput, Notification } from "../model/decision.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";
import type { Referred } from "./composite.ts";
import { judgeComposite } from "./composite.ts";
import { clearedAfter, firedBy, hits } from "./events.ts";
import type { Folding } from "./folding.ts";
import { countRepeat } from "./folding.ts";
import { suppressorOf } from "./gates.ts";
import { judge, newestOf } from "./judge.ts";
import { enqueueNotice, forgetNotice } from "./notices.ts";
import { dropOwed } from "./owed.ts";
import { controlOf, directionOf } from "./receivers.ts";
import { slotsAt } from "./slots.ts";
import type { Said } from "./transition.ts";
import { remainingFor, transitionFor } from "./transition.ts";
import type { Standing, Verdict } from "./verdict.ts";
import { standingOf } from "./verdict.ts";

/** Judges an alarm at the newest tick, and does what follows. */
export function evaluate(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { rule } = alarm.alarm;
  const stopped = stoppedBecause(alarm.alarm, cluster.at);
  if (stopped) {
    alarm.verdict = stopped;
    // Repeats that were due meanwhile are gone.
    alarm.slots = Math.max(alarm.slots, slotsAt(cluster, alarm, cluster.tick));
    return;
  }
  const verdict = verdictOf(cluster, alarm);
  alarm.verdict = standingOf(verdict);
  if (rule.kind === "event") {
    clearInTime(folding, alarm);
    return;
  }
  const periods = rule.kind === "threshold" ? rule.evaluationPeriods : 0;
  const next = transitionFor(verdict, alarm.state, periods);
  if (next) transition(folding, alarm, next);
  else repeat(folding, alarm, verdict);
}

/** Why an alarm is not evaluated (rule A5). `at`: label of the tick. */
export function stoppedBecause({ enabled, timeConstraints }: Alarm, at: number): Standing | undefined {
  if (!enabled) return { kind: "stopped", gate: "enabled", reason: "the alarm is disabled" };
  if (timeConstraints.length === 0 || isWithin(timeConstraints, at)) return undefined;
  const names = timeConstraints.map(({ name }) => name).join(", ");
  return { kind: "stopped", gate: "time_constraint", reason: `outside its time constraints: ${names}` };
}

function verdictOf(cluster: ClusterState, alarm: AlarmState): Verdict {
  const { rule } = alarm.alarm;
  const expect = cluster.rules?.expect ?? 0;
  switch (rule.kind) {
    case "threshold":
      return judge(rule, cluster.series, expect);
    case "event":
      return { kind: "event" };
    case "composite": {
      const verdict = judgeComposite(rule.expression, {
        state: alarm.state,
        judge: (leaf) => judge(leaf, cluster.series, expect),
        referTo: (id) => referredTo(cluster.alarms.get(id)),
        decided: (name) => (Object.hasOwn(alarm.leaves, name) ? alarm.leaves[name] : undefined),
        remember(name, side) {
          if (alarm.leaves[name] !== side) alarm.leaves = { ...alarm.leaves, [name]: side };
        },
      });
      if (verdict.kind === "unknown") return { kind: "unknown", reason: verdict.reason };
      const { form, leaves, assumed } = verdict;
      return { kind: verdict.kind, points: { type: "composite", form, leaves, ...(assumed ? { assumed } : {}) } };
    }
  }
}

/** Value of the newest datapoint of a threshold alarm; `null`: there is none. */
export function newestValue({ rules, series }: ClusterState, { alarm }: AlarmState): number | null {
  return alarm.rule.kind === "threshold" ? newestOf(alarm.rule, series, rules?.expect ?? 0) : null;
}

/** What a composite that refers to the alarm is told of it. */
export function referredTo(alarm: AlarmState | undefined): Referred | undefined {
  if (!alarm) return undefined;
  const { state, verdict } = alarm;
  const isUnknown = verdict.kind === "unknown" || verdict.kind === "stopped";
  return { state, isUnknown, assumed: !isUnknown && verdict.assumed };
}

/** An event: every alarm whose rule it hits goes to alarm; one that is there already does so again if it repeats. */
export function foldEvent(folding: Folding, event: Omit<EventInput, "kind">): void {
  const { cluster } = folding;
  for (const alarm of cluster.alarms.values()) {
    const { rule, repeatActions, maxRepeats } = alarm.alarm;
    if (rule.kind !== "event" || stoppedBecause(alarm.alarm, cluster.at) || !hits(rule, event)) continue;
    alarm.eventTick = cluster.tick;
    alarm.verdict = standingOf({ kind: "event" });
    const { repeats, state } = alarm;
    if (state !== "alarm") transition(folding, alarm, firedBy(rule, event));
    else if (repeatActions && maxRepeats !== undefined && repeats >= maxRepeats)
      holdAtLimit(folding, alarm, maxRepeats);
    else if (repeatActions) {
      transition(folding, alarm, firedBy(rule, event));
      alarm.repeats = repeats + 1;
    }
  }
}

/** `auto_ok_after`: an event alarm of which nothing was heard for so long is over. */
function clearInTime(folding: Folding, alarm: AlarmState): void {
  const { cluster } = folding;
  const { rule } = alarm.alarm;
  if (rule.kind !== "event" || rule.autoOkAfterS === undefined || alarm.state !== "alarm") return;
  if (cluster.tick - alarm.eventTick < ticksOf(rule.autoOkAfterS, cluster)) return;
  transition(folding, alarm, clearedAfter(rule.autoOkAfterS));
}

function transition(folding: Folding, alarm: AlarmState, next: Said): void {
  const { cluster } = folding;
  const from = alarm.state;
  dropOwed(folding, alarm, `the alarm went from ${from} to ${next.to}`);
  dropSuppressed(alarm);
  alarm.state = next.to;
  alarm.reason = next.reason;
  alarm.reasonData = next.reasonData;
  alarm.stateAt = cluster.at;
  alarm.transition++;
  alarm.anchor = cluster.tick;
  alarm.slots = 0;
  alarm.sends = 0;
  alarm.called = noEntries();
  alarm.repeats = 0;
  alarm.countedSlot = -1;
  const { id, name } = alarm.alarm;
  const { reason, reasonData, to } = next;
  const { transition: number } = alarm;
  folding.decisions.push({
    d: "transition",
    at: cluster.at,
    alarmId: id,
    name,
    transition: number,
    from,
    to,
    reason,
    reasonData,
  });
  act(folding, alarm, notificationOf(alarm.alarm, from, next), false);
}

/** Repeats are due at the tick of the decision + n × `repeat_interval`, whatever the answers were (rule A4). */
function repeat(folding: Folding, alarm: AlarmState, verdict: Verdict): void {
  const { repeatActions, repeatStates, maxRepeats, actions } = alarm.alarm;
  if (!repeatActions) return;
  if (!isRepeatDue(folding.cluster, alarm)) return;
  if (!repeatStates.includes(alarm.state) || actions[alarm.state].length === 0) return;
  if (maxRepeats !== undefined && alarm.repeats >= maxRepeats) {
    holdAtLimit(folding, alarm, maxRepeats);
    return;
  }
  const said = remainingFor(verdict, alarm.state, alarm.reasonData);
  if (said) act(folding, alarm, notificationOf(alarm.alarm, alarm.state, said), true);
}

/** Whether a repeat's slot has come since the last time. An alarm without data from the start counts from then. */
function isRepeatDue(cluster: ClusterState, alarm: AlarmState): boolean {
  if (!Number.isFinite(alarm.anchor)) {
    if (alarm.verdict.kind !== "insufficient data") return false;
    alarm.anchor = cluster.tick;
    return true;
  }
  const slots = slotsAt(cluster, alarm, cluster.tick);
  if (slots <= alarm.slots) return false;
  alarm.slots = slots;
  return true;
}

/** Journals once for each transition that its repeats are used up. */
function holdAtLimit(folding: Folding, alarm: AlarmState, limit: number): void {
  if (alarm.repeats > limit) return;
  alarm.repeats = limit + 1;
  const { at } = folding.cluster;
  const reason = `its ${limit} repeats are used up`;
  folding.decisions.push({ d: "hold", at, alarmId: alarm.alarm.id, what: "repeat", gate: "max_repeats", reason });
}

/** Owes the control part of the state's actions to the lane; the notices go as soon as no suppressor holds them. */
function act(folding: Folding, alarm: AlarmState, notification: Notification, isRepeat: boolean): void {
  const { cluster } = folding;
  const actions = alarm.alarm.actions[alarm.state];
  const control = controlOf(alarm);
  const number = isRepeat ? Math.max(1, alarm.sends) : 0;
  if (control.length > 0 && !alarm.owed && !isUnderWay(cluster, alarm)) {
    alarm.owed = {
      transition: alarm.transition,
      notification,
      receivers: control.map((action) => ({ action, repeat: number, forbiddenSince: undefined })),
      direction: directionOf(control),
      since: cluster.tick,
      notBefore: cluster.tick,
      isRepeat,
    };
  }
  if (control.length < actions.length && !(isRepeat && alarm.suppressed)) {
    alarm.suppressed = { notification, repeat: number, isRepeat };
  }
  alarm.sends = Math.max(alarm.sends, number + 1);
}

/** Queues the notices of all alarms that no suppressor holds. A repeat that is held is dropped (rule A4). */
export function releaseNotices(folding: Folding): void {
  const { cluster } = folding;
  for (const alarm of cluster.alarms.values()) {
    const { suppressed } = alarm;
    if (!suppressed) continue;
    const held = suppressorOf(cluster, alarm);
    if (held !== undefined) {
      if (suppressed.isRepeat) alarm.suppressed = undefined;
      else if (!suppressed.journalled) {
        folding.decisions.push({
          d: "hold",
          at: cluster.at,
          alarmId: alarm.alarm.id,
          what: "notice",
          gate: "suppressor",
          reason: held,
        });
        alarm.suppressed = { ...suppressed, journalled: true };
      }
      continue;
    }
    alarm.suppressed = undefined;
    const { notification, repeat: number, isRepeat } = suppressed;
    const telling = isRepeat || notification.previous === notification.current ? "repeat" : "news";
    for (const action of noticesOf(alarm)) enqueueNotice(folding, alarm, action, number, notification, telling);
    if (isRepeat) countRepeat(alarm);
  }
}

function noticesOf(alarm: AlarmState): readonly Action[] {
  return alarm.alarm.actions[alarm.state].filter((action) => action.class === "notice");
}

/** The state that notices were held for is over: its receivers never learnt of it. */
function dropSuppressed(alarm: AlarmState): void {
  if (alarm.suppressed && !alarm.suppressed.isRepeat)
    forgetNotice(alarm, noticesOf(alarm), alarm.suppressed.notification);
  alarm.suppressed = undefined;
}

/** The lane is still busy with this very send: a repeat would be a second one. */
function isUnderWay(cluster: ClusterState, alarm: AlarmState): boolean {
  const { lane } = cluster;
  return lane.phase === "in flight" && lane.alarmId === alarm.alarm.id && lane.transition === alarm.transition;
}

function notificationOf(alarm: Alarm, previous: State, said: Said): Notification {
  const { reason, reasonData, to } = said;
  const { id, name, severity } = alarm;
  return { alarmName: name, alarmId: id, severity, previous, current: to, reason, reasonData };
}
