/** The words of an event alarm → its rule. */

import type { EventQuery, EventRule } from "../model/alarm.ts";
import type { EventFields } from "./alarmSchema.ts";
import type { Path } from "./explain.ts";
import type { Reading } from "./thresholdRule.ts";

/** Reads an event rule; values that their type cannot hold are told. */
export function readEvent({ file }: Reading, path: Path, alarm: string, fields: EventFields): EventRule {
  const query = (fields.query ?? []).map(({ field, op = "eq", value, type = "" }, index): EventQuery => {
    if (!isConvertible(value, type)) {
      const message = `the value ${JSON.stringify(value)} of alarm "${alarm}" is no ${type}`;
      file.error([...path, "query", index, "value"], "E103", message, `write one, or another type`);
    }
    return { field, op, value, type };
  });
  return { kind: "event", eventType: fields.event_type ?? "*", query, autoOkAfterS: fields.auto_ok_after };
}

/** Whether Aodh could read the value as that type: its converters are Python's. */
function isConvertible(value: EventQuery["value"], type: EventQuery["type"]): boolean {
  switch (type) {
    case "":
    case "string":
      return true;
    case "integer":
      return typeof value === "string" ? /^\s*[+-]?\d+(_\d+)*\s*$/.test(value) : true;
    case "float":
      return typeof value === "string" ? value.trim() !== "" && Number.isFinite(Number(value)) : true;
    case "boolean":
      return /^(t|true|on|y|yes|1|f|false|off|n|no|0)$/i.test(String(value).trim());
  }
}
