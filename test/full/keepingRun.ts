/** Months of a site's series in seconds: ticks and rows as a service stores them, with upkeep once a minute of theirs. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { MetricsDb } from "../../src/backend/sqlite/metricsDb.ts";
import type { RowSample } from "../../src/model/tick.ts";
import type { Retention, RowRecord, TickRecord } from "../../src/seriesPorts.ts";

export const BYTES = "network.services.lb.incoming.bytes";
const SESSIONS = "network.services.lb.active.connections";
export const DAY_S = 86_400;

export interface KeptPlan {
  readonly rows: number;
  readonly retention: Retention;
  readonly quotaBytes?: number;
}

const ROWS_OF_CLUSTER = 2;
/** A label that begins a day. */
const START = Date.UTC(2026, 0, 1);

export class KeptYear {
  readonly #folder: string;
  readonly #db: MetricsDb;
  readonly #clusters: readonly string[];
  #number = 177_000_000;
  #total = 0;
  /** Label of the newest tick. */
  at = START;
  readonly figures: {
    keepMaxMs: number;
    rollMaxMs: number;
    deleteMaxMs: number;
    slices: number;
    early: number;
    refused: number;
    full: string | undefined;
  } = { keepMaxMs: 0, rollMaxMs: 0, deleteMaxMs: 0, slices: 0, early: 0, refused: 0, full: undefined };

  constructor(folder: string, { rows, retention, quotaBytes = 0 }: KeptPlan) {
    this.#folder = folder;
    this.#clusters = Array.from({ length: Math.ceil(rows / ROWS_OF_CLUSTER) }, (_, n) => `cluster-${n}`);
    const onDamage = () => {
      throw new Error("damage");
    };
    this.#db = new MetricsDb(folder, "x", onDamage, { retention, quotaBytes });
  }

  /** A day with one tick in so many seconds. */
  day(everyS: number): void {
    for (let second = everyS; second <= DAY_S; second += everyS) {
      // As of a service that judges once in ten seconds, and is up now and then.
      this.#number += everyS / 10;
      this.at += everyS * 1000;
      this.#tick(everyS);
      // Upkeep once an hour does what sixty of a minute each would do.
      if (second % Math.max(3600, everyS) < everyS) this.#keep();
    }
  }

  #tick(everyS: number): void {
    const { at } = this;
    const number = this.#number;
    const grown = 1000 + ((number * 7919) % 5000);
    this.#total += grown;
    const coveredS = Math.min(everyS, 100) + ((number * 31) % 100) / 10_000;
    const values = { [BYTES]: this.#total, [`${BYTES}.rate`]: grown / coveredS, [SESSIONS]: number % 50 };
    const sources = [{ name: "lb", coveredS, pid: 7, open: true as const, moved: true as const }];
    const tick = { kind: "tick", number, at, values, sources, members: [] } as const;
    const row = (resource: string): RowSample => ({
      resource,
      kind: "backend",
      increases: { [BYTES]: grown },
      sums: { [SESSIONS]: number % 50 },
      means: {},
    });
    const ticks = this.#clusters.map((clusterId): TickRecord => ({ clusterId, seq: number, tick, baselines: {} }));
    const rows = this.#clusters.map(
      (clusterId): RowRecord => ({
        clusterId,
        source: "lb",
        tick: { number, at },
        coveredS,
        rows: [row(`${clusterId}/FRONTEND`), row(`${clusterId}/BACKEND`)],
      }),
    );
    if (this.#db.put(ticks)[0] !== null) this.figures.refused++;
    if (this.#db.putRows(rows)[0] !== null) this.figures.refused++;
  }

  #keep(): void {
    const { figures } = this;
    for (let more = true; more; ) {
      const before = this.cpuMs();
      const kept = this.#db.keep(this.at);
      const took = this.cpuMs() - before;
      figures.slices++;
      figures.keepMaxMs = Math.max(figures.keepMaxMs, took);
      if (kept.rolledUp > 0) figures.rollMaxMs = Math.max(figures.rollMaxMs, took);
      if (kept.deleted > 0) figures.deleteMaxMs = Math.max(figures.deleteMaxMs, took);
      figures.early += kept.early ?? 0;
      figures.full = kept.full;
      more = kept.more;
    }
  }

  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  bytes(): number {
    return statSync(join(this.#folder, "metrics.db")).size;
  }

  close(): void {
    this.#db.close();
  }
}
