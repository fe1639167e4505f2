/** `tocsin alarm list|show`: alarms of the running service. */

import { formatDuration } from "../lib/durations.ts";
import type { AlarmView, Clock } from "../ports.ts";
import { formatQuantity, formatTable } from "./table.ts";

const SIGNS: Readonly<Record<string, string>> = { lt: "<", le: "<=", eq: "=", ne: "!=", ge: ">=", gt: ">" };

/** One line for each alarm. */
export function alarmTable(
  alarms: readonly AlarmView[],
  clock: Pick<Clock, "now">,
  parseAt: (text: string) => number,
): string {
  const rows = alarms.map((alarm) => [
    alarm.cluster_name,
    alarm.name,
    alarm.enabled ? alarm.state : `${alarm.state} (disabled)`,
    alarm.state_timestamp === null ? "-" : `${formatDuration(clock.now() - parseAt(alarm.state_timestamp))} ago`,
    alarm.value === null ? "-" : formatQuantity(alarm.value, alarm.unit),
    thresholdOf(alarm),
    noteOf(alarm),
  ]);
  return formatTable(["CLUSTER", "NAME", "STATE", "SINCE", "VALUE", "THRESHOLD", "NOTE"], rows);
}

function thresholdOf({ threshold_rule: rule, unit }: AlarmView): string {
  return `${SIGNS[rule.comparison_operator] ?? rule.comparison_operator} ${formatQuantity(rule.threshold, unit)}`;
}

function noteOf({ held_by: heldBy, verdict, verdict_reason: reason }: AlarmView): string {
  if (heldBy !== null) return `held by ${heldBy}`;
  return verdict === "unknown" ? `unknown: ${reason}` : "";
}

/** All of one alarm, a fact a line. */
export function alarmDetail(alarm: AlarmView): string {
  const { threshold_rule: rule } = alarm;
  const list = (receivers: readonly string[]) => receivers.join(", ") || "none";
  const facts: readonly (readonly [string, string])[] = [
    ["alarm_id", alarm.alarm_id],
    ["name", alarm.name],
    ["cluster", `${alarm.cluster_name} (${alarm.cluster_id})`],
    ["description", alarm.description],
    ["severity", alarm.severity],
    ["enabled", String(alarm.enabled)],
    ["state", alarm.state],
    ["state_reason", alarm.state_reason],
    ["state_timestamp", alarm.state_timestamp ?? "never"],
    ["transition", String(alarm.transition)],
    ["verdict", alarm.verdict_reason === null ? alarm.verdict : `${alarm.verdict}: ${alarm.verdict_reason}`],
    ["value", alarm.value === null ? "none" : formatQuantity(alarm.value, alarm.unit)],
    ["held_by", alarm.held_by ?? "nothing"],
    ["rule", `${rule.statistic} of ${rule.meter_name} per ${rule.per} ${thresholdOf(alarm)}`],
    ["datapoints", `${rule.datapoints_to_alarm} of ${rule.evaluation_periods}, each over ${rule.period} s`],
    ["missing data", rule.treat_missing_data],
    ["repeats", alarm.repeat_actions ? `every ${alarm.repeat_interval} s` : "no"],
    ["alarm_actions", list(alarm.alarm_actions)],
    ["ok_actions", list(alarm.ok_actions)],
    ["insufficient_data_actions", list(alarm.insufficient_data_actions)],
  ];
  return formatTable(["FIELD", "VALUE"], facts);
}
