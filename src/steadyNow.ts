/** The wall clock, as far as it is to be believed by what deletes for good. */

import type { Clock } from "./ports.ts";

/** A clock may be so much ahead of where it was and the time since; afterwards it is waited for. */
const SLACK_MS = 5 * 60_000;
/** A clock that has been ahead for so long has been set, and means it. */
const BELIEVED_MS = 3_600_000;

/**
 * Says what time it is, epoch ms, and goes no faster than time itself: a clock that is ahead for a moment deletes nothing.
 * What it is set back by counts at once: of that nothing is lost.
 */
export function steadyNow(clock: Pick<Clock, "now" | "monotonic">): () => number {
  let [at, since] = [clock.now(), clock.monotonic()];
  let aheadSince: number | undefined;
  return () => {
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    const expected = at + (monotonic - since);
    if (now > expected + SLACK_MS) {
      aheadSince ??= monotonic;
      if (monotonic - aheadSince < BELIEVED_MS) return expected;
    }
    aheadSince = undefined;
    [at, since] = [now, monotonic];
    return now;
  };
}
