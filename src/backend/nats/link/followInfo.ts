/** What a server says of a message that a consumer of ours was sent. */

import type { Msg } from "nats";

interface Delivered {
  readonly streamSequence: number;
  /** The consumer's own count: 1, 2, 3, … */
  readonly deliverySequence: number;
  /** When it was stored, epoch ms by the server that led then. */
  readonly at: number;
}

/** Out of its reply subject, `$JS.ACK.…`, with or without domain and account; `undefined`: it is no delivery. */
export function infoOf({ reply = "" }: Msg): Delivered | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK" || (tokens.length !== 9 && tokens.length < 11)) return undefined;
  const [, streamSequence = 0, deliverySequence = 0, nanoseconds = 0] = tokens
    .slice(tokens.length === 9 ? 4 : 6)
    .map(Number);
  const isRead = [streamSequence, deliverySequence, nanoseconds].every(Number.isFinite);
  return isRead ? { streamSequence, deliverySequence, at: nanoseconds / 1e6 } : undefined;
}
