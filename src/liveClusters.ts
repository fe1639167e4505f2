/** Clusters as reports make them, without rules and without a record: sealed, combined and folded as the service does. */

import type { ClusterState } from "./evaluator/cluster.ts";
import { emptyCluster } from "./evaluator/cluster.ts";
import { combine } from "./evaluator/combine.ts";
import { fold } from "./evaluator/fold.ts";
import type { Seal } from "./evaluator/sealing.ts";
import { Sealer } from "./evaluator/sealing.ts";
import type { ScrapeReport, Tick } from "./model/tick.ts";
import { maxGapS } from "./model/tick.ts";

export class LiveClusters {
  readonly #intervalMs: number;
  readonly #sealer: Sealer;
  readonly #clusters = new Map<string, ClusterState>();
  /** Reports with a cluster that is new. */
  readonly #early: ScrapeReport[] = [];

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
    this.#sealer = new Sealer(maxGapS(intervalMs));
  }

  tick(tick: Tick): void {
    this.#sealer.openTick(tick);
  }

  /**
   * Takes a report; returns the clusters that it completes a tick of. A cluster that is new waits for the deadline: only
   * then is it known which sources it has.
   */
  take(report: ScrapeReport): readonly ClusterState[] {
    const { outcome } = report;
    if (outcome.ok && outcome.slices.some(({ clusterId }) => !this.#clusters.has(clusterId))) this.#early.push(report);
    return this.#fold(this.#sealer.report(report));
  }

  /** What is open up to that tick is complete as it is. */
  deadline(number: number): readonly ClusterState[] {
    const early = this.#early.splice(0);
    for (const { outcome, source, tick } of early) {
      for (const { clusterId } of outcome.ok ? outcome.slices : []) this.#begin(clusterId, source, tick);
    }
    const seals = early.flatMap((report) => this.#sealer.report(report));
    return this.#fold([...seals, ...this.#sealer.deadline(number)]);
  }

  #begin(clusterId: string, source: string, tick: Tick): void {
    if (this.#clusters.has(clusterId)) {
      this.#sealer.know(clusterId, [source]);
      return;
    }
    const cluster = emptyCluster(clusterId);
    fold(cluster, { kind: "start", number: tick.number - 1, at: tick.at, intervalMs: this.#intervalMs });
    this.#clusters.set(clusterId, cluster);
    this.#sealer.add(clusterId, [source]);
  }

  /** By id in order. */
  clusters(): readonly ClusterState[] {
    return [...this.#clusters.values()].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
  }

  #fold(seals: readonly Seal[]): readonly ClusterState[] {
    return seals.flatMap((seal) => {
      const cluster = this.#clusters.get(seal.clusterId);
      if (!cluster) return [];
      fold(cluster, combine(seal, cluster));
      // As it is at this tick: the next seal may be of it, too.
      return [{ ...cluster, members: new Map(cluster.members) }];
    });
  }
}
