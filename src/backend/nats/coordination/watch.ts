/**
 * Follows a bucket: what is in it, then each change, through reconnects and changes of leaders.
 *
 * The client's ordered consumers mend most holes themselves, but one stands still for 10 s or more when the server that
 * held it is gone, and sometimes for good. So what was written is expected to come back soon, the stream's own count is
 * asked for now and then, and whenever something is missing the bucket is read anew.
 */

import type { JetStreamSubscription, JsMsg } from "nats";
import { consumerOpts } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import type { NatsLink } from "../link/link.ts";

/** What was written has to come back within so long, ms. */
const ECHO_MS = 1000;
/** How often the stream's count is asked for, ms. */
const POLL_MS = 2000;
/** A reading that is not through by then begins anew, and two begin so far apart at least, ms. */
const READ_MS = 3000;
const PAUSE_MS = 500;

export interface BucketEvents {
  /** A key and its newest value; `undefined`: it was deleted. `at`: when the bus stored it, epoch ms. */
  entry(key: string, value: Uint8Array | undefined, revision: number, at: number): void;
  /** All that was in the bucket has been told: keys that were not are not there, as of that revision. */
  complete(keys: ReadonlySet<string>, revision: number): void;
  /** The bucket is another one than before, or was put back: what was known of it does not hold. */
  reset(): void;
}

export class BucketWatch {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #events: BucketEvents;
  #subscription: JetStreamSubscription | undefined;
  /** Counts readings: what comes late of an earlier one is not heard. */
  #reading = 0;
  #isReading = false;
  #isWanted = true;
  #readAt = Number.NEGATIVE_INFINITY;
  #polledAt = Number.NEGATIVE_INFINITY;
  #isPolling = false;
  /** Newest revision seen, what was to be seen at the last poll, and what was written and not seen since then. */
  #seen = 0;
  #polled = { last: 0, seen: 0 };
  #expected: { readonly revision: number; readonly at: number } | undefined;
  #created: string | undefined;
  /** How often in a row the stream's count was lower than what was seen. */
  #lower = 0;
  #isDown = false;
  #wasComplete = false;

  constructor(link: NatsLink, bucket: string, events: BucketEvents) {
    this.#link = link;
    this.#bucket = bucket;
    this.#events = events;
  }

  /** It was read to its end once. */
  get isComplete(): boolean {
    return this.#wasComplete;
  }

  /** Something was written: it has to come back. */
  wrote(revision: number): void {
    if (revision > this.#seen && !this.#expected) this.#expected = { revision, at: this.#link.clock.monotonic() };
  }

  /** Reads the bucket anew. */
  renew(): void {
    this.#isWanted = true;
  }

  /** To be called every some ms. */
  step(nowMs: number): void {
    if (this.#expected && nowMs - this.#expected.at > ECHO_MS) {
      this.#expected = undefined;
      this.renew();
    }
    if (this.#isReading && nowMs - this.#readAt > READ_MS) {
      this.#isReading = false;
      this.renew();
    }
    if (this.#isWanted && !this.#isReading && nowMs - this.#readAt > PAUSE_MS) {
      this.#isWanted = false;
      void this.#read(nowMs);
    } else if (!this.#isPolling && nowMs - this.#polledAt > POLL_MS) void this.#poll(nowMs);
  }

  stop(): void {
    this.#reading++;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  async #read(nowMs: number): Promise<void> {
    this.stop();
    const reading = this.#reading;
    this.#isReading = true;
    this.#readAt = nowMs;
    const keys = new Set<string>();
    let isComplete = false;
    const complete = () => {
      if (isComplete) return;
      isComplete = true;
      this.#isReading = false;
      this.#wasComplete = true;
      this.#events.complete(keys, this.#seen);
    };
    try {
      await this.#identify(reading);
      if (reading !== this.#reading) return;
      const options = consumerOpts()
        .bindStream(`KV_${this.#bucket}`)
        .orderedConsumer()
        .deliverLastPerSubject()
        .callback((error, message) => {
          if (reading !== this.#reading) return;
          if (error || !message) return this.renew();
          if (!isComplete) keys.add(this.#keyOf(message));
          this.#hear(message);
          if (message.info.pending === 0) complete();
        });
      const subscription = await this.#link.js.subscribe(`$KV.${this.#bucket}.>`, options);
      if (reading !== this.#reading) return void subscription.unsubscribe();
      this.#subscription = subscription;
      const { num_pending: pending, delivered } = await subscription.consumerInfo();
      if (reading === this.#reading && pending === 0 && delivered.consumer_seq === 0) complete();
      this.#isDown = false;
    } catch (error) {
      if (reading !== this.#reading) return;
      if (!this.#isDown)
        this.#link.log.warn("bucket cannot be read", { bucket: this.#bucket, error: messageOf(error) });
      this.#isDown = true;
      this.#isReading = false;
      this.renew();
    }
  }

  #keyOf(message: JsMsg): string {
    return message.subject.slice(`$KV.${this.#bucket}.`.length);
  }

  #hear(message: JsMsg): void {
    this.#seen = Math.max(this.#seen, message.seq);
    if (this.#expected && this.#seen >= this.#expected.revision) this.#expected = undefined;
    const operation = message.headers?.get("KV-Operation");
    const isGone = operation === "DEL" || operation === "PURGE";
    const at = message.info.timestampNanos / 1e6;
    this.#events.entry(this.#keyOf(message), isGone ? undefined : message.data, message.seq, at);
  }

  /** Looks whether it is still the bucket of before. */
  async #identify(reading: number): Promise<number> {
    const seen = this.#seen;
    const { created, state } = await this.#link.jsm.streams.info(`KV_${this.#bucket}`);
    if (reading !== this.#reading) return state.last_seq;
    // A leader that is new may not have come to the end yet.
    this.#lower = state.last_seq < seen ? this.#lower + 1 : 0;
    const isAnother = this.#created !== undefined && (created !== this.#created || this.#lower >= 3);
    this.#created = created;
    if (isAnother) {
      this.#lower = 0;
      this.#link.log.warn("bucket is another than before", { bucket: this.#bucket });
      this.#seen = 0;
      this.#expected = undefined;
      this.#events.reset();
      this.renew();
    }
    return state.last_seq;
  }

  async #poll(nowMs: number): Promise<void> {
    this.#isPolling = true;
    this.#polledAt = nowMs;
    const seen = this.#seen;
    try {
      const last = await this.#identify(this.#reading);
      // Twice the same hole: not something that was on its way.
      if (this.#polled.last > seen && this.#polled.seen === seen) this.renew();
      this.#polled = { last, seen };
    } catch {
      // The server is away: what was written in that time is asked for when it is back.
    } finally {
      this.#isPolling = false;
    }
  }
}
