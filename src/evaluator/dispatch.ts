import type { Decision } from "../model/decision.ts";
import type { Dispatch } from "../ports.ts";

/** What the notifier is told of a send that was decided. */
export function dispatchOf(clusterId: string, send: Extract<Decision, { readonly d: "send" }>): Dispatch {
  const { delivery: deliveryId, attempt, receiver, direction, transition, repeat, at, notification } = send;
  const control = send.class === "control";
  return { clusterId, deliveryId, attempt, receiver, control, direction, transition, repeat, at, notification };
}
