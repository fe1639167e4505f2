/** What of a record is never forgotten, however old it is: what every ledger keeps when it is trimmed. */

import type { ClusterRules } from "../model/alarm.ts";
import type { Decision, Delivery } from "../model/decision.ts";
import { maxGapS } from "../model/tick.ts";

/**
 * Decisions about an alarm that are kept from before the oldest checkpoint: those since its newest transition, at most
 * so many. An explanation looks through no more for what became of the sends of that transition.
 */
export const DECISIONS_BEFORE = 1000;

/** Rows that one slice of forgetting deletes at the most: commits wait for it. */
export const FORGOTTEN_AT_ONCE = 500;

/**
 * How many ticks before a checkpoint its windows are filled from: the one thing that a ledger reads of a checkpoint.
 * `undefined`: it does not say, and every tick is needed.
 */
export function reachOf(doc: string): number | undefined {
  const [, capacity] = /"series":\{"capacity":(\d+)/.exec(doc) ?? [];
  const [, intervalMs] = /"intervalMs":(\d+)/.exec(doc) ?? [];
  if (capacity === undefined || intervalMs === undefined) return undefined;
  return Number(capacity) + Math.ceil((maxGapS(Number(intervalMs)) * 1000) / Number(intervalMs)) + SPARE;
}

/** So many more: a hole among the ticks is filled from those before it. */
const SPARE = 60;

export function isOpen({ status }: Pick<Delivery, "status">): boolean {
  return status === "waiting" || status === "claimed";
}

/** The delivery that a decision is about; `undefined`: it is about none. */
export function deliveryIn(decision: Decision): string | undefined {
  return "delivery" in decision ? decision.delivery : undefined;
}

/** Ids of the alarms of several revisions. */
export function alarmIdsOf(revisions: readonly (ClusterRules | undefined)[]): ReadonlySet<string> {
  return new Set(revisions.flatMap((rules) => rules?.alarms.map(({ id }) => id) ?? []));
}
