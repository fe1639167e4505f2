import { workerData } from "node:worker_threads";
import type { Commit, DecisionQuery, DeliveryQuery } from "../../ports.ts";
import type { OpenedState, StateUse } from "./openState.ts";
import { openState } from "./openState.ts";
import { serve } from "./serve.ts";
import { suspect } from "./setAside.ts";

const { folder, use } = workerData as { folder: string; use?: StateUse };

/** What the service is told when the record is open. */
export type StateIsOpen = Pick<OpenedState, "damaged" | "isUsed"> & { readonly id: string };

serve(
  (at: number) => {
    const { db, damaged, isUsed, close } = openState(folder, at, use);
    return {
      open: (): StateIsOpen => ({ id: db.id, damaged, isUsed }),
      commit: (commits: readonly Commit[]) => db.commit(commits),
      load: (clusterIds?: readonly string[]) => db.load(clusterIds),
      seqs: () => db.seqs(),
      ticks: (clusterId: string, after: number, limit?: number) => db.ticks(clusterId, after, limit),
      inputs: (clusterId: string, after?: number, upTo?: number) => db.inputs(clusterId, after, upTo),
      checkpoint: (clusterId: string, at: number, before: number) => db.checkpoint(clusterId, at, before),
      rulesAt: (clusterId: string, seq: number) => db.rulesAt(clusterId, seq),
      decisions: (clusterId: string, query: DecisionQuery) => db.decisions(clusterId, query),
      baselines: (clusterIds?: readonly string[]) => db.baselines(clusterIds),
      decisionLog: (clusterId: string) => db.decisionLog(clusterId),
      deliveries: (query: DeliveryQuery) => db.deliveries(query),
      delivery: (id: string) => db.delivery(id),
      trim: (before: number) => db.trim(before),
      close,
    };
  },
  () => suspect(folder, "state"),
);
