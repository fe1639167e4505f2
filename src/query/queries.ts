/** How the service asks: in a worker beside an embedded store, or right here where series are in memory. */

import type { InfluxSettings } from "../model/influxSettings.ts";
import type { MetricAnswer, MetricQuery } from "../model/metricQuery.ts";
import type { SampleReader } from "../seriesPorts.ts";
import { answerQuery } from "./answer.ts";
import type { CatalogFilter, StoredCatalog } from "./catalog.ts";
import { catalogOf } from "./catalog.ts";
import type { Named } from "./finding.ts";

export interface Queries {
  /**
   * Throws what `answerQuery` throws, and `E413` when too many wait. `named`: of the clusters that the query may mean by
   * a name.
   */
  query(query: MetricQuery, named: Named): Promise<MetricAnswer>;
  catalog(filter: CatalogFilter): Promise<StoredCatalog>;
  /** What is not answered yet is refused. */
  close(): Promise<void>;
}

/** Answers in this thread: for what is in memory. */
export function queriesHere(reader: SampleReader, intervalMs: number): Queries {
  return {
    query: (query, named) => answerQuery(query, reader, { ...named, intervalMs }),
    catalog: (filter) => catalogOf(reader, filter),
    close: () => reader.close(),
  };
}

/** What the client says to its worker. */
export type Asked =
  | { readonly id: number; readonly what: "query"; readonly query: MetricQuery; readonly named: Named }
  | { readonly id: number; readonly what: "catalog"; readonly filter: CatalogFilter };

/** And the worker to it. */
export type Told =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string | undefined; readonly message: string };

/** What a worker is begun with. */
export interface WorkerGiven {
  /** Of the embedded store. */
  readonly folder: string;
  readonly intervalMs: number;
  /** Where series are kept instead; `undefined`: in the embedded store. */
  readonly influx?: InfluxSettings | undefined;
}
