/** Keys of a bucket, set by whoever owns them now: read first, written only when something changes, again until it is done. */

import { headers } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { apiErrorCode } from "../link/link.ts";
import { Pauses } from "../link/pauses.ts";

const RETRY_MS = { first: 100, most: 2000 } as const;
const FAILURES_UNTOLD = 5;
/** Another wrote the key since it was read. */
const WRONG_LAST_SEQUENCE = 10_071;

interface Stored {
  readonly revision: number;
  /** `undefined`: it was deleted, or never there. */
  readonly text: string | undefined;
}

export class KeyWriter {
  readonly #link: NatsLink;
  readonly #bucket: string;
  /** What is to be written of each key, one after another. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #pauses: Pauses;
  #closed = false;

  constructor(link: NatsLink, bucket: string) {
    this.#link = link;
    this.#bucket = bucket;
    this.#pauses = new Pauses(link.clock);
  }

  /**
   * Sets a key, or deletes it where `text` is `undefined`. Resolves with the revision at which the key became what it is
   * now; `undefined`: it never was there, or this was closed, or over, before it was done. `isOver`: from then on nothing
   * is written; asked before each try.
   */
  set(key: string, text: string | undefined, isOver = () => false): Promise<number | undefined> {
    const before = this.#queues.get(key) ?? Promise.resolve();
    const done = before.then(() => this.#retried(() => this.#set(key, text, isOver)));
    this.#queues.set(key, done);
    void done.then(() => {
      if (this.#queues.get(key) === done) this.#queues.delete(key);
    });
    return done;
  }

  /** Keys that begin so, as they are in the bucket; empty when this was closed before they were read. */
  async keys(prefix: string): Promise<readonly string[]> {
    return (await this.#retried(() => this.#keys(prefix))) ?? [];
  }

  close(): void {
    this.#closed = true;
    this.#pauses.end();
  }

  async #retried<T>(once: () => Promise<T>): Promise<T | undefined> {
    let failures = 0;
    for (let waitMs: number = RETRY_MS.first; !this.#closed; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      try {
        return await once();
      } catch (error) {
        failures++;
        if (failures === FAILURES_UNTOLD) {
          const reason = messageOf(error);
          this.#link.log.warn("mappings cannot be told to agents", { code: "E636", reason });
        }
      }
      if (!this.#closed) await this.#pauses.wait(waitMs);
    }
    return undefined;
  }

  /** Whether it is another's write that came first is seen by reading again. */
  async #set(key: string, text: string | undefined, isOver: () => boolean): Promise<number | undefined> {
    for (;;) {
      if (isOver()) return undefined;
      const { revision, text: known } = await this.#get(key);
      if (known === text) return revision === 0 ? undefined : revision;
      if (isOver()) return undefined;
      const own = headers();
      own.set("Nats-Expected-Last-Subject-Sequence", String(revision));
      if (text === undefined) own.set("KV-Operation", "DEL");
      try {
        const { seq } = await this.#link.js.publish(this.#subjectOf(key), text ?? "", { headers: own });
        return seq;
      } catch (error) {
        if (apiErrorCode(error) !== WRONG_LAST_SEQUENCE) throw error;
      }
    }
  }

  async #get(key: string): Promise<Stored> {
    const stream = `KV_${this.#bucket}`;
    try {
      const { seq, data, header } = await this.#link.jsm.streams.getMessage(stream, {
        last_by_subj: this.#subjectOf(key),
      });
      const isGone = header.get("KV-Operation") !== "";
      return { revision: seq, text: isGone ? undefined : Buffer.from(data).toString("utf8") };
    } catch (error) {
      if (apiErrorCode(error) === NO_MESSAGE) return { revision: 0, text: undefined };
      throw error;
    }
  }

  async #keys(prefix: string): Promise<readonly string[]> {
    const found: string[] = [];
    const kv = await this.#link.js.views.kv(this.#bucket, { bindOnly: true });
    for await (const key of await kv.keys(`${prefix}>`)) found.push(key);
    return found;
  }

  #subjectOf(key: string): string {
    return `$KV.${this.#bucket}.${key}`;
  }
}

/** There is no message of that subject. */
const NO_MESSAGE = 10_037;
