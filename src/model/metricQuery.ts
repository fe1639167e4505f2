/** A question about kept series, and its answer: what HTTP and command line speak. */

import type { Statistic } from "./alarm.ts";
import type { RowKind } from "./tick.ts";

export interface MetricQuery {
  /** With or without the `network.services.lb.` that most begin with. */
  readonly meterName: string;
  /** Id or name of a cluster; `undefined`: every cluster, each by itself. */
  readonly cluster?: string;
  /** `<pxname>/<svname>`, or a glob of them, each by itself; `undefined`: the cluster itself. */
  readonly resource?: string;
  /** Epoch ms, half-open `(from, to]`. */
  readonly from: number;
  readonly to: number;
  /** Length of a window, seconds; `undefined`: raw points. */
  readonly periodS?: number;
  /** Of each window; `undefined` with raw points. */
  readonly statistic?: Statistic;
}

/** One point, or one window `(at − period, at]`. */
export interface MetricPoint {
  /** Epoch ms: label of the tick, or end of the window. */
  readonly at: number;
  /** `null`: the window holds no value. */
  readonly value: number | null;
  /**
   * Of a window: no tick of it is missing, and every source that counts in it covered all of it. Of a point: every known
   * source answered, and of a rate covered some time.
   */
  readonly complete: boolean;
}

export interface MetricSeries {
  readonly clusterId: string;
  /** `undefined`: the cluster itself. */
  readonly resource?: string;
  /** Of a resource: what kind of row it is, and the sources that have had it. */
  readonly kind?: RowKind;
  readonly sources?: readonly string[];
  readonly points: readonly MetricPoint[];
}

export interface MetricAnswer {
  readonly meterName: string;
  readonly unit: string;
  readonly type: "gauge" | "cumulative";
  readonly statistic?: Statistic;
  /** As it was used: rounded up to whole ticks. */
  readonly periodS?: number;
  readonly from: number;
  readonly to: number;
  /** What it was worked out from: kept ticks, or five-minute rollups of them. */
  readonly resolution: "raw" | "rollup";
  readonly series: readonly MetricSeries[];
}
