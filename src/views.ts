/** What people see of the evaluator and the ledger: state turned into Aodh's names and RFC 3339. */

import { newestValue } from "./evaluator/alarms.ts";
import type { AlarmState, ClusterState } from "./evaluator/cluster.ts";
import { formOf } from "./evaluator/composite.ts";
import { gateOf } from "./evaluator/gates.ts";
import { unknownBecause } from "./evaluator/verdict.ts";
import { rfc3339 } from "./lib/clock.ts";
import type { AlarmRule } from "./model/alarm.ts";
import { leavesOf } from "./model/alarm.ts";
import type { Delivery, Outcome } from "./model/decision.ts";
import { METERS, meterNamed, meterType } from "./model/meters.ts";
import type { MetricView } from "./model/metricView.ts";
import { thresholdView } from "./model/ruleView.ts";
import type { DeliveryRecord } from "./ports.ts";
import type { AlarmView, AttemptView, ClusterView, DeliveryDetail, DeliveryView } from "./serviceView.ts";

export { sourceView } from "./sourceView.ts";

export function alarmView(cluster: ClusterState, alarm: AlarmState): AlarmView {
  const { alarm: rule, verdict } = alarm;
  const receivers = (state: keyof typeof rule.actions) =>
    rule.actions[state].map((action) => `receiver:${action.receiver}`);
  return {
    alarm_id: rule.id,
    name: rule.name,
    description: rule.description,
    cluster_id: cluster.clusterId,
    cluster_name: cluster.rules?.clusterName ?? cluster.clusterId,
    type: rule.type,
    severity: rule.severity,
    enabled: rule.enabled,
    state: alarm.state,
    state_reason: alarm.reason,
    state_timestamp: alarm.stateAt === undefined ? null : rfc3339(alarm.stateAt),
    transition: alarm.transition,
    verdict: verdict.kind,
    verdict_reason: unknownBecause(verdict) ?? silenceOf(cluster, verdict) ?? null,
    value: newestValue(cluster, alarm),
    unit: unitOf(rule.rule),
    ...ruleViews(rule.rule),
    repeat_actions: rule.repeatActions,
    repeat_interval: rule.repeatIntervalS,
    alarm_actions: receivers("alarm"),
    ok_actions: receivers("ok"),
    insufficient_data_actions: receivers("insufficient data"),
    held_by: alarm.owed ? (alarm.held ?? null) : null,
    held_reason: heldReason(cluster, alarm),
  };
}

/** As of now: the gate that is told holds since the newest tick. */
function heldReason(cluster: ClusterState, alarm: AlarmState): string | null {
  if (!alarm.owed || alarm.held === undefined) return null;
  const held = gateOf(cluster, alarm, alarm.owed);
  return held?.gate === alarm.held ? held.reason : null;
}

/** Sources that have not answered the newest tick, where that may be why there is no data. */
function silenceOf({ lastOk, tick }: ClusterState, verdict: AlarmState["verdict"]): string | undefined {
  if (verdict.kind !== "insufficient data") return undefined;
  const silent = [...lastOk].filter(([, last]) => last < tick);
  if (silent.length === 0) return undefined;
  return silent
    .map(([name, last]) => `source ${name} has not answered for ${tick - last} ${tick - last === 1 ? "tick" : "ticks"}`)
    .join(", ");
}

/** Unit of an alarm's datapoints; empty where it has none. */
export function unitOf(rule: AlarmRule): string {
  if (rule.kind !== "threshold") return "";
  const unit = rule.statistic === "count" ? "sample" : (meterNamed(rule.meterName)?.unit ?? "");
  const own = rule.statistic === "rate" && !unit.endsWith("/s") ? `${unit}/s` : unit;
  return rule.per === "active_server" ? `${own}/server` : own;
}

function ruleViews(rule: AlarmRule): Pick<AlarmView, "threshold_rule" | "composite_rule" | "event_rule"> {
  switch (rule.kind) {
    case "threshold":
      return { threshold_rule: thresholdView(rule) };
    case "event": {
      const { eventType, query, autoOkAfterS } = rule;
      return { event_rule: { event_type: eventType, query, auto_ok_after: autoOkAfterS ?? null } };
    }
    case "composite": {
      const leaves = leavesOf(rule.expression).map((leaf, index) => {
        const state = leaf.op === "alarm" && leaf.state !== undefined ? { state: leaf.state } : {};
        const view = leaf.op === "rule" ? thresholdView(leaf.rule) : { alarm: leaf.name, ...state };
        return [`rule${index + 1}`, view] as const;
      });
      return { composite_rule: { form: formOf(rule.expression), rules: Object.fromEntries(leaves) } };
    }
  }
}

export function metricViews(cluster: ClusterState): MetricView[] {
  return METERS.flatMap((meter) => {
    const value = cluster.values[meter.name];
    if (value === undefined) return [];
    return [
      {
        cluster_id: cluster.clusterId,
        cluster_name: cluster.rules?.clusterName ?? cluster.clusterId,
        meter_name: meter.name,
        type: meterType(meter),
        unit: meter.unit,
        value,
        timestamp: rfc3339(cluster.at),
      },
    ];
  });
}

export function clusterView(cluster: ClusterState): ClusterView {
  return {
    cluster_id: cluster.clusterId,
    cluster_name: cluster.rules?.clusterName ?? cluster.clusterId,
    lane: laneWord(cluster),
    servers: Object.fromEntries([...cluster.members].sort()),
    sources: [...cluster.lastOk.keys()].sort(),
    paused: pausesOf(cluster),
    shadow: cluster.shadow,
    timestamp: Number.isFinite(cluster.tick) ? rfc3339(cluster.at) : null,
  };
}

function pausesOf({ pauses, tick, intervalMs }: ClusterState): Record<string, number | null> {
  const running = [...pauses].filter(([, until]) => until === null || until > tick);
  return Object.fromEntries(
    running.map(([direction, until]) => [direction, until === null ? null : ((until - tick) * intervalMs) / 1000]),
  );
}

/** The lane in one word or two: `owed` where an alarm waits for it. */
export function laneWord({ lane, alarms }: ClusterState): string {
  if (lane.phase === "idle") return [...alarms.values()].some(({ owed }) => owed) ? "owed" : "idle";
  return `${lane.phase} (${lane.direction})`;
}

/**
 * How deliveries end that nobody but a person can do anything about. An action of unknown outcome is among them also
 * where the lane has asked again since: whether it ran twice is for a person to see.
 */
export const NEED_A_PERSON: readonly Delivery["status"][] = ["rejected", "dead", "expired", "uncertain"];

export function deliveryView(delivery: Delivery): DeliveryView {
  return {
    delivery_id: delivery.id,
    cluster_id: delivery.clusterId,
    alarm_id: delivery.alarmId,
    alarm_name: delivery.alarmName,
    receiver: delivery.receiver,
    class: delivery.class,
    direction: delivery.direction,
    previous: delivery.notification.previous,
    current: delivery.notification.current,
    transition: delivery.transition,
    repeat: delivery.repeat,
    status: delivery.status,
    attention: NEED_A_PERSON.includes(delivery.status),
    attempts: delivery.attempts,
    reason: delivery.reason,
    created_at: rfc3339(delivery.createdAt),
  };
}

/** A delivery with all that is known of it. */
export function deliveryDetail({ delivery, attempts }: DeliveryRecord): DeliveryDetail {
  return {
    ...deliveryView(delivery),
    notification: delivery.notification,
    attempt_list: attempts.map(attemptView),
  };
}

function attemptView({ attempt, outcome, status, reason, detail }: Outcome): AttemptView {
  return {
    attempt,
    outcome,
    status: status ?? null,
    reason,
    started_at: detail === undefined ? null : rfc3339(detail.startedAt),
    wait_ms: detail?.waitMs ?? null,
    connect_ms: detail?.connectMs ?? null,
    first_byte_ms: detail?.firstByteMs ?? null,
    total_ms: detail?.totalMs ?? null,
    answer: detail?.answer ?? null,
    request_id: detail?.requestId ?? null,
  };
}
