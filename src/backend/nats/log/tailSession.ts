/** One consumer of the stream of the log, asked for some messages at a time. */

import type { Msg, Subscription } from "nats";
import type { Timer } from "../../../ports.ts";
import type { NatsLink } from "../link/link.ts";
import { logMessage, placeIn } from "./recordsGet.ts";
import type { TailMessage } from "./tail.ts";

/** Messages asked for at once, and bytes of them. */
const BATCH = 500;
const BATCH_BYTES = 8 * 1024 * 1024;
/** No more are asked for while so many wait to be applied. */
const MOST_WAITING = 500;
/** The server answers a request after so long, ms, whether or not anything has come. */
const EXPIRES_MS = 5000;
const HEARTBEAT_MS = 1000;
/** Without any sign for so long it is dead, ms. */
const SILENT_MS = 3500;

/** What the server says of a request that is over, and of nothing worse. */
const JUST_OVER = /request timeout|no messages|message size exceeds|batch completed|exceeded max/i;

export class TailSession {
  readonly #link: NatsLink;
  readonly #consumer: string;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  #messages: TailMessage[] = [];
  #last: number;
  #delivered = 0;
  #outstanding = 0;
  #requests = 0;
  /** Something has come of the request that is under way. */
  #came = true;
  #isQuiet = false;
  #heardAt: number;
  #watch: Timer | undefined;
  #wake: (() => void) | undefined;
  #reason: string | undefined;

  /** `last`: sequence of the message before the first that is to come. */
  constructor(link: NatsLink, consumer: string, last: number) {
    this.#link = link;
    this.#consumer = consumer;
    this.#last = last;
    this.#heardAt = link.clock.monotonic();
    this.#inbox = link.inbox();
    this.#subscription = link.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error) this.end(error.message);
        else this.#take(message);
      },
    });
    this.#look();
  }

  /** Why it has ended. */
  get reason(): string {
    return this.#reason ?? "";
  }

  /** What has come: none when nothing has for some seconds. `undefined`: it has ended. */
  async next(): Promise<readonly TailMessage[] | undefined> {
    for (;;) {
      if (this.#reason !== undefined) return undefined;
      this.#ask();
      if (this.#messages.length > 0) {
        this.#isQuiet = false;
        return this.#messages.splice(0);
      }
      if (this.#isQuiet) {
        this.#isQuiet = false;
        return [];
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#watch?.cancel();
    this.#subscription.unsubscribe();
    this.#wake?.();
  }

  #ask(): void {
    if (this.#outstanding > 0 || this.#messages.length > MOST_WAITING || this.#reason !== undefined) return;
    const { nc, names } = this.#link;
    this.#outstanding = BATCH;
    this.#came = false;
    const body = {
      batch: BATCH,
      max_bytes: Math.max(BATCH_BYTES, 2 * (nc.info?.max_payload ?? 0)),
      expires: EXPIRES_MS * 1e6,
      idle_heartbeat: HEARTBEAT_MS * 1e6,
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${names.log}.${this.#consumer}`;
    try {
      nc.publish(subject, JSON.stringify(body), { reply: `${this.#inbox}.${++this.#requests}` });
    } catch (error) {
      this.end(String(error));
    }
  }

  #take(message: Msg): void {
    this.#heardAt = this.#link.clock.monotonic();
    if (message.subject.startsWith(this.#inbox)) this.#status(message);
    else this.#data(message);
    this.#ask();
    this.#wake?.();
  }

  #data(message: Msg): void {
    const place = placeIn(message.reply);
    if (!place) {
      this.end("a message without its place in the stream");
      return;
    }
    const { seq, delivered, at, pending } = place;
    if (delivered !== this.#delivered + 1 || seq <= this.#last) {
      this.end("a message is missing");
      return;
    }
    this.#delivered = delivered;
    this.#last = seq;
    this.#came = true;
    this.#outstanding--;
    const { subject, headers, data } = message;
    this.#messages.push({ ...logMessage(seq, at, headers, data), subject, isLast: pending === 0 });
  }

  #status({ headers, subject }: Msg): void {
    const code = headers?.code ?? 0;
    if (code === 100) return;
    const description = headers?.description ?? "";
    if (code !== 404 && code !== 408 && !(code === 409 && JUST_OVER.test(description))) {
      this.end(`${code} ${description || "the consumer is gone"}`);
      return;
    }
    // One of an earlier request says nothing of this one.
    if (subject !== `${this.#inbox}.${this.#requests}`) return;
    this.#outstanding = 0;
    this.#isQuiet = !this.#came;
  }

  #look(): void {
    const { clock } = this.#link;
    this.#watch = clock.after(HEARTBEAT_MS, () => {
      const isSilent = this.#outstanding > 0 && clock.monotonic() - this.#heardAt > SILENT_MS;
      if (isSilent) this.end("the server does not say anything");
      else this.#look();
    });
  }
}
