/** What the client's errors mean: whether to try again, and which error of JetStream it is. */

import { ErrorCode, NatsError } from "nats";

/**
 * JetStream's errors (nats-server, server/errors.json) that pass by themselves: no leader yet, peers that are not
 * there, resources that are being freed. That a stream has no room (10077, also 503) is not among them.
 */
const PASSING: ReadonlySet<number> = new Set([
  10_004, // incomplete results
  10_007, // cluster not assigned to this server
  10_008, // temporarily unavailable
  10_009, // cannot handle the request: not the leader
  10_023, // insufficient resources
  10_041, // an error of RAFT
  10_075, // peers are being remapped
  10_118, // the stream is offline
  10_119, // the consumer is offline
]);

/** Of the client: it waited in vain, or the connection went away under the request. */
const BROKEN: ReadonlySet<string> = new Set([
  ErrorCode.NoResponders,
  ErrorCode.Timeout,
  ErrorCode.Disconnect,
  ErrorCode.ConnectionRefused,
  ErrorCode.ConnectionTimeout,
  ErrorCode.JetStream408RequestTimeout,
  ErrorCode.JetStreamIdleHeartBeat,
  ErrorCode.RequestError,
  ErrorCode.Cancelled,
]);

/** JetStream's own number of an error, such as 10071; `undefined`: it is none of JetStream's. */
export function apiErrorCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

/**
 * Whether the same request may succeed when it is made again: no answer, no leader, no connection. What it asked for
 * may have been done all the same. A closed connection is for ever.
 */
export function isRetryable(error: unknown): boolean {
  const code = apiErrorCode(error);
  if (code !== undefined) return PASSING.has(code);
  return error instanceof NatsError && BROKEN.has(error.code);
}
