/** Where series are kept, when that is not the embedded store. */

import type { InfluxStore } from "./backend/influx/store.ts";
import type { Settings } from "./config/settings.ts";
import type { Clock, Logger } from "./ports.ts";
import type { SampleStore } from "./seriesPorts.ts";

export interface SeriesWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** `undefined`: they are in the embedded store. What waits for InfluxDB is kept in the data folder. */
export async function openSeries(settings: Settings, world: SeriesWorld): Promise<InfluxStore | undefined> {
  const { influx, retention } = settings.store;
  if (influx === undefined) return undefined;
  // Loaded only when asked for: others have no use for it.
  const { openInfluxStore } = await import("./backend/influx/store.ts");
  return openInfluxStore({ settings: influx, retention, folder: settings.dataPath, ...world });
}

/** What the record needs of a store where the ledger alone has the ticks. */
export const NO_TICKS: Pick<SampleStore, "ticks" | "baselines"> = {
  ticks: async () => [],
  baselines: async () => [],
};
