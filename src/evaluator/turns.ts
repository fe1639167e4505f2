/** Work that is done a few milliseconds at a time: requests and answers are not kept waiting by many clusters. */

import type { Clock, Timer } from "../ports.ts";

/** Longest that the event loop is held at a time, ms. */
const TURN_MS = 4;

export class Turns<Item> {
  readonly #clock: Clock;
  readonly #work: (item: Item) => void;
  readonly #waiting: Item[] = [];
  #turn: Timer | undefined;

  constructor(clock: Clock, work: (item: Item) => void) {
    this.#clock = clock;
    this.#work = work;
  }

  /** In order; at once, where nothing waits and there is time. */
  add(items: readonly Item[]): void {
    for (const item of items) this.#waiting.push(item);
    if (this.#turn === undefined) this.#take();
  }

  /** What waits is left. */
  stop(): void {
    this.#turn?.cancel();
  }

  #take(): void {
    const until = this.#clock.monotonic() + TURN_MS;
    let done = 0;
    while (done < this.#waiting.length && this.#clock.monotonic() <= until) {
      const item = this.#waiting[done++];
      if (item !== undefined) this.#work(item);
    }
    this.#waiting.splice(0, done);
    this.#turn =
      this.#waiting.length === 0
        ? undefined
        : this.#clock.after(0, () => {
            this.#turn = undefined;
            this.#take();
          });
  }
}
