/**
 * Deletes what is older than it is kept, some milliseconds at a time: raw ticks and rows from the oldest on, and only what
 * has been rolled up; rollups, one series after the other, once in a while. Freed pages are used
 * again: the file does not grow, nor does it shrink.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BLOCK_MS } from "../../model/rollup.ts";
import type { Retention } from "../../seriesPorts.ts";
import { INTERVAL_S, marginOf, SAFE_S } from "../blocks.ts";
import type { Label } from "../runs.ts";
import { isAhead } from "../runs.ts";
import { inTransaction } from "./database.ts";
import { Labels } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import type { RolledKind } from "./progress.ts";
import type { Resources } from "./resources.ts";
import { blockOfKey, rollupKey } from "./seriesReader.ts";
import { Slice } from "./slice.ts";
import type { Sums } from "./sums.ts";

const EARLY_AT_ONCE_MS = 10 * 60_000;
/** Rows deleted in one step: there are several in a slice. */
const ROWS_AT_ONCE = 300;
const HOUR_MS = 3_600_000;
/** So many ticks tell how large a day will be. */
const TELLING_TICKS = 60;
const DAY_MS = 24 * HOUR_MS;

/** What is looked at: the number, and whether it is a cluster or a series of rows. */
interface Sweep {
  /** Rollups up to this label go. */
  readonly until: number;
  readonly kind: RolledKind;
  readonly series: readonly number[];
  /** So many of them are done. */
  done: number;
}

export interface SweeperParts {
  readonly database: DatabaseSync;
  readonly sums: Sums<MetricsTable>;
  readonly retention: Retention;
  readonly resources: Resources;
  readonly clusters: () => readonly number[];
  /** Has been written to since the file was opened. */
  readonly isInUse: (cluster: number) => boolean;
  readonly forgetCluster: (cluster: number) => void;
  /** Of ticks up to a number nothing needs to be known any more. */
  readonly forgetSteps: (kind: RolledKind, number: number) => void;
  /** Milliseconds that never step. */
  readonly monotonic: () => number;
}

export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #labels: Readonly<Record<RolledKind, Labels>>;
  readonly #deleteRaw: Readonly<Record<RolledKind, StatementSync>>;
  readonly #clusterAt: Readonly<Record<RolledKind, StatementSync>>;
  readonly #oldestRollup: Readonly<Record<RolledKind, StatementSync>>;
  readonly #deleteRollups: Readonly<Record<RolledKind, StatementSync>>;
  readonly #deleteBaselines: StatementSync;
  readonly #hasBaseline: StatementSync;
  #sweeps: Sweep[] = [];
  #sweptAt = -Infinity;
  /** What is left to do of the oldest hour that makes room. */
  readonly #dropping: Record<RolledKind, Omit<Sweep, "kind"> | undefined> = { clusters: undefined, rows: undefined };

  constructor(parts: SweeperParts) {
    const { database } = parts;
    this.#parts = parts;
    this.#labels = {
      clusters: new Labels(database, parts.sums, "clusters"),
      rows: new Labels(database, parts.sums, "rows"),
    };
    const each = (of: (raw: string, rolled: string) => string) => ({
      clusters: database.prepare(of("tick", "cluster_rollup")),
      rows: database.prepare(of("answer", "row_rollup")),
    });
    this.#deleteRaw = each((raw) => `DELETE FROM ${raw} WHERE number = ? AND cluster <= ?`);
    this.#clusterAt = each((raw) => `SELECT cluster FROM ${raw} WHERE number = ? LIMIT 1 OFFSET ${ROWS_AT_ONCE}`);
    this.#oldestRollup = each((_, rolled) => `SELECT id FROM ${rolled} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1`);
    this.#deleteRollups = each((_, rolled) => `DELETE FROM ${rolled} WHERE id BETWEEN ? AND ?`);
    this.#deleteBaselines = database.prepare(
      "DELETE FROM baseline WHERE cluster = ? AND json_extract(doc, '$.at') < ?",
    );
    this.#hasBaseline = database.prepare("SELECT 1 FROM baseline WHERE cluster = ? LIMIT 1");
  }

  /**
   * Raw ticks or rows that are older than they are kept, and not among the newest, `needed` numbers of ticks and however
   * many have come in that time or in the last day; 0: there is nothing to delete.
   */
  sweepRaw(kind: RolledKind, at: number, rolledTo: number | undefined, needed: number): number {
    const { clustersS, rowsS } = this.#parts.retention;
    const keptS = kind === "clusters" ? clustersS : rowsS;
    const labels = this.#labels[kind];
    const newest = labels.newest();
    if (rolledTo === undefined || !newest) return 0;
    const intervalMs = labels.intervalMs(INTERVAL_S * 1000);
    const safe = Math.floor((Math.min(SAFE_S, keptS) * 1000) / intervalMs) - 1;
    const upTo = newest.number - Math.max(safe, kind === "clusters" ? needed : 0);
    return this.#dropRaw(kind, Math.min(upTo, rolledTo - marginOf(intervalMs)), at - keptS * 1000);
  }

  /**
   * Before their time: no more at once than ten minutes of the oldest, for that may be room enough, and of ticks none of
   * the newest `needed` numbers.
   */
  dropEarly(kind: RolledKind, rolledTo: number | undefined, needed: number): number {
    const labels = this.#labels[kind];
    const [oldest, newest] = [labels.oldest(), labels.newest()];
    if (!oldest || !newest || rolledTo === undefined) return 0;
    const intervalMs = labels.intervalMs(INTERVAL_S * 1000);
    const most = kind === "rows" ? rolledTo : Math.min(rolledTo - marginOf(intervalMs), newest.number - needed);
    return this.#dropRaw(kind, Math.min(most, oldest.number + Math.floor(EARLY_AT_ONCE_MS / intervalMs)), Infinity);
  }

  /** The oldest raw ticks or rows, up to a number and up to a label. */
  #dropRaw(kind: RolledKind, upTo: number, limit: number): number {
    const labels = this.#labels[kind];
    const isOld = (tick: Label) => tick.at <= limit || isAhead(labels, tick, labels.newest()?.number ?? tick.number);
    let oldest = labels.oldest();
    if (!oldest || oldest.number > upTo || !isOld(oldest)) return 0;
    const slice = this.#slice();
    return inTransaction(this.#parts.database, () => {
      let deleted = 0;
      while (oldest && oldest.number <= upTo && isOld(oldest) && !slice.isOver) {
        const last = this.#clusterAt[kind].get(oldest.number)?.cluster ?? Number.MAX_SAFE_INTEGER;
        deleted += Number(this.#deleteRaw[kind].run(oldest.number, last).changes);
        oldest = labels.from(oldest.number);
      }
      this.#parts.forgetSteps(kind, oldest ? oldest.number : upTo);
      return deleted;
    });
  }

  /** What a day takes of what takes so many bytes now; `undefined`: it is too little to tell. */
  bytesOfDay(bytes: number): number | undefined {
    const labels = this.#labels.clusters;
    const [oldest, newest] = [labels.oldest(), labels.newest()];
    const ticks = oldest && newest ? newest.number - oldest.number : 0;
    if (ticks < TELLING_TICKS) return undefined;
    return (bytes / ticks) * this.ticksOfDay();
  }

  /** How many ticks there are in a day. */
  ticksOfDay(): number {
    return Math.ceil(DAY_MS / this.#labels.clusters.intervalMs(INTERVAL_S * 1000));
  }

  #slice(): Slice {
    return new Slice(this.#parts.monotonic);
  }

  /** Rollups, raw counters and names of what is gone; `undefined`: there is nothing to look at for a while. */
  sweepRollups(at: number): number | undefined {
    const { rollupsS } = this.#parts.retention;
    const stepMs = Math.min(DAY_MS, Math.max(BLOCK_MS, (rollupsS * 1000) / 32));
    if (this.#sweeps.length === 0 && Math.floor(at / stepMs) !== Math.floor(this.#sweptAt / stepMs)) {
      const until = at - rollupsS * 1000;
      this.#sweeps = (["clusters", "rows"] as const).map((kind) => ({
        until,
        kind,
        series: this.#seriesOf(kind),
        done: 0,
      }));
      this.#sweptAt = at;
    }
    const [sweep] = this.#sweeps;
    if (!sweep) return undefined;
    const { deleted, more } = this.#sweep(sweep, at);
    if (!more) this.#sweeps.shift();
    return deleted;
  }

  /** The oldest hour of rollups, whatever their retention, as far as it is not newer than that. */
  dropRollups(kind: RolledKind, newest: number): number {
    const slice = this.#slice();
    const drop = this.#dropping[kind] ?? this.#oldestHour(kind, newest);
    const deleted = inTransaction(this.#parts.database, () => {
      let own = 0;
      while (drop.done < drop.series.length && !(slice.isOver && own > 0)) own += this.#step({ ...drop, kind }, drop);
      return own;
    });
    this.#dropping[kind] = drop.done < drop.series.length ? drop : undefined;
    return deleted;
  }

  #oldestHour(kind: RolledKind, newest: number): Omit<Sweep, "kind"> {
    const all = this.#seriesOf(kind);
    const ends = all.map((series) => this.#oldestOf(kind, series, newest) ?? Infinity);
    const oldest = ends.reduce((least, key) => Math.min(least, key === Infinity ? key : blockOfKey(key)), Infinity);
    return { until: Math.min(newest, oldest + HOUR_MS), series: oldest === Infinity ? [] : all, done: 0 };
  }

  #sweep(sweep: Sweep, at: number): { readonly deleted: number; readonly more: boolean } {
    const slice = this.#slice();
    return inTransaction(this.#parts.database, () => {
      let deleted = 0;
      while (sweep.done < sweep.series.length) {
        const series = sweep.series[sweep.done];
        const before = sweep.done;
        deleted += this.#step(sweep, sweep);
        if (sweep.kind === "clusters" && series !== undefined && sweep.done > before)
          deleted += this.#forgetCluster(series, at);
        if (slice.isOver) return { deleted, more: true };
      }
      if (sweep.kind === "clusters") return { deleted, more: false };
      const { forgotten, more } = this.#forgetResources(at, slice);
      return { deleted: deleted + forgotten, more };
    });
  }

  /** Some rollups of the series that is next; when none is left of what must go, the one after it is. */
  #step(which: Pick<Sweep, "kind" | "until" | "series">, progress: { done: number }): number {
    const series = which.series[progress.done];
    const deleted = series === undefined ? 0 : this.#deleteOldest(which, series);
    if (deleted < ROWS_AT_ONCE) progress.done++;
    return deleted;
  }

  #deleteOldest({ kind, until }: Pick<Sweep, "kind" | "until">, series: number): number {
    const oldest = this.#oldestOf(kind, series, until);
    if (oldest === undefined) return 0;
    const end = Math.min(rollupKey(series, until), oldest + ROWS_AT_ONCE - 1);
    return Number(this.#deleteRollups[kind].run(oldest, end).changes);
  }

  /** Key of the oldest rollup of a series, if that is not newer. */
  #oldestOf(kind: RolledKind, series: number, until: number): number | undefined {
    const id = this.#oldestRollup[kind].get(rollupKey(series, 0), rollupKey(series, until))?.id;
    return typeof id === "number" ? id : undefined;
  }

  #seriesOf(kind: RolledKind): readonly number[] {
    if (kind === "clusters") return this.#parts.clusters();
    return [...new Set([...this.#parts.resources.all()].map(({ series }) => series))].sort((a, b) => a - b);
  }

  /** Raw counters of sources that have been gone for longer than any history, and the cluster once nothing is left of it. */
  #forgetCluster(cluster: number, at: number): number {
    const { retention, clusters, isInUse, forgetCluster } = this.#parts;
    const deleted = Number(this.#deleteBaselines.run(cluster, at - retention.historyS * 1000).changes);
    // The newest keeps its number from being given again; without raw ticks only rollups and baselines can be left.
    if (isInUse(cluster) || cluster === clusters().at(-1) || retention.clustersS > retention.rollupsS) return deleted;
    const keys = [rollupKey(cluster, 0), rollupKey(cluster, Infinity)] as const;
    if (this.#oldestRollup.clusters.get(...keys) || this.#hasBaseline.get(cluster)) return deleted;
    if (this.#parts.resources.of(cluster).size > 0) return deleted;
    forgetCluster(cluster);
    return deleted + 1;
  }

  #forgetResources(at: number, slice: Slice): { readonly forgotten: number; readonly more: boolean } {
    const { rowsS, rollupsS } = this.#parts.retention;
    const { resources } = this.#parts;
    const limit = at - Math.max(rowsS, rollupsS) * 1000 - 2 * DAY_MS;
    const gone = [...resources.all()].filter((one) => one.lastAt < limit && !resources.isNewest(one));
    let forgotten = 0;
    for (const resource of gone) {
      resources.forget(resource);
      forgotten++;
      if (slice.isOver) return { forgotten, more: true };
    }
    return { forgotten, more: false };
  }
}
