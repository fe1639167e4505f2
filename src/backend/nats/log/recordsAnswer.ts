/** Waits for answers of the bus, no longer than they can come. */

import type { Clock } from "../../../ports.ts";

/** No answer came: in time, or before the connection was another one. What was asked for may be done all the same. */
export class Interrupted extends Error {}

/** While a leader is elected nobody answers, nor says so: it is asked again so soon, ms. */
const ANSWER_MS = 2500;

export class Answers {
  readonly #clock: Clock;
  readonly #interrupts = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As the promise itself, or rejects with `Interrupted` when time, the connection or the signal ends before. */
  of<T>(asked: Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const interrupt = () => reject(new Interrupted("the connection was lost under it"));
      const timer = this.#clock.after(ANSWER_MS, () => reject(new Interrupted("no answer in time")));
      const end = () => {
        timer.cancel();
        this.#interrupts.delete(interrupt);
        signal?.removeEventListener("abort", interrupt);
      };
      this.#interrupts.add(interrupt);
      signal?.addEventListener("abort", interrupt);
      asked.then(resolve, reject).finally(end);
    });
  }

  /** The connection is another one. */
  reconnected(): void {
    for (const interrupt of [...this.#interrupts]) interrupt();
  }
}
