/** What a publisher says of how it goes: once for each change. */

import type { Logger } from "../../../ports.ts";

/** Failures in a row that are worth a word; elections and reconnections come with some. */
const FAILURES_UNTOLD = 5;

export class PublisherWords {
  readonly #log: Logger;
  #failures = 0;
  #isDropping = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  drops(code: string, reason: string): void {
    if (!this.#isDropping) this.#log.error("samples are dropped", { code, reason });
    this.#isDropping = true;
  }

  fails(reason: string): void {
    this.#failures++;
    if (this.#failures === FAILURES_UNTOLD) this.#log.warn("samples cannot be published", { code: "E630", reason });
  }

  /** `dropped`: messages that were, since the start. */
  works(dropped: number): void {
    const wasTold = this.#failures >= FAILURES_UNTOLD || this.#isDropping;
    if (wasTold) this.#log.info("samples are published again", { dropped });
    this.#failures = 0;
    this.#isDropping = false;
  }
}
