/** `tocsin alarm list|show`: alarms of the running service. */

import { formatDuration } from "../lib/durations.ts";
import type { Gate } from "../model/decision.ts";
import type { ThresholdRuleView } from "../model/ruleView.ts";
import type { Clock } from "../ports.ts";
import type { AlarmView } from "../serviceView.ts";
import { formatQuantity, formatTable } from "./table.ts";

const SIGNS: Readonly<Record<string, string>> = { lt: "<", le: "<=", eq: "=", ne: "!=", ge: ">=", gt: ">" };

/** Longest form of a composite in a list, characters: `alarm show` has all of it. */
const MOST_OF_FORM = 40;

/** What each gate waits for. */
const WAITING: Readonly<Record<Gate, string>> = {
  enabled: "the alarm is disabled",
  time_constraint: "outside its time constraints",
  suppressor: "an alarm that suppresses it is in alarm",
  pause: "a person paused the cluster's scaling",
  evidence: "not enough is known to act",
  opposite: "the cluster is asked to scale out",
  lane: "another action of the cluster is under way",
  cooldown: "the cluster cools down after an action",
  backoff: "the receiver's next attempt is not due",
  direction: "whether it scales in or out is not known",
  capacity: "the cluster is as large, or as small, as it may be",
  max_repeats: "it was repeated as often as allowed",
};

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
    conditionOf(alarm),
    noteOf(alarm),
  ]);
  return formatTable(["CLUSTER", "NAME", "STATE", "SINCE", "VALUE", "THRESHOLD", "NOTE"], rows);
}

/** What the alarm waits for, in short: its threshold, its form or its event. */
function conditionOf({
  threshold_rule: threshold,
  composite_rule: composite,
  event_rule: event,
  unit,
}: AlarmView): string {
  if (threshold) return thresholdOf(threshold, unit);
  if (event) return `event ${event.event_type}`;
  const form = composite?.form ?? "-";
  return form.length <= MOST_OF_FORM ? form : `${form.slice(0, MOST_OF_FORM - 1)}…`;
}

/** The threshold in the unit of the datapoints, where that is known. */
function thresholdOf(
  { comparison_operator: operator, threshold }: ThresholdRuleView,
  unit: string | undefined,
): string {
  const quantity = unit === undefined ? String(threshold) : formatQuantity(threshold, unit);
  return `${SIGNS[operator] ?? operator} ${quantity}`;
}

function noteOf(alarm: AlarmView): string {
  const { held_by: gate, verdict, verdict_reason: reason } = alarm;
  if (gate !== null) return `held by ${gate}: ${whyHeld(gate, alarm)}`;
  if (verdict === "unknown") return `unknown: ${reason}`;
  return verdict === "insufficient data" && reason !== null ? reason : "";
}

function whyHeld(gate: string, { held_reason: reason }: AlarmView): string {
  return reason ?? (isGate(gate) ? WAITING[gate] : "it waits");
}

function isGate(gate: string): gate is Gate {
  return Object.hasOwn(WAITING, gate);
}

/** All of one alarm, a fact a line. `others`: alarms of its cluster, for what its references are now. */
export function alarmDetail(alarm: AlarmView, others: readonly AlarmView[] = []): string {
  const list = (receivers: readonly string[]) => receivers.join(", ") || "none";
  const facts: readonly (readonly [string, string])[] = [
    ["alarm_id", alarm.alarm_id],
    ["name", alarm.name],
    ["cluster", `${alarm.cluster_name} (${alarm.cluster_id})`],
    ["description", alarm.description],
    ["type", alarm.type],
    ["severity", alarm.severity],
    ["enabled", String(alarm.enabled)],
    ["state", alarm.state],
    ["state_reason", alarm.state_reason],
    ["state_timestamp", alarm.state_timestamp ?? "never"],
    ["transition", String(alarm.transition)],
    ["verdict", alarm.verdict_reason === null ? alarm.verdict : `${alarm.verdict}: ${alarm.verdict_reason}`],
    ["value", alarm.value === null ? "none" : formatQuantity(alarm.value, alarm.unit)],
    ["held_by", alarm.held_by === null ? "nothing" : `${alarm.held_by}: ${whyHeld(alarm.held_by, alarm)}`],
    ...ruleFacts(alarm, others),
    ["repeats", alarm.repeat_actions ? `every ${alarm.repeat_interval} s` : "no"],
    ["alarm_actions", list(alarm.alarm_actions)],
    ["ok_actions", list(alarm.ok_actions)],
    ["insufficient_data_actions", list(alarm.insufficient_data_actions)],
  ];
  return formatTable(["FIELD", "VALUE"], facts);
}

function ruleFacts(
  { threshold_rule: threshold, composite_rule: composite, event_rule: event, unit }: AlarmView,
  others: readonly AlarmView[],
) {
  const now = (name: string) => {
    const found = others.find((other) => other.name === name);
    return found === undefined ? "" : ` (now: ${found.state})`;
  };
  const facts: [string, string][] = [];
  if (threshold) {
    facts.push(
      ["rule", judgedOf(threshold, unit)],
      ["datapoints", datapointsOf(threshold)],
      ["missing data", threshold.treat_missing_data],
    );
  }
  if (composite) {
    facts.push(["form", composite.form]);
    for (const [name, leaf] of Object.entries(composite.rules)) {
      const words =
        "alarm" in leaf
          ? `while alarm ${leaf.alarm} is in ${leaf.state ?? "alarm"}${now(leaf.alarm)}`
          : `${judgedOf(leaf)}, ${datapointsOf(leaf)}`;
      facts.push([name, words]);
    }
  }
  if (event) {
    facts.push(["event_type", event.event_type]);
    for (const { field, op, value } of event.query) {
      facts.push(["query", `${field} ${SIGNS[op] ?? op} ${JSON.stringify(value)}`]);
    }
    facts.push([
      "ok again",
      event.auto_ok_after === null ? "never by itself" : `${event.auto_ok_after} s after the last`,
    ]);
  }
  return facts;
}

function judgedOf(rule: ThresholdRuleView, unit?: string): string {
  return `${rule.statistic} of ${rule.meter_name} per ${rule.per} ${thresholdOf(rule, unit)}`;
}

function datapointsOf(rule: ThresholdRuleView): string {
  return `${rule.datapoints_to_alarm} of ${rule.evaluation_periods}, each over ${rule.period} s`;
}
