/** How long a commit lasts, where it goes to a log that may be away: nothing rejects, and time passes. */

import type { Clock, Timer } from "../ports.ts";

/** A commit that lasts longer is told of, ms. */
const SLOW_MS = 10_000;
const SLOW = `a commit has waited for longer than ${SLOW_MS / 1000} s to be recorded`;

export class CommitWatch {
  readonly #clock: Clock;
  readonly #oldMs: number;
  readonly #onSlow: (reason: string) => void;
  #since: number | undefined;
  #timer: Timer | undefined;
  #isSlow = false;

  /** What was decided longer ago than `oldMs` is old. `onSlow`: a commit has lasted for long, once for each. */
  constructor(clock: Clock, oldMs: number, onSlow: (reason: string) => void) {
    this.#clock = clock;
    this.#oldMs = oldMs;
    this.#onSlow = onSlow;
  }

  /** Why the cluster is degraded; `undefined`: no commit lasts for long. */
  get reason(): string | undefined {
    return this.#isSlow ? SLOW : undefined;
  }

  /** A commit is tried, for the first time or again. */
  begin(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#clock.monotonic();
    this.#timer = this.#clock.after(SLOW_MS, () => {
      this.#isSlow = true;
      this.#onSlow(SLOW);
    });
  }

  /** It is durable. Returns whether what it decided is old by now. */
  end(): boolean {
    const tookMs = this.#clock.monotonic() - (this.#since ?? Infinity);
    this.stop();
    return tookMs > this.#oldMs;
  }

  /** It is not awaited any more. */
  stop(): void {
    this.#since = undefined;
    this.#timer?.cancel();
    this.#isSlow = false;
  }
}
