/** `metrics.db` as the service opens it: what it finds damaged is set aside. */

import { join } from "node:path";
import type { Found } from "./examine.ts";
import { examine, sizeOf, WHOLE_UP_TO_BYTES } from "./examine.ts";
import { MetricsDb, type SeriesOptions } from "./metricsDb.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import { isLost, isSuspect, setAside, suspect, trust } from "./setAside.ts";

export interface MetricsOptions extends SeriesOptions {
  /** Now, epoch ms. */
  readonly at: number;
  /** Which record it belongs to. */
  readonly id: string;
  /** The record holds commits: so there were series. */
  readonly isUsed: boolean;
}

/** Opens the series; `damaged` has a sentence when the file had to be set aside, now or by a start that did not last. */
export function openMetrics(folder: string, options: MetricsOptions): { db: MetricsDb; damaged: readonly string[] } {
  const damaged: string[] = [];
  const reason = whyNot(folder, options);
  if (reason !== undefined) {
    const where = setAside(folder, ["metrics"], options.at);
    damaged.push(
      `metrics.db is damaged (${reason}): ${where}; a new file is begun. ` +
        "Lost to the service: series, so that all windows fill anew",
    );
  } else if (isLost(folder, "metrics")) {
    damaged.push("metrics.db was set aside by a start that ended before scaling was paused");
  }
  trust(folder, "metrics");
  return { db: new MetricsDb(folder, options.id, () => suspect(folder, "metrics"), options), damaged };
}

/** Why the file is not to be trusted; `undefined`: it is. */
function whyNot(folder: string, options: MetricsOptions): string | undefined {
  const file = join(folder, "metrics.db");
  // Series grow for long: to look for one row in all of them would keep the service from collecting new ones.
  if (isSuspect(folder, "metrics") && sizeOf(file) > WHOLE_UP_TO_BYTES) return "what was read of it was not as written";
  return damageOf(examine(file, METRICS_SCHEMA, false), options);
}

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
