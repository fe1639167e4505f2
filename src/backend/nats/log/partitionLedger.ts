/**
 * A claim on a partition, as a ledger. What it commits is appended behind what it has read: the sequence that an append
 * names comes from the claim's beginning or its first `load`, or from the claim's own append before it, and from nothing
 * else. What
 * others append is seen in the index, and refuses the claim (rule N2).
 */

import { TocsinError } from "../../../lib/errors.ts";
import { partitionOf } from "../../../lib/partition.ts";
import { Refused, Unread } from "../../../lib/refused.ts";
import type { Commit, DeliveryQuery, Ledger, Trimmed } from "../../../ports.ts";
import type { Appender } from "./append.ts";
import { tooLarge } from "./append.ts";
import { encodeCommit } from "./codec.ts";
import type { Tail } from "./tail.ts";
import type { TailIndex } from "./tailIndex.ts";
import type { Head } from "./tailPosition.ts";
import type { LogTrimmer } from "./trim.ts";

export interface ClaimOptions {
  readonly index: TailIndex;
  readonly tail: Tail;
  readonly appender: Appender;
  readonly trimmer: LogTrimmer;
  readonly partition: number;
  readonly partitions: number;
  /** Tells this claim from all others, over all processes. */
  readonly claim: string;
  readonly onRefused: (clusterId: string) => void;
  /** The log is closed. */
  readonly ended: AbortSignal;
  readonly onClose: () => void;
}

/** What the claim has appended comes back through the index within so long, ms. */
const OWN_MS = 30_000;

/** What is asked of an index that does not come to where it must be. */
export function behind(): TocsinError {
  return new TocsinError("E624", "the index of the log is behind the log: it is tried again");
}

/** Reads of the whole record. Its `commit` rejects. */
export function createReader(index: TailIndex): Ledger {
  return {
    load: () => index.ledger.load(),
    ticks: (clusterId, after, limit) => index.ledger.ticks(clusterId, after, limit),
    commit: () => Promise.reject(new Error("this is a ledger to read")),
    deliveries: (query) => index.ledger.deliveries(query),
    delivery: (id) => index.ledger.delivery(id),
    inputs: (clusterId, after, upTo) => index.ledger.inputs(clusterId, after, upTo),
    checkpoint: (clusterId, at, before) => index.ledger.checkpoint(clusterId, at, before),
    rulesAt: (clusterId, seq) => index.ledger.rulesAt(clusterId, seq),
    decisions: (clusterId, query) => index.ledger.decisions(clusterId, query),
    baselines: () => index.ledger.baselines(),
    decisionLog: (clusterId) => index.ledger.decisionLog(clusterId),
    trim: (before) => index.ledger.trim(before),
    close: async () => {},
  };
}

export class PartitionLedger implements Ledger {
  readonly #options: ClaimOptions;
  readonly #all: Ledger;
  readonly #signal: AbortSignal;
  readonly #closed = new AbortController();
  /** By cluster: sequence in the stream of the record that its next append comes behind. */
  readonly #expected = new Map<string, number>();
  /** Those that an append was begun for. */
  readonly #appended = new Set<string>();
  readonly #refused = new Set<string>();
  /** Those whose last record could not be read: the state that is known is older than what was done by it. */
  readonly #unread = new Set<string>();
  /** The last append of each cluster that is under way. */
  readonly #chains = new Map<string, Promise<void>>();
  /** The same commit given again is the same append. */
  readonly #ids = new WeakMap<Commit, string>();
  #appends = 0;
  #isLoaded = false;
  /** The newest of its own appends. */
  #newest = 0;

  constructor(options: ClaimOptions) {
    this.#options = options;
    this.#all = createReader(options.index);
    this.#signal = AbortSignal.any([options.ended, this.#closed.signal]);
  }

  async load(): ReturnType<Ledger["load"]> {
    await this.#own();
    return this.#options.index.alone(async (ledger, heads) => {
      const own = [...heads.keys()].filter((clusterId) => this.#has(clusterId));
      const clusters = await ledger.loadOf(own);
      // What is loaded later must not make up for what was appended since the first time.
      if (!this.#isLoaded) this.#expect(heads);
      this.#isLoaded = true;
      return clusters;
    });
  }

  /** Takes the index as it is for what the claim works on. */
  async begin(): Promise<this> {
    await this.#options.index.alone(async (_, heads) => this.#expect(heads));
    return this;
  }

  #expect(heads: ReadonlyMap<string, Head>): void {
    for (const [clusterId, { streamSeq, isUnread }] of heads) {
      if (!this.#has(clusterId) || this.#appended.has(clusterId)) continue;
      this.#expected.set(clusterId, streamSeq);
      if (isUnread) this.#unread.add(clusterId);
      else this.#unread.delete(clusterId);
    }
  }

  async commit(commit: Commit): Promise<void> {
    const { clusterId } = commit;
    if (!this.#has(clusterId)) throw new Error(`cluster ${clusterId} is not in partition ${this.#options.partition}`);
    const before = this.#chains.get(clusterId) ?? Promise.resolve();
    const own = before.then(() => this.#append(commit));
    const chain = own.catch(() => {});
    this.#chains.set(clusterId, chain);
    try {
      await own;
    } finally {
      if (this.#chains.get(clusterId) === chain) this.#chains.delete(clusterId);
    }
  }

  async #append(commit: Commit): Promise<void> {
    const { clusterId, checkpoint, rules } = commit;
    this.#signal.throwIfAborted();
    if (this.#refused.has(clusterId)) throw new Refused(clusterId);
    if (this.#unread.has(clusterId)) throw new Unread(clusterId);
    const payload = encodeCommit(commit);
    if (!payload) throw tooLarge(clusterId);
    const id = this.#ids.get(commit) ?? `${this.#options.claim}.${++this.#appends}`;
    this.#ids.set(commit, id);
    this.#appended.add(clusterId);
    try {
      const seq = await this.#options.appender.append(
        {
          clusterId,
          id,
          payload,
          expected: this.#expected.get(clusterId) ?? 0,
          checkpoint: rules === undefined ? undefined : checkpoint?.number,
        },
        this.#signal,
      );
      this.#expected.set(clusterId, seq);
      this.#newest = Math.max(this.#newest, seq);
    } catch (error) {
      if (error instanceof Refused && !this.#refused.has(clusterId)) {
        this.#refused.add(clusterId);
        this.#options.onRefused(clusterId);
      }
      throw error;
    }
  }

  #has(clusterId: string): boolean {
    return partitionOf(clusterId, this.#options.partitions) === this.#options.partition;
  }

  /** Until the index has what this claim has appended. */
  async #own(): Promise<Ledger> {
    this.#signal.throwIfAborted();
    if (await this.#options.tail.reached(this.#newest, OWN_MS)) return this.#all;
    throw behind();
  }

  async ticks(clusterId: string, afterNumber: number, limit?: number): ReturnType<Ledger["ticks"]> {
    return (await this.#own()).ticks(clusterId, afterNumber, limit);
  }

  async deliveries(query: DeliveryQuery): ReturnType<Ledger["deliveries"]> {
    const all = await this.#own();
    if (query.clusterId !== undefined || this.#options.partitions === 1) return all.deliveries(query);
    for (let limit = query.limit * 2; ; limit *= 4) {
      const some = await all.deliveries({ ...query, limit });
      const own = some.filter(({ clusterId }) => this.#has(clusterId));
      if (own.length >= query.limit || some.length < limit) return own.slice(0, query.limit);
    }
  }

  async delivery(id: string): ReturnType<Ledger["delivery"]> {
    const found = await (await this.#own()).delivery(id);
    return found && this.#has(found.delivery.clusterId) ? found : undefined;
  }

  async inputs(clusterId: string, afterSeq?: number, upToSeq?: number): ReturnType<Ledger["inputs"]> {
    return (await this.#own()).inputs(clusterId, afterSeq, upToSeq);
  }

  async checkpoint(clusterId: string, at: number, beforeSeq: number): ReturnType<Ledger["checkpoint"]> {
    return (await this.#own()).checkpoint(clusterId, at, beforeSeq);
  }

  async rulesAt(clusterId: string, seq: number): ReturnType<Ledger["rulesAt"]> {
    return (await this.#own()).rulesAt(clusterId, seq);
  }

  async decisions(clusterId: string, query: Parameters<Ledger["decisions"]>[1]): ReturnType<Ledger["decisions"]> {
    return (await this.#own()).decisions(clusterId, query);
  }

  async baselines(): ReturnType<Ledger["baselines"]> {
    await this.#own();
    return this.#options.index.alone((ledger, heads) =>
      ledger.baselinesOf([...heads.keys()].filter((clusterId) => this.#has(clusterId))),
    );
  }

  async decisionLog(clusterId: string): ReturnType<Ledger["decisionLog"]> {
    return (await this.#own()).decisionLog(clusterId);
  }

  /** Forgets in the index what is older than `before`, and in the log what is older than the log is kept. */
  async trim(before: number): ReturnType<Ledger["trim"]> {
    const purged = await this.purge();
    const { deleted, more } = await this.#all.trim(before);
    return { deleted: deleted + purged.deleted, more: more || purged.more };
  }

  /** One slice of removing from the log what is older than it is kept. */
  async purge(): Promise<Trimmed> {
    const { index, trimmer } = this.#options;
    if (this.#signal.aborted) return { deleted: 0, more: false };
    const own = await index.alone(async (_, heads) => [...heads.keys()].filter((id) => this.#has(id)));
    return trimmer.slice(own, this.#all);
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error("the claim on the partition is given up"));
    this.#options.onClose();
  }
}
