import type { Clock } from "../../src/ports.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that stands still until told to go on. Wall and monotonic time move together, but the wall may be set. */
export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallMs: number;
  #due: Due[] = [];

  constructor(wallMs = 1_700_000_000_000) {
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void) {
    const due = { atMs: this.#monotonicMs + Math.max(0, delayMs), run };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  /** Steps the wall clock alone. */
  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Goes on by so much, running what falls due on the way, in order of time. */
  advance(ms: number): void {
    const end = this.#monotonicMs + ms;
    for (;;) {
      const next = this.#due.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#goTo(next.atMs);
      next.run();
    }
    this.#goTo(end);
  }

  #goTo(atMs: number): void {
    this.#wallMs += atMs - this.#monotonicMs;
    this.#monotonicMs = atMs;
  }
}
