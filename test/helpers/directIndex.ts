/** An index of the log in this thread: for tests that open many. */

import { mkdirSync } from "node:fs";
import type { LedgerIndex } from "../../src/backend/sqlite/backend.ts";
import { openState } from "../../src/backend/sqlite/openState.ts";

export async function openDirectIndex(folder: string, isEmpty: boolean): Promise<LedgerIndex> {
  mkdirSync(folder, { recursive: true });
  const { db, close } = openState(folder, 0, isEmpty ? "empty index" : "index");
  return {
    load: async () => db.load(),
    ticks: async (...args) => db.ticks(...args),
    commit: async (commit) => void db.commit([commit]),
    deliveries: async (query) => db.deliveries(query),
    delivery: async (id) => db.delivery(id),
    inputs: async (...args) => db.inputs(...args),
    checkpoint: async (...args) => db.checkpoint(...args),
    rulesAt: async (...args) => db.rulesAt(...args),
    decisions: async (...args) => db.decisions(...args),
    baselines: async () => db.baselines(),
    decisionLog: async (clusterId) => db.decisionLog(clusterId),
    trim: async (before) => db.trim(before),
    close: async () => close(),
    seqs: async () => db.seqs(),
    loadOf: async (clusterIds) => db.load(clusterIds),
    baselinesOf: async (clusterIds) => db.baselines(clusterIds),
    async apply(commits) {
      const error = db.commit(commits).find((one) => one !== null);
      if (error) throw new Error(error);
    },
  };
}
