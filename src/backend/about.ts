import type { Decision } from "../model/decision.ts";

/**
 * Which alarm a decision is about; `undefined`: none. `alarmOf` knows the alarms of deliveries: what is decided about
 * one is decided about its alarm.
 */
export function aboutOf(decision: Decision, alarmOf: (deliveryId: string) => string | undefined): string | undefined {
  switch (decision.d) {
    case "send":
      return decision.notification.alarmId;
    case "end":
    case "cancel":
      return alarmOf(decision.delivery);
    case "source":
      return undefined;
    case "transition":
    case "hold":
    case "release":
    case "effect":
      return decision.alarmId;
  }
}
