/**
 * Follows the log: every message of its stream once, in order, from a place on.
 *
 * A session is a consumer on the server that lives as long as nothing is wrong with it. It ends, and another begins
 * behind the last message that was applied, when a message is missing, when the server says that the consumer is gone,
 * when nothing (not even a heartbeat) comes for a while, when the connection was another, and when the stream holds
 * messages that do not come. Messages are asked for, some at a time, so that no more come than are applied.
 */

import type { StreamInfo } from "nats";
import { AckPolicy, DeliverPolicy } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import type { NatsLink } from "../link/link.ts";
import type { Answers } from "./recordsAnswer.ts";
import type { LogMessage } from "./recordsGet.ts";
import { TailSession } from "./tailSession.ts";

/** A message of the stream, and where it was published. */
export interface TailMessage extends LogMessage {
  readonly subject: string;
  /** It was the last of the stream when it was sent. */
  readonly isLast: boolean;
}

export interface TailOptions {
  readonly link: NatsLink;
  readonly answers: Answers;
  /** Told of the stream before each session. Sequence of the last message that is applied: it goes on behind it. */
  readonly begin: (info: StreamInfo) => Promise<number>;
  /** Applies messages in order. When it rejects, they come again. */
  readonly apply: (messages: readonly TailMessage[]) => Promise<void>;
}

/** The server forgets a consumer that nobody asks for so long, ms. */
const INACTIVE_MS = 30_000;
const FIRST_WAIT_MS = 20;
const MOST_WAIT_MS = 2000;

export class Tail {
  readonly #options: TailOptions;
  readonly #ended = new AbortController();
  readonly #waiting = new Set<{ readonly seq: number; readonly done: () => void }>();
  /** Last message that is applied. */
  #position = 0;
  /** Up to here the stream holds nothing that is not applied. */
  #reached = 0;
  #session: TailSession | undefined;
  #running: Promise<void> | undefined;
  #failure: string | undefined;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when all up to a sequence of the stream is applied, with false when it ends before, or `withinMs` later. */
  reached(seq: number, withinMs: number): Promise<boolean> {
    const { signal } = this.#ended;
    if (this.#reached >= seq) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (is: boolean) => {
        this.#waiting.delete(waiting);
        timer.cancel();
        signal.removeEventListener("abort", onEnd);
        resolve(is);
      };
      const onEnd = () => settle(false);
      const waiting = { seq, done: () => settle(true) };
      const timer = this.#options.link.clock.after(withinMs, onEnd);
      signal.addEventListener("abort", onEnd);
      this.#waiting.add(waiting);
    });
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#session?.end("closed");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, clock } = this.#options.link;
    let waitMs = FIRST_WAIT_MS;
    while (!this.#ended.signal.aborted) {
      const begun = clock.monotonic();
      try {
        const why = await this.#follow();
        log.debug("the log is followed anew", { reason: why });
      } catch (error) {
        const reason = messageOf(error);
        if (!this.#ended.signal.aborted && this.#failure === undefined) {
          log.warn("the log cannot be followed", { reason });
          this.#failure = reason;
        }
      }
      // What went well for a while may begin again at once.
      waitMs = clock.monotonic() - begun > MOST_WAIT_MS ? FIRST_WAIT_MS : Math.min(MOST_WAIT_MS, waitMs * 2);
      await wait(clock, waitMs, this.#ended.signal);
    }
  }

  /** Begins another session: what this one waits for may not come. */
  again(reason: string): void {
    this.#session?.end(reason);
  }

  /** One session. Resolves with what ended it. */
  async #follow(): Promise<string> {
    const { link, answers, begin, apply } = this.#options;
    const { jsm, names } = link;
    const info = await answers.of(jsm.streams.info(names.log));
    this.#position = await begin(info);
    this.#reached = this.#position;
    const adding = jsm.consumers.add(names.log, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#position + 1,
      inactive_threshold: INACTIVE_MS * 1e6,
      mem_storage: true,
      num_replicas: 1,
    });
    const consumer = await answers.of(adding);
    // The newest messages of the stream may have been removed from it.
    if (consumer.num_pending === 0) {
      this.#advance(this.#position, info.state.last_seq);
      this.#works();
    }
    const session = new TailSession(link, consumer.name, this.#position);
    this.#session = session;
    if (this.#ended.signal.aborted) session.end("closed");
    try {
      for (let messages = await session.next(); messages; messages = await session.next()) {
        if (messages.length > 0) {
          await apply(messages);
          this.#works();
          const { seq = this.#position, isLast = false } = messages.at(-1) ?? {};
          this.#advance(seq, isLast ? Math.max(seq, info.state.last_seq) : seq);
        } else if (await this.#isLeftBehind(info.created)) {
          session.end("the stream holds messages that did not come");
        }
      }
      return session.reason;
    } finally {
      this.#session = undefined;
      session.end("given up");
      // It goes by itself, too.
      void jsm.consumers.delete(names.log, consumer.name).catch(() => {});
    }
  }

  #works(): void {
    if (this.#failure !== undefined) this.#options.link.log.info("the log is followed again");
    this.#failure = undefined;
  }

  /** Nothing has come for a while: whether something should have. */
  async #isLeftBehind(created: string): Promise<boolean> {
    const { link, answers } = this.#options;
    const info = await answers.of(link.jsm.streams.info(link.names.log));
    return info.created !== created || info.state.last_seq !== this.#reached;
  }

  #advance(position: number, reached: number): void {
    this.#position = position;
    this.#reached = Math.max(this.#reached, reached);
    for (const waiting of [...this.#waiting]) if (waiting.seq <= this.#reached) waiting.done();
  }
}
