/**
 * When the ticks of a partition are sealed as they are (rule T3), where samples come over a bus that may stall.
 *
 * A tick is due so long after it began. If by then nothing at all was heard of it, or of a later one, it is the bus that
 * is silent, or we are cut off: that says nothing of the sources, so the tick waits. When something is heard again, what
 * is overdue is given some time, for others who were cut off come back a little later. Only when nothing is heard for
 * long while the bus answers is the silence taken for the sources' own, until something is heard.
 */

import type { Clock, Timer } from "../ports.ts";

/** Silence for so long, while the bus answers, is the sources' own, ms. */
const PATIENCE_MS = 15_000;
/** What was silent is waited for so long after the first of it is heard again, ms. */
const COMING_BACK_MS = 5000;
/** Ticks that wait: a later one seals those before it, too. */
const MOST_PENDING = 1000;
/** How often ticks that wait are looked at, ms. */
const LOOK_MS = 500;

export interface DeadlinesOptions {
  readonly clock: Clock;
  /** From a tick to its deadline, ms. */
  readonly delayMs: number;
  /** Whether the bus answers us. */
  readonly isFresh: () => boolean;
  /** Something is heard again: what was due had to wait so long, and for so long no new tick was heard of, ms. */
  readonly onBack: (waitedMs: number, silentMs: number) => void;
  /** What is open up to that tick is sealed. */
  readonly seal: (number: number) => void;
}

interface Pending {
  readonly number: number;
  dueMs: number;
}

export class Deadlines {
  readonly #options: DeadlinesOptions;
  /** Oldest first. */
  #pending: Pending[] = [];
  #timer: Timer | undefined;
  #newestHeard = -Infinity;
  #heardMs = -Infinity;
  /** Since when what is due waits; `undefined`: nothing does. */
  #waitingSince: number | undefined;
  /** The same, with the time in which we were cut off. */
  #waitedSince = 0;
  /** It was silent for so long that it is taken to be so. */
  #isQuiet = false;
  #stopped = false;

  constructor(options: DeadlinesOptions) {
    this.#options = options;
  }

  /** Whether what is due waits to be heard of. */
  get isWaiting(): boolean {
    return this.#waitingSince !== undefined;
  }

  /** Whether the silence is taken for the sources' own. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** A tick begins. `lateMs`: it began so long ago. */
  open(number: number, lateMs = 0): void {
    if (this.#stopped) return;
    const { clock, delayMs } = this.#options;
    if (this.#pending.length >= MOST_PENDING) this.#pending.shift();
    this.#pending.push({ number, dueMs: clock.monotonic() + Math.max(0, delayMs - lateMs) });
    this.#look();
  }

  /** A report of a tick came. */
  heard(number: number): void {
    if (this.#stopped || number <= this.#newestHeard) return;
    const now = this.#options.clock.monotonic();
    const silentMs = now - this.#heardMs;
    this.#newestHeard = number;
    this.#heardMs = now;
    this.#isQuiet = false;
    if (this.#waitingSince === undefined) return;
    this.#options.onBack(now - this.#waitedSince, silentMs);
    const backMs = now + COMING_BACK_MS;
    for (const one of this.#pending) if (one.number <= number) one.dueMs = Math.max(one.dueMs, backMs);
    this.#waitingSince = undefined;
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #look(): void {
    const { clock, seal, isFresh } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = clock.monotonic();
    let sealed: number | undefined;
    while (this.#pending[0] && this.#pending[0].dueMs <= now && this.#mayPass(this.#pending[0].number)) {
      sealed = this.#pending.shift()?.number;
    }
    if (sealed !== undefined) seal(sealed);
    const [next] = this.#pending;
    if (!next || this.#stopped) return;
    if (next.dueMs > now) {
      this.#timer = clock.after(next.dueMs - now, () => this.#look());
      return;
    }
    if (this.#waitingSince === undefined) this.#waitedSince = now;
    // Time in which we are cut off says nothing.
    if (!isFresh()) this.#waitingSince = now;
    this.#waitingSince ??= now;
    if (now - this.#waitingSince >= PATIENCE_MS) {
      this.#isQuiet = true;
      this.#waitingSince = undefined;
      this.#look();
      return;
    }
    this.#timer = clock.after(LOOK_MS, () => this.#look());
  }

  #mayPass(number: number): boolean {
    return number <= this.#newestHeard || (this.#isQuiet && this.#options.isFresh());
  }
}
