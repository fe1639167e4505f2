/** How a HAProxy is reached: every kind asks one question on one fresh connection and gives rows, or says why not. */

import { messageOf } from "../lib/errors.ts";
import type { Dump, ParsedDump } from "./dump.ts";
import type { Tables } from "./tables.ts";

/** Largest answer that is read: 100,000 rows are about 31 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** So much of the beginning of an answer is kept, to say what it was where it was no statistics. */
const HEAD_BYTES = 512;

/** Why there are no rows, for people: what, where, and how to mend it, without secrets. */
export interface Failure {
  readonly ok: false;
  /** E.g. `timeout`, `refused`, `unauthorized`. */
  readonly code: string;
  readonly reason: string;
  /** The connection stood, and not a byte came. */
  readonly silent?: true;
  /** Its path is away although the folder can be read (rule T4). */
  readonly away?: true;
}

export type Answer = { readonly ok: true; readonly dump: Dump } | Failure;

export interface Transport {
  /** Where it leads to, for people: without user, password and the values of a query. */
  readonly address: string;
  /** It costs nothing to ask in vain: a socket of this machine. */
  readonly isLocal: boolean;
  /** The other machine that it leads to; `undefined`: this one, or it is not known. */
  readonly host?: string;
  /** Never throws; leaves no connection behind. Reads the answer into `tables`, where there are such. */
  ask(timeoutMs: number, tables?: Tables): Promise<Answer>;
}

/** What turns the bytes of one answer into rows. */
export interface AnswerReader {
  /** Nothing that comes can make it an answer any more; `undefined`: that is not looked for. */
  readonly isRefused?: boolean;
  /** What came says itself that nothing is missing; `undefined`: it cannot. */
  readonly isSurelyWhole?: boolean;
  push(chunk: Uint8Array): void;
  end(): ParsedDump;
}

/** An answer as it arrives: bounded, and its beginning kept. */
export class Arrival {
  readonly #reader: AnswerReader;
  readonly #maxBytes: number;
  #head: Uint8Array = new Uint8Array(0);
  #bytes = 0;

  constructor(reader: AnswerReader, maxBytes = MAX_ANSWER_BYTES) {
    this.#reader = reader;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The first bytes, one character each. */
  get head(): string {
    return Buffer.from(this.#head).toString("latin1");
  }

  /** What is wrong with the answer so far; `undefined`: nothing. */
  push(chunk: Uint8Array): Failure | undefined {
    if (this.#head.length < HEAD_BYTES) this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES)]);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) {
      return { ok: false, code: "too_large", reason: `the answer is longer than ${this.#maxBytes} bytes` };
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      return { ok: false, code: "bug", reason: messageOf(error) };
    }
    if (!this.#reader.isRefused) return undefined;
    const refused = this.end();
    return refused.ok ? undefined : refused;
  }

  end(): Answer {
    try {
      return this.#reader.end();
    } catch (error) {
      return { ok: false, code: "bug", reason: messageOf(error) };
    }
  }

  /** The deadline passed while it arrived. */
  late(timeoutMs: number, connected: boolean): Failure {
    const code = "timeout";
    if (!connected) return { ok: false, code, reason: `no connection within ${timeoutMs} ms` };
    if (this.#bytes > 0) {
      return { ok: false, code, reason: `${this.#bytes} bytes but not the end of the answer within ${timeoutMs} ms` };
    }
    return { ok: false, code, reason: `no byte of an answer within ${timeoutMs} ms`, silent: true };
  }
}
