/** Turns at engines: of what this process asks of one of them, so much at a time; the rest waits here, in order. */

import type { Clock } from "../../../ports.ts";

export class Turns {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `most` at a time at each. */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Resolves to what ends the turn; `undefined`: it has not come within that time. */
  async take(id: string, limitMs: number): Promise<(() => void) | undefined> {
    const taken = this.#taken.get(id) ?? 0;
    if (taken >= this.#most && !(await this.#hasCome(id, limitMs))) return undefined;
    // A turn that was waited for is handed on: it stays taken.
    if (taken < this.#most) this.#taken.set(id, taken + 1);
    return () => this.#end(id);
  }

  #hasCome(id: string, limitMs: number): Promise<boolean> {
    const queue = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, queue);
    return new Promise((resolve) => {
      const come = () => {
        timer.cancel();
        resolve(true);
      };
      const timer = this.#clock.after(limitMs, () => {
        queue.delete(come);
        resolve(false);
      });
      queue.add(come);
    });
  }

  #end(id: string): void {
    const [next] = this.#waiting.get(id) ?? [];
    if (next) {
      this.#waiting.get(id)?.delete(next);
      next();
      return;
    }
    this.#waiting.delete(id);
    const left = (this.#taken.get(id) ?? 1) - 1;
    // Ids are new with every process.
    if (left > 0) this.#taken.set(id, left);
    else this.#taken.delete(id);
  }
}
