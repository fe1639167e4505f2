import type { Clock } from "../ports.ts";

/** Waits for some work, but no longer than that. */
export function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, resolve);
    work.then(() => resolve(), reject).finally(() => timer.cancel());
  });
}
