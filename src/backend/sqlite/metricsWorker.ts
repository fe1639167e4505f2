import { workerData } from "node:worker_threads";
import type { RowRecord, TickRecord } from "../../seriesPorts.ts";
import type { MetricsOptions } from "./openMetrics.ts";
import { openMetrics } from "./openMetrics.ts";
import { serve } from "./serve.ts";
import { suspect } from "./setAside.ts";

const { folder } = workerData as { folder: string };

serve(
  (options: MetricsOptions) => {
    const { db, damaged } = openMetrics(folder, options);
    return {
      open: () => damaged,
      put: (records: readonly TickRecord[]) => db.put(records),
      putRows: (records: readonly RowRecord[]) => db.putRows(records),
      keep: (at: number, neededTicks?: number) => db.keep(at, neededTicks),
      ticks: (clusterId: string, after: number, limit?: number) => db.ticks(clusterId, after, limit),
      baselines: () => db.baselines(),
      close: () => db.close(),
    };
  },
  () => suspect(folder, "metrics"),
);
