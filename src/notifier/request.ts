/** The POST that a receiver gets: what unmodified Aodh receivers accept, to the byte (docs/receivers.md). */

import { PythonFloat, pythonJson } from "../lib/python.ts";
import type { Notification } from "../model/decision.ts";

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
  const { disposition, count, mostRecent } = reasonData;
  const text = pythonJson({
    alarm_name: alarmName,
    alarm_id: alarmId,
    severity,
    previous,
    current,
    reason,
    reason_data: {
      type: "threshold",
      disposition,
      count,
      most_recent: mostRecent === null ? null : new PythonFloat(mostRecent),
    },
  });
  return Buffer.from(text);
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
