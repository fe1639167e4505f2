/** What people see of the evaluator and the ledger: state turned into Aodh's names and RFC 3339. */

import type { AlarmState, ClusterState } from "./evaluator/cluster.ts";
import { rfc3339 } from "./lib/clock.ts";
import type { Delivery } from "./model/decision.ts";
import { METERS, meterNamed, meterType } from "./model/meters.ts";
import type { AlarmView, ClusterView, DeliveryView, MetricView } from "./ports.ts";

export function alarmView(cluster: ClusterState, alarm: AlarmState): AlarmView {
  const { alarm: rule, verdict } = alarm;
  const receivers = (state: keyof typeof rule.actions) =>
    rule.actions[state].map((action) => `receiver:${action.receiver}`);
  const unit = meterNamed(rule.meterName)?.unit ?? "";
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
    verdict_reason: verdict.kind === "unknown" ? verdict.reason : null,
    value: verdict.kind === "unknown" ? null : verdict.points.mostRecent,
    unit: rule.per === "active_server" ? `${unit}/server` : unit,
    threshold_rule: {
      meter_name: rule.meterName,
      statistic: rule.statistic,
      per: rule.per,
      period: rule.periodS,
      evaluation_periods: rule.evaluationPeriods,
      datapoints_to_alarm: rule.datapointsToAlarm,
      comparison_operator: rule.comparison,
      threshold: rule.threshold,
      clear_threshold: rule.clearThreshold,
      treat_missing_data: rule.treatMissingData,
    },
    repeat_actions: rule.repeatActions,
    repeat_interval: rule.repeatIntervalS,
    alarm_actions: receivers("alarm"),
    ok_actions: receivers("ok"),
    insufficient_data_actions: receivers("insufficient data"),
    held_by: alarm.owed ? (alarm.held ?? null) : null,
  };
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
    timestamp: Number.isFinite(cluster.tick) ? rfc3339(cluster.at) : null,
  };
}

/** The lane in one word or two: `owed` where an alarm waits for it. */
export function laneWord({ lane, alarms }: ClusterState): string {
  if (lane.phase === "idle") return [...alarms.values()].some(({ owed }) => owed) ? "owed" : "idle";
  return `${lane.phase} (${lane.direction})`;
}

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
    attempts: delivery.attempts,
    reason: delivery.reason,
    created_at: rfc3339(delivery.createdAt),
  };
}
