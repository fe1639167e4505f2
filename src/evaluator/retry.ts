/** How long a receiver is left alone before it is called again, and what is remembered of it meanwhile (rule D1). */

import { backoffS } from "../lib/backoff.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { Delivery, Outcome } from "../model/decision.ts";
import type { ClusterState, PendingAction } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";

/** A Retry-After is believed within these bounds, seconds. */
const RETRY_AFTER_S = { least: 1, most: 300 };
/** So far our own back-off is off either way, so that many clusters do not call one receiver in step. */
const JITTER = 0.2;

/** Ticks before the next attempt: what the receiver asked for, else our own back-off after so many that failed. */
export function waitTicks(cluster: ClusterState, outcome: Outcome, delivery: Delivery, failed: number): number {
  const asked = outcome.retryAfterS ?? Number.NaN;
  const seconds = Number.isNaN(asked)
    ? backoffS(failed) * jitterOf(delivery)
    : Math.min(Math.max(asked, RETRY_AFTER_S.least), RETRY_AFTER_S.most);
  return Math.max(1, ticksOf(seconds, cluster));
}

/** Nothing that is drawn would replay: it follows from the delivery, and from which attempt it was. */
function jitterOf({ id, attempts }: Delivery): number {
  return 1 + JITTER * (fnv1a32(`${attempts} ${id}`) / 2 ** 31 - 1);
}

/** Attempts that have failed, with this one. A turn that did not come, or a receiver that is left alone, was none. */
export function failures(before = 0, { outcome, status, retryAfterS }: Outcome): number {
  // Only an answer says when to come again; without one it is our own notifier that does.
  const isUntried = outcome === "cancelled" || (status === undefined && retryAfterS !== undefined);
  return isUntried ? before : before + 1;
}

/** What is known of a receiver after an attempt. Without a status nothing is, of whether it forbids. */
export function afterAttempt(pending: PendingAction, outcome: Outcome, tick: number): PendingAction {
  const { forbiddenSince: since, failed } = pending;
  const forbiddenSince = outcome.status === undefined ? since : forbids(outcome) ? (since ?? tick) : undefined;
  return { ...pending, forbiddenSince, failed: failures(failed, outcome) };
}

/** The receiver refused who asked, which may be a passing fault of its own authentication. */
export function forbids({ status }: Outcome): boolean {
  return status === 401 || status === 403;
}
