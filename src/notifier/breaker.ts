/**
 * Leaves alone what keeps failing.
 *
 *   closed     called as ever; after 5 failures in a row                        → open
 *   open       not called, for 30 s; then                                       → half-open
 *   half-open  one call tells (whoever asks sends one at a time): it succeeds   → closed
 *              it fails                                                         → open, for twice as long, 60 s at the most
 *
 * A minute at the most, because what has recovered must be found soon: a cluster may wait for it.
 */

const FAILURES = 5;
const FIRST_MS = 30_000;
const MOST_MS = 60_000;

export type BreakerState = "closed" | "open" | "half-open";

export class Breaker {
  #failures = 0;
  #openMs = FIRST_MS;
  /** End of the time in which it is open, on the monotonic clock; `undefined`: it is closed. */
  #untilMs: number | undefined;

  /** Neither open nor on its way there. */
  get isClear(): boolean {
    return this.#failures === 0;
  }

  state(nowMs: number): BreakerState {
    if (this.#untilMs === undefined) return "closed";
    return nowMs < this.#untilMs ? "open" : "half-open";
  }

  /** Milliseconds until it may be tried; 0: it may now. */
  restMs(nowMs: number): number {
    return this.#untilMs === undefined ? 0 : Math.max(0, this.#untilMs - nowMs);
  }

  failed(nowMs: number): void {
    this.#failures++;
    if (this.state(nowMs) === "half-open") this.#openMs = Math.min(2 * this.#openMs, MOST_MS);
    else if (this.#untilMs !== undefined || this.#failures < FAILURES) return;
    this.#untilMs = nowMs + this.#openMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openMs = FIRST_MS;
    this.#untilMs = undefined;
  }
}
