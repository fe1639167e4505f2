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
  /** The last tick of an earlier run. */
  readonly after: Tick | undefined;
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
    this.#next = { number: after ? after.number + ticksSince(after, at, intervalMs) : at / intervalMs, at };
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

/** Ticks that stand for a downtime that nobody can measure: a day of ten-second ticks, more than any window. */
const UNKNOWN_DOWNTIME_TICKS = 8640;

/**
 * Ticks from the last one of an earlier run to one labelled `at`: what the wall clocks of both say. A clock that was
 * set back in between says nothing; then so many have passed that no window reaches over them.
 */
function ticksSince(after: Tick, at: number, intervalMs: number): number {
  return at > after.at ? Math.max(1, Math.round((at - after.at) / intervalMs)) : UNKNOWN_DOWNTIME_TICKS;
}
