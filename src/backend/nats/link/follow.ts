/**
 * Follows a stream: a consumer of our own that the server pushes to, without acknowledgement, made anew where it last
 * was (in a stream that was made anew or cut, a minute before: what came may come again) whenever messages are missing (a gap in the consumer's own count), when it has gone silent (no heartbeat: the
 * server that held it is gone), or when the stream holds more than came.
 */

import type { ConsumerConfig, Msg, MsgHdrs, Subscription } from "nats";
import { AckPolicy, DeliverPolicy, nanos, nuid, ReplayPolicy } from "nats";
import { rfc3339 } from "../../../lib/clock.ts";
import { messageOf } from "../../../lib/errors.ts";
import type { Timer } from "../../../ports.ts";
import { infoOf } from "./followInfo.ts";
import type { NatsLink } from "./link.ts";

/** A message as it lies in the stream. */
export interface Followed {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** Its sequence number in the stream. */
  readonly seq: number;
  /** When the server stored it, epoch ms of the bus. */
  readonly at: number;
}

export interface FollowOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** May end with `>`: all below. */
  readonly subject: string;
  /** Messages stored at or after an instant (epoch ms of the bus), or of each subject the newest. */
  readonly from: { readonly time: number } | "newest";
  readonly onMessage: (message: Followed) => void;
  /** Of `newest`: everything comes again from here on, because the consumer was made anew. */
  readonly onBegin?: () => void;
  /** Of `newest`: what was there when the consumer was made has come. */
  readonly onComplete?: () => void;
}

export interface Following {
  /** Resolves when it listens for the first time. */
  readonly listening: Promise<void>;
  /** Something was heard lately, if only a heartbeat that says that there is nothing. */
  readonly isHeard: boolean;
  stop(): void;
}

const HEARTBEAT_MS = 1000;
/** Without a word for so long the consumer is taken for gone, ms. */
const SILENT_MS = 3 * HEARTBEAT_MS;
/** After so much silence the stream is asked whether it holds more, ms. */
const DOUBT_MS = 10_000;
const CHECK_MS = 1000;
/** The clocks of servers are apart by so much at the most, ms: each message has the time of the one that led then. */
const APART_MS = 60_000;
const RETRY_MS = { first: 100, most: 2000 } as const;
/** An unsuccessful beginning is worth a word after so many tries. */
const TRIES_UNTOLD = 5;

/** Follows until stopped, whatever becomes of the connection and the servers. */
export function follow(options: FollowOptions): Following {
  return new Follower(options);
}

/** One consumer and what has come of it. */
interface Consumer {
  readonly name: string;
  readonly subscription: Subscription;
  /** Of its own count the newest that came. */
  received: number;
  /** How many it still had to bring when it was made, less those that came; 0: it has. */
  owed: number;
}

class Follower implements Following {
  readonly listening: Promise<void>;
  readonly #options: FollowOptions;
  #consumer: Consumer | undefined;
  #timer: Timer | undefined;
  #resolve: () => void = () => {};
  /** The newest that came: where the next consumer begins. */
  #last: { readonly seq: number; readonly at: number } | undefined;
  /** Where it begins when none of this stream has come, epoch ms of the bus; `undefined`: where it was told to. */
  #againFrom: number | undefined;
  /** When the stream was made that it lies in, as the server says it. */
  #created = "";
  /** When something was heard, and when a message came, by monotonic time. */
  #heardMs = -Infinity;
  #cameMs = 0;
  #tries = 0;
  /** What the stream was said to hold when it was last doubted: reading again brought no more. */
  #doubted: number | undefined;
  #stopped = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.listening = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void this.#begin();
  }

  get isHeard(): boolean {
    return !this.#stopped && this.#options.link.clock.monotonic() - this.#heardMs < SILENT_MS;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#drop();
    this.#resolve();
  }

  async #begin(): Promise<void> {
    const { link, stream, from, onBegin = () => {}, onComplete = () => {} } = this.#options;
    this.#drop();
    // A closed connection is for ever: nothing more will come.
    if (this.#stopped || link.nc.isClosed()) {
      this.#resolve();
      return;
    }
    const inbox = link.inbox();
    const name = nuid.next();
    const consumer: Consumer = {
      name,
      subscription: link.nc.subscribe(inbox, {
        callback: (error, message) => {
          if (error) this.#again();
          else if (this.#consumer === consumer) this.#heard(consumer, message);
        },
      }),
      received: 0,
      owed: 0,
    };
    this.#consumer = consumer;
    if (from === "newest") onBegin();
    try {
      if (from !== "newest") await this.#look();
      if (this.#consumer !== consumer) return;
      const { num_pending } = await link.jsm.consumers.add(stream, this.#configOf(name, inbox));
      if (this.#consumer !== consumer) return;
      this.#tries = 0;
      this.#heardMs = this.#cameMs = link.clock.monotonic();
      // Some may have come already, before this answer.
      const isComplete = consumer.received >= num_pending;
      consumer.owed = Math.max(0, num_pending - consumer.received);
      this.#resolve();
      if (isComplete && from === "newest") onComplete();
      this.#timer = link.clock.after(CHECK_MS, () => void this.#check(consumer));
    } catch (error) {
      if (this.#consumer !== consumer) return;
      this.#tries++;
      if (this.#tries === TRIES_UNTOLD) link.log.warn("cannot read from the bus", { stream, reason: messageOf(error) });
      this.#drop();
      const waitMs = Math.min(RETRY_MS.first * 2 ** this.#tries, RETRY_MS.most);
      this.#timer = link.clock.after(waitMs, () => void this.#begin());
    }
  }

  /** Sees whether the newest that came still says where to begin: numbers are of one stream alone. */
  async #look(): Promise<void> {
    const { link, stream } = this.#options;
    const { created, state } = await link.jsm.streams.info(stream);
    if (this.#last && (created !== this.#created || state.last_seq < this.#last.seq)) {
      this.#againFrom = this.#last.at - APART_MS;
      this.#last = undefined;
    }
    this.#created = created;
  }

  #where(): Partial<ConsumerConfig> {
    const { from } = this.#options;
    if (from === "newest") return { deliver_policy: DeliverPolicy.LastPerSubject };
    // Not by its time: the server that leads next may be behind.
    if (this.#last) return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#last.seq + 1 };
    const at = this.#againFrom ?? from.time;
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: rfc3339(Math.floor(at)) };
  }

  #configOf(name: string, inbox: string): Partial<ConsumerConfig> {
    const { subject } = this.#options;
    return {
      name,
      deliver_subject: inbox,
      filter_subject: subject,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      idle_heartbeat: nanos(HEARTBEAT_MS),
      flow_control: true,
      ...this.#where(),
    };
  }

  #heard(consumer: Consumer, message: Msg): void {
    const { link, from, onMessage, onComplete = () => {} } = this.#options;
    this.#heardMs = link.clock.monotonic();
    if (message.data.length === 0 && (message.headers?.code ?? 0) >= 100) {
      this.#control(consumer, message);
      return;
    }
    const info = infoOf(message);
    if (!info) return;
    if (info.deliverySequence !== consumer.received + 1) {
      this.#again();
      return;
    }
    consumer.received++;
    this.#cameMs = this.#heardMs;
    const { streamSequence: seq, at } = info;
    this.#last = { seq, at };
    const { subject, data, headers } = message;
    this.#deliver(onMessage, { subject, data, headers, seq, at });
    if (consumer.owed === 0 || this.#consumer !== consumer) return;
    consumer.owed--;
    if (consumer.owed === 0 && from === "newest") onComplete();
  }

  /** One message that cannot be handled must not end what brings the next ones. */
  #deliver(handle: (message: Followed) => void, message: Followed): void {
    const { link, stream } = this.#options;
    try {
      handle(message);
    } catch (error) {
      link.log.error("a message of the bus could not be handled", {
        stream,
        seq: message.seq,
        reason: messageOf(error),
      });
    }
  }

  /** Heartbeats and flow control of the server. */
  #control(consumer: Consumer, message: Msg): void {
    const { nc } = this.#options.link;
    if ((message.headers?.code ?? 0) >= 200) {
      this.#again();
      return;
    }
    const stalled = message.headers?.get("Nats-Consumer-Stalled");
    if (stalled) nc.publish(stalled);
    else if (message.reply) message.respond();
    const sent = message.headers?.get("Nats-Last-Consumer") ?? "";
    if (sent !== "" && Number(sent) > consumer.received) this.#again();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#drop();
    this.#timer = this.#options.link.clock.after(0, () => void this.#begin());
  }

  async #check(consumer: Consumer): Promise<void> {
    const { clock } = this.#options.link;
    const nowMs = clock.monotonic();
    const isDoubtful = nowMs - this.#cameMs >= DOUBT_MS;
    if (nowMs - this.#heardMs >= SILENT_MS || (isDoubtful && (await this.#isBehind()))) {
      if (this.#consumer === consumer) this.#again();
      return;
    }
    if (isDoubtful) this.#cameMs = nowMs;
    if (this.#consumer === consumer) this.#timer = clock.after(CHECK_MS, () => void this.#check(consumer));
  }

  /** Whether the stream holds something newer than what came, although nothing comes. */
  async #isBehind(): Promise<boolean> {
    const { link, stream, subject } = this.#options;
    const newest = this.#last;
    try {
      const { seq } = subject.endsWith(">")
        ? { seq: (await link.jsm.streams.info(stream)).state.last_seq }
        : await link.jsm.streams.getMessage(stream, { last_by_subj: subject });
      // Less than came: it is another stream by now.
      const isBehind = this.#last === newest && seq !== (newest?.seq ?? 0) && seq !== this.#doubted;
      this.#doubted = seq;
      return isBehind;
    } catch {
      // There is none, or nobody answers: then there are no heartbeats either.
      return false;
    }
  }

  #drop(): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    if (!consumer) return;
    const { link, stream } = this.#options;
    consumer.subscription.unsubscribe();
    if (!link.nc.isClosed()) link.jsm.consumers.delete(stream, consumer.name).catch(() => {});
  }
}
