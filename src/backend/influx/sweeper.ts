/**
 * Deletes what is older than it is kept, where the server lets series be deleted: by stretches of labels, of all clusters at
 * once, and only what was rolled up. Numbers tell what is old, not labels: a clock that is a year ahead deletes nothing.
 */

import { marginOf, SAFE_S } from "../blocks.ts";
import type { Label } from "../runs.ts";
import { isAhead } from "../runs.ts";
import { inTransaction } from "../sqlite/database.ts";
import type { Kind, Labels, Stretch } from "./labels.ts";
import { KINDS, stretchesOf } from "./labels.ts";
import { RESOURCES } from "./resourcePoints.ts";
import { ROLLUPS, ROW_ROLLUPS } from "./rollupPoints.ts";
import { ROWS } from "./rowPoints.ts";
import { TICKS } from "./tickPoints.ts";
import type { UpkeepParts } from "./upkeep.ts";

/** A deletion goes over all series: it has to be worth it, ms. */
const LEAST_MS = 600_000;
/** Numbers of one slice. */
const MOST_NUMBERS = 5000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

type SweeperParts = Pick<UpkeepParts, "database" | "server" | "retention" | "labels" | "progress" | "baselines">;

export class Sweeper {
  readonly #parts: SweeperParts;
  /** Up to which label each measurement has been cleared by time. */
  readonly #cleared = new Map<string, number>();

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  /** Ticks or rows, but for the newest: `needed` numbers, and so many as come in a day or in the time they are kept. */
  async sweepRaw(kind: Kind, at: number, needed: number): Promise<number> {
    const { retention, server, database } = this.#parts;
    const [labels, progress] = [this.#parts.labels[kind], this.#parts.progress[kind]];
    const keptS = kind === "clusters" ? retention.clustersS : retention.rowsS;
    const [oldest, newest] = [labels.oldest(), labels.newest()];
    if (!oldest || !newest) return 0;
    const intervalMs = labels.intervalMs();
    const safe = Math.floor((Math.min(SAFE_S, keptS) * 1000) / intervalMs) - 1;
    const upTo = Math.min(newest.number - Math.max(safe, needed), progress.number - marginOf(intervalMs));
    const limit = at - keptS * 1000;
    const isOld = (tick: Label) => tick.at <= limit || isAhead(labels, tick, newest.number);
    const old: Label[] = [];
    for (const tick of labels.some(oldest.number, upTo, MOST_NUMBERS)) {
      if (!isOld(tick)) break;
      old.push(tick);
    }
    const last = old.at(-1);
    if (!last) return 0;
    const spanMs = Math.abs(last.at - oldest.at);
    if (spanMs < LEAST_MS && (last.number - oldest.number) * intervalMs < LEAST_MS) return 0;
    const measurement = kind === "clusters" ? TICKS : ROWS;
    for (const stretch of this.#without(old, labels, last.number))
      await server.deleteWithin(measurement, stretch.from, stretch.to);
    inTransaction(database, () => {
      labels.forget(last.number);
      progress.forget(last.number);
    });
    return old.length;
  }

  /** Stretches of labels that none of the ticks to stay is labelled in: a clock may have labelled a time twice. */
  #without(old: readonly Label[], labels: Labels, last: number): readonly Stretch[] {
    return stretchesOf(old, LEAST_MS).flatMap((stretch) => {
      const staying = labels.within(stretch.from - 1, stretch.to).filter(({ number }) => number > last);
      if (staying.length === 0) return [stretch];
      const ats = new Set(staying.map(({ at }) => at));
      return old
        .filter(({ at }) => at >= stretch.from && at <= stretch.to && !ats.has(at))
        .map(({ at }) => ({ from: at, to: at }));
    });
  }

  /**
   * Rollups, what is noted of rows, raw counters: by label, once an hour. And ticks that others left behind that are gone,
   * but only as far as the ticks that came here say that time has passed.
   */
  async sweepRest(at: number): Promise<number> {
    const { retention, baselines } = this.#parts;
    const { clustersS, rowsS, rollupsS, historyS } = retention;
    const longest = Math.max(rowsS, rollupsS);
    const forgotten = baselines.forget(at - historyS * 1000);
    await this.#clear(ROLLUPS, at - rollupsS * 1000);
    await this.#clear(ROW_ROLLUPS, at - rollupsS * 1000);
    await this.#clear(RESOURCES, at - longest * 1000);
    const now = Math.min(at, this.#newest());
    await this.#clear(TICKS, now - clustersS * 1000 - 2 * DAY_MS);
    await this.#clear(ROWS, now - rowsS * 1000 - 2 * DAY_MS);
    return forgotten;
  }

  /** What is labelled up to an instant, if that is an hour more than the last time. */
  async #clear(measurement: string, upTo: number): Promise<void> {
    const before = this.#cleared.get(measurement) ?? -Infinity;
    if (!Number.isFinite(upTo) || upTo <= 0 || upTo - before < HOUR_MS) return;
    await this.#parts.server.deleteWithin(measurement, EARLIEST, Math.floor(upTo));
    this.#cleared.set(measurement, upTo);
  }

  /** How late it can be: by the label of a tick that came long ago, and the ticks since. */
  #newest(): number {
    let now = -Infinity;
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const labels = this.#parts.labels[kind];
      const [oldest, newest] = [labels.oldest(), labels.newest()];
      if (!oldest || !newest) continue;
      const passedMs = (newest.number - oldest.number) * labels.intervalMs();
      now = Math.max(now, oldest.at + passedMs);
    }
    return now;
  }
}

const EARLIEST = 0;
