/** `metrics.db` as the service opens it: what it finds damaged is set aside. */

import { join } from "node:path";
import type { Found } from "./examine.ts";
import { examine } from "./examine.ts";
import { MetricsDb } from "./metricsDb.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import { isSuspect, setAside, trust } from "./setAside.ts";

export interface MetricsOptions {
  readonly lock: boolean;
  /** Now, epoch ms. */
  readonly at: number;
  /** Which record it belongs to. */
  readonly id: string;
  /** The machine went down while the record was in use. */
  readonly isSuspect: boolean;
  /** The record holds commits: so there were series. */
  readonly isUsed: boolean;
}

/** Opens the series; `damaged` has a sentence when another file had to be set aside. */
export function openMetrics(folder: string, options: MetricsOptions): { db: MetricsDb; damaged: readonly string[] } {
  const damaged: string[] = [];
  if (options.lock) {
    const doubtful = options.isSuspect || isSuspect(folder, "metrics");
    const found = examine(join(folder, "metrics.db"), METRICS_SCHEMA, doubtful);
    const reason = damageOf(found, options);
    if (reason !== undefined) {
      const where = setAside(folder, ["metrics"], options.at);
      damaged.push(
        `metrics.db is damaged (${reason}): ${where}; a new file is begun. ` +
          "Lost to the service: series, so that all windows fill anew",
      );
    }
    trust(folder, "metrics");
  }
  return { db: new MetricsDb(folder, options.id), damaged };
}

/** Why the file is not to be trusted; `undefined`: it is. */
function damageOf(found: Found, { id, isUsed }: MetricsOptions): string | undefined {
  switch (found.kind) {
    case "damaged":
      return found.reason;
    case "nothing":
      return isUsed ? "it is missing or empty" : undefined;
    case "intact":
      return found.id !== undefined && found.id !== id ? "it belongs to another state.db" : undefined;
  }
}
