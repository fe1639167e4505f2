/**
 * Rolls up blocks that can change no more, in slices of some milliseconds. What a slice made, and which clusters are
 * done, is one transaction: after a crash the next slice begins anew with the cluster that was not done. A block that
 * something comes late for is made again.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BLOCK_MS, blockOf, type Rollup } from "../../model/rollup.ts";
import type { SealedTick, Tick } from "../../model/tick.ts";
import type { RowPoint } from "../../seriesPorts.ts";
import { clusterBlock, graceMs, INTERVAL_S, LOOK_BACK, marginOf, newestWhole, rowBlock } from "../blocks.ts";
import { membersOf, type Run, reachAfter, runFrom } from "../runs.ts";
import { AnswerReader } from "./answers.ts";
import { inTransaction } from "./database.ts";
import { Labels, stretches } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { type Again, type Progress, ProgressTable, type RolledKind } from "./progress.ts";
import type { Resource, Resources } from "./resources.ts";
import { packRollups, ticksIn } from "./rollupDoc.ts";
import { rollupKey } from "./seriesReader.ts";
import { Slice } from "./slice.ts";
import type { Sums } from "./sums.ts";
import { TickRows } from "./tickRows.ts";
import type { Words } from "./words.ts";

/** What both kinds of series are rolled up from, and to. */
export interface RollerParts {
  readonly database: DatabaseSync;
  readonly sums: Sums<MetricsTable>;
  readonly words: Words;
  readonly resources: Resources;
  /** Numbers of all clusters, in order. */
  readonly clusters: () => readonly number[];
  /** Milliseconds that never step. */
  readonly monotonic: () => number;
}

/** What a block is made of. */
interface Block {
  readonly end: number;
  /** Labels by number. */
  readonly members: ReadonlyMap<number, number>;
  /** Number of the first and the last of them. */
  readonly first: number;
  readonly last: number;
  /** Number of the last tick whose answers may reach back into it. */
  readonly after: number;
}

interface Next extends Run {
  readonly first: number;
  readonly cursor: number;
}

interface UnderWay {
  readonly last: number;
  readonly cursor: number;
  readonly work: Generator<Step>;
}

/** Before anything is rolled up. */
const NOTHING: Progress = { number: -1, until: 0, last: -1, cursor: 0 };

export class Roller {
  readonly #parts: RollerParts;
  readonly #progress: ProgressTable;
  readonly #ticks: TickRows;
  readonly #answers: AnswerReader;
  readonly #labels: Readonly<Record<RolledKind, Labels>>;
  readonly #put: Readonly<Record<RolledKind, StatementSync>>;
  /** What the next slice goes on with, if that is where the file says it is. */
  readonly #underWay: Record<RolledKind, UnderWay | undefined> = { clusters: undefined, rows: undefined };
  readonly #stored: Readonly<Record<RolledKind, StatementSync>>;
  /** What comes with a number up to that comes late. */
  readonly #begun: Record<RolledKind, number>;

  constructor(parts: RollerParts) {
    const { database, sums, words } = parts;
    this.#parts = parts;
    this.#progress = new ProgressTable(database, sums);
    this.#ticks = new TickRows(database, sums);
    this.#answers = new AnswerReader(database, sums, words);
    this.#labels = { clusters: new Labels(database, sums, "clusters"), rows: new Labels(database, sums, "rows") };
    const put = (table: MetricsTable) => database.prepare(`INSERT OR REPLACE INTO ${table} VALUES(?, ?, ?)`);
    this.#put = { clusters: put("cluster_rollup"), rows: put("row_rollup") };
    const stored = (table: MetricsTable) => database.prepare(`SELECT doc FROM ${table} WHERE id = ?`);
    this.#stored = { clusters: stored("cluster_rollup"), rows: stored("row_rollup") };
    const begun = (kind: RolledKind) => this.#progress.of(kind)?.last ?? NOTHING.last;
    this.#begun = { clusters: begun("clusters"), rows: begun("rows") };
  }

  /** Number of the newest tick that all of a kind are rolled up to; `undefined`: none is. */
  rolledTo(kind: RolledKind): number | undefined {
    return this.#progress.of(kind)?.number;
  }

  /** A tick of a cluster was written, in the transaction under way: a block that it is too late for is made again. */
  written(kind: RolledKind, cluster: number, { number, at }: Tick, spanS: number): void {
    if (number > this.#begun[kind]) return;
    // Its answers reach back, and the next tick's increase counts on from it.
    const ends = new Set([blockOf(at - spanS * 1000), blockOf(at), blockOf(at) + BLOCK_MS]);
    for (const until of ends) this.#progress.addAgain(kind, { cluster, until });
  }

  /** One slice; `undefined`: there is nothing to roll up. Else how many rollups it wrote. */
  slice(kind: RolledKind, at: number): number | undefined {
    const slice = new Slice(this.#parts.monotonic);
    const again = this.#progress.again(kind);
    if (again) return this.#rollAgain(kind, again, at);
    const next = this.#next(kind, at);
    if (!next) return undefined;
    const { end, last, first, cursor } = next;
    this.#begun[kind] = Math.max(this.#begun[kind], last);
    const under = this.#underWay[kind];
    // Of a slice that failed nothing is left, and what is read again is the same.
    this.#underWay[kind] = undefined;
    const isSame = under?.last === last && under.cursor === cursor;
    const work = isSame ? under.work : this.#block(kind, this.#blockOf(kind, next, first, at), cursor);
    const made: Made[] = [];
    let done = cursor;
    let isWhole = false;
    while (!isWhole && !slice.isOver) {
      const step = work.next();
      if (step.done) isWhole = true;
      else if (typeof step.value === "number") done = step.value;
      else if (step.value) made.push(step.value);
    }
    inTransaction(this.#parts.database, () => {
      for (const one of made) this.#write(kind, end, one);
      const progress = isWhole ? { number: last, cursor: 0 } : { number: first - 1, cursor: done };
      this.#progress.set(kind, { ...progress, until: end, last });
    });
    if (!isWhole) this.#underWay[kind] = { last, cursor: done, work };
    return made.length;
  }

  /** Makes a block of one cluster anew, unless ticks that it was made of are gone since. */
  #rollAgain(kind: RolledKind, again: Again, at: number): number {
    const made: Made[] = [];
    const { number } = this.#progress.of(kind) ?? NOTHING;
    const within = this.#labels[kind].within(again.until - BLOCK_MS, again.until);
    const [first, last] = [within[0]?.first, within.at(-1)?.last];
    // What is not rolled up yet will be.
    if (first !== undefined && last !== undefined && last <= number) {
      const block = this.#blockOf(kind, { end: again.until, last }, first, at);
      for (const step of this.#rolled(kind, again.cluster, block)) if (step) made.push(step);
    }
    inTransaction(this.#parts.database, () => {
      for (const one of made) if (!this.#isPoorer(kind, again.until, one)) this.#write(kind, again.until, one);
      this.#progress.endAgain(kind, again);
    });
    return made.length;
  }

  #isPoorer(kind: RolledKind, end: number, { series, rollups }: Made): boolean {
    const doc = this.#stored[kind].get(rollupKey(series, end))?.doc;
    if (!(doc instanceof Uint8Array)) return false;
    return [...rollups.values()].reduce((most, { count }) => Math.max(most, count), 0) < ticksIn(doc);
  }

  /** Rolls up a block in small steps: what is to be written, and the number of each cluster that is done. */
  *#block(kind: RolledKind, block: Block, cursor: number): Generator<Step> {
    for (const cluster of this.#parts.clusters()) {
      if (cluster <= cursor) continue;
      yield* this.#rolled(kind, cluster, block);
      yield cluster;
    }
  }

  #rolled(kind: RolledKind, cluster: number, block: Block): Generator<Made | undefined> {
    return kind === "clusters" ? this.#rollCluster(cluster, block) : this.#rollRows(cluster, block);
  }

  #blockOf(kind: RolledKind, run: Run, first: number, at: number): Block {
    const labels = this.#labels[kind];
    const intervalMs = labels.intervalMs(INTERVAL_S * 1000);
    const members = membersOf(labels, run, first - marginOf(intervalMs), at);
    const { end, last } = run;
    const oldest = Math.min(last, ...members.keys());
    return { end, members, first: oldest, last, after: reachAfter(labels, run, graceMs(intervalMs)) };
  }

  /** The block to work on, and how far it is. */
  #next(kind: RolledKind, at: number): Next | undefined {
    const { number, until, last, cursor } = this.#progress.of(kind) ?? NOTHING;
    if (cursor > 0) return { end: until, last, first: number + 1, cursor };
    const labels = this.#labels[kind];
    const first = labels.from(number + 1);
    const run = first && runFrom(labels, first, at);
    if (!run) return undefined;
    const isWhole = run.isAhead || run.end <= newestWhole(at, labels.intervalMs(INTERVAL_S * 1000));
    return isWhole ? { ...run, first: first.number, cursor: 0 } : undefined;
  }

  *#rollCluster(cluster: number, { end, members, first, last, after }: Block): Generator<Made | undefined> {
    const base = this.#tickBefore(first, cluster);
    const ticks = base ? [base] : [];
    for (const some of stretches([{ first, last }], () => Infinity)) {
      for (const { tick } of this.#ticks.within(some, cluster)) ticks.push(tick);
      yield undefined;
    }
    if (!ticks.some(({ number }) => members.has(number))) return;
    // An answer of each source has come since: what comes later does not reach back.
    const heard = new Set<string>();
    for (let number = last + 1; number <= after; number++) {
      const tick = this.#ticks.at(number, cluster)?.tick;
      if (!tick) continue;
      ticks.push(tick);
      for (const { name, error } of tick.sources) if (error === undefined) heard.add(name);
      if (tick.sources.every(({ name }) => heard.has(name))) break;
    }
    const labelOf = ({ number, at }: SealedTick) => (number > last ? at : members.get(number));
    yield { series: cluster, rollups: clusterBlock(end, ticks, labelOf) };
  }

  #tickBefore(first: number, cluster: number): SealedTick | undefined {
    const oldest = Math.max(first - LOOK_BACK, this.#labels.clusters.oldest()?.number ?? first);
    for (let number = first - 1; number >= oldest; number--) {
      const found = this.#ticks.at(number, cluster);
      if (found) return found.tick;
    }
    return undefined;
  }

  *#rollRows(cluster: number, { end, members, first, last, after }: Block): Generator<Made | undefined> {
    const resources = this.#parts.resources.of(cluster);
    if (resources.size === 0) return;
    const bySeries = new Map<number, Row>();
    const owed = new Set<string>();
    const nameOf = (id: number) => resources.get(id)?.name;
    const take = (number: number): readonly string[] => {
      const sources: string[] = [];
      for (const { resource: id, point } of this.#answers.pointsAt(number, cluster, nameOf)) {
        const resource = resources.get(id);
        if (!resource) continue;
        const row: Row = bySeries.get(resource.series) ?? { points: [], lasted: new Map() };
        const at = members.get(number) ?? point.tick.at;
        row.points.push(at === point.tick.at ? point : { ...point, tick: { number, at } });
        row.lasted.set(resource, point.tick.at);
        bySeries.set(resource.series, row);
        sources.push(point.source);
      }
      return sources;
    };
    for (let number = first; number <= last; number++) {
      if (!members.has(number)) continue;
      for (const source of take(number)) owed.add(source);
      yield undefined;
    }
    if (bySeries.size === 0) return;
    for (let number = last + 1; number <= after && owed.size > 0; number++) {
      for (const source of take(number)) owed.delete(source);
      yield undefined;
    }
    for (const [series, { points, lasted }] of bySeries) yield { series, rollups: rowBlock(end, points), lasted };
  }

  #write(kind: RolledKind, end: number, { series, rollups, lasted }: Made): void {
    const { sums, words, resources } = this.#parts;
    for (const [resource, at] of lasted ?? []) resources.lasted(resource, at);
    if (rollups.size === 0) return;
    const doc = packRollups(rollups, (meter) => words.idOf(meter));
    const table = kind === "clusters" ? "cluster_rollup" : "row_rollup";
    this.#put[kind].run(...sums.sealed(table, rollupKey(series, end), doc));
  }
}

/** Points of a row, and when each of its resources was seen last. */
interface Row {
  readonly points: RowPoint[];
  readonly lasted: Map<Resource, number>;
}

/** What is to be written of one series. */
interface Made {
  readonly series: number;
  readonly rollups: ReadonlyMap<string, Rollup>;
  readonly lasted?: ReadonlyMap<Resource, number>;
}

/** What a step led to: the number of a cluster that is done, or something of it, or nothing yet. */
type Step = number | Made | undefined;
