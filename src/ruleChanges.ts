/** How a change of the rules comes into force: receivers, then the evaluator, then the collector. */

import type { Collector } from "./collector/collector.ts";
import type { ClusterRows, Mapping, MappingOptions } from "./collector/mapping.ts";
import { createMapping } from "./collector/mapping.ts";
import { readsOf } from "./collector/reads.ts";
import type { ReceiverBook } from "./config/receiverBook.ts";
import type { Settings } from "./config/settings.ts";
import type { ApplyChange } from "./config/watch.ts";
import type { Evaluator } from "./evaluator/evaluator.ts";
import type { ClusterRules } from "./model/alarm.ts";
import type { Clock, Logger } from "./ports.ts";

export interface RuleStages {
  readonly clock: Clock;
  readonly receivers: Pick<ReceiverBook, "change">;
  readonly evaluator: Pick<Evaluator, "revise">;
  readonly collector: Pick<Collector, "update">;
  /** Where rows go by these rules. */
  readonly mappingOf: (rules: readonly ClusterRules[]) => Mapping;
  /** Those in force so far. */
  readonly rules: readonly ClusterRules[];
}

/** Applies changes to the running stages. A change that cannot be recorded (`E404`) leaves all as it was. */
export function ruleApplier({ clock, receivers, evaluator, collector, mappingOf, rules }: RuleStages): ApplyChange {
  const applied = new Map(rules.map((own) => [own.clusterId, own]));
  let updating = false;
  // Many files may change at once: one new mapping is enough for all of them.
  const updateCollector = () => {
    updating = false;
    const inOrder = [...applied.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
    collector.update(mappingOf(inOrder));
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

interface Named {
  readonly cluster_id: string;
  readonly cluster_name: string;
}

/** The mappings of one run, which follow each other as the rules change. */
export interface Mappings {
  readonly of: RuleStages["mappingOf"];
  /** A view of a cluster with the name that a family gave it, where it has none of its own. */
  readonly named: <View extends Named>(view: View) => View;
}

/**
 * Makes the mappings of rules and settings. A row that two rule files claim is warned of once for each proxy. `isHeld`:
 * whether a cluster is there; of those that are gone no more names are kept than there is room for.
 */
export function createMappings(
  { families, ignore, unmapped }: Pick<Settings, "families" | "ignore" | "unmapped">,
  log: Logger,
  isHeld: (clusterId: string) => boolean = () => true,
): Mappings {
  const said = new Set<string>();
  const names = new Map<string, string>();
  const onTwice: MappingOptions["onTwice"] = ({ source, proxy, file, others }) => {
    const key = [proxy, file, ...others].join("\n");
    if (said.has(key) || said.size >= MOST_SAID) return;
    said.add(key);
    log.warn("two rule files claim the same rows: the first has them", { source, proxy, file, others });
  };
  const onName = (clusterId: string, name: string) => {
    // A mapping tells a name once: while there is room that of a cluster that is gone is kept, too, for it may come back.
    if (names.size >= MOST_NAMES && !names.has(clusterId)) {
      for (const known of [...names.keys()]) if (!isHeld(known)) names.delete(known);
    }
    names.set(clusterId, name);
  };
  return {
    of: (rules) => createMapping({ clusters: rules.map(rowsOf), families, ignore, unmapped, onTwice, onName }),
    named(view) {
      const name = view.cluster_name === view.cluster_id ? names.get(view.cluster_id) : undefined;
      return name === undefined ? view : { ...view, cluster_name: name };
    },
  };
}

/** Names that families gave: twice as many as there may be clusters of theirs at a time. */
const MOST_NAMES = 20_000;
/** Warnings of rows that are claimed twice, of one run. */
const MOST_SAID = 1000;

/** What the collector must know of a cluster. */
export function rowsOf(rules: ClusterRules): ClusterRows {
  return { clusterId: rules.clusterId, rows: rules.rows, reads: readsOf(rules), file: rules.file };
}
