/** How a change of the rules comes into force: receivers, then the evaluator, then the collector. */

import type { Collector } from "./collector/collector.ts";
import type { ClusterRows } from "./collector/mapping.ts";
import { readsOf } from "./collector/reads.ts";
import type { ReceiverBook } from "./config/receiverBook.ts";
import type { ApplyChange } from "./config/watch.ts";
import type { Evaluator } from "./evaluator/evaluator.ts";
import type { ClusterRules } from "./model/alarm.ts";
import type { Clock } from "./ports.ts";

export interface RuleStages {
  readonly clock: Clock;
  readonly receivers: Pick<ReceiverBook, "change">;
  readonly evaluator: Pick<Evaluator, "revise">;
  readonly collector: Pick<Collector, "update">;
  /** Those in force so far. */
  readonly rules: readonly ClusterRules[];
}

/** Applies changes to the running stages. A change that cannot be recorded (`E404`) leaves all as it was. */
export function ruleApplier({ clock, receivers, evaluator, collector, rules }: RuleStages): ApplyChange {
  const applied = new Map(rules.map((own) => [own.clusterId, own]));
  let updating = false;
  // Many files may change at once: one new mapping is enough for all of them.
  const updateCollector = () => {
    updating = false;
    const inOrder = [...applied.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
    collector.update(inOrder.map(rowsOf));
  };
  return async (change) => {
    const { clusterId } = change;
    const cluster = change.kind === "apply" ? change.version.cluster : undefined;
    // First, so that no send of the new rules finds its receiver unknown.
    const swap = receivers.change(clusterId, cluster);
    try {
      await evaluator.revise(clusterId, cluster?.rules);
    } catch (error) {
      swap.undo();
      throw error;
    }
    swap.done();
    if (cluster) applied.set(clusterId, cluster.rules);
    else applied.delete(clusterId);
    if (updating) return;
    updating = true;
    clock.after(0, updateCollector);
  };
}

/** What the collector must know of a cluster. */
export function rowsOf(rules: ClusterRules): ClusterRows {
  return { clusterId: rules.clusterId, rows: rules.rows, reads: readsOf(rules) };
}
