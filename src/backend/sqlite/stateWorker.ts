import { workerData } from "node:worker_threads";
import type { Commit, DecisionQuery, DeliveryQuery } from "../../ports.ts";
import { serve } from "./serve.ts";
import { StateDb } from "./stateDb.ts";

const { folder, lock } = workerData as { folder: string; lock: boolean };

serve(() => {
  const db = new StateDb(folder, { lock });
  return {
    open: () => undefined,
    commit: (commits: readonly Commit[]) => db.commit(commits),
    load: () => db.load(),
    ticks: (clusterId: string, after: number, limit?: number) => db.ticks(clusterId, after, limit),
    inputs: (clusterId: string, after?: number, upTo?: number) => db.inputs(clusterId, after, upTo),
    checkpoint: (clusterId: string, at: number, before: number) => db.checkpoint(clusterId, at, before),
    rulesAt: (clusterId: string, seq: number) => db.rulesAt(clusterId, seq),
    decisions: (clusterId: string, query: DecisionQuery) => db.decisions(clusterId, query),
    baselines: () => db.baselines(),
    decisionLog: (clusterId: string) => db.decisionLog(clusterId),
    deliveries: (query: DeliveryQuery) => db.deliveries(query),
    close: () => db.close(),
  };
});
