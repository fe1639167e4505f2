/** Kept series in arrays, as a reader tells them. */

import type { Reading } from "../../src/model/rollup.ts";
import { BLOCK_MS, blockOf, readingOfRow, readingOfTick, rollUp } from "../../src/model/rollup.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import type { RowPoint, SampleReader } from "../../src/seriesPorts.ts";

export interface KeptRow extends RowPoint {
  readonly clusterId: string;
}

export interface Kept {
  /** By cluster, by number in order. */
  readonly ticks?: Readonly<Record<string, readonly SealedTick[]>>;
  readonly rows?: readonly KeptRow[];
  readonly intervalMs?: number;
  /** Ticks and rows labelled at or before it are deleted, epoch ms. */
  readonly deletedUpTo?: number;
  /** Blocks that end at or before it are rolled up, epoch ms. */
  readonly rolledUpTo?: number;
}

export class ArrayReader implements SampleReader {
  readonly #kept: Required<Kept>;
  /** How many ticks and points were read. */
  read = 0;

  constructor(kept: Kept) {
    this.#kept = { ticks: {}, rows: [], intervalMs: 10_000, deletedUpTo: -Infinity, rolledUpTo: -Infinity, ...kept };
  }

  async clusters(clusterId?: string) {
    return Object.entries(this.#kept.ticks)
      .filter(([id]) => clusterId === undefined || id === clusterId)
      .map(([clusterId, ticks]) => ({ clusterId, ...this.#bounds(ticks) }))
      .sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
  }

  async resources(clusterId?: string, resource?: string) {
    const rows = this.#kept.rows
      .filter((one) => clusterId === undefined || one.clusterId === clusterId)
      .filter((one) => resource === undefined || one.row.resource === resource);
    const byKey = Map.groupBy(rows, (one) => `${one.clusterId}\0${one.row.resource}\0${one.source}`);
    return [...byKey].sort().map(([, points]) => {
      const [{ clusterId: id, source, row }] = points as [KeptRow];
      const bounds = this.#bounds(points.map(({ tick }) => tick));
      return { clusterId: id, source, resource: row.resource, kind: row.kind, ...bounds };
    });
  }

  async ticks(clusterId: string, from: number, to: number, limit: number) {
    const { ticks, deletedUpTo } = this.#kept;
    const own = (ticks[clusterId] ?? []).filter(({ at }) => from < at && at <= to && at > deletedUpTo);
    this.read += Math.min(own.length, limit);
    return own.slice(0, limit).map((tick, seq) => ({ clusterId, seq, tick, baselines: {} }));
  }

  async rowPoints(clusterId: string, resource: string, from: number, to: number, limit: number) {
    const { deletedUpTo } = this.#kept;
    const own = this.#rowsOf(clusterId, resource).filter(
      ({ tick: { at } }) => from < at && at <= to && at > deletedUpTo,
    );
    this.read += Math.min(own.length, limit);
    return own.slice(0, limit);
  }

  async rollups(clusterId: string, resource: string | undefined, meterName: string, from: number, to: number) {
    const readings = resource === undefined ? this.#ofCluster(clusterId) : this.#ofRow(clusterId, resource);
    const intervalS = this.#kept.intervalMs / 1000;
    const until = Math.min(to, this.#kept.rolledUpTo);
    const [oldest, newest] = [readings[0]?.at ?? Infinity, readings.at(-1)?.at ?? -Infinity];
    const rollups = [];
    for (let end = blockOf(oldest); end <= blockOf(newest); end += BLOCK_MS) {
      if (end <= from || end > until) continue;
      const near = readings.filter(({ at }) => at > end - BLOCK_MS && at <= end + BLOCK_MS);
      const rollup = rollUp(end, near, intervalS).get(meterName);
      if (rollup) rollups.push(rollup);
    }
    return rollups;
  }

  async close() {}

  #rowsOf(clusterId: string, resource: string) {
    return this.#kept.rows
      .filter((one) => one.clusterId === clusterId && one.row.resource === resource)
      .sort((a, b) => a.tick.number - b.tick.number || (a.source < b.source ? -1 : 1));
  }

  #ofCluster(clusterId: string): Reading[] {
    const ticks = this.#kept.ticks[clusterId] ?? [];
    return ticks.map((tick, n) => readingOfTick(tick, ticks[n - 1]?.values, this.#kept.intervalMs / 1000));
  }

  #ofRow(clusterId: string, resource: string): Reading[] {
    const byNumber = Map.groupBy(this.#rowsOf(clusterId, resource), ({ tick }) => tick.number);
    return [...byNumber.values()].map((points) => readingOfRow(points[0]?.tick.at ?? 0, points));
  }

  #bounds(ticks: readonly { readonly at: number }[]) {
    const labels = ticks.map(({ at }) => at);
    return {
      firstAt: labels.reduce((a, b) => Math.min(a, b), Infinity),
      lastAt: labels.reduce((a, b) => Math.max(a, b), -Infinity),
    };
  }
}
