import type { ClusterRules } from "../../model/alarm.ts";
import type { Delivery, RecordedInput } from "../../model/decision.ts";
import type { ClusterSnapshot, Commit, Ledger, StoredBaseline } from "../../ports.ts";
import { newestBaselines } from "./baselines.ts";

interface Kept {
  snapshot: ClusterSnapshot | undefined;
  rules: ClusterRules | undefined;
  readonly inputs: Map<number, RecordedInput>;
  readonly log: string[];
}

/** Keeps the record in memory: for tests and simulations. It is durable as long as the object is. */
export function createMemoryLedger(): Ledger {
  const clusters = new Map<string, Kept>();
  const deliveries = new Map<string, Delivery>();
  let baselines: StoredBaseline[] = [];
  const keptOf = (clusterId: string): Kept => {
    const kept = clusters.get(clusterId) ?? { snapshot: undefined, rules: undefined, inputs: new Map(), log: [] };
    clusters.set(clusterId, kept);
    return kept;
  };
  const inOrder = (kept: Kept) => [...kept.inputs.values()].sort((a, b) => a.seq - b.seq);
  return {
    async load() {
      return [...clusters.values()].flatMap(({ snapshot, rules }) => (snapshot ? [{ snapshot, rules }] : []));
    },
    async ticks(clusterId, afterNumber) {
      return inOrder(keptOf(clusterId)).filter(({ input }) => input.kind === "tick" && input.number > afterNumber);
    },
    async commit(commit: Commit) {
      const copy = structuredClone(commit);
      const kept = keptOf(copy.clusterId);
      for (const recorded of copy.inputs) {
        kept.inputs.set(recorded.seq, recorded);
        if (recorded.input.kind === "command" && recorded.input.command === "rules") kept.rules = recorded.input.rules;
      }
      kept.snapshot = copy.snapshot;
      kept.log.push(...copy.decisions.map((decision) => JSON.stringify(decision)));
      for (const delivery of copy.deliveries) deliveries.set(delivery.id, delivery);
      baselines = newestBaselines([...baselines, ...copy.baselines]);
    },
    async deliveries({ clusterId, limit }) {
      return [...deliveries.values()]
        .filter((delivery) => clusterId === undefined || delivery.clusterId === clusterId)
        .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
        .slice(0, limit);
    },
    async inputs(clusterId) {
      return inOrder(keptOf(clusterId));
    },
    async baselines() {
      return [...baselines];
    },
    async decisionLog(clusterId) {
      return [...keptOf(clusterId).log];
    },
    async close() {},
  };
}
