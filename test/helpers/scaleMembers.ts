/** Processes that coordinate, within one: each with a connection of its own, and a record of what it was told. */

import type { Socket } from "node:net";
import { StorageType } from "nats";
import type { CoordinationOptions } from "../../src/backend/nats/coordination/coordination.ts";
import { startCoordination } from "../../src/backend/nats/coordination/coordination.ts";
import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { connectNats } from "../../src/backend/nats/link/link.ts";
import type { NatsSettings } from "../../src/config/busSettings.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Clock, Logger, Timer } from "../../src/ports.ts";
import type { Coordination, PartitionHandlers } from "../../src/scalePorts.ts";

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Settings of a bus at those servers, quick: dead after 600 ms. */
export function scaleSettings(
  servers: readonly string[],
  prefix: string,
  more: Partial<NatsSettings> = {},
): NatsSettings {
  return {
    servers,
    prefix,
    partitions: 32,
    replicas: 1,
    heartbeatMs: 100,
    ttlMs: 800,
    samplesAgeS: 600,
    samplesBytes: 2 ** 30,
    logAgeS: 7 * 86_400,
    logBytes: 0,
    ...more,
  };
}

/** The buckets of members and owners, as the setup makes them. */
export async function makeBuckets(link: NatsLink, replicas: number): Promise<void> {
  for (const name of [link.names.members, link.names.owners])
    await link.js.views.kv(name, { history: 1, replicas, storage: StorageType.File });
}

export async function linkTo(settings: NatsSettings, name: string, log = silent): Promise<NatsLink> {
  return await connectNats({ settings, name, environment: {}, clock: systemClock, log });
}

/** Says who works on what right now: two at a time are a fault, unless the first one is not fresh any more. */
export class Board {
  readonly faults: string[] = [];
  /** Acquisitions and ends, in order. */
  readonly told: { readonly at: number; readonly id: string; readonly what: string; readonly partition: number }[] = [];
  readonly #workers = new Map<number, Set<Worker>>();

  /** Ids of those that work on a partition. */
  at(partition: number): string[] {
    return [...(this.#workers.get(partition) ?? [])].map(({ id }) => id);
  }

  begins(worker: Worker, partition: number): void {
    const working = this.#workers.get(partition) ?? new Set();
    this.#workers.set(partition, working);
    for (const other of working)
      if (other === worker || other.coordination?.isFresh())
        this.faults.push(`p${partition}: ${other.id}, ${worker.id}`);
    working.add(worker);
    this.note(worker, "acquire", partition);
  }

  ends(worker: Worker, partition: number, what: "release" | "lose" | "crash"): void {
    this.#workers.get(partition)?.delete(worker);
    this.note(worker, what, partition);
  }

  endsAll(worker: Worker): void {
    for (const [partition, working] of this.#workers) if (working.has(worker)) this.ends(worker, partition, "crash");
  }

  note({ id }: Worker, what: string, partition: number): void {
    this.told.push({ at: performance.now(), id, what, partition });
  }
}

/** A clock and a connection that can stand still, as those of a stopped process do. */
class Gate {
  readonly clock: Clock;
  /** How far its monotonic clock is ahead of the machine's, ms. */
  aheadMs = 0;
  #isShut = false;
  #held: (() => void)[] = [];

  constructor() {
    this.clock = {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic() + this.aheadMs,
      after: (ms, run): Timer => {
        let isOff = false;
        const timer = systemClock.after(ms, () => {
          if (this.#isShut) this.#held.push(() => isOff || run());
          else run();
        });
        return {
          cancel() {
            isOff = true;
            timer.cancel();
          },
        };
      },
    };
  }

  shut(): void {
    this.#isShut = true;
  }

  /** What fell due meanwhile runs now, all at once. */
  open(): void {
    this.#isShut = false;
    for (const run of this.#held.splice(0)) run();
  }
}

export class Worker implements PartitionHandlers {
  readonly id: string;
  readonly board: Board;
  readonly link: NatsLink;
  readonly #gate: Gate;
  coordination: (Coordination & { setReady(): void }) | undefined;
  /** What is thrown by the next call of `acquire`. */
  acquireFails: Error | undefined;
  /** Partitions that it can never acquire. */
  cannot: (partition: number) => boolean = () => false;
  /** What `acquire` and `release` wait for. */
  work: () => Promise<void> = async () => {};
  #isCrashed = false;

  private constructor(id: string, board: Board, link: NatsLink, gate: Gate) {
    this.id = id;
    this.board = board;
    this.link = link;
    this.#gate = gate;
  }

  static async start(
    id: string,
    board: Board,
    settings: NatsSettings,
    more: Partial<CoordinationOptions> = {},
    prepare: (worker: Worker) => void = () => {},
  ): Promise<Worker> {
    const link = await linkTo(settings, id);
    const gate = new Gate();
    const worker = new Worker(id, board, { ...link, clock: gate.clock }, gate);
    prepare(worker);
    const { partitions } = settings;
    worker.coordination = await startCoordination({
      ...{ link: worker.link, settings, partitions, id, roles: ["engine"], host: "here", version: "1" },
      ...{ clock: gate.clock, log: silent, joins: true, ...more },
    });
    if (more.joins === false) return worker;
    worker.coordination.begin(worker);
    worker.coordination.setReady();
    return worker;
  }

  get self(): Coordination {
    if (!this.coordination) throw new Error("not started");
    return this.coordination;
  }

  async acquire(partition: number): Promise<void> {
    const error = this.acquireFails;
    this.acquireFails = undefined;
    this.board.note(this, "asked", partition);
    if (error) throw error;
    if (this.cannot(partition)) throw new Error("it cannot be worked on here");
    await this.work();
    if (!this.#isCrashed && this.self.ownerOf(partition) === this.id) this.board.begins(this, partition);
  }

  async release(partition: number): Promise<void> {
    await this.work();
    if (!this.#isCrashed) this.board.ends(this, partition, "release");
  }

  lose(partition: number): void {
    if (!this.#isCrashed) this.board.ends(this, partition, "lose");
  }

  /** Ends without a word. */
  async crash(): Promise<void> {
    this.#isCrashed = true;
    this.board.endsAll(this);
    await this.link.nc.close();
    await this.coordination?.leave();
  }

  /** Stands still, as after SIGSTOP: no timer runs and nothing is read. */
  pause(): void {
    this.#gate.shut();
    this.#socket().pause();
  }

  resume(): void {
    this.#gate.open();
    this.#socket().resume();
  }

  /** To it so much time has gone by. */
  skip(ms: number): void {
    this.#gate.aheadMs += ms;
  }

  async leave(): Promise<void> {
    await this.coordination?.leave();
    await this.link.close();
  }

  #socket(): Socket {
    return (this.link.nc as unknown as { protocol: { transport: { socket: Socket } } }).protocol.transport.socket;
  }
}
