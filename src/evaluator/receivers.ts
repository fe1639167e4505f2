/** Receivers of an alarm as its rule has them now. */

import type { Action, Alarm, Direction } from "../model/alarm.ts";
import type { Delivery } from "../model/decision.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";

/** Control receivers of the state that an alarm is in. */
export function controlOf({ alarm, state }: AlarmState): readonly Action[] {
  return alarm.actions[state].filter((action) => action.class === "control");
}

/** A list is `out` only when all of it is: anything else is held wherever a scale-in is. */
export function directionOf(control: readonly Action[]): Direction {
  if (control.every((action) => action.direction === "out")) return "out";
  return control.every((action) => action.direction === "in") ? "in" : "unknown";
}

/** A receiver of notices, whatever it is told of; `undefined`: the alarm tells it nothing any more. */
export function noticeNamed({ actions }: Alarm, receiver: string): Action | undefined {
  for (const list of Object.values(actions)) {
    for (const action of list.flatMap((one) => [one, ...(one.onNoEffect ?? [])])) {
      if (action.class === "notice" && action.receiver === receiver) return action;
    }
  }
  return undefined;
}

/** Why a notice has nobody to be told to any more; `undefined`: its alarm still names the receiver. */
export function whyNotTold({ alarms }: ClusterState, { alarmId, alarmName, receiver }: Delivery): string | undefined {
  const alarm = alarms.get(alarmId)?.alarm;
  if (!alarm) return `alarm ${alarmName} is gone`;
  return noticeNamed(alarm, receiver) ? undefined : `alarm ${alarmName} does not tell receiver ${receiver} any more`;
}
