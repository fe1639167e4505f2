/** One process's part in coordinating: looks again and again at what is and what is to be (see `coordination`). */

import { Empty, headers } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import { assign } from "../../../lib/rendezvous.ts";
import type { Timer } from "../../../ports.ts";
import type { Coordination, Member, PartitionHandlers } from "../../../scalePorts.ts";
import { idOf, keyOf } from "../names.ts";
import { Heartbeat } from "./beat.ts";
import { BusTime } from "./busTime.ts";
import type { CoordinationOptions } from "./coordination.ts";
import { Holdings } from "./holdings.ts";
import { MemberBook } from "./members.ts";
import { memberRecord, partitionOfKey, readMember, readOwner } from "./membersRecord.ts";
import { OwnerBook } from "./owners.ts";
import { BucketWatch } from "./watch.ts";

/** How much earlier than others take it for dead it takes itself for it, ms (rule N3). */
const MARGIN_MS = 300;
/** Keys of processes that have been gone for so long are deleted, ms. */
const KEPT_MS = 60_000;

export class Coordinator implements Coordination {
  readonly id: string;
  readonly partitions: number;
  readonly #options: CoordinationOptions;
  readonly #book: MemberBook;
  readonly #owners = new OwnerBook();
  readonly #members: BucketWatch;
  readonly #claims: BucketWatch;
  readonly #beat: Heartbeat;
  readonly #time = new BusTime();
  #holdings: Holdings | undefined;
  #isReady = false;
  #isLeaving = false;
  #isClosed = false;
  /** When the newest heartbeat that was taken down was sent, monotonic ms. */
  #saidAt = Number.NEGATIVE_INFINITY;
  #isSilent = false;
  #timer: Timer | undefined;
  #isStepAsked = false;
  #onStarted: (() => void) | undefined;
  #plan: { readonly key: string; readonly assigned: readonly (string | undefined)[] } = { key: "", assigned: [] };
  #cleanedAt = Number.NEGATIVE_INFINITY;

  constructor(options: CoordinationOptions) {
    const { link, settings, clock, log } = options;
    const { heartbeatMs, ttlMs } = settings;
    this.#options = options;
    this.id = options.id;
    this.partitions = options.partitions;
    this.#book = new MemberBook(
      { ttlMs, holeMs: Math.max(ttlMs / 2, 2 * heartbeatMs), settleMs: 2 * heartbeatMs },
      ({ id, roles }, standing) => {
        if (id !== this.id) log.info(`member is ${standing === "alive" ? "there" : standing}`, { member: id, roles });
      },
    );
    this.#members = new BucketWatch(link, link.names.members, {
      entry: (key, value, revision, at) => this.#sawMember(key, value, revision, at),
      complete: (keys) => this.#book.keepOnly((id) => keys.has(keyOf(id)) || this.#owners.owners().has(id)),
      reset: () => this.#book.reset(),
    });
    this.#claims = new BucketWatch(link, link.names.owners, {
      entry: (key, value, revision) => this.#sawOwner(key, value, revision),
      complete: (keys, revision) => this.#sawAll(keys, revision),
      reset: () => this.#owners.reset(),
    });
    this.#beat = new Heartbeat({
      clock,
      everyMs: heartbeatMs,
      say: (beat) => this.#say(beat),
      onSaid: (_, sentAt) => this.#said(sentAt),
      onFailed: (error) => this.#notSaid(error),
    });
  }

  get member(): Member {
    const { roles, host, version } = this.#options;
    return { id: this.id, isReady: this.#isReady && !this.#isLeaving, roles, host, version };
  }

  /** `onStarted` is called once, when it knows and is known. */
  start(onStarted: () => void): void {
    this.#onStarted = onStarted;
    this.#beat.now();
    this.#step();
  }

  setReady(): void {
    if (!this.#options.joins) return;
    this.#isReady = true;
    this.#beat.now();
  }

  members(): readonly Member[] {
    const others = this.#book.alive().filter(({ id }) => id !== this.id);
    return this.#isClosed ? others : [...others, this.member].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  ownerOf(partition: number): string | undefined {
    const { owner } = this.#owners.of(partition);
    return owner !== undefined && (owner === this.id || this.#book.isAlive(owner)) ? owner : undefined;
  }

  isFresh(): boolean {
    return !this.#isClosed && this.#isHeard() && !this.#holdings?.isUnsure;
  }

  offsetMs(): number {
    const { clock } = this.#options;
    return this.#time.offsetMs(clock.now(), clock.monotonic());
  }

  begin(handlers: PartitionHandlers): void {
    const { link, settings, clock, log, joins } = this.#options;
    if (!joins || this.#holdings) throw new Error("begin is called once, by one that joins");
    this.#holdings = new Holdings({
      ...{ id: this.id, partitions: this.partitions, link, clock, log, handlers, owners: this.#owners },
      isAlive: (id) => this.#book.isAlive(id),
      onWritten: (revision) => this.#claims.wrote(revision),
      onChange: () => this.#stepSoon(),
      timeoutMs: Math.max(1000, settings.ttlMs / 2),
    });
    this.#step();
  }

  reload(partition: number): void {
    this.#holdings?.reload(partition);
  }

  async leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    if (this.#isReady) this.#beat.now();
    await this.#holdings?.releaseAll();
    await this.#beat.stop();
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#members.stop();
    this.#claims.stop();
    const { link, settings } = this.#options;
    const deleted = headers();
    deleted.set("KV-Operation", "DEL");
    const subject = `$KV.${link.names.members}.${keyOf(this.id)}`;
    try {
      await link.js.publish(subject, Empty, { headers: deleted, timeout: settings.ttlMs / 2 });
    } catch {
      // Then others find out by its silence.
    }
  }

  /** Its last heartbeat that was taken down is so young that nobody can take it for dead. */
  #isHeard(): boolean {
    const { clock, settings } = this.#options;
    return clock.monotonic() - this.#saidAt < settings.ttlMs - MARGIN_MS;
  }

  async #say(beat: number): Promise<void> {
    const { link, settings } = this.#options;
    const { key, value } = memberRecord(this.member, beat, this.#holdings?.cannot());
    // One that hangs is given up early enough for another one or two before it counts as a hole.
    const timeout = Math.max(settings.heartbeatMs, (settings.ttlMs - settings.heartbeatMs) / 2);
    const { seq } = await link.js.publish(`$KV.${link.names.members}.${key}`, value, { timeout });
    this.#members.wrote(seq);
  }

  #said(sentAt: number): void {
    if (sentAt <= this.#saidAt) return;
    const { log } = this.#options;
    // Whoever was not heard for a while may have lost what it owns: it has to look before it is fresh again.
    if (!this.#isHeard()) this.#holdings?.doubt();
    this.#saidAt = sentAt;
    if (this.#isSilent) log.info("heartbeats are taken down again", {});
    this.#isSilent = false;
    this.#stepSoon();
  }

  #notSaid(error: unknown): void {
    if (this.#isSilent || this.#isHeard()) return;
    this.#isSilent = true;
    this.#options.log.warn("no heartbeat is taken down: nothing is sent", { error: messageOf(error) });
  }

  #sawMember(key: string, value: Uint8Array | undefined, revision: number, at: number): void {
    const now = this.#options.clock.monotonic();
    const read = value && readMember(key, value);
    if (!value) {
      const id = idOf(key);
      if (id !== undefined && id !== this.id) this.#book.left(id, revision, now);
      this.#stepSoon();
    }
    if (!read) return;
    this.#book.saw(read.member, revision, now, read.cannot);
    if (read.member.id !== this.id) return;
    const sentAt = this.#beat.sentAt(read.beat);
    if (sentAt === undefined) return;
    this.#time.heard({ sentMs: sentAt, heardMs: now, storedAt: at });
    this.#book.echo(sentAt, now);
    this.#said(sentAt);
  }

  #sawOwner(key: string, value: Uint8Array | undefined, revision: number): void {
    const partition = partitionOfKey(key, this.partitions);
    if (partition === undefined) return;
    const owner = value && readOwner(value);
    if (!this.#owners.saw(partition, { owner, revision })) return;
    if (owner !== undefined) this.#book.heard(owner, this.#options.clock.monotonic());
    this.#holdings?.check(partition);
    this.#stepSoon();
  }

  #sawAll(keys: ReadonlySet<string>, revision: number): void {
    const present = new Set([...keys].map((key) => partitionOfKey(key, this.partitions)));
    for (let partition = 0; partition < this.partitions; partition++) {
      if (present.has(partition)) continue;
      this.#owners.absent(partition, revision);
      this.#holdings?.check(partition);
    }
    this.#stepSoon();
  }

  #stepSoon(): void {
    if (this.#isStepAsked || this.#isClosed) return;
    this.#isStepAsked = true;
    // What comes together is looked at once.
    this.#options.clock.after(0, () => this.#step());
  }

  #step(): void {
    this.#isStepAsked = false;
    if (this.#isClosed) return;
    const { clock, settings } = this.#options;
    this.#timer?.cancel();
    this.#timer = clock.after(Math.min(100, settings.heartbeatMs / 5), () => this.#step());
    const now = clock.monotonic();
    this.#members.step(now);
    this.#claims.step(now);
    for (const owner of this.#owners.owners()) this.#book.named(owner, now);
    // The sooner our own comes back, the sooner a dead one is known.
    if (this.#book.judge(now)) this.#beat.now();
    const isRead = this.#members.isComplete && this.#claims.isComplete;
    const sees = isRead && this.#book.sees(now);
    if (sees) {
      this.#onStarted?.();
      this.#onStarted = undefined;
    }
    this.#holdings?.confirm();
    if (!sees || !this.isFresh() || this.#isLeaving || !this.#holdings) return;
    const members = this.#book.candidates();
    if (!members.includes(this.id)) return;
    this.#holdings.reach(this.#assigned(members));
    if (members[0] === this.id) this.#clean(now);
  }

  /** As before where nothing has changed: with many partitions it is worth it. */
  #assigned(members: readonly string[]): readonly (string | undefined)[] {
    const alive = [...this.#owners.owners()].filter((id) => id === this.id || this.#book.isAlive(id));
    const failing = members.map((id) => this.#book.cannotOf(id).join());
    const key = `${this.#owners.version} ${members.join(" ")} ${alive.join(" ")} ${failing.join(" ")}`;
    const cannot = (id: string) => this.#book.cannotOf(id);
    if (this.#plan.key !== key)
      this.#plan = {
        key,
        assigned: assign({ partitions: this.partitions, members, ownerOf: (one) => this.ownerOf(one), cannot }),
      };
    return this.#plan.assigned;
  }

  /** Deletes the keys of those that are long gone, so that the bucket does not grow with each start of a process. */
  #clean(now: number): void {
    if (now - this.#cleanedAt < KEPT_MS) return;
    this.#cleanedAt = now;
    const { link, log } = this.#options;
    for (const { id, revision } of this.#book.goneFor(KEPT_MS, now)) {
      if (revision <= 0) continue;
      const filter = `$KV.${link.names.members}.${keyOf(id)}`;
      link.jsm.streams
        .purge(`KV_${link.names.members}`, { filter, seq: revision + 1 })
        .then(() => this.#book.purged(id, revision))
        .catch((error: unknown) => log.debug("key of a gone member not deleted", { error: messageOf(error) }));
    }
  }
}
