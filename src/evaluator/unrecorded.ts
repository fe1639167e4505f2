/**
 * Ticks that were folded, and that no commit has brought along yet (rule R2). Where there is a store, it takes them, and
 * what it has not acknowledged goes with the next commit; else the ledger alone has them, with the next commit.
 */

import { messageOf } from "../lib/errors.ts";
import type { Clock, Logger } from "../ports.ts";
import type { SampleStore, TickRecord } from "../seriesPorts.ts";

/** Ticks that the store may owe an acknowledgement for: beyond, the cluster folds no ticks. */
const MAX_UNACKED = 1000;
const RETRY_MS = 1000;

/** Where ticks without decisions are recorded. */
export type TickKeeping =
  | { readonly store: Pick<SampleStore, "put" | "ticks"> }
  | {
      /** In the ledger alone: after so many ticks at the latest a commit brings them along. */
      readonly ticksPerCommit: number;
      /** Told of ticks once they are durable, by seq in order for each cluster. */
      readonly onTicks?: (records: readonly TickRecord[]) => void;
    };

export interface Unrecorded {
  /** What the next commit has to bring along, by seq in order. */
  all(): readonly TickRecord[];
  /** No more ticks may be folded. */
  readonly isFull: boolean;
  /** Why the store takes nothing; `undefined`: it does, or there is none. */
  readonly failure: string | undefined;
  /** Takes a tick. `committed`: a durable commit has it already. */
  add(record: TickRecord, committed: boolean): void;
  /** A commit that brought these along is durable. */
  committed(seqs: readonly number[]): void;
  /** Nothing is tried any more. */
  close(): void;
}

export interface StoredOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: Pick<SampleStore, "put">;
  /** There is room again. */
  readonly onRoom: () => void;
  /** Excess that waits for the store: a commit that brought it along lets go of it. */
  readonly mostKept: number;
}

/** Ticks go to a store. */
export class StoredTicks implements Unrecorded {
  readonly #options: StoredOptions;
  readonly #unacked = new Map<number, TickRecord>();
  #failure: string | undefined;
  #closed = false;

  constructor(options: StoredOptions) {
    this.#options = options;
  }

  all(): readonly TickRecord[] {
    return [...this.#unacked.values()];
  }

  get isFull(): boolean {
    return this.#unacked.size >= MAX_UNACKED;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  add(record: TickRecord): void {
    this.#unacked.set(record.seq, record);
    if (this.#failure === undefined) this.#put(record);
  }

  /**
   * Ticks that a commit brought along are in the record: where the store takes nothing for long, they wait for it no
   * more, and judging goes on. One does, to be tried again with.
   */
  committed(seqs: readonly number[]): void {
    const excess = this.#unacked.size - 1;
    if (this.#failure === undefined || excess < this.#options.mostKept) return;
    for (const seq of seqs.slice(0, excess)) this.#unacked.delete(seq);
  }

  close(): void {
    this.#closed = true;
  }

  #put(record: TickRecord): void {
    const { store, log, onRoom } = this.#options;
    store.put(record).then(
      () => {
        this.#unacked.delete(record.seq);
        onRoom();
      },
      (error) => {
        if (this.#failure !== undefined) return;
        this.#failure = messageOf(error);
        log.error("store failed", { cluster_id: record.clusterId, reason: this.#failure });
        this.#putAgain();
      },
    );
  }

  /** Tries all that the store has not taken, one of it first, until it takes it. */
  #putAgain(): void {
    const { store, log, clock } = this.#options;
    clock.after(RETRY_MS, () => {
      const [first] = this.#unacked.values();
      if (this.#closed || !first) return;
      store.put(first).then(
        () => {
          log.info("store succeeded again", { cluster_id: first.clusterId });
          this.#failure = undefined;
          for (const record of this.all()) this.#put(record);
        },
        () => this.#putAgain(),
      );
    });
  }
}

/** Ticks go with commits alone; `onTicks` is told of those that are durable. */
export class LedgerTicks implements Unrecorded {
  readonly failure = undefined;
  readonly isFull = false;
  readonly #onTicks: (records: readonly TickRecord[]) => void;
  readonly #waiting = new Map<number, TickRecord>();

  constructor(onTicks: (records: readonly TickRecord[]) => void) {
    this.#onTicks = onTicks;
  }

  all(): readonly TickRecord[] {
    return [...this.#waiting.values()];
  }

  add(record: TickRecord, committed: boolean): void {
    if (committed) this.#onTicks([record]);
    else this.#waiting.set(record.seq, record);
  }

  committed(seqs: readonly number[]): void {
    const durable: TickRecord[] = [];
    for (const seq of seqs) {
      const record = this.#waiting.get(seq);
      if (record && this.#waiting.delete(seq)) durable.push(record);
    }
    if (durable.length > 0) this.#onTicks(durable);
  }

  close(): void {}
}
