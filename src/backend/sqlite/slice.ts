/** A slice of upkeep: whoever wants to store something waits behind it. */

/** How long one may take, ms, but for the step that it is in then. */
const SLICE_MS = 4;

export class Slice {
  readonly #monotonic: () => number;
  readonly #end: number;

  /** It begins now. `monotonic`: milliseconds that never step. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#end = monotonic() + SLICE_MS;
  }

  get isOver(): boolean {
    return this.#monotonic() >= this.#end;
  }
}
