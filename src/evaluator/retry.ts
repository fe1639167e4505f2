/** How long a receiver is left alone before it is called again (rule D1). */

import { backoffS } from "../lib/backoff.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { Delivery, Outcome } from "../model/decision.ts";
import type { ClusterState } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";

/** A Retry-After is believed within these bounds, seconds. */
const RETRY_AFTER_S = { least: 1, most: 300 };
/** So far our own back-off is off either way, so that many clusters do not call one receiver in step. */
const JITTER = 0.2;

/** Ticks before the next attempt: what the receiver asked for, else our own back-off. */
export function waitTicks(cluster: ClusterState, outcome: Outcome, delivery: Delivery): number {
  const asked = outcome.retryAfterS ?? Number.NaN;
  const seconds = Number.isNaN(asked)
    ? backoffS(delivery.attempts) * jitterOf(delivery)
    : Math.min(Math.max(asked, RETRY_AFTER_S.least), RETRY_AFTER_S.most);
  return Math.max(1, ticksOf(seconds, cluster));
}

/** Nothing that is drawn would replay: it follows from the delivery, and from which attempt it was. */
function jitterOf({ id, attempts }: Delivery): number {
  return 1 + JITTER * (fnv1a32(`${attempts} ${id}`) / 2 ** 31 - 1);
}
