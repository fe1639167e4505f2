/** Aodh's body: what unmodified Aodh receivers accept, to the byte (docs/receivers.md). */

import { isList } from "../lib/lists.ts";
import type { PythonValue } from "../lib/python.ts";
import { PythonFloat, pythonJson } from "../lib/python.ts";
import type { Json } from "../model/alarm.ts";
import type { Notification, ReasonData } from "../model/decision.ts";

/**
 * Seven keys in Aodh's order, with Python's separators and floats. A proportional action has one more, `count`: Senlin
 * takes it as the number of nodes.
 */
export function aodhBody(notification: Notification): Buffer {
  const { count } = notification;
  return Buffer.from(pythonJson({ ...aodhFields(notification), ...(count === undefined ? {} : { count }) }));
}

/** The seven keys, in Aodh's order. */
export function aodhFields({ alarmName, alarmId, severity, previous, current, reason, reasonData }: Notification) {
  return {
    alarm_name: alarmName,
    alarm_id: alarmId,
    severity,
    previous,
    current,
    reason,
    reason_data: aodhReasonData(reasonData),
  };
}

/** `reason_data` with Aodh's names, by the type of the rule. */
function aodhReasonData(data: ReasonData): PythonValue {
  switch (data.type) {
    case "threshold": {
      const { type, disposition, count, mostRecent, server } = data;
      const most_recent = mostRecent === null ? null : new PythonFloat(mostRecent);
      return { type, disposition, count, most_recent, ...(server === undefined ? {} : { server }) };
    }
    case "composite": {
      const { type, form, causes } = data;
      const rules = causes.map(([name, rule]) => [name, pythonOf(rule)] as const);
      return { type, composition_form: form, causative_rules: Object.fromEntries(rules) };
    }
    case "event":
      return { type: data.type, event: pythonOf(data.event) };
  }
}

/** Numbers that Aodh holds as floats, whole or not. */
const FLOATS = new Set(["threshold", "clear_threshold"]);

/** A value as Python would hold it; `key` is the member that it belongs to. */
function pythonOf(value: Json, key = ""): PythonValue {
  if (typeof value === "number") return FLOATS.has(key) || !Number.isInteger(value) ? new PythonFloat(value) : value;
  if (value === null || typeof value !== "object") return value;
  if (isList(value)) return value.map((one) => pythonOf(one));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, pythonOf(member, name)]));
}
