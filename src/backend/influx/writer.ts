/**
 * Writes what waits in the spool: one request at a time, the oldest first. While that fails everything stays where it is,
 * and is tried again after a while that grows to half a minute, or when the server said.
 */

import { messageOf } from "../../lib/errors.ts";
import { within } from "../../lib/within.ts";
import type { Clock, Logger, Timer } from "../../ports.ts";
import type { InfluxServer } from "./server.ts";
import type { Batch, Spool } from "./spool.ts";
import type { Written } from "./writing.ts";
import { writeLines } from "./writing.ts";

const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 30_000;
/** So many requests are spent on finding the bad lines of one batch. */
const MOST_SEARCH = 200;

export interface WriterOptions {
  readonly server: InfluxServer;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How much was written since the start. */
export interface WriterCounts {
  readonly lines: number;
  /** Requests that were begun, and those that ended. */
  readonly requests: number;
  readonly ended: number;
  /** Lines that the store refused by themselves. */
  readonly aside: number;
  /** Lines that went before they were written. */
  readonly dropped: number;
}

export class Writer {
  readonly #options: WriterOptions;
  #sending: Promise<void> | undefined;
  #underWay = 0;
  #timer: Timer | undefined;
  #failures = 0;
  #trouble: string | undefined;
  /** Until it is tried again, ms; only after failures. */
  #wait: number | undefined;
  #isFull = false;
  #closed = false;
  readonly #ended = new AbortController();
  #waiting: { readonly id: number; readonly told: (isWritten: boolean) => void }[] = [];
  #counts = { lines: 0, requests: 0, ended: 0, aside: 0, dropped: 0 };
  /** Requests may be smaller where the server said that they are too large. */
  #mostLines: number;
  #toldAside: string | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#mostLines = options.server.settings.batchLines;
  }

  get counts(): WriterCounts {
    return { ...this.#counts };
  }

  /** Up to this id lines are being written at the moment. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Sentences while something is wrong. */
  degraded(): readonly string[] {
    const { lines } = this.#options.spool.spooled;
    const sentences = this.#trouble === undefined ? [] : [`${this.#trouble}; ${lines} lines wait here`];
    return this.#isFull ? [...sentences, "the oldest of them are dropped: store.influx.spool is full"] : sentences;
  }

  /** Something waits: it goes soon, with what comes meanwhile. */
  wake(): void {
    if (this.#closed || this.#sending || this.#timer) return;
    this.#schedule(this.#options.server.settings.batchDelayMs);
  }

  /** So many lines went to make room for newer ones. */
  dropped(lines: number): void {
    if (lines === 0) return;
    this.#counts.dropped += lines;
    if (!this.#isFull) this.#options.log.error("series are dropped: too many wait for the store", { lines });
    this.#isFull = true;
  }

  /** Resolves when all that waits now is written: true; false as soon as it is known not to be. */
  flush(): Promise<boolean> {
    const { spool } = this.#options;
    if (spool.spooled.lines === 0) return Promise.resolve(true);
    if (this.#closed || this.#failures > 0) return Promise.resolve(false);
    const id = spool.newestId;
    return new Promise((told) => {
      this.#waiting.push({ id, told });
      if (this.#sending) return;
      this.#timer?.cancel();
      this.#send();
    });
  }

  /** Tries once more, for so long at the most, to write what waits; the rest waits for the next start. */
  async close(withinMs: number): Promise<void> {
    await within(this.#options.clock, withinMs, this.flush());
    this.#closed = true;
    this.#timer?.cancel();
    this.#ended.abort();
    await this.#sending;
    this.#tell(false);
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#send();
    });
  }

  #send(): void {
    this.#timer = undefined;
    this.#sending = this.#drained().then(() => {
      this.#sending = undefined;
      if (this.#closed) return;
      if (this.#wait !== undefined) this.#schedule(this.#wait);
      else if (this.#options.spool.spooled.lines > 0) this.#schedule(0);
    });
  }

  /** Never rejects: a disk that fails is trouble as any other. */
  async #drained(): Promise<void> {
    try {
      await this.#drain();
    } catch (error) {
      this.#underWay = 0;
      this.#failed({ kind: "away", reason: `what waits cannot be read: ${messageOf(error)}` });
    }
  }

  async #drain(): Promise<void> {
    const { spool, log } = this.#options;
    const damaged = (lines: number) => {
      this.#counts.dropped += lines;
      log.error("lines that waited for the store were damaged: they are dropped", { lines });
    };
    // Once after each wait, and after each batch: a server that died meanwhile may have lost what it had just made.
    let mayMake = true;
    while (!this.#closed) {
      const batch = spool.oldest(this.#mostLines, damaged);
      if (!batch) {
        this.#tell(true);
        return;
      }
      this.#underWay = batch.lastId;
      const ended = await this.#write(batch);
      if (ended.kind !== "written") {
        this.#underWay = 0;
        if (this.#closed) return;
        if (mayMake && (await this.#isMade(ended))) {
          mayMake = false;
          continue;
        }
        this.#failed(ended);
        return;
      }
      mayMake = true;
      spool.done(batch.lastId);
      this.#underWay = 0;
      this.#counts.lines += batch.lines;
      this.#succeeded(batch.lastId);
    }
  }

  /** Whether the database that was not there is made. */
  async #isMade(ended: Written): Promise<boolean> {
    if (ended.kind !== "refused" || ended.code !== "E672") return false;
    const { server } = this.#options;
    return server.makeDatabase().catch(() => {
      server.forgetFlavor();
      return false;
    });
  }

  /** A batch; what of it can never be written is set aside. */
  async #write(batch: Batch): Promise<Written> {
    const whole = await this.#request(batch.body);
    if (whole.kind !== "bad" && whole.kind !== "too large") return whole;
    if (whole.kind === "too large") this.#mostLines = Math.max(1, Math.floor(batch.lines / 2));
    return this.#halves(batch.body.split("\n"), whole, { left: MOST_SEARCH });
  }

  /** Written line by line where it has to be. What fails for another reason ends it: everything is written again then. */
  async #halves(
    lines: readonly string[],
    why: Written & { reason: string },
    search: { left: number },
  ): Promise<Written> {
    const isSpent = search.left <= 0 && why.kind === "bad";
    if (lines.length <= 1 || isSpent) {
      this.#aside(lines, why.reason);
      return { kind: "written" };
    }
    const middle = lines.length >> 1;
    for (const half of [lines.slice(0, middle), lines.slice(middle)]) {
      search.left--;
      const ended = await this.#request(half.join("\n"));
      if (ended.kind === "written") continue;
      if (ended.kind !== "bad" && ended.kind !== "too large") return ended;
      const own = await this.#halves(half, ended, search);
      if (own.kind !== "written") return own;
    }
    return { kind: "written" };
  }

  #aside(lines: readonly string[], reason: string): void {
    const { spool, log } = this.#options;
    this.#counts.aside += lines.length;
    for (const line of lines) spool.setAside(line, reason);
    // The server repeats what it was given: only the kind of it is compared.
    const kind = reason.replace(/['"].*$/s, "");
    if (kind !== this.#toldAside)
      log.error("the store refuses some lines: they are set aside", { lines: lines.length, reason });
    this.#toldAside = kind;
  }

  async #request(lines: string): Promise<Written> {
    this.#counts.requests++;
    const ended = await writeLines(this.#options.server, lines, this.#options.clock, this.#ended.signal);
    this.#counts.ended++;
    return ended;
  }

  #succeeded(lastId: number): void {
    const { spool, log } = this.#options;
    if (this.#trouble !== undefined) log.info("series are written again", { waiting: spool.spooled.lines });
    this.#trouble = undefined;
    this.#failures = 0;
    this.#wait = undefined;
    if (spool.spooled.lines === 0) {
      if (this.#isFull) log.info("nothing waits for the store any more", { dropped: this.#counts.dropped });
      this.#isFull = false;
    }
    const [done, waiting] = [
      this.#waiting.filter(({ id }) => id <= lastId),
      this.#waiting.filter(({ id }) => id > lastId),
    ];
    this.#waiting = waiting;
    for (const { told } of done) told(true);
  }

  #failed(ended: Exclude<Written, { kind: "written" }>): void {
    const { server, log, clock } = this.#options;
    if (this.#closed) return;
    this.#failures++;
    const grown = Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(10, this.#failures - 1));
    const asked = ended.kind === "away" ? ended.afterMs : undefined;
    // Somewhat apart, so that all who wait do not come at once.
    this.#wait = Math.max(asked ?? 0, grown * (0.75 + (clock.monotonic() % 97) / 388));
    if (this.#failures > 2) server.forgetFlavor();
    const { reason } = ended;
    const sentence = sentenceOf(ended);
    if (this.#trouble !== sentence)
      log.warn("series cannot be written: they wait here", { code: codeOf(ended), reason });
    this.#trouble = sentence;
    this.#tell(false);
  }

  #tell(isWritten: boolean): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const { told } of all) told(isWritten);
  }
}

function codeOf(ended: Exclude<Written, { kind: "written" }>): string {
  return ended.kind === "refused" ? ended.code : "E670";
}

function sentenceOf(ended: Exclude<Written, { kind: "written" }>): string {
  const { reason } = ended;
  if (ended.kind !== "refused") return `the store of series cannot be written to: ${reason}`;
  return ended.code === "E672"
    ? `the store of series has no such database: ${reason}`
    : `the store of series refuses us: ${reason}`;
}
