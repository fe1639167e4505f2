/**
 * Rolls up blocks that can change no more, from what the store has of them, some clusters at a time. How far it is is known
 * by number; a block that was not finished is made again as a whole, which changes nothing.
 */

import type { Rollup } from "../../model/rollup.ts";
import { BLOCK_MS } from "../../model/rollup.ts";
import type { SealedTick } from "../../model/tick.ts";
import type { RowPoint } from "../../seriesPorts.ts";
import { clusterBlock, graceMs, LOOK_BACK, marginOf, newestWhole, rowBlock } from "../blocks.ts";
import type { Label, Run } from "../runs.ts";
import { membersOf, reachAfter, runFrom } from "../runs.ts";
import { inTransaction } from "../sqlite/database.ts";
import type { Kind } from "./labels.ts";
import { stretchesOf } from "./labels.ts";
import { numberOf, type Point } from "./points.ts";
import { checked, ofCluster, ofClusters, within } from "./reader.ts";
import { ROLLUPS, ROW_ROLLUPS, rollupLine, ticksIn } from "./rollupPoints.ts";
import { ROWS, rowPoint } from "./rowPoints.ts";
import { TICKS, tickRecord } from "./tickPoints.ts";
import type { UpkeepParts } from "./upkeep.ts";

/** Clusters of one slice: of ticks one request for all, of rows one for each. */
const AT_ONCE = { clusters: 16, rows: 4 } as const;
/** Ticks before a block that are read with it. */
const BEFORE = 2;
/** A cluster that has not come for so many ticks is looked for no more. */
const GONE = 20_000;

/** What a block is made of. */
interface Block extends Run {
  /** Labels by number. */
  readonly members: ReadonlyMap<number, number>;
  /** Number of the first of them. */
  readonly first: number;
  /** Number of the last tick whose answers may reach back into it. */
  readonly after: number;
  readonly graceMs: number;
}

type RollerParts = Pick<UpkeepParts, "database" | "server" | "spool" | "writer" | "labels" | "progress">;

export class Roller {
  readonly #parts: RollerParts;
  readonly #kind: Kind;
  #begun: number;
  #underWay: { readonly block: Block; readonly clusters: readonly string[]; done: number } | undefined;

  constructor(parts: RollerParts, kind: Kind) {
    this.#parts = parts;
    this.#kind = kind;
    this.#begun = parts.progress[kind].number;
  }

  /** What comes with a number up to that comes late. */
  get begun(): number {
    return this.#begun;
  }

  /** One slice; `undefined`: there is nothing to roll up. Else how many rollups it wrote. */
  async slice(at: number): Promise<number | undefined> {
    const progress = this.#parts.progress[this.#kind];
    const again = progress.again();
    if (again) return this.#rollAgain(again, at);
    this.#underWay ??= this.#next(at);
    const under = this.#underWay;
    if (!under) return undefined;
    this.#begun = Math.max(this.#begun, under.block.last);
    const some = under.clusters.slice(under.done, under.done + AT_ONCE[this.#kind]);
    const newest = this.#parts.labels[this.#kind].newest()?.at ?? -Infinity;
    // Where nothing came here any more, somebody else may have written the rest of it.
    const isLast = newest < under.block.end + under.block.graceMs / 2;
    const lines = await this.#rolled(some, under.block, isLast);
    inTransaction(this.#parts.database, () => {
      this.#parts.spool.add(lines, this.#parts.writer.underWay);
      if (under.done + some.length >= under.clusters.length) progress.set(under.block.last);
    });
    under.done += some.length;
    if (under.done >= under.clusters.length) this.#underWay = undefined;
    this.#parts.writer.wake();
    return lines.length;
  }

  /** Makes a block of one cluster anew, unless ticks that it was made of are gone since. */
  async #rollAgain({ clusterId, until }: { clusterId: string; until: number }, at: number): Promise<number> {
    const { database, labels, progress, spool, writer } = this.#parts;
    const last = labels[this.#kind].within(until - BLOCK_MS, until).at(-1)?.number;
    let lines: readonly string[] = [];
    // What is not rolled up yet will be.
    if (last !== undefined && last <= progress[this.#kind].number)
      lines = await this.#rolled([clusterId], this.#blockOf({ end: until, last }, 0, at), true);
    inTransaction(database, () => {
      spool.add(lines, writer.underWay);
      progress[this.#kind].endAgain(clusterId, until);
    });
    writer.wake();
    return lines.length;
  }

  #next(at: number) {
    const [labels, progress] = [this.#parts.labels[this.#kind], this.#parts.progress[this.#kind]];
    const first = labels.from(progress.number + 1);
    const run = first && runFrom(labels, first, at);
    if (!first || !run || !(run.isAhead || run.end <= newestWhole(at, labels.intervalMs()))) return undefined;
    const block = this.#blockOf(run, first.number, at);
    return { block, clusters: progress.clusters(run.last - GONE), done: 0 };
  }

  #blockOf(run: Run, first: number, at: number): Block {
    const labels = this.#parts.labels[this.#kind];
    const intervalMs = labels.intervalMs();
    const members = membersOf(labels, run, first - marginOf(intervalMs), at);
    const grace = graceMs(intervalMs);
    const oldest = Math.min(run.last, ...members.keys());
    return { ...run, members, first: oldest, after: reachAfter(labels, run, grace), graceMs: grace };
  }

  /** Lines of a block of some clusters. `unlessPoorer`: none for what is stored already, of more ticks. */
  async #rolled(clusterIds: readonly string[], block: Block, unlessPoorer = false): Promise<readonly string[]> {
    if (clusterIds.length === 0 || block.members.size === 0) return [];
    const made =
      this.#kind === "clusters" ? await this.#ofClusters(clusterIds, block) : await this.#ofRows(clusterIds, block);
    const lines: string[] = [];
    for (const { clusterId, resource, rollups } of made) {
      if (rollups.size === 0) continue;
      if (unlessPoorer && (await this.#isPoorer(clusterId, resource, block.end, rollups))) continue;
      lines.push(rollupLine(clusterId, resource, block.end, rollups));
    }
    return lines;
  }

  async #isPoorer(
    clusterId: string,
    resource: string | undefined,
    end: number,
    rollups: ReadonlyMap<string, Rollup>,
  ): Promise<boolean> {
    const measurement = resource === undefined ? ROLLUPS : ROW_ROLLUPS;
    const stored = await within(this.#parts.server, measurement, ofCluster(clusterId, resource), end - 1, end, 2, [
      '"ticks"',
    ]);
    return stored.some((point) => checked(() => numberOf(point, "ticks")) > ticksIn(rollups));
  }

  async #ofClusters(clusterIds: readonly string[], block: Block): Promise<Made[]> {
    const { labels } = this.#parts;
    const before = this.#numbersBefore(block.first, BEFORE);
    const numbers = [...before, ...labels.clusters.some(block.first, block.after)];
    const found = await this.#ticks(clusterIds, numbers);
    const made: Made[] = [];
    for (const [clusterId, own] of found) {
      if (!own.some(({ number }) => block.members.has(number))) continue;
      const isFirst = own[0] !== undefined && own[0].number >= block.first;
      const older = isFirst ? await this.#ticks([clusterId], this.#numbersBefore(block.first, LOOK_BACK)) : new Map();
      const ticks = [...((older.get(clusterId) as SealedTick[] | undefined) ?? []), ...own];
      const labelOf = ({ number, at }: SealedTick) => labelIn(block, number, at);
      made.push({ clusterId, resource: undefined, rollups: clusterBlock(block.end, ticks, labelOf) });
    }
    return made;
  }

  #numbersBefore(first: number, count: number): readonly Label[] {
    return this.#parts.labels.clusters.some(first - LOOK_BACK, first - 1).slice(-count);
  }

  /** Ticks of some numbers by cluster, by number in order. */
  async #ticks(clusterIds: readonly string[], numbers: readonly Label[]): Promise<ReadonlyMap<string, SealedTick[]>> {
    const wanted = new Set(numbers.map(({ number }) => number));
    const found = new Map<string, Map<number, SealedTick>>();
    for (const point of await this.#points(TICKS, clusterIds, numbers)) {
      const { clusterId, tick } = checked(() => tickRecord(point));
      if (!wanted.has(tick.number)) continue;
      const own = found.get(clusterId) ?? new Map<number, SealedTick>();
      found.set(clusterId, own.set(tick.number, tick));
    }
    return new Map(
      [...found].map(([clusterId, own]) => [clusterId, [...own.values()].sort((a, b) => a.number - b.number)]),
    );
  }

  async #points(
    measurement: string,
    clusterIds: readonly string[],
    numbers: readonly Label[],
  ): Promise<readonly Point[]> {
    const where = ofClusters(clusterIds);
    const points: Point[] = [];
    for (const { from, to } of stretchesOf(numbers, BLOCK_MS))
      points.push(...(await within(this.#parts.server, measurement, where, from - 1, to, Infinity)));
    return points;
  }

  async #ofRows(clusterIds: readonly string[], block: Block): Promise<Made[]> {
    const made: Made[] = [];
    const numbers = this.#parts.labels.rows.some(block.first, block.after);
    const wanted = numbers.filter(({ number }) => number > block.last || block.members.has(number));
    const known = new Set(wanted.map(({ number }) => number));
    for (const clusterId of clusterIds) {
      const rows = new Map<string, RowPoint[]>();
      for (const point of await this.#points(ROWS, [clusterId], wanted)) {
        const own = checked(() => rowPoint(point));
        const at = known.has(own.tick.number) ? labelIn(block, own.tick.number, own.tick.at) : undefined;
        if (at === undefined) continue;
        const all = rows.get(own.row.resource) ?? [];
        all.push({ ...own, tick: { number: own.tick.number, at } });
        rows.set(own.row.resource, all);
      }
      for (const [resource, points] of rows) {
        if (!points.some(({ tick }) => block.members.has(tick.number))) continue;
        points.sort((a, b) => a.tick.number - b.tick.number || (a.source < b.source ? -1 : 1));
        made.push({ clusterId, resource, rollups: rowBlock(block.end, points) });
      }
    }
    return made;
  }
}

interface Made {
  readonly clusterId: string;
  readonly resource: string | undefined;
  readonly rollups: ReadonlyMap<string, Rollup>;
}

/** When a tick counts for a block, epoch ms; `undefined`: it does not. */
function labelIn({ members, end, last, graceMs: grace }: Block, number: number, at: number): number | undefined {
  if (number <= last) return members.get(number);
  return at > end && at <= end + grace ? at : undefined;
}
