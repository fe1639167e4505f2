/** Waits before something is tried again, which all end at once when there is nothing more to try. */

import type { Clock, Timer } from "../../../ports.ts";

export class Pauses {
  readonly #clock: Clock;
  readonly #waiting = new Set<{ readonly timer: Timer; readonly end: () => void }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after so long, or at the end. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#waiting.delete(pause);
        resolve();
      };
      const pause = { timer: this.#clock.after(ms, end), end };
      this.#waiting.add(pause);
    });
  }

  /** Ends those under way. */
  end(): void {
    for (const { timer, end } of this.#waiting) {
      timer.cancel();
      end();
    }
  }
}
