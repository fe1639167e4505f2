/**
 * Ticks (rule T1): numbers grow with monotonic time, labels are the wall clock's `k × interval`.
 *
 * Each tick is scheduled so that it falls on its label; small corrections of the wall clock (NTP) move the next
 * one a little. When the wall clock steps by an interval or more, labels are anchored anew and numbers go on.
 * Ticks that could not be run in time (a stalled process) are skipped and their numbers left out.
 */

import type { Clock, Timer } from "../ports.ts";

interface Tick {
  readonly number: number;
  readonly at: number;
}

export interface TickerOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Numbers start above this one: the last of an earlier run. */
  readonly after: number;
  readonly onTick: (tick: Tick) => void;
  /** The wall clock stepped by `byMs` (positive: forward). */
  readonly onStep: (byMs: number) => void;
}

export class Ticker {
  readonly #options: TickerOptions;
  #timer: Timer | undefined;
  /** The tick that comes next, and when, in monotonic time. */
  #next: Tick;
  #dueMs: number;

  constructor(options: TickerOptions) {
    const { clock, intervalMs, after } = options;
    this.#options = options;
    const now = clock.now();
    const at = (Math.floor(now / intervalMs) + 1) * intervalMs;
    this.#next = { number: Math.max(at / intervalMs, after + 1), at };
    this.#dueMs = clock.monotonic() + (at - now);
  }

  /** Number of the first tick. */
  get first(): number {
    return this.#next.number;
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    const { clock } = this.#options;
    this.#timer = clock.after(this.#dueMs - clock.monotonic(), () => this.#fire());
  }

  #fire(): void {
    const { clock, intervalMs, onTick, onStep } = this.#options;
    const lateMs = clock.monotonic() - this.#dueMs;
    // Timers may fire a little early; wait the rest.
    if (lateMs < -1) {
      this.#schedule();
      return;
    }
    const missed = Math.floor(Math.max(0, lateMs) / intervalMs);
    const number = this.#next.number + missed;
    const label = this.#next.at + missed * intervalMs;
    const wall = clock.now();
    const offMs = wall - (label + (Math.max(0, lateMs) - missed * intervalMs));
    const stepped = Math.abs(offMs) >= intervalMs;
    const at = stepped ? Math.round(wall / intervalMs) * intervalMs : label;
    if (stepped) onStep(Math.round(offMs));
    this.#next = { number: number + 1, at: at + intervalMs };
    this.#dueMs = clock.monotonic() + Math.max(intervalMs / 2, this.#next.at - wall);
    this.#schedule();
    onTick({ number, at });
  }
}
