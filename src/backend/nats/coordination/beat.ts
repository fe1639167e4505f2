/** Says again and again that this process is there. */

import type { Clock, Timer } from "../../../ports.ts";

export interface BeatOptions {
  readonly clock: Clock;
  /** From the begin of one to the begin of the next, ms. */
  readonly everyMs: number;
  /** Says it once; resolves when it was taken down. Rejects by itself after some time when there is no answer. */
  readonly say: (beat: number) => Promise<void>;
  /** It was taken down, or was not: called when that is known, with when it was sent (monotonic ms). */
  readonly onSaid: (beat: number, sentAtMs: number) => void;
  readonly onFailed: (error: unknown) => void;
}

/** So many heartbeats of the past can still be told by their number. */
const REMEMBERED = 64;

/** Heartbeats never overlap: the next one begins when the answer is there, or when `say` has given it up. */
export class Heartbeat {
  readonly #options: BeatOptions;
  readonly #sentAt = new Map<number, number>();
  #beat = 0;
  #underWay: Promise<void> | undefined;
  /** Another one is to follow at once. */
  #isAsked = false;
  #isStopped = false;
  #timer: Timer | undefined;

  constructor(options: BeatOptions) {
    this.#options = options;
  }

  /** Says it now, or as soon as the one under way is done. */
  now(): void {
    if (this.#isStopped) return;
    this.#isAsked = true;
    if (!this.#underWay) this.#begin();
  }

  /** When a heartbeat was sent, monotonic ms; `undefined`: it was not one of the last. */
  sentAt(beat: number): number | undefined {
    return this.#sentAt.get(beat);
  }

  /** Resolves when none is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#underWay;
  }

  #begin(): void {
    this.#timer?.cancel();
    const { clock, everyMs } = this.#options;
    const begunAt = clock.monotonic();
    this.#underWay = this.#say().then(() => {
      this.#underWay = undefined;
      if (this.#isStopped) return;
      const waitMs = this.#isAsked ? 0 : Math.max(0, begunAt + everyMs - clock.monotonic());
      this.#timer = clock.after(waitMs, () => this.#begin());
    });
  }

  async #say(): Promise<void> {
    const { clock, say, onSaid, onFailed } = this.#options;
    this.#isAsked = false;
    const beat = ++this.#beat;
    const sentAt = clock.monotonic();
    this.#sentAt.set(beat, sentAt);
    this.#sentAt.delete(beat - REMEMBERED);
    try {
      await say(beat);
      onSaid(beat, sentAt);
    } catch (error) {
      onFailed(error);
    }
  }
}
