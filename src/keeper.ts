/**
 * Keeps single rows, and keeps the record as large as it should be. Alarms need nothing of it: where the disk is slow or
 * full, rows are dropped and counted, and everything else goes on.
 */

import { messageOf } from "./lib/errors.ts";
import type { ScrapeReport } from "./model/tick.ts";
import type { Clock, Ledger, Logger, SampleBus, Timer } from "./ports.ts";
import type { Kept, RowRecord, SampleStore } from "./seriesPorts.ts";
import { steadyNow } from "./steadyNow.ts";

/** Reports of one tick are stored together, ms. */
const GATHER_MS = 250;
/** Before a write that failed is tried again, ms. */
const RETRY_MS = 1000;
/** Rows that may wait for the disk: minutes of what a large site has. */
const MOST_WAITING = 50_000;
const UPKEEP_EVERY_MS = 60_000;
/** Between two slices of upkeep, so that ticks and commits come first, ms. */
const PAUSE_MS = 20;
/** Rounds without rows that went early after which their going is news again. */
const QUIET_ROUNDS = 60;

export interface KeeperOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: SampleBus;
  readonly store: Pick<SampleStore, "putRows" | "keep">;
  readonly ledger: Pick<Ledger, "trim">;
  /** How long inputs, decisions and deliveries are kept, seconds. */
  readonly historyS: number;
  /** So many of the newest ticks a restart begins with. Default: what the store thinks. */
  readonly neededTicks?: () => number;
}

/** How many of the newest ticks a restart begins with, where the windows of clusters reach back so many. */
export function ticksOfRestart(reaches: readonly number[]): number {
  return LEAST_TICKS + reaches.reduce((longest, own) => Math.max(longest, own), 0);
}

/** Twice the ticks from one checkpoint to the next, and a hole that is filled from those before it. */
const LEAST_TICKS = 2 * 360 + 60;

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #now: () => number;
  #waiting: RowRecord[] = [];
  #waitingRows = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #upkeeping: Promise<void> | undefined;
  #flush: Timer | undefined;
  #upkeep: Timer | undefined;
  #pausing: { readonly timer: Timer; readonly end: () => void } | undefined;
  #unsubscribe: (() => void) | undefined;
  /** What was said last of each thing that can fail. */
  readonly #failures = new Map<"rows" | "series" | "history", string>();
  #full: string | undefined;
  #quietRounds = QUIET_ROUNDS;
  #toldSmall = false;
  #stopped = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#now = steadyNow(options.clock);
  }

  start(): void {
    this.#unsubscribe = this.#options.bus.subscribe((report) => this.#take(report));
    this.#scheduleUpkeep(UPKEEP_EVERY_MS);
  }

  /** A sentence while series cannot be stored. */
  degraded(): readonly string[] {
    return this.#full === undefined ? [] : [`no room for series: ${this.#full}`];
  }

  /** Rows that were never stored since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Ends upkeep after the slice under way, and stores what waits, if the disk takes it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#flush?.cancel();
    this.#upkeep?.cancel();
    this.#pausing?.timer.cancel();
    this.#pausing?.end();
    await this.#upkeeping;
    await this.#writing;
    if (this.#waiting.length > 0) await this.#write();
  }

  #take({ tick, source, outcome }: ScrapeReport): void {
    if (!outcome.ok) return;
    for (const { clusterId, coveredS, gap, kept: rows } of outcome.slices) {
      if (!rows || rows.length === 0) continue;
      if (this.#waitingRows + rows.length > MOST_WAITING) {
        this.#drop(rows.length);
        continue;
      }
      this.#waiting.push({ clusterId, source, tick, coveredS, ...(gap ? { gap } : {}), rows });
      this.#waitingRows += rows.length;
    }
    if (this.#waiting.length > 0) this.#scheduleFlush(GATHER_MS);
  }

  #drop(rows: number): void {
    if (this.#dropped === 0) this.#options.log.error("rows are dropped: too many wait for the disk", { rows });
    this.#dropped += rows;
  }

  #scheduleFlush(delayMs: number): void {
    if (this.#flush || this.#writing || this.#stopped) return;
    this.#flush = this.#options.clock.after(delayMs, () => {
      this.#flush = undefined;
      this.#writing = this.#write().then((isStored) => {
        this.#writing = undefined;
        if (this.#waiting.length > 0) this.#scheduleFlush(isStored ? GATHER_MS : RETRY_MS);
      });
    });
  }

  async #write(): Promise<boolean> {
    const records = this.#waiting;
    this.#waiting = [];
    try {
      await this.#options.store.putRows(records);
      this.#waitingRows -= records.reduce((sum, { rows }) => sum + rows.length, 0);
      this.#succeeded("rows");
      return true;
    } catch (error) {
      this.#failed("rows", error);
      // Whatever came meanwhile is newer.
      this.#waiting = [...records, ...this.#waiting];
      if (!this.#stopped) this.#scheduleUpkeep(0);
      return false;
    }
  }

  #scheduleUpkeep(delayMs: number): void {
    if (this.#upkeeping || this.#stopped) return;
    this.#upkeep?.cancel();
    this.#upkeep = this.#options.clock.after(delayMs, () => {
      this.#upkeeping = this.#round().then(() => {
        this.#upkeeping = undefined;
        this.#scheduleUpkeep(UPKEEP_EVERY_MS);
      });
    });
  }

  async #round(): Promise<void> {
    const { store, ledger, historyS, neededTicks } = this.#options;
    const early = await this.#slices("series", async () => {
      const kept = await store.keep(this.#now(), neededTicks?.());
      this.#isFull(kept);
      this.#isSmall(kept);
      return kept;
    });
    this.#tellEarly(early);
    await this.#slices("history", () => ledger.trim(this.#now() - historyS * 1000));
  }

  /** Slices of one kind, until there is nothing more to do. Resolves with the rows that went before their time. */
  async #slices(what: "series" | "history", slice: () => Promise<Pick<Kept, "more" | "early">>): Promise<number> {
    let early = 0;
    try {
      for (let more = true; more && !this.#stopped; ) {
        const done = await slice();
        early += done.early ?? 0;
        more = done.more;
        if (more) await this.#pause();
      }
      this.#succeeded(what);
    } catch (error) {
      this.#failed(what, error);
    }
    return early;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) {
        resolve();
        return;
      }
      this.#pausing = { timer: this.#options.clock.after(PAUSE_MS, resolve), end: resolve };
    });
  }

  #isFull({ full, bytes }: Kept): void {
    const { log } = this.#options;
    if (full !== undefined && this.#full === undefined) log.error("no room for series", { reason: full, bytes });
    if (full === undefined && this.#full !== undefined) log.info("there is room for series again", { bytes });
    this.#full = full;
  }

  #isSmall({ dayBytes }: Kept): void {
    if (dayBytes !== undefined && !this.#toldSmall) {
      const bytes = Math.ceil(dayBytes);
      this.#options.log.warn("store.quota is smaller than what a day of series takes: set it higher", { bytes });
    }
    this.#toldSmall ||= dayBytes !== undefined;
  }

  #tellEarly(early: number): void {
    if (early === 0) {
      this.#quietRounds++;
      return;
    }
    if (this.#quietRounds >= QUIET_ROUNDS)
      this.#options.log.warn("the oldest series make room before their time: store.quota is small", { rows: early });
    this.#quietRounds = 0;
  }

  #succeeded(what: "rows" | "series" | "history"): void {
    if (this.#failures.delete(what)) this.#options.log.info("upkeep succeeded again", { what });
  }

  #failed(what: "rows" | "series" | "history", error: unknown): void {
    const reason = messageOf(error);
    if (this.#failures.get(what) !== reason) this.#options.log.error("upkeep failed", { what, reason });
    this.#failures.set(what, reason);
  }
}
