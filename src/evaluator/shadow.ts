/** What is decided as if it were sent: by the whole service, by an alarm, or to a receiver. */

import type { Action, Alarm } from "../model/alarm.ts";
import type { ClusterState } from "./cluster.ts";

/** Why nothing is sent to a receiver of an alarm, naming who is in shadow; `undefined`: it is sent. */
export function shadowOf(
  { shadow }: Pick<ClusterState, "shadow">,
  alarm: Alarm | undefined,
  action: Pick<Action, "receiver" | "shadow"> | undefined,
): string | undefined {
  if (shadow) return "the service is in shadow: nothing is sent";
  if (alarm?.shadow) return `alarm ${alarm.name} is in shadow: nothing is sent`;
  return action?.shadow ? `receiver ${action.receiver} is in shadow: nothing is sent` : undefined;
}
