/** Why an alarm stood where it stood at a past tick: the tick is folded again, and what the fold saw is told. */

import { referredTo } from "../evaluator/alarms.ts";
import type { AlarmState, ClusterState, Owed } from "../evaluator/cluster.ts";
import type { LeafState } from "../evaluator/composite.ts";
import { judgeComposite } from "../evaluator/composite.ts";
import { fold } from "../evaluator/fold.ts";
import { judge } from "../evaluator/judge.ts";
import type { RecordedTick } from "../evaluator/restore.ts";
import { slotTick } from "../evaluator/slots.ts";
import { ticksToRead } from "../evaluator/snapshot.ts";
import { unknownBecause } from "../evaluator/verdict.ts";
import { rfc3339 } from "../lib/clock.ts";
import type { Action, Alarm } from "../model/alarm.ts";
import { leavesOf } from "../model/alarm.ts";
import type { Decision } from "../model/decision.ts";
import type { Counterfactual, DeliveryExplanation, Explanation, RuleExplanation } from "../model/explanation.ts";
import { gatesOf, labelAt, laneUntil } from "./gateList.ts";
import type { Around } from "./nearest.ts";
import { benchOf, depthOf, nearestOf } from "./nearest.ts";
import type { Past } from "./past.ts";
import { beforeTick, checkKept, inputsAfter, ticksUpTo } from "./past.ts";
import type { Judged } from "./windows.ts";
import { fullAt, ruleExplanations } from "./windows.ts";

/** Inputs after the tick in which the ends of its sends are looked for, and ticks in which the verdict may turn. */
const INPUTS_AFTER = 1000;
const TICKS_AFTER = 360;
/** Decisions that are looked through for the sends of the newest transition. */
const DECISIONS = 1000;

/**
 * Explains an alarm at the newest recorded tick labelled at or before `at` (epoch ms; `undefined`: the newest there
 * is). `undefined`: nothing is recorded by then, or there was no such alarm. Throws `E414` when ticks that led to it are not
 * kept any more.
 */
export async function explain(
  clusterId: string,
  alarmId: string,
  at: number | undefined,
  past: Past,
): Promise<Explanation | undefined> {
  const before = await beforeTick(clusterId, at ?? Infinity, past);
  const was = before?.cluster.alarms.get(alarmId);
  if (!before || !was) return undefined;
  const { cluster, target } = before;
  const around = aroundOf(cluster, was);
  const stateBefore = was.state;
  const { decisions } = fold(cluster, target.tick);
  const alarm = cluster.alarms.get(alarmId);
  if (!alarm) return undefined;
  const reach = Math.max(depthOf(alarm.alarm, cluster.intervalMs / 1000), cluster.series.capacity);
  const count = reach + ticksToRead(cluster) - cluster.series.capacity;
  await checkKept(clusterId, target.tick.number - count, before.begin, target, past);
  const ticks = await ticksUpTo(clusterId, target, count, past);
  const { seq } = target;
  const log = await past.ledger.decisions(clusterId, { alarmId, limit: DECISIONS, upToSeq: seq + INPUTS_AFTER });
  const explanation = explained({ cluster, alarm, stateBefore, around, decisions, ticks, log });
  // What comes now folds on: nothing of the cluster may be read any more.
  const later = await turnsAfter(cluster, alarm.alarm, explanation.verdict, past);
  return { ...explanation, nearest: [...explanation.nearest, ...later] };
}

/** What a composite was judged with. References are judged before it at the same tick: they are asked afterwards. */
function aroundOf(cluster: ClusterState, { state, leaves }: AlarmState): Around {
  return {
    state,
    decided: (name) => leaves[name],
    referTo: (id) => referredTo(cluster.alarms.get(id)),
  };
}

interface Facts {
  readonly cluster: ClusterState;
  readonly alarm: AlarmState;
  readonly stateBefore: string;
  readonly around: Around;
  /** Of the very tick. */
  readonly decisions: readonly Decision[];
  readonly ticks: readonly RecordedTick[];
  /** Decisions about the alarm, the newest first. */
  readonly log: readonly Decision[];
}

function explained(facts: Facts): Explanation {
  const { cluster, alarm, stateBefore, around, decisions, ticks, log } = facts;
  const { alarm: written, verdict } = alarm;
  const { series, rules, at, tick, intervalMs } = cluster;
  const byNumber = new Map(ticks.map((one) => [one.tick.number, one.tick]));
  const judged: Judged = { series, expect: rules?.expect ?? 0, at, ticks: byNumber };
  const change = decisions.find((one) => one.d === "transition" && one.alarmId === written.id);
  const ruleViews = rulesOf(written, judged);
  return {
    version: 1,
    alarm_id: written.id,
    name: written.name,
    type: written.type,
    cluster_id: cluster.clusterId,
    cluster_name: rules?.clusterName ?? cluster.clusterId,
    tick: { number: tick, timestamp: rfc3339(at), interval: intervalMs / 1000 },
    state: alarm.state,
    state_before: stateBefore,
    state_reason: alarm.reason,
    state_timestamp: alarm.stateAt === undefined ? null : rfc3339(alarm.stateAt),
    transition:
      change?.d === "transition"
        ? { number: change.transition, from: change.from, to: change.to, reason: change.reason }
        : null,
    verdict: verdict.kind,
    verdict_reason: unknownBecause(verdict) ?? null,
    rules: ruleViews,
    composite: compositeOf(written, around, judged),
    ...controlOf(cluster, alarm, decisions),
    lane: laneOf(cluster),
    deliveries: deliveriesOf(log, alarm.transition, at),
    next_repeat: nextRepeat(cluster, alarm),
    nearest: nearestOf(written, verdict.kind, around, benchOf(cluster, written, ticks)),
    lacks: lacksOf(cluster, written, verdict.kind, ruleViews),
  };
}

function rulesOf({ rule }: Alarm, judged: Judged): readonly RuleExplanation[] {
  if (rule.kind === "threshold") return ruleExplanations(rule, null, judged);
  if (rule.kind === "event") return [];
  return leavesOf(rule.expression).flatMap((leaf, index) =>
    leaf.op === "rule" ? ruleExplanations(leaf.rule, `rule${index + 1}`, judged) : [],
  );
}

function compositeOf({ rule }: Alarm, around: Around, { series, expect }: Judged): Explanation["composite"] {
  if (rule.kind !== "composite") return null;
  const { form, leaves } = judgeComposite(rule.expression, { ...around, judge: (one) => judge(one, series, expect) });
  const states = new Map<string, LeafState>(leaves.map(({ name, state }) => [name, state]));
  const views = leavesOf(rule.expression).map((leaf, index) => {
    const name = `rule${index + 1}`;
    return { name, alarm: leaf.op === "alarm" ? leaf.name : null, state: states.get(name) ?? null };
  });
  return { form, leaves: views };
}

/** Gates of the control actions of the alarm's state, and what became of these. */
function controlOf(
  cluster: ClusterState,
  alarm: AlarmState,
  decisions: readonly Decision[],
): Pick<Explanation, "action" | "gates"> {
  const control = alarm.alarm.actions[alarm.state].filter((action) => action.class === "control");
  if (control.length === 0) return { action: { status: "none", opens_at: null }, gates: [] };
  const gates = gatesOf(cluster, alarm, alarm.owed ?? mightOwe(cluster, alarm, control));
  const status = statusOf(cluster, alarm, decisions);
  const times = gates.flatMap(({ passed, opens_at: time }) => (passed ? [] : [time]));
  const known = times.filter((time) => time !== null).sort();
  const opens = status === "held" && known.length === times.length ? (known.at(-1) ?? null) : null;
  return { action: { status, opens_at: opens }, gates };
}

function statusOf(
  { lane }: ClusterState,
  { alarm, transition, owed }: AlarmState,
  decisions: readonly Decision[],
): Explanation["action"]["status"] {
  const sent = decisions.some(
    (one) => one.d === "send" && one.class === "control" && one.notification.alarmId === alarm.id,
  );
  if (sent) return "sent";
  if (owed || decisions.some((one) => one.d === "hold" && one.alarmId === alarm.id && one.what !== "notice"))
    return "held";
  const own = (lane.phase === "in flight" || lane.phase === "settling") && lane.alarmId === alarm.id;
  if (own && lane.transition === transition) return lane.phase;
  return transition === 0 ? "none" : "done";
}

/** The action that the state asks for, had it not been sent: what a repeat would be. */
function mightOwe(cluster: ClusterState, alarm: AlarmState, control: readonly Action[]): Owed {
  const [direction, ...others] = new Set(control.map((action) => action.direction));
  const { id, name, severity } = alarm.alarm;
  return {
    transition: alarm.transition,
    notification: {
      alarmName: name,
      alarmId: id,
      severity,
      previous: alarm.state,
      current: alarm.state,
      reason: alarm.reason,
      reasonData: alarm.reasonData ?? { type: "threshold", disposition: "unknown", count: 0, mostRecent: null },
    },
    receivers: control.map((action) => ({ action, repeat: 0, forbiddenSince: undefined })),
    direction: direction === undefined || others.length > 0 ? "unknown" : direction,
    since: cluster.tick,
    notBefore: cluster.tick,
    isRepeat: true,
  };
}

function laneOf(cluster: ClusterState): Explanation["lane"] {
  const { lane } = cluster;
  if (lane.phase === "idle") return { phase: "idle", alarm: null, direction: null, sent_at: null, until: null };
  const of = lane.phase === "cooldown" ? undefined : cluster.alarms.get(lane.alarmId);
  return {
    phase: lane.phase,
    alarm: of?.alarm.name ?? null,
    direction: lane.direction,
    sent_at: labelAt(cluster, lane.sentTick),
    until: laneUntil(cluster),
  };
}

/** What was sent up to the tick, and what became of it, also later. */
function deliveriesOf(log: readonly Decision[], transition: number, at: number): readonly DeliveryExplanation[] {
  const oldestFirst = log.toReversed();
  const ends = new Map<string, Extract<Decision, { readonly d: "end" }>>();
  for (const one of oldestFirst) {
    if (one.d === "end") ends.set(one.delivery, one);
    // A person asked for it again: it has not ended after all.
    else if (one.d === "send") ends.delete(one.delivery);
  }
  const sends = Map.groupBy(
    oldestFirst.filter((one) => one.d === "send").filter((one) => one.transition === transition && one.at <= at),
    (one) => one.delivery,
  );
  return [...sends].flatMap(([id, attempts]) => {
    const [first] = attempts;
    const end = ends.get(id);
    if (!first) return [];
    return [
      {
        delivery_id: id,
        receiver: first.receiver,
        class: first.class,
        direction: first.direction,
        repeat: first.repeat,
        sent_at: attempts.map((one) => rfc3339(one.at)),
        end: end?.end ?? null,
        ended_at: end ? rfc3339(end.at) : null,
        reason: end?.reason ?? null,
      },
    ];
  });
}

function nextRepeat(cluster: ClusterState, alarm: AlarmState): Explanation["next_repeat"] {
  const { repeatActions, repeatStates, maxRepeats, actions } = alarm.alarm;
  if (!repeatActions || !repeatStates.includes(alarm.state) || actions[alarm.state].length === 0) return null;
  if (maxRepeats !== undefined && alarm.repeats >= maxRepeats) return null;
  const timestamp = labelAt(cluster, slotTick(cluster, alarm, alarm.slots));
  return timestamp === null ? null : { timestamp, limit: maxRepeats ?? null, sent: alarm.repeats };
}

/** What would have to be there for a verdict. */
function lacksOf(
  cluster: ClusterState,
  { rule }: Alarm,
  verdict: string,
  views: readonly RuleExplanation[],
): readonly string[] {
  if (verdict === "alarm" || verdict === "ok" || verdict === "stopped" || rule.kind === "event") return [];
  const rules =
    rule.kind === "threshold"
      ? [rule]
      : leavesOf(rule.expression).flatMap((leaf) => (leaf.op === "rule" ? [leaf.rule] : []));
  const judged = { series: cluster.series, expect: cluster.rules?.expect ?? 0 };
  const fills = [...new Set(rules.flatMap((one) => fullAt(one, judged) ?? []))].map(
    (number) => `windows are full at ${labelAt(cluster, number)} at the latest, if every poll until then answers`,
  );
  const few = views.flatMap((view) => {
    const used = view.windows.filter((window) => window.used && window.filled !== "missing").length;
    const of = [view.name, view.server].filter((part) => part !== null).join(" ");
    if (view.verdict !== "insufficient data") return [];
    return [`${of === "" ? "" : `${of}: `}${used} of ${view.evaluation_periods} datapoints are there`];
  });
  return [...fills, ...few];
}

/** The first recorded tick after this one at which the same rule was judged otherwise. */
async function turnsAfter(
  cluster: ClusterState,
  alarm: Alarm,
  verdict: string,
  past: Past,
): Promise<readonly Counterfactual[]> {
  const { tick: from, intervalMs } = cluster;
  const rule = JSON.stringify(alarm.rule);
  for await (const { seq, input } of inputsAfter(cluster, past, Infinity)) {
    cluster.seq = seq - 1;
    fold(cluster, input);
    const now = cluster.alarms.get(alarm.id);
    if (!now || JSON.stringify(now.alarm.rule) !== rule || cluster.intervalMs !== intervalMs) return [];
    if (cluster.tick - from > TICKS_AFTER) return [];
    if (input.kind !== "tick" || (now.verdict.kind === "alarm") === (verdict === "alarm")) continue;
    const to = ((cluster.tick - from) * intervalMs) / 1000;
    return [{ change: "time", rule: null, from: 0, to, verdict: now.verdict.kind, with: {} }];
  }
  return [];
}
