/** What time it is by the bus, as its stamps on what this process has written itself tell. */

/** One of our own messages: sent and heard by monotonic time, stored by the bus's clock, ms. */
export interface Stamped {
  readonly sentMs: number;
  readonly heardMs: number;
  /** Epoch ms of the bus. */
  readonly storedAt: number;
}

/** Of so many of the newest the one that came back soonest tells it best. */
const REMEMBERED = 12;

export class BusTime {
  #seen: readonly Stamped[] = [];

  heard(stamped: Stamped): void {
    if (!Number.isFinite(stamped.storedAt) || stamped.heardMs < stamped.sentMs) return;
    // What contradicts is older than a step: the bus's clock was set, or this machine slept.
    const agreeing = this.#seen.filter((one) => least(one) <= most(stamped) && least(stamped) <= most(one));
    this.#seen = [...agreeing, stamped].slice(-REMEMBERED);
  }

  /**
   * What is to be added to this machine's clock, which says `now` (epoch ms) at `monotonicMs`, to have the bus's, ms: no
   * more than is certain. 0 while nothing is known.
   */
  offsetMs(now: number, monotonicMs: number): number {
    const own = now - monotonicMs;
    let best: Stamped | undefined;
    for (const one of this.#seen) if (!best || tripOf(one) < tripOf(best)) best = one;
    return best ? Math.min(Math.max(0, least(best) - own), most(best) - own) : 0;
  }
}

function tripOf({ sentMs, heardMs }: Stamped): number {
  return heardMs - sentMs;
}

/** It was stored between sending and hearing: so much the bus's clock is ahead of monotonic time at least, and at most. */
function least({ storedAt, heardMs }: Stamped): number {
  return storedAt - heardMs;
}

function most({ storedAt, sentMs }: Stamped): number {
  return storedAt - sentMs;
}
