/** Clusters that no rule file has: a family of names, or the word for unmapped proxies, makes them of the rows that come. */

/** Most of them at a time. */
const MOST = 10_000;
/** Without a row for so many ticks a cluster is gone, until its rows come again. */
const GONE_TICKS = 360;

interface Guest {
  /** Number of the tick at which rows of it came last. */
  last: number;
  readonly isHere: boolean;
}

export class Guests {
  readonly most: number;
  /** How many have not been admitted since there was room last. */
  refused = 0;
  readonly #held = new Map<string, Guest>();
  #lookedAt = -Infinity;

  constructor(most: number = MOST) {
    this.most = most;
  }

  /** Whether rows of it have come. */
  has(clusterId: string): boolean {
    return this.#held.get(clusterId)?.isHere === true;
  }

  /** One that the record has: it takes room, and is waited for as if rows of it had come now. */
  expect(clusterId: string, number: number): void {
    this.#held.set(clusterId, { last: number, isHere: false });
  }

  /** Takes a cluster in, if there is room. */
  admit(clusterId: string, number: number): boolean {
    if (this.#held.size >= this.most && !this.#held.has(clusterId)) {
      this.refused++;
      return false;
    }
    this.#held.set(clusterId, { last: number, isHere: true });
    return true;
  }

  /** Rows of a cluster came; of one that is no guest nothing is noted. */
  saw(clusterId: string, number: number): void {
    const guest = this.#held.get(clusterId);
    if (guest) guest.last = number;
  }

  /** A rule file has it now. */
  leave(clusterId: string): void {
    this.#held.delete(clusterId);
  }

  /** Those whose rows have not come for long, each once: they are guests no longer. Looks now and then. */
  gone(number: number): readonly string[] {
    if (number - this.#lookedAt < GONE_TICKS / 6) return [];
    this.#lookedAt = number;
    const gone = [...this.#held].flatMap(([clusterId, { last }]) => (number - last > GONE_TICKS ? [clusterId] : []));
    for (const clusterId of gone) this.#held.delete(clusterId);
    return gone;
  }
}
