/** The POST that a receiver gets: what unmodified Aodh receivers accept, to the byte (docs/receivers.md). */

import type { PythonValue } from "../lib/python.ts";
import { PythonFloat, pythonJson } from "../lib/python.ts";
import type { Json } from "../model/alarm.ts";
import type { Notification, ReasonData } from "../model/decision.ts";

/** A URL split without being rewritten: signed URLs break when a percent-escape, `:80` or an order changes. */
export interface RequestTarget {
  /** `http://host:port`, what to connect to. */
  readonly origin: string;
  /** Authority as written, for the Host header. */
  readonly host: string;
  /** Path and query as written. */
  readonly path: string;
}

/** Splits `http(s)://authority/path?query`; `undefined` when it is something else. A fragment is never sent. */
export function splitUrl(url: string): RequestTarget | undefined {
  const match = /^(https?):\/\/([^/?#\s@\\]+)([/?][^#\s\\]*)?(#.*)?$/i.exec(url);
  const [, scheme, host, rest = "/"] = match ?? [];
  if (scheme === undefined || host === undefined || !URL.canParse(url)) return undefined;
  return { origin: `${scheme.toLowerCase()}://${host}`, host, path: rest.startsWith("?") ? `/${rest}` : rest };
}

/** Aodh's body: seven keys in its order, with Python's separators and floats. */
export function aodhBody(notification: Notification): Buffer {
  const { alarmName, alarmId, severity, previous, current, reason, reasonData } = notification;
  const text = pythonJson({
    alarm_name: alarmName,
    alarm_id: alarmId,
    severity,
    previous,
    current,
    reason,
    reason_data: aodhReasonData(reasonData),
  });
  return Buffer.from(text);
}

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

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Headers of one attempt. The receiver's own come last and may replace any but those that frame the request. */
export function requestHeaders(
  target: RequestTarget,
  delivery: { readonly id: string; readonly timestampS: number; readonly version: string },
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    host: target.host,
    "content-type": "application/json",
    accept: "application/json, */*",
    "user-agent": `tocsin/${delivery.version}`,
    // Derived from the delivery, so the same over retries.
    "x-openstack-request-id": `req-${delivery.id.replace(/^msg_/, "")}`,
    "webhook-id": delivery.id,
    "webhook-timestamp": String(delivery.timestampS),
    ...own,
  };
}
