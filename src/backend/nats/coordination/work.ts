/**
 * What this process does about one partition.
 *
 * idle → acquiring → held → releasing → idle; `lose` leads from everywhere to idle, at once. What was called and has not
 * answered when it is lost is waited for before anything else begins: of one partition there is one call at a time.
 * Only `lose` comes into another call.
 */

import type { Clock } from "../../../ports.ts";
import type { PartitionHandlers } from "../../../scalePorts.ts";

export type WorkState = "idle" | "acquiring" | "held" | "releasing";

export interface WorkOptions {
  readonly partition: number;
  readonly handlers: PartitionHandlers;
  readonly clock: Clock;
  /** Something has come to its end: it is time to look again. */
  readonly onChange: () => void;
  /** A handler has thrown. */
  readonly onError: (what: "acquire" | "release" | "lose", error: unknown) => void;
}

/** It is not begun again for so long after it failed or was lost the first, second… time in a row, ms. */
const BACKOFF_MS: readonly number[] = [100, 500, 2000, 5000, 15_000, 30_000];
/** After so many failures in a row another is to have it, for so long from the last one; twice as long at each one more, ms. */
const BEYOND_US = { failures: 2, firstMs: 60_000, mostMs: 900_000 } as const;
/** Work that went on for so long makes up for what failed before, ms. */
const STEADY_MS = 10_000;

export class PartitionWork {
  readonly #options: WorkOptions;
  #state: WorkState = "idle";
  /** Of the call that is under way; another one when it was lost meanwhile. */
  #turn = 0;
  #pending: Promise<void> | undefined;
  #hasFailed = false;
  #failures = 0;
  #unacquired = 0;
  #beyondUsUntil = Number.NEGATIVE_INFINITY;
  #heldAt = 0;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  get state(): WorkState {
    return this.#state;
  }

  /** Nothing is under way, and it is not too soon after a failure. */
  mayBegin(nowMs: number): boolean {
    return this.#state === "idle" && this.#pending === undefined && nowMs >= this.#notBefore;
  }

  /** It could not be acquired the last time, and has not been given back since. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** It could not be acquired again and again, lately: another may do better. */
  isBeyondUs(nowMs: number): boolean {
    return nowMs < this.#beyondUsUntil;
  }

  forgive(): void {
    this.#hasFailed = false;
  }

  acquire(): void {
    const { partition, handlers, clock } = this.#options;
    this.#state = "acquiring";
    this.#hasFailed = false;
    this.#call("acquire", handlers.acquire.bind(handlers, partition), (isDone) => {
      this.#state = isDone ? "held" : "idle";
      this.#heldAt = clock.monotonic();
      this.#unacquired = isDone ? 0 : this.#unacquired + 1;
      const { failures, firstMs, mostMs } = BEYOND_US;
      const longMs = Math.min(firstMs * 2 ** (this.#unacquired - failures), mostMs);
      this.#beyondUsUntil = this.#unacquired < failures ? Number.NEGATIVE_INFINITY : this.#heldAt + longMs;
      if (isDone) return;
      this.#hasFailed = true;
      this.backOff();
    });
  }

  /** Resolves when it is idle: released, or lost meanwhile. Of one that is being acquired, after that. */
  async release(): Promise<void> {
    while (this.#state !== "idle") {
      if (this.#state === "held") {
        const { partition, handlers } = this.#options;
        this.#state = "releasing";
        this.#call("release", handlers.release.bind(handlers, partition), () => {
          this.#state = "idle";
        });
      }
      await this.#pending;
    }
    await this.#pending;
  }

  lose(): void {
    if (this.#state === "idle") return;
    this.#state = "idle";
    this.#turn++;
    const { partition, handlers, onError } = this.#options;
    try {
      handlers.lose(partition);
    } catch (error) {
      onError("lose", error);
    }
  }

  /** It is not to be begun again at once. */
  backOff(): void {
    const now = this.#options.clock.monotonic();
    if (this.#heldAt > 0 && now - this.#heldAt > STEADY_MS) this.#failures = 0;
    this.#notBefore = now + (BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)] ?? 0);
    this.#failures++;
  }

  #call(what: "acquire" | "release", run: () => Promise<void>, then: (isDone: boolean) => void): void {
    const turn = ++this.#turn;
    const settle = (isDone: boolean) => {
      this.#pending = undefined;
      if (turn === this.#turn) then(isDone);
      this.#options.onChange();
    };
    // In a turn of its own, so that what is thrown at once is a rejection too.
    this.#pending = Promise.resolve()
      .then(run)
      .then(
        () => settle(true),
        (error: unknown) => {
          this.#options.onError(what, error);
          settle(false);
        },
      );
  }
}
