/** How large a message may be: what the server that is connected takes, or the one before it did. */

import type { NatsConnection } from "nats";
import { ErrorCode } from "nats";
import { apiErrorCode } from "./link.ts";

/** What a server takes where it is not configured, bytes. */
const DEFAULT_BYTES = 1024 * 1024;
/** Of the stream: it has a bound of its own for single messages. */
const TOO_LARGE = 10_054;

export class MaxPayload {
  readonly #nc: NatsConnection;
  #bytes = DEFAULT_BYTES;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    void this.bytes;
  }

  /** With its headers. While no server is connected nothing is known of the next: it is most likely as the last was. */
  get bytes(): number {
    this.#bytes = this.#nc.info?.max_payload ?? this.#bytes;
    return this.#bytes;
  }
}

/** Whether a message was refused because of its size: the same will be refused again. */
export function isTooLarge(error: unknown): boolean {
  return apiErrorCode(error) === TOO_LARGE || (error as { code?: unknown }).code === ErrorCode.MaxPayloadExceeded;
}
