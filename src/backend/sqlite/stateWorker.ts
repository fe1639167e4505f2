import { workerData } from "node:worker_threads";
import type { Commit, DeliveryQuery } from "../../ports.ts";
import { serve } from "./serve.ts";
import { StateDb } from "./stateDb.ts";

const { folder, lock } = workerData as { folder: string; lock: boolean };

serve(() => {
  const db = new StateDb(folder, { lock });
  return {
    open: () => undefined,
    commit: (commits: readonly Commit[]) => db.commit(commits),
    load: () => db.load(),
    ticks: (clusterId: string, after: number) => db.ticks(clusterId, after),
    inputs: (clusterId: string) => db.inputs(clusterId),
    baselines: () => db.baselines(),
    decisionLog: (clusterId: string) => db.decisionLog(clusterId),
    deliveries: (query: DeliveryQuery) => db.deliveries(query),
    close: () => db.close(),
  };
});
