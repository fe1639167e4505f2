/**
 * Appends to the log, each only behind the one that its writer knows as the last (rule N2).
 *
 * A server that does not answer may have stored the record all the same: before it is published again, under the
 * same id and behind the same record, the writer looks whether it is there. Reading goes to the stream's leader.
 * Whatever passes by itself (no leader, no connection, no answer) is waited for without end; what the server says
 * no to, and keeps saying no to, rejects.
 */

import { headers } from "nats";
import { messageOf, TocsinError } from "../../../lib/errors.ts";
import { Refused } from "../../../lib/refused.ts";
import { wait } from "../../../lib/wait.ts";
import type { NatsLink } from "../link/link.ts";
import { apiErrorCode, isRetryable } from "../link/link.ts";
import { isTooLarge, MaxPayload } from "../link/maxPayload.ts";
import { MAX_COMMIT_BYTES } from "./codec.ts";
import type { Answers } from "./recordsAnswer.ts";
import { Interrupted } from "./recordsAnswer.ts";
import { APPEND_HEADER, CHECKPOINT_HEADER, lastRecord, PARTS_HEADER } from "./recordsGet.ts";

/** Appends and pieces under way at once: others wait for their turn. */
const MOST_AT_ONCE = 256;
/** Waits between tries, ms: doubled, and spread, so that all writers do not come at once. */
const FIRST_WAIT_MS = 25;
const MOST_WAIT_MS = 1000;
/** A leader that has just been elected may not have applied all yet: what looks impossible is believed after so long, ms. */
const LAGGING_MS = 15_000;
/** What a message's headers and subject may take of the server's `max_payload`, bytes. */
const HEADER_BYTES = 2048;

const WRONG_LAST = 10_071;
/** "Maximum bytes exceeded" and its like. */
const NO_ROOM = 10_077;
const NO_SPACE = 10_047;

/** One record to append. */
export interface Append {
  readonly clusterId: string;
  /** Tells this record from all others, over all writers. */
  readonly id: string;
  readonly payload: Uint8Array;
  /** Sequence in the stream of the record that it comes behind; 0: it is the cluster's first. */
  readonly expected: number;
  /** Number of the tick of its checkpoint, where the cluster's log may begin with this record. */
  readonly checkpoint?: number | undefined;
}

export class Appender {
  readonly #link: NatsLink;
  readonly #waiting: (() => void)[] = [];
  readonly #answers: Answers;
  readonly #onLost: (clusterId: string) => void;
  readonly #maxPayload: MaxPayload;
  #underWay = 0;
  #failure: string | undefined;

  /** `onLost`: the log does not have the record any more that one was to come behind. */
  constructor(link: NatsLink, answers: Answers, onLost: (clusterId: string) => void) {
    this.#link = link;
    this.#answers = answers;
    this.#onLost = onLost;
    this.#maxPayload = new MaxPayload(link.nc);
  }

  /**
   * Resolves with the record's sequence in the stream once it is stored. Rejects with `Refused` when another record
   * came between, with `E621` when the log is full, `E622` when the record is too large, `E623` for any other no, and
   * with the signal's reason.
   */
  async append(append: Append, signal: AbortSignal): Promise<number> {
    await this.#turn();
    try {
      const { names } = this.#link;
      const { clusterId, payload } = append;
      const limit = this.#maxPayload.bytes - HEADER_BYTES;
      if (payload.length <= limit) return await this.#publish(names.logSubject(clusterId), payload, 0, append, signal);
      if (payload.length > MAX_COMMIT_BYTES) throw tooLarge(clusterId);
      const parts: number[] = [];
      for (let from = 0; from < payload.length; from += limit) {
        parts.push(await this.#piece(append, from, payload.subarray(from, from + limit), signal));
      }
      const named = Buffer.from(JSON.stringify(parts));
      return await this.#publish(names.logSubject(clusterId), named, parts.length, append, signal);
    } finally {
      this.#underWay--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#underWay >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#underWay++;
  }

  async #publish(subject: string, payload: Uint8Array, parts: number, append: Append, signal: AbortSignal) {
    const { clusterId, id, expected, checkpoint } = append;
    const { js, clock } = this.#link;
    /** Since when what the leader says looks impossible. */
    let oddSinceMs: number | undefined;
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted();
      const own = headers();
      own.set(APPEND_HEADER, id);
      if (checkpoint !== undefined) own.set(CHECKPOINT_HEADER, String(checkpoint));
      if (parts > 0) own.set(PARTS_HEADER, String(parts));
      let error: unknown;
      try {
        // A second try of what may have been stored looks first.
        const known = tries > 0 ? await this.#look(append) : { kind: "absent" as const };
        if (known.kind === "stored") return this.#works(known.seq);
        if (known.kind === "odd") {
          oddSinceMs ??= clock.monotonic();
          if (clock.monotonic() - oddSinceMs >= LAGGING_MS) {
            this.#onLost(clusterId);
            throw new Refused(clusterId);
          }
        } else oddSinceMs = undefined;
        if (known.kind === "other") throw new Refused(clusterId);
        if (known.kind === "absent") {
          const behind = { lastSubjectSequence: expected };
          const ack = await this.#answers.of(js.publish(subject, payload, { headers: own, expect: behind }), signal);
          return this.#works(ack.seq);
        }
      } catch (thrown) {
        if (thrown instanceof Refused) throw thrown;
        error = thrown;
      }
      signal.throwIfAborted();
      if (error !== undefined && apiErrorCode(error) !== WRONG_LAST) this.#sort(error, clusterId);
      await this.#wait(tries, signal);
    }
  }

  /** What the leader has as the cluster's last record. */
  async #look({ clusterId, id, expected }: Append): Promise<Looked> {
    const last = await this.#answers.of(lastRecord(this.#link, clusterId));
    if (last?.appendId === id) return { kind: "stored", seq: last.seq };
    const seq = last?.seq ?? 0;
    if (seq === expected) return { kind: "absent" };
    return seq > expected ? { kind: "other" } : { kind: "odd" };
  }

  /** A piece of a record. One that is stored twice does no harm: the record names the one that it knows. */
  async #piece({ clusterId, id }: Append, from: number, bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    const { js, names } = this.#link;
    // Another try may cut otherwise: the server must not take its piece for one of before.
    const msgID = `${id}/${from}+${bytes.length}`;
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted();
      const own = headers();
      own.set(APPEND_HEADER, id);
      try {
        const publishing = js.publish(names.partSubject(clusterId), bytes, { headers: own, msgID });
        const ack = await this.#answers.of(publishing, signal);
        return this.#works(ack.seq);
      } catch (error) {
        signal.throwIfAborted();
        this.#sort(error, clusterId);
        await this.#wait(tries, signal);
      }
    }
  }

  /** Returns for what passes by itself, and throws what the operator is told for all else. */
  #sort(error: unknown, clusterId: string): void {
    const code = apiErrorCode(error);
    if (error instanceof Interrupted || isRetryable(error)) {
      this.#fails(messageOf(error));
      return;
    }
    if (code === NO_ROOM || code === NO_SPACE) {
      const message = `the log ${this.#link.names.log} has no room (${messageOf(error)}): raise bus.nats.log.max_bytes`;
      throw new TocsinError("E621", message, { cause: error });
    }
    if (isTooLarge(error)) throw tooLarge(clusterId);
    const message = `the log ${this.#link.names.log} takes nothing of cluster ${clusterId}: ${messageOf(error)}`;
    throw new TocsinError("E623", message, { cause: error });
  }

  #fails(reason: string): void {
    if (this.#failure === undefined) this.#link.log.warn("appends to the log wait for the bus", { reason });
    this.#failure = reason;
  }

  #works(seq: number): number {
    if (this.#failure !== undefined) this.#link.log.info("appends to the log succeed again");
    this.#failure = undefined;
    return seq;
  }

  /** While no server is connected nothing is published: what waits in the client would all come at once. */
  async #wait(tries: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#link;
    let waitMs = Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2);
    do {
      signal.throwIfAborted();
      await wait(clock, waitMs, signal);
      waitMs = FIRST_WAIT_MS;
    } while (!this.#link.isUp());
    signal.throwIfAborted();
  }
}

type Looked = { readonly kind: "absent" | "other" | "odd" } | { readonly kind: "stored"; readonly seq: number };

export function tooLarge(clusterId: string): TocsinError {
  return new TocsinError("E622", `a record of cluster ${clusterId} is larger than the bus takes`);
}
