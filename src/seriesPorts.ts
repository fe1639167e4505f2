/** The borders around kept series: who writes them and who reads them. Interfaces only, as in `ports.ts`. */

import type { Rollup } from "./model/rollup.ts";
import type { Baseline, RowKind, RowSample, SealedTick, Tick } from "./model/tick.ts";

/** One sealed tick of one cluster, as stored. */
export interface TickRecord {
  readonly clusterId: string;
  readonly seq: number;
  readonly tick: SealedTick;
  /** Raw counters by source: the newest of each replace those before. */
  readonly baselines: Readonly<Record<string, Baseline>>;
}

/** Raw counters of one source of one cluster, with the sequence of the tick that they were recorded with. */
export interface StoredBaseline {
  readonly clusterId: string;
  readonly source: string;
  readonly seq: number;
  readonly baseline: Baseline;
}

/** What one answer of a source says of single rows of a cluster. */
export interface RowRecord {
  readonly clusterId: string;
  readonly source: string;
  readonly tick: Tick;
  /** Seconds that the increases span; 0: they give no rate. */
  readonly coveredS: number;
  readonly gap?: true;
  readonly rows: readonly RowSample[];
}

/** How long what is kept, seconds. */
export interface Retention {
  readonly clustersS: number;
  readonly rowsS: number;
  readonly rollupsS: number;
  /** Also of raw counters of what is gone. */
  readonly historyS: number;
}

/** What one slice of upkeep did. */
export interface Kept {
  /** There is more to do at once. */
  readonly more: boolean;
  /** Size of the series on disk. */
  readonly bytes: number;
  /** Rows deleted. */
  readonly deleted: number;
  /** Rollups written. */
  readonly rolledUp: number;
  /** Of the rows deleted, those that were to be kept longer and made room. */
  readonly early?: number;
  /** Why nothing more can be stored, in words, until room is made. */
  readonly full?: string;
  /** What a day of series takes, bytes, when that is more than they may take. */
  readonly dayBytes?: number;
}

/** Keeps cluster series, and single rows. */
export interface SampleStore {
  /** Resolves when the record is stored. The same (cluster, seq) twice is one record. */
  put(record: TickRecord): Promise<void>;
  /** Resolves when all are stored; none is when it rejects. The same (cluster, source, tick) twice is one record. */
  putRows(records: readonly RowRecord[]): Promise<void>;
  /**
   * One slice of upkeep at `at` (epoch ms): rolls up blocks that can change no more, deletes what is old. Of ticks the
   * newest `neededTicks` numbers stay whatever happens: what a restart begins with; by default those that are known to do.
   */
  keep(at: number, neededTicks?: number): Promise<Kept>;
  /** Stored ticks of a cluster with number > `afterNumber`, by seq in order: the oldest `limit` of them, or all. */
  ticks(clusterId: string, afterNumber: number, limit?: number): Promise<readonly TickRecord[]>;
  /** The newest raw counters of each source of each cluster. */
  baselines(): Promise<readonly StoredBaseline[]>;
  close(): Promise<void>;
}

/** A cluster that series are kept of: labels of its oldest and newest tick, or rollup. */
export interface StoredCluster {
  readonly clusterId: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A row of one source that series are kept of. */
export interface StoredResource {
  readonly clusterId: string;
  readonly source: string;
  readonly resource: string;
  readonly kind: RowKind;
  readonly firstAt: number;
  readonly lastAt: number;
  /** Meters that it has had; `undefined`: not known yet. */
  readonly meters?: readonly string[];
}

/** One row as one source said it at a tick. */
export interface RowPoint {
  readonly tick: Tick;
  readonly source: string;
  readonly coveredS: number;
  readonly gap?: true;
  readonly row: RowSample;
}

/** Reads kept series, beside who writes them. Throws `E306` where something read is not what was written. */
export interface SampleReader {
  /** By id in order; that of one, if it is kept, costs little. */
  clusters(clusterId?: string): Promise<readonly StoredCluster[]>;
  /** By cluster, resource and source in order; those of one cluster, or one of these by name, cost little. */
  resources(clusterId?: string, resource?: string): Promise<readonly StoredResource[]>;
  /** Ticks labelled in `(from, to]`, epoch ms, by number in order: the oldest `limit` of them. */
  ticks(clusterId: string, from: number, to: number, limit: number): Promise<readonly TickRecord[]>;
  /** The same of a row: a point for each source that has it, by name within a tick. */
  rowPoints(clusterId: string, resource: string, from: number, to: number, limit: number): Promise<readonly RowPoint[]>;
  /** Rollups of one meter that end in `(from, to]`, in order; of a row over all its sources. `undefined`: of the cluster. */
  rollups(
    clusterId: string,
    resource: string | undefined,
    meterName: string,
    from: number,
    to: number,
  ): Promise<readonly Rollup[]>;
  close(): Promise<void>;
}
