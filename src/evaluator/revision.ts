/** Revisions of a cluster's rules. */

import type { ClusterRules } from "../model/alarm.ts";
import type { ClusterState } from "./cluster.ts";

/** Whether a revision is another one: they are compared as they are recorded. */
export function differ(a: ClusterRules, b: ClusterRules | undefined): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** A cluster whose rule file is gone keeps its lane and its ledger, but no alarm. */
export function withoutAlarms(cluster: ClusterState): ClusterRules | undefined {
  return cluster.rules && { ...cluster.rules, alarms: [] };
}
