/**
 * Publishes what collectors report: reports of one tick are gathered for some milliseconds into one message for each
 * partition. Of each partition one message is on its way at a time, until the bus has taken it, so that order holds;
 * what comes meanwhile waits and goes together. While the bus is away messages wait up to a bound; then the oldest are
 * dropped, and what they covered is unknown to everybody.
 */

import { headers } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import { partitionOf } from "../../../lib/partition.ts";
import type { ClusterSlice, ScrapeReport, Tick } from "../../../model/tick.ts";
import type { Clock, Logger, Timer } from "../../../ports.ts";
import type { NatsLink } from "../link/link.ts";
import { isTooLarge, MaxPayload } from "../link/maxPayload.ts";
import { Pauses } from "../link/pauses.ts";
import type { Fitted } from "./publisherPieces.ts";
import { fitted, refitted } from "./publisherPieces.ts";
import { PublisherWords } from "./publisherWords.ts";
import type { SampleMessage, WireReport } from "./wire.ts";
import { SINCE_HEADER } from "./wire.ts";

export interface PublisherOptions {
  readonly link: NatsLink;
  readonly partitions: number;
  readonly intervalMs: number;
  /** Name of this agent, the same after a restart: what its sources' names begin with, since every host has a `local`. */
  readonly agentId: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Encoded messages that may wait while the bus is away, bytes. */
  readonly bufferBytes?: number;
}

export interface SamplePublisher {
  /** A tick begins: from its label on it is counted by monotonic time. Without, the first report of it says so. */
  began(tick: Tick): void;
  publish(report: ScrapeReport): void;
  /** Reports that do not say by which revision of the mappings they were mapped are of this one. */
  setRevision(revision: number): void;
  /** Partitions that know a source of this agent (its own name for it), beside those that it has had rows in. */
  setKnown(known: ReadonlyMap<string, ReadonlySet<number>>): void;
  /** Messages that were dropped since the start. */
  readonly dropped: number;
  /** Takes nothing more, and sends what it can within 2 s. */
  stop(): Promise<void>;
}

const GATHER_MS = 10;
const BUFFER_BYTES = 64 * 1024 * 1024;
const RETRY_MS = { first: 100, most: 2000 } as const;
const STOP_MS = 2000;
/** What a server counts beside the message's own bytes: its headers, generously. */
const HEADER_BYTES = 1024;
/** Ticks of which it is known when they began. */
const REMEMBERED_TICKS = 16;

/** How a source's name goes over the bus: two hosts may well have sources of one name. */
export function sourceOnBus(agentId: string, source: string): string {
  return `${agentId}/${source}`;
}

interface Encoded extends Fitted {
  /** When the label of its tick was, by monotonic time. */
  readonly labelMs: number;
  readonly order: number;
}

/** What waits for one partition. */
interface Lane {
  readonly partition: number;
  gathering:
    | {
        readonly tick: Tick;
        readonly labelMs: number;
        readonly mapping: number | undefined;
        readonly reports: WireReport[];
      }
    | undefined;
  readonly waiting: Encoded[];
  seq: number;
  sending: boolean;
}

export function createPublisher(options: PublisherOptions): SamplePublisher {
  return new Publisher(options);
}

class Publisher implements SamplePublisher {
  readonly #options: PublisherOptions;
  readonly #run = crypto.randomUUID();
  readonly #lanes = new Map<number, Lane>();
  /** By source the partitions that it has had rows in. */
  readonly #had = new Map<string, Set<number>>();
  #known: ReadonlyMap<string, ReadonlySet<number>> = new Map();
  /** By number, when the label of a tick was, by monotonic time. */
  readonly #labels = new Map<number, number>();
  #revision: number | undefined;
  #gather: Timer | undefined;
  #bytes = 0;
  #order = 0;
  #dropped = 0;
  readonly #pauses: Pauses;
  readonly #maxPayload: MaxPayload;
  readonly #words: PublisherWords;
  #stopping: Promise<void> | undefined;
  #ended = false;
  #idle: () => void = () => {};

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#pauses = new Pauses(options.clock);
    this.#maxPayload = new MaxPayload(options.link.nc);
    this.#words = new PublisherWords(options.log);
  }

  get dropped(): number {
    return this.#dropped;
  }

  began(tick: Tick): void {
    const { clock } = this.#options;
    this.#labels.set(tick.number, clock.monotonic() - (clock.now() - tick.at));
    if (this.#labels.size <= REMEMBERED_TICKS) return;
    for (const oldest of this.#labels.keys()) {
      this.#labels.delete(oldest);
      return;
    }
  }

  setRevision(revision: number): void {
    this.#revision = revision;
  }

  setKnown(known: ReadonlyMap<string, ReadonlySet<number>>): void {
    this.#known = known;
  }

  publish(report: ScrapeReport): void {
    if (this.#stopping) return;
    const { tick, source, durationMs, outcome, mapping = this.#revision } = report;
    if (!this.#labels.has(tick.number)) this.began(tick);
    const slices = new Map<number, ClusterSlice[]>();
    for (const slice of outcome.ok ? outcome.slices : []) {
      const partition = partitionOf(slice.clusterId, this.#options.partitions);
      const own = slices.get(partition) ?? [];
      slices.set(partition, own);
      own.push({ ...slice, baseline: { ...slice.baseline, rows: "" } });
    }
    const name = sourceOnBus(this.#options.agentId, source);
    for (const partition of this.#partitionsOf(source, slices.keys())) {
      const own = outcome.ok ? { ok: true as const, slices: slices.get(partition) ?? [] } : outcome;
      this.#add(partition, tick, mapping, { source: name, durationMs, outcome: own });
    }
    this.#gather ??= this.#options.clock.after(GATHER_MS, () => {
      this.#gather = undefined;
      for (const lane of this.#lanes.values()) this.#pump(lane);
    });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#options;
    this.#gather?.cancel();
    for (const lane of this.#lanes.values()) this.#close(lane);
    const isIdle = () => [...this.#lanes.values()].every((lane) => !lane.sending);
    await new Promise<void>((resolve) => {
      const timer = clock.after(STOP_MS, resolve);
      this.#idle = () => {
        if (!isIdle()) return;
        timer.cancel();
        resolve();
      };
      for (const lane of this.#lanes.values()) this.#pump(lane);
      this.#idle();
    });
    this.#ended = true;
    const left = [...this.#lanes.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
    if (left > 0) log.warn("samples were not published before the end", { messages: left });
    this.#pauses.end();
  }

  /** Where a report goes: also to partitions that it has nothing for now, since they wait for a word of the source. */
  #partitionsOf(source: string, having: Iterable<number>): Iterable<number> {
    const had = this.#had.get(source) ?? new Set<number>();
    for (const partition of having) had.add(partition);
    if (had.size > 0) this.#had.set(source, had);
    const all = new Set([...had, ...(this.#known.get(source) ?? [])]);
    return all.size > 0 ? all : Array.from({ length: this.#options.partitions }, (_, partition) => partition);
  }

  #add(partition: number, tick: Tick, mapping: number | undefined, report: WireReport): void {
    const lane = this.#lanes.get(partition) ?? {
      ...{ partition, gathering: undefined, waiting: [], seq: 0, sending: false },
    };
    this.#lanes.set(partition, lane);
    const { gathering } = lane;
    if (gathering && (gathering.tick.number !== tick.number || gathering.mapping !== mapping)) this.#close(lane);
    lane.gathering ??= { tick, labelMs: this.#labels.get(tick.number) ?? 0, mapping, reports: [] };
    lane.gathering.reports.push(report);
  }

  /** What was gathered becomes messages. */
  #close(lane: Lane): void {
    const { gathering } = lane;
    if (!gathering) return;
    lane.gathering = undefined;
    const { agentId, intervalMs, log } = this.#options;
    const { tick, labelMs, mapping, reports } = gathering;
    const own = { agent: agentId, run: this.#run, intervalMs, tick, ...(mapping === undefined ? {} : { mapping }) };
    const most = this.#maxPayload.bytes - HEADER_BYTES;
    const next = (): Omit<SampleMessage, "reports"> => ({ ...own, seq: ++lane.seq });
    for (const { bytes, seq } of fitted(reports, next, most, log)) {
      lane.waiting.push({ bytes, seq, labelMs, order: this.#order++ });
      this.#bytes += bytes.length;
    }
    const { bufferBytes = BUFFER_BYTES } = this.#options;
    while (this.#bytes > bufferBytes && this.#dropOldest()) this.#dropped++;
  }

  /** Whether there was one to be dropped: what is on its way stays. */
  #dropOldest(): boolean {
    let oldest: Lane | undefined;
    let least = Infinity;
    for (const lane of this.#lanes.values()) {
      const order = lane.waiting[lane.sending ? 1 : 0]?.order ?? Infinity;
      if (order < least) [oldest, least] = [lane, order];
    }
    const [dropped] = oldest?.waiting.splice(oldest.sending ? 1 : 0, 1) ?? [];
    if (!dropped) return false;
    this.#bytes -= dropped.bytes.length;
    this.#words.drops("E631", "more samples wait for the bus than there is room for: the oldest are dropped");
    return true;
  }

  /** What was cut for another server is cut anew; what cannot be is dropped, so that the lane goes on. */
  #recut(lane: Lane, refused: Encoded): void {
    const limit = this.#maxPayload.bytes - HEADER_BYTES;
    const most = Math.min(limit, refused.bytes.length > limit ? limit : Math.floor(refused.bytes.length / 2));
    // They are numbered in order: all that comes after gets new numbers, too.
    for (const one of lane.waiting.splice(0)) {
      this.#bytes -= one.bytes.length;
      const messages = refitted(one.bytes, () => ++lane.seq, most, this.#options.log);
      lane.waiting.push(...messages.map((message) => ({ ...one, ...message })));
      this.#bytes += messages.reduce((sum, { bytes }) => sum + bytes.length, 0);
      if (messages.length > 0) continue;
      this.#dropped++;
      this.#words.drops("E632", "a message is larger than the bus takes, and cannot be divided");
    }
  }

  /** Sends what waits, one after another. */
  #pump(lane: Lane): void {
    if (lane.sending) return;
    if (lane.waiting.length === 0) this.#close(lane);
    if (lane.waiting.length === 0) return;
    lane.sending = true;
    void this.#drain(lane);
  }

  async #drain(lane: Lane): Promise<void> {
    for (let next = lane.waiting[0]; next && !this.#ended; next = lane.waiting[0]) {
      const isSent = await this.#send(lane, next);
      if (this.#ended) break;
      if (isSent) this.#bytes -= lane.waiting.shift()?.bytes.length ?? 0;
      else this.#recut(lane, next);
      if (lane.waiting.length === 0 && this.#gather === undefined) this.#close(lane);
    }
    lane.sending = false;
    this.#idle();
  }

  /** Resolves when the bus has the message, however long that takes, or at the end; with false when it never will. */
  async #send({ partition }: Lane, { bytes, seq, labelMs }: Encoded): Promise<boolean> {
    const { link, clock } = this.#options;
    const subject = link.names.samplesSubject(partition);
    for (let waitMs: number = RETRY_MS.first; !this.#ended; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      try {
        if (link.isUp()) {
          const own = headers();
          // Said anew at each try: from the server's stamp it leads back to the tick.
          own.set(SINCE_HEADER, (clock.monotonic() - labelMs).toFixed(1));
          await link.js.publish(subject, bytes, { headers: own, msgID: `${this.#run}.${partition}.${seq}` });
          this.#words.works(this.#dropped);
          return true;
        }
      } catch (error) {
        if (isTooLarge(error)) return false;
        if (link.isUp()) this.#words.fails(messageOf(error));
      }
      if (!this.#ended) await this.#pauses.wait(waitMs);
    }
    return true;
  }
}
