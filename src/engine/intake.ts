/** Reports that wait until they can be taken: in order, and a few milliseconds at a time. */

import type { ScrapeReport } from "../model/tick.ts";
import type { Clock } from "../ports.ts";

/** Longest that the event loop is held by what waited, ms. */
const TURN_MS = 4;

export class Intake {
  /** Number of the newest tick that a report has come of, taken or not. */
  newest = -Infinity;
  #newestMs: number;
  readonly #clock: Clock;
  readonly #take: (report: ScrapeReport) => void;
  readonly #queue: ScrapeReport[] = [];
  #state: "waiting" | "open" | "closed" = "waiting";
  #isTaking = false;

  constructor(clock: Clock, take: (report: ScrapeReport) => void) {
    this.#clock = clock;
    this.#newestMs = clock.monotonic();
    this.#take = take;
  }

  add(report: ScrapeReport): void {
    if (this.#state === "closed") return;
    if (report.tick.number > this.newest) {
      this.newest = report.tick.number;
      this.#newestMs = this.#clock.monotonic();
    }
    this.#queue.push(report);
    if (this.#state === "open" && !this.#isTaking) this.#turn();
  }

  /** For how long no newer tick has been heard of, ms. */
  get silentMs(): number {
    return this.#clock.monotonic() - this.#newestMs;
  }

  /** What came so far is taken from now on, and what comes. */
  open(): void {
    this.#state = "open";
    this.#turn();
  }

  /** Nothing is taken any more. */
  close(): void {
    this.#state = "closed";
    this.#queue.length = 0;
  }

  #turn(): void {
    this.#isTaking = true;
    const until = this.#clock.monotonic() + TURN_MS;
    let done = 0;
    while (this.#state === "open" && done < this.#queue.length && this.#clock.monotonic() <= until) {
      const report = this.#queue[done++];
      if (report) this.#take(report);
    }
    this.#queue.splice(0, done);
    this.#isTaking = this.#queue.length > 0;
    if (this.#isTaking) this.#clock.after(0, () => this.#turn());
  }
}
