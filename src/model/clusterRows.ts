/** Which rows are a cluster's, and what is asked of them: what engines tell agents. */

import type { RowPattern } from "./alarm.ts";

/** What a cluster's rules read beyond the cluster's own values, which are always delivered. */
export interface Reads {
  /** Meters that some rule reads `per: server`, as the rules name them. */
  readonly perServer: readonly string[];
  /** Counter meters that some rule reads: itself, or a rate or ratio made of it. */
  readonly counters: readonly string[];
}

/** A cluster of a rule file and which rows are its own. */
export interface ClusterRows {
  readonly clusterId: string;
  readonly rows: readonly RowPattern[];
  /** What its rules read; `undefined`: nothing beyond the cluster's values. */
  readonly reads?: Reads;
  /** Its rule file, as shown to people; absent: its id is shown. */
  readonly file?: string;
}
