/** Raw counters, kept here: a restart on this disk begins with them, and nobody asks the store for them. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Baseline } from "../../model/tick.ts";
import type { StoredBaseline } from "../../seriesPorts.ts";

export class Baselines {
  readonly #put: StatementSync;
  readonly #all: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      `INSERT INTO baseline VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at,
       doc = excluded.doc WHERE excluded.seq >= seq`,
    );
    this.#all = database.prepare("SELECT cluster, source, seq, doc FROM baseline");
    this.#delete = database.prepare("DELETE FROM baseline WHERE at < ?");
  }

  /** Those of a tick, by source: no older ones replace them. */
  put(clusterId: string, seq: number, baselines: Readonly<Record<string, Baseline>>): void {
    for (const [source, baseline] of Object.entries(baselines))
      this.#put.run(clusterId, source, seq, baseline.at, JSON.stringify(baseline));
  }

  all(): readonly StoredBaseline[] {
    return this.#all.all().map(({ cluster, source, seq, doc }) => ({
      clusterId: String(cluster),
      source: String(source),
      seq: Number(seq),
      baseline: JSON.parse(String(doc)) as Baseline,
    }));
  }

  /** Those of scrapes before an instant, epoch ms, go. Returns how many. */
  forget(before: number): number {
    return Number(this.#delete.run(before).changes);
  }
}
