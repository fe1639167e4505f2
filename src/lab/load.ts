/** Users: a steady flow of small uploads through HAProxy, so many bytes a second. */

import { Pool } from "undici";
import type { Clock, Timer } from "../ports.ts";

/** Bytes that HAProxy counts for one request: the body and, about, its headers. */
const BODY_BYTES = 1400;
const REQUEST_BYTES = 1536;
/** So often a batch of requests goes out. */
const STEP_MS = 100;

export class Load implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #body = Buffer.alloc(BODY_BYTES, "x");
  #timer: Timer | undefined;
  #owed = 0;
  /** Requests that were answered. */
  answered = 0;
  /** Requests that failed: none should. */
  failed = 0;
  bytesPerS = 0;

  constructor(port: number, clock: Clock) {
    this.#clock = clock;
    this.#pool = new Pool(`http://127.0.0.1:${port}`, { connections: 8 });
  }

  start(): void {
    this.#timer = this.#clock.after(STEP_MS, () => {
      this.#owed += (this.bytesPerS * STEP_MS) / 1000 / REQUEST_BYTES;
      for (; this.#owed >= 1; this.#owed--) void this.#request();
      this.start();
    });
  }

  async #request(): Promise<void> {
    try {
      const { body } = await this.#pool.request({ method: "POST", path: "/", body: this.#body });
      await body.dump();
      this.answered++;
    } catch {
      this.failed++;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    await this.#pool.destroy();
  }
}
