/** The body of Tacker's v2 alert webhook, which is Alertmanager's cut down to what Tacker reads. */

import { rfc3339 } from "../lib/clock.ts";
import type { Json } from "../model/alarm.ts";
import type { Dispatch, WebhookTarget } from "../ports.ts";
import { fingerprintOf } from "./alertmanagerBody.ts";

/**
 * Tacker acts on firing alerts alone, and a call of this receiver asks it to act, in whatever list of actions it stands:
 * so the status is always `firing`. Its labels are the receiver's (`vnf_instance_id`, `aspect_id`; `function_type:
 * auto_heal` with `vnfc_info_id` to heal), but which way it scales is what the delivery was decided as. Throws when that
 * is unknown.
 */
export function tackerBody(dispatch: Dispatch, { labels: own }: WebhookTarget): Json {
  const { at, notification } = dispatch;
  const asked = { receiver_type: "tacker", function_type: "auto_scale", ...own };
  const labels =
    asked.function_type === "auto_scale" ? { ...asked, auto_scale_type: scaleTypeOf(dispatch) } : { ...asked };
  const alert = {
    status: "firing",
    labels,
    annotations: {},
    startsAt: rfc3339(at),
    fingerprint: fingerprintOf(notification.alarmId, labels),
  };
  return { alerts: [alert] };
}

function scaleTypeOf({ direction, notification, receiver }: Dispatch): string {
  switch (direction) {
    case "out":
      return "SCALE_OUT";
    case "in":
      return "SCALE_IN";
    case "unknown":
      throw new Error(`alarm "${notification.alarmName}" with receiver ${receiver} says neither in nor out`);
  }
}
