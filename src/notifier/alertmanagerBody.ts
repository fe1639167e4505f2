/** The body of Alertmanager's webhook, version 4: one alert, one group. */

import { createHash } from "node:crypto";
import { rfc3339 } from "../lib/clock.ts";
import type { Json } from "../model/alarm.ts";
import type { Dispatch, WebhookTarget } from "../ports.ts";

type Labels = Readonly<Record<string, string>>;

/** What Alertmanager writes while an alert has no end: Go's zero time. */
const NO_END = "0001-01-01T00:00:00Z";

/**
 * `ok` is resolved, any other state is firing: of an alarm without data nobody knows that it is over, and its label
 * `state` says so. The receiver's labels go over ours, e.g. for a severity of its own. When the alarm began is not
 * known here: `startsAt`, and `endsAt` of a resolved one, are the tick of the decision. Nothing of ours is there to be
 * linked to, so the URLs are empty.
 */
export function alertmanagerBody(dispatch: Dispatch, { labels: own, clusterName }: WebhookTarget): Json {
  const { clusterId, receiver, at, notification } = dispatch;
  const { alarmName, alarmId, severity, current, reason } = notification;
  const lasting = {
    alertname: alarmName,
    alarm_id: alarmId,
    cluster_id: clusterId,
    cluster_name: clusterName,
    severity,
    ...own,
  };
  const labels = { ...lasting, state: current, ...own };
  const annotations = { summary: reason };
  const status = current === "ok" ? "resolved" : "firing";
  const groupLabels = { alertname: labels.alertname };
  const alert = {
    status,
    labels,
    annotations,
    startsAt: rfc3339(at),
    endsAt: status === "resolved" ? rfc3339(at) : NO_END,
    generatorURL: "",
    fingerprint: fingerprintOf(alarmId, lasting),
  };
  return {
    version: "4",
    // Alarms of one name in two clusters are two groups.
    groupKey: `{}/{alarm_id=${JSON.stringify(alarmId)}}:{alertname=${JSON.stringify(groupLabels.alertname)}}`,
    truncatedAlerts: 0,
    status,
    receiver,
    groupLabels,
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: "",
    alerts: [alert],
  };
}

/**
 * 16 hex digits, the same for an alarm and labels whatever their order: what receivers know an alert by. Labels that
 * change with its state must not be among them, or its end would be another alert's.
 */
export function fingerprintOf(alarmId: string, labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([alarmId, sorted]))
    .digest("hex")
    .slice(0, 16);
}
