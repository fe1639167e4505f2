import { backoffS } from "../lib/backoff.ts";
import type { Outcome } from "../model/decision.ts";
import type { ClusterState } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";

/** A Retry-After is believed within these bounds, seconds. */
const RETRY_AFTER_S = { least: 1, most: 300 };

/** Ticks before the next attempt: what the receiver asked for, else our own back-off. */
export function waitTicks(cluster: ClusterState, outcome: Outcome, attempts: number): number {
  const asked = outcome.retryAfterS;
  const seconds =
    asked === undefined ? backoffS(attempts) : Math.min(Math.max(asked, RETRY_AFTER_S.least), RETRY_AFTER_S.most);
  return Math.max(1, ticksOf(seconds, cluster));
}
