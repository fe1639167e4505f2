/** Reads `metrics.db` as queries ask, through any connection: none of its reads outlasts a call. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Rollup } from "../../model/rollup.ts";
import { BLOCK_MS } from "../../model/rollup.ts";
import type { RowPoint, StoredCluster, StoredResource, TickRecord } from "../../seriesPorts.ts";
import { AnswerReader } from "./answers.ts";
import { Labels, stretches } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { metersOfShapes, type Resource, resourceOf } from "./resources.ts";
import { unpackRollup } from "./rollupDoc.ts";
import { parseShape } from "./rowDoc.ts";
import type { Sums } from "./sums.ts";
import { damagedRead } from "./sums.ts";
import { TickRows } from "./tickRows.ts";
import { Words } from "./words.ts";

/** Blocks of a series stand side by side: its number is above so many of them. */
const BLOCKS = 2 ** 24;

/** Key of the rollups of a series for the block that ends at `at`. */
export function rollupKey(series: number, at: number): number {
  return series * BLOCKS + Math.max(0, Math.min(BLOCKS - 1, Math.floor(at / BLOCK_MS)));
}

/** End of the block of such a key. */
export function blockOfKey(key: number): number {
  return (key % BLOCKS) * BLOCK_MS;
}

export class SeriesReader {
  readonly #sums: Sums<MetricsTable>;
  readonly #words: Words;
  readonly #ticks: TickRows;
  readonly #answers: AnswerReader;
  readonly #tickLabels: Labels;
  readonly #answerLabels: Labels;
  readonly #clusters: StatementSync;
  readonly #cluster: StatementSync;
  readonly #resources: StatementSync;
  readonly #ofCluster: StatementSync;
  readonly #named: StatementSync;
  readonly #rolledTo: StatementSync;
  readonly #label: StatementSync;
  /** Names of meters, by the numbers of shapes. */
  readonly #meters = new Map<string, readonly string[]>();
  readonly #rollups: Readonly<Record<"cluster_rollup" | "row_rollup", RollupStatements>>;
  readonly #recent: StatementSync;

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>) {
    this.#sums = sums;
    this.#words = new Words(database, sums, false);
    this.#ticks = new TickRows(database, sums);
    this.#answers = new AnswerReader(database, sums, this.#words);
    this.#tickLabels = new Labels(database, sums, "clusters");
    this.#answerLabels = new Labels(database, sums, "rows");
    this.#clusters = database.prepare("SELECT * FROM cluster ORDER BY cluster_id");
    this.#cluster = database.prepare("SELECT * FROM cluster WHERE cluster_id = ?");
    this.#resources = database.prepare("SELECT * FROM resource");
    this.#ofCluster = database.prepare("SELECT * FROM resource WHERE cluster = ?");
    this.#rolledTo = database.prepare("SELECT * FROM progress WHERE kind = 'rows'");
    this.#label = database.prepare("SELECT at FROM tick WHERE number = ? AND cluster = ?");
    this.#named = database.prepare("SELECT * FROM resource WHERE cluster = ? AND name = ?");
    this.#rollups = {
      cluster_rollup: rollupStatements(database, "cluster_rollup"),
      row_rollup: rollupStatements(database, "row_rollup"),
    };
    this.#recent = database.prepare(
      "SELECT cluster, min(at) AS first, max(at) AS last FROM tick WHERE number > ? GROUP BY cluster",
    );
  }

  clusters(clusterId?: string): StoredCluster[] {
    if (clusterId !== undefined) return this.#clusterNamed(clusterId);
    const newest = this.#tickLabels.newest();
    const recent = new Map(
      this.#recent
        .all((newest?.number ?? 0) - RECENT)
        .map(({ cluster, first, last }) => [Number(cluster), { first: Number(first), last: Number(last) }]),
    );
    return this.#sums
      .all("cluster", this.#clusters)
      .flatMap(({ id, cluster_id }) =>
        stored(String(cluster_id), this.#spanOf("cluster_rollup", Number(id)), recent.get(Number(id))),
      );
  }

  /** One is looked up; to look at all that are kept would cost more than most queries. */
  #clusterNamed(clusterId: string): StoredCluster[] {
    const id = this.#idOf(clusterId);
    if (id === undefined) return [];
    const span = this.#spanOf("cluster_rollup", id);
    return stored(clusterId, span, this.#recentOf(id, span.length === 0));
  }

  /** Labels of the newest ticks of a cluster. `isWhole`: not only of the very newest, but of the oldest of them, too. */
  #recentOf(cluster: number, isWhole: boolean): Bounds | undefined {
    const newest = this.#tickLabels.newest()?.number ?? 0;
    let bounds: Bounds | undefined;
    for (let number = newest; number > newest - RECENT && (isWhole || !bounds); number--) {
      const at = this.#label.get(number, cluster)?.at;
      if (typeof at === "number") bounds = { first: at, last: bounds?.last ?? at };
    }
    return bounds;
  }

  resources(clusterId?: string, resource?: string): StoredResource[] {
    const clusters =
      clusterId === undefined
        ? this.#sums.all("cluster", this.#clusters)
        : [this.#sums.get("cluster", this.#cluster, clusterId) ?? []].flat();
    const names = new Map(clusters.map(({ id, cluster_id }) => [Number(id), String(cluster_id)]));
    const all = this.#resourcesOf([...names.keys()], clusterId !== undefined, resource).map(resourceOf);
    const newest = this.#newestOf(
      Map.groupBy(all, ({ cluster }) => cluster),
      clusterId === undefined,
    );
    const order = (one: StoredResource) => `${one.clusterId}\n${one.resource}\n${one.source}`;
    const oldest = this.#answerLabels.oldest()?.at ?? Infinity;
    return all
      .map((one) => ({ ...one, firstAt: this.#firstOf(one, oldest), lastAt: newest.get(one.id) ?? one.lastAt }))
      .map((one) => this.#stored(one, names))
      .sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }

  #resourcesOf(clusters: readonly number[], isOfOne: boolean, resource: string | undefined) {
    const [cluster] = clusters;
    if (!isOfOne) return this.#sums.all("resource", this.#resources);
    if (cluster === undefined) return [];
    if (resource === undefined) return this.#sums.all("resource", this.#ofCluster, cluster);
    return this.#sums.all("resource", this.#named, cluster, resource);
  }

  /**
   * Labels of the newest answers that have resources, by their numbers: what is noted of these is as old as the newest
   * block that was rolled up. `isOfAll`: too many to look for those that have not been there lately.
   */
  #newestOf(byCluster: ReadonlyMap<number, readonly Resource[]>, isOfAll: boolean): ReadonlyMap<number, number> {
    const found = new Map<number, number>();
    const newest = this.#answerLabels.newest();
    const rolledTo = Number(this.#sums.get("progress", this.#rolledTo)?.number ?? -Infinity);
    if (!newest) return found;
    const oldest = Math.max(newest.number - (isOfAll ? FEW : MOST), rolledTo);
    for (const [cluster, resources] of byCluster) {
      const missing = new Map(resources.map(({ id, name }) => [id, name]));
      for (let number = newest.number; number > oldest && missing.size > 0; number--) {
        for (const { resource, point } of this.#answers.pointsAt(number, cluster, (id) => missing.get(id))) {
          found.set(resource, point.tick.at);
          missing.delete(resource);
        }
      }
    }
    return found;
  }

  /** Label of the oldest that is kept of a resource: what was noted when it came is gone some day. */
  #firstOf({ series, firstAt, lastAt }: Resource, oldest: number): number {
    if (firstAt >= oldest) return firstAt;
    const [end] = this.#spanOf("row_rollup", series);
    const kept = Math.min(oldest, end === undefined ? Infinity : end - BLOCK_MS);
    return Number.isFinite(kept) ? Math.max(firstAt, Math.min(kept, lastAt)) : firstAt;
  }

  #stored(
    { cluster, source, name, kind, firstAt, lastAt, shapes }: Resource,
    names: ReadonlyMap<number, string>,
  ): StoredResource {
    const clusterId = names.get(cluster);
    if (clusterId === undefined) throw damagedRead("a row of resource has no cluster");
    const key = shapes.join();
    const meters = this.#meters.get(key) ?? metersOfShapes(shapes.map((id) => parseShape(this.#words.textOf(id))));
    this.#meters.set(key, meters);
    return { clusterId, source: this.#words.textOf(source), resource: name, kind, firstAt, lastAt, meters };
  }

  ticks(clusterId: string, from: number, to: number, limit: number): TickRecord[] {
    const cluster = this.#idOf(clusterId);
    const ticks: TickRecord[] = [];
    if (cluster === undefined) return ticks;
    const numbers = this.#tickLabels.within(from, to);
    for (const some of stretches(numbers, () => limit - ticks.length)) {
      for (const stored of this.#ticks.within(some, cluster)) {
        if (stored.tick.at > from && stored.tick.at <= to) ticks.push({ clusterId, ...stored, baselines: {} });
      }
    }
    return ticks;
  }

  rowPoints(clusterId: string, resource: string, from: number, to: number, limit: number): RowPoint[] {
    const cluster = this.#idOf(clusterId);
    const points: RowPoint[] = [];
    if (cluster === undefined) return points;
    const own = new Set(this.#sums.all("resource", this.#named, cluster, resource).map(({ id }) => Number(id)));
    if (own.size === 0) return points;
    const nameOf = (id: number) => (own.has(id) ? resource : undefined);
    const numbers = this.#answerLabels.within(from, to);
    for (const some of stretches(numbers, () => limit - points.length)) {
      for (const { point } of this.#answers.pointsWithin(some, cluster, nameOf)) {
        if (point.tick.at > from && point.tick.at <= to) points.push(point);
      }
    }
    if (own.size > 1) points.sort((a, b) => a.tick.number - b.tick.number || (a.source < b.source ? -1 : 1));
    return points.slice(0, limit);
  }

  rollups(clusterId: string, resource: string | undefined, meterName: string, from: number, to: number): Rollup[] {
    const cluster = this.#idOf(clusterId);
    const word = this.#words.find(meterName);
    if (cluster === undefined || word === undefined) return [];
    if (resource === undefined) return this.#rollupsOf("cluster_rollup", cluster, word, from, to);
    const [row] = this.#sums.all("resource", this.#named, cluster, resource);
    return row ? this.#rollupsOf("row_rollup", Number(row.series), word, from, to) : [];
  }

  #rollupsOf(table: "cluster_rollup" | "row_rollup", series: number, word: number, from: number, to: number): Rollup[] {
    const rollups: Rollup[] = [];
    for (const row of this.#rollups[table].within.all(rollupKey(series, from) + 1, rollupKey(series, to))) {
      const [id, doc, sum] = row as unknown as readonly [number, Uint8Array, number];
      if (sum !== this.#sums.of(table, [id, doc])) throw damagedRead(`a row of ${table} is not what was written`);
      const rollup = unpackRollup(doc, word, blockOfKey(id));
      if (rollup) rollups.push(rollup);
    }
    return rollups;
  }

  /** Ends of the oldest and the newest block of a series. */
  #spanOf(table: "cluster_rollup" | "row_rollup", series: number): readonly number[] {
    const { oldest, newest } = this.#rollups[table];
    const ends = [oldest, newest].map((statement) => statement.get(series * BLOCKS, (series + 1) * BLOCKS - 1)?.id);
    return ends.flatMap((id) => (typeof id === "number" ? [blockOfKey(id)] : []));
  }

  #idOf(clusterId: string): number | undefined {
    const row = this.#sums.get("cluster", this.#cluster, clusterId);
    return row && Number(row.id);
  }
}

/** Ticks in which the newest of every cluster is looked for. */
const RECENT = 60;
/** Ticks in which the newest of every resource is looked for, of all clusters and of one. */
const FEW = 3;
const MOST = 1000;

/** Labels, epoch ms. */
interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** A cluster, by the ends of its oldest and its newest rollup and the bounds of its newest ticks; none: nothing is kept. */
function stored(clusterId: string, [from, to]: readonly number[], raw: Bounds | undefined): StoredCluster[] {
  const firstAt = from === undefined ? raw?.first : from - BLOCK_MS;
  const lastAt = raw?.last ?? to;
  return firstAt === undefined || lastAt === undefined ? [] : [{ clusterId, firstAt, lastAt }];
}

interface RollupStatements {
  readonly within: StatementSync;
  readonly oldest: StatementSync;
  readonly newest: StatementSync;
}

function rollupStatements(database: DatabaseSync, table: "cluster_rollup" | "row_rollup"): RollupStatements {
  const within = database.prepare(`SELECT id, doc, sum FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id`);
  within.setReturnArrays(true);
  const end = (order: string) =>
    database.prepare(`SELECT id FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id ${order} LIMIT 1`);
  return { within, oldest: end("ASC"), newest: end("DESC") };
}
