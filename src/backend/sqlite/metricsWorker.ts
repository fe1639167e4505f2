import { workerData } from "node:worker_threads";
import type { TickRecord } from "../../ports.ts";
import { MetricsDb } from "./metricsDb.ts";
import { serve } from "./serve.ts";

const { folder } = workerData as { folder: string };

serve(() => {
  const db = new MetricsDb(folder);
  return {
    open: () => undefined,
    put: (records: readonly TickRecord[]) => db.put(records),
    ticks: (clusterId: string, after: number, limit?: number) => db.ticks(clusterId, after, limit),
    baselines: () => db.baselines(),
    close: () => db.close(),
  };
});
