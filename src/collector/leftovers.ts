/** What the scrapes of one source left, by cluster: what the next ones subtract from. */

import type { Baseline } from "../model/tick.ts";
import { isIn } from "./baseline.ts";
import type { Former } from "./continuity.ts";
import { withFormer } from "./continuity.ts";
import type { ProxyClusters } from "./mapping.ts";
import type { Previous } from "./process.ts";
import type { RowTable } from "./rowTable.ts";
import type { SlicedDump } from "./slices.ts";
import { letRowsGo, stillMapped } from "./slices.ts";

/** Answers without a cluster after which its counters are forgotten: an hour at the usual interval. */
const REMEMBERED_ANSWERS = 360;

interface Left {
  readonly previous: Previous;
  /** Number of the last answer that had the cluster. */
  readonly seenAt: number;
}

export class Leftovers {
  readonly #left = new Map<string, Left>();
  #formers: readonly Former[] = [];
  #answers = 0;

  /** `baselines` were recorded by an earlier run of ours. */
  constructor(baselines: ReadonlyMap<string, Baseline>) {
    for (const [clusterId, baseline] of baselines) {
      this.#left.set(clusterId, { previous: { baseline, monotonicMs: undefined }, seenAt: 0 });
    }
  }

  /** Processes that answered before, of a source that says nothing of them. */
  get formers(): readonly Former[] {
    return this.#formers;
  }

  of(clusterId: string): Previous | undefined {
    return this.#left.get(clusterId)?.previous;
  }

  forget(): void {
    this.#left.clear();
    this.#formers = [];
  }

  /** Takes an answer that was asked for at `sentMs` of our monotonic time. */
  take({ slices, isOther }: SlicedDump, sentMs: number): void {
    this.#answers++;
    if (isOther) this.#formers = withFormer(this.#formers, this.#baselines());
    for (const { clusterId, baseline } of slices) {
      const before = this.of(clusterId);
      const previous = before?.baseline === baseline ? before : { baseline, monotonicMs: sentMs };
      this.#left.set(clusterId, { previous, seenAt: this.#answers });
    }
    // Rows that are away may come back; their table would be as large as the whole answer.
    for (const [clusterId, { previous, seenAt }] of this.#left) {
      if (seenAt === this.#answers) continue;
      letRowsGo(previous.baseline);
      if (this.#answers - seenAt >= REMEMBERED_ANSWERS) this.#left.delete(clusterId);
    }
  }

  /** Leaves out what is no cluster's any more. */
  sortOut(clustersOf: (proxy: string) => ProxyClusters): void {
    for (const [clusterId, { previous, seenAt }] of this.#left) {
      const baseline = stillMapped(clusterId, previous.baseline, clustersOf);
      if (baseline) this.#left.set(clusterId, { previous: { ...previous, baseline, remapped: true }, seenAt });
      else this.#left.delete(clusterId);
    }
  }

  /** Whether the next scrape subtracts from rows of this table. */
  isReading(table: RowTable): boolean {
    for (const { previous } of this.#left.values()) if (isIn(previous.baseline, table)) return true;
    return false;
  }

  *#baselines(): Generator<readonly [string, Baseline]> {
    for (const [clusterId, { previous }] of this.#left) yield [clusterId, previous.baseline];
  }
}
