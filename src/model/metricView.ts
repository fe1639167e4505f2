/** Meters and their series as people and programs see them. */

/** The newest value of one meter of one cluster. */
export interface MetricView {
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly meter_name: string;
  readonly type: string;
  readonly unit: string;
  readonly value: number;
  /** RFC 3339: label of the tick. */
  readonly timestamp: string;
}

/** Which series are kept. */
export interface MetricCatalog {
  readonly meters: readonly {
    readonly meter_name: string;
    readonly type: string;
    readonly unit: string;
    readonly description: string;
  }[];
  readonly clusters: readonly {
    readonly cluster_id: string;
    readonly cluster_name: string;
    /** RFC 3339; `null`: nothing is kept yet. */
    readonly first_sample_timestamp: string | null;
    readonly last_sample_timestamp: string | null;
    /** Those that it has a value of now. */
    readonly meters: readonly string[];
  }[];
  /** Rows of HAProxy, each of one source. */
  readonly resources: readonly {
    readonly resource_id: string;
    readonly cluster_id: string;
    readonly source: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly first_sample_timestamp: string;
    readonly last_sample_timestamp: string;
    /** Those that it has had. */
    readonly meters: readonly string[];
  }[];
  /** Most of each that are told. */
  readonly limit: number;
  /** How many there are besides, of resources at least: not all are looked at. */
  readonly more: { readonly clusters: number; readonly resources: number };
}

/** Series of one meter, as points or windows. */
export interface MetricSeriesView {
  readonly meter_name: string;
  readonly type: string;
  readonly unit: string;
  /** `null`: points as they were recorded. */
  readonly statistic: string | null;
  /** Length of a window as it was used, seconds. */
  readonly period: number | null;
  /** RFC 3339. */
  readonly from: string;
  readonly to: string;
  readonly resolution: "raw" | "rollup";
  readonly series: readonly {
    readonly cluster_id: string;
    readonly cluster_name: string;
    /** The cluster's own id where it is of the whole cluster. */
    readonly resource_id: string;
    readonly metadata: Readonly<Record<string, string>>;
    /** RFC 3339 (of a window its end) and value; `null`: the window holds none. */
    readonly points: readonly (readonly [timestamp: string, value: number | null])[];
    /** Of each point, whether all of it was seen. */
    readonly complete: readonly boolean[];
    /** Why there is no value at all, where that is known. */
    readonly reason?: string;
  }[];
}
