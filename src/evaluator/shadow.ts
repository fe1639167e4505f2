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

/** A receiver as the alarm's rule has it now, whatever it is called for; `undefined`: it calls it no more. */
export function actionNamed({ actions }: Alarm, receiver: string): Action | undefined {
  for (const list of Object.values(actions)) {
    for (const action of list) {
      if (action.receiver === receiver) return action;
      const told = action.onNoEffect?.find((one) => one.receiver === receiver);
      if (told) return told;
    }
  }
  return undefined;
}
