/**
 * A clock for what goes by ticks: this machine's own, or the bus's time where the two are too far apart. Ticks that are
 * labelled otherwise than the samples of agents would all be late, or never due (rule T1).
 */

import type { Clock, Logger } from "../ports.ts";

export interface BusClockOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
  /** What is to be added to this machine's clock to have the bus's, ms. */
  readonly offsetMs: () => number;
}

export interface BusClock extends Clock {
  /** Why the service is degraded: the clock is off. */
  degraded(): readonly string[];
}

/** The bus's time is taken from a quarter of an interval on, and left when less than an eighth is missing. */
export function busClock({ clock, log, intervalMs, offsetMs }: BusClockOptions): BusClock {
  let isOff = false;
  const look = () => {
    const offset = offsetMs();
    const most = isOff ? intervalMs / 8 : intervalMs / 4;
    if (Math.abs(offset) > most !== isOff) {
      isOff = !isOff;
      const fields = { ahead_s: aheadS(offset) };
      if (isOff) log.warn("the clock of this machine is off: ticks go by the time of the bus", fields);
      else log.info("the clock of this machine is right again", fields);
    }
    return isOff ? offset : 0;
  };
  return {
    now: () => clock.now() + look(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, run) => clock.after(delayMs, run),
    degraded() {
      const offset = look();
      if (!isOff) return [];
      const word = offset < 0 ? "ahead of" : "behind";
      return [`the clock of this machine is ${Math.abs(aheadS(offset))} s ${word} the bus: ticks go by the bus's time`];
    },
  };
}

/** What this machine's clock is ahead by, seconds to a tenth. */
function aheadS(offsetMs: number): number {
  return Math.round(-offsetMs / 100) / 10;
}
