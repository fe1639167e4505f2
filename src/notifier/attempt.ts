import type { Dispatcher } from "undici";
import type { OutcomeKind } from "../model/decision.ts";
import type { Clock, Timer } from "../ports.ts";
import { KEPT_BYTES, meaningOfError, meaningOfStatus, retryAfterS } from "./answer.ts";
import type { Connection } from "./connections.ts";

/** What is written. */
export interface Post {
  /** Path and query as written. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface AttemptOptions {
  readonly clock: Clock;
  readonly parseDate: (text: string) => number;
  /** Until a connection stands. */
  readonly connectTimeoutMs: number;
  /** For the whole attempt, to the end of the answer's head. */
  readonly timeoutMs: number;
  readonly control: boolean;
  /** Whether the receiver is asked to keep the connection. */
  readonly keepAlive: boolean;
  /** Read immediately before the first byte is written: why not to write it, or `undefined`. */
  readonly heldBecause: () => string | undefined;
  /** Given what ends the attempt from outside, while it lasts. Returns what takes it back. */
  readonly onStop: (end: () => void) => () => void;
}

export interface AttemptResult {
  readonly outcome: OutcomeKind;
  readonly reason: string;
  readonly status?: number;
  readonly retryAfterS?: number;
  /** Absent: no connection stood, and nothing was written. */
  readonly connectMs?: number;
  readonly firstByteMs?: number;
  readonly totalMs: number;
  readonly answer?: string;
  readonly requestId?: string;
  /** Nothing was even connected to: something that it needs first was not to be had. */
  readonly isUntried?: true;
}

/** The answer is read so far and for so long after its head. */
const READ_BYTES = 64 * 1024;
const READ_MS = 1000;

/**
 * One POST, whatever comes of it: never rejects. Redirects are not followed. The gates are read when the connection
 * stands, so that nothing is written that was called off while it was made.
 */
export function attempt(connection: Connection, post: Post, options: AttemptOptions): Promise<AttemptResult> {
  return new Promise<AttemptResult>((resolve) => {
    const one = new Attempt(connection, options, resolve);
    const { path, headers, body } = post;
    const { keepAlive } = options;
    try {
      connection.dispatcher.dispatch({ method: "POST", path, headers, body, reset: !keepAlive }, one);
    } catch (error) {
      one.onResponseError(undefined, error as Error);
    }
  });
}

const OVER = new Error("the attempt is over");

/** The state of one attempt: before the connection stands, the request written, the head come, over. */
class Attempt implements Dispatcher.DispatchHandler {
  readonly #connection: Connection;
  readonly #options: AttemptOptions;
  readonly #startedMs: number;
  #resolve: ((result: AttemptResult) => void) | undefined;
  #timer: Timer;
  #controller: Dispatcher.DispatchController | undefined;
  #connectMs: number | undefined;
  #head: { readonly status: number; readonly headers: Headers; readonly firstByteMs: number } | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  /** The connection has nothing more to do with it. */
  #isOver = false;
  readonly #unlisten: () => void;

  constructor(connection: Connection, options: AttemptOptions, resolve: (result: AttemptResult) => void) {
    const { clock, onStop, timeoutMs, connectTimeoutMs } = options;
    this.#connection = connection;
    this.#options = options;
    this.#resolve = resolve;
    this.#startedMs = clock.monotonic();
    this.#timer = clock.after(Math.min(timeoutMs, connectTimeoutMs), () => this.#late());
    this.#unlisten = onStop(() => this.#stopped());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while the connection was made: nothing may be written now.
    if (!this.#resolve) {
      controller.abort(OVER);
      return;
    }
    const { clock, timeoutMs, heldBecause } = this.#options;
    const held = heldBecause();
    if (held !== undefined) {
      this.#end({ outcome: "cancelled", reason: held });
      return;
    }
    this.#connectMs = this.#passedMs();
    this.#timer.cancel();
    this.#timer = clock.after(timeoutMs - this.#connectMs, () => this.#late());
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    // What is only information comes before the answer.
    if (status < 200 || !this.#resolve) return;
    this.#head = { status, headers, firstByteMs: this.#passedMs() };
    this.#timer.cancel();
    this.#timer = this.#options.clock.after(READ_MS, () => this.#answered());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#bytes < KEPT_BYTES) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= READ_BYTES) this.#answered();
  }

  onResponseEnd(): void {
    this.#isOver = true;
    this.#answered();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#isOver = true;
    // The head said it all: a body that breaks off changes nothing.
    if (this.#head) this.#answered();
    else this.#end(meaningOfError(error, this.#connectMs !== undefined));
  }

  #answered(): void {
    if (!this.#head) {
      this.#end({ outcome: "uncertain", reason: "no answer: it ended before its head" });
      return;
    }
    const { status, headers, firstByteMs } = this.#head;
    const { control, parseDate, clock } = this.#options;
    const after = retryAfterS(first(headers["retry-after"]), parseDate, clock.now());
    const requestId = first(headers["x-openstack-request-id"]);
    this.#end({
      ...meaningOfStatus(status, control),
      status,
      firstByteMs,
      answer: Buffer.concat(this.#chunks).subarray(0, KEPT_BYTES).toString("utf8"),
      ...(after === undefined ? {} : { retryAfterS: after }),
      ...(requestId === undefined ? {} : { requestId }),
    });
  }

  #late(): void {
    const { timeoutMs, connectTimeoutMs } = this.#options;
    const connectMs = Math.min(timeoutMs, connectTimeoutMs);
    if (this.#connectMs === undefined)
      this.#end({ outcome: "not_run", reason: `no connection within ${connectMs} ms` });
    else this.#end({ outcome: "uncertain", reason: `no answer within ${timeoutMs} ms` });
  }

  #stopped(): void {
    if (this.#head) {
      this.#answered();
      return;
    }
    if (this.#connectMs === undefined)
      this.#end({ outcome: "cancelled", reason: "the service stopped before anything was sent" });
    else this.#end({ outcome: "uncertain", reason: "the service stopped before an answer" });
  }

  #passedMs(): number {
    return this.#options.clock.monotonic() - this.#startedMs;
  }

  #end(result: Omit<AttemptResult, "totalMs">): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.#timer.cancel();
    this.#unlisten();
    const connectMs = this.#connectMs;
    resolve({ ...result, ...(connectMs === undefined ? {} : { connectMs }), totalMs: this.#passedMs() });
    if (this.#isOver) return;
    // Whatever is still to come is of no use, and in the way of the next request of a connection that is kept.
    if (this.#controller) this.#controller.abort(OVER);
    else this.#connection.abandon();
  }
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function first(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
