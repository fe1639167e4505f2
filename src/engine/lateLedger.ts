import type { Ledger } from "../ports.ts";

/** A ledger that is there a little later than who works on it. Throws while it is not. */
export function lateLedger(find: () => Ledger | undefined): Ledger {
  const ledger = () => {
    const found = find();
    if (!found) throw new Error("the record has not been opened");
    return found;
  };
  return {
    load: () => ledger().load(),
    ticks: (clusterId, after, limit) => ledger().ticks(clusterId, after, limit),
    commit: (commit) => ledger().commit(commit),
    deliveries: (query) => ledger().deliveries(query),
    delivery: (id) => ledger().delivery(id),
    inputs: (clusterId, after, upTo) => ledger().inputs(clusterId, after, upTo),
    checkpoint: (clusterId, at, before) => ledger().checkpoint(clusterId, at, before),
    rulesAt: (clusterId, seq) => ledger().rulesAt(clusterId, seq),
    decisions: (clusterId, query) => ledger().decisions(clusterId, query),
    baselines: () => ledger().baselines(),
    decisionLog: (clusterId) => ledger().decisionLog(clusterId),
    trim: (before) => ledger().trim(before),
    close: () => ledger().close(),
  };
}
