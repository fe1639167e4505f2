/** The first connection: until a server is reached and JetStream answers, or it is known why not. */

import type { ConnectionOptions, NatsConnection } from "nats";
import { connect, ErrorCode, NatsError } from "nats";
import { messageOf, systemCode, TocsinError } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import type { Clock } from "../../../ports.ts";
import { apiErrorCode, isRetryable } from "./errors.ts";

interface Greeting {
  readonly servers: readonly string[];
  readonly clock: Clock;
  /** Until then, by the monotonic clock. */
  readonly until: number;
}

/** What a server says to one whom it does not let in. */
export const AUTH_ERRORS: ReadonlySet<string> = new Set([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AuthenticationTimeout,
  ErrorCode.AccountExpired,
  ErrorCode.BadAuthentication,
  ErrorCode.BadCreds,
]);

/** Between two attempts, ms. */
const RETRY_MS = 250;

/** Throws `E601` when no server is reached in time, `E602` when one refuses us. */
export async function reached(
  options: ConnectionOptions,
  { servers, clock, until }: Greeting,
): Promise<NatsConnection> {
  const where = `NATS at ${servers.join(", ")}`;
  for (;;) {
    // The client takes servers that it did not reach off the list that it is given.
    const dialling = connect({ ...options, servers: [...servers] });
    try {
      const nc = await Promise.race([dialling, wait(clock, until - clock.monotonic())]);
      if (nc !== undefined) return nc;
      // It may still come about, and nobody would close it.
      void dialling.then((late) => late.close()).catch(() => undefined);
      throw new TocsinError("E601", `cannot reach ${where}: no answer`);
    } catch (error) {
      if (error instanceof TocsinError) throw error;
      const refusal = refusalIn(error);
      if (refusal !== undefined) throw new TocsinError("E602", `${where} refused us: ${refusal}`, { cause: error });
      if (clock.monotonic() + RETRY_MS >= until)
        throw new TocsinError("E601", `cannot reach ${where}: ${reasonOf(error)}`, { cause: error });
    }
    await wait(clock, RETRY_MS);
  }
}

/** Throws `E602` when we may not ask, `E603` when there is no JetStream, or it does not answer in time. */
export async function jetStreamAnswers(nc: NatsConnection, { servers, clock, until }: Greeting): Promise<void> {
  const where = `NATS at ${servers.join(", ")}`;
  for (;;) {
    try {
      const timeout = Math.max(100, Math.min(2000, until - clock.monotonic()));
      await (await nc.jetstreamManager({ timeout, checkAPI: false })).getAccountInfo();
      return;
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal !== undefined) throw new TocsinError("E602", `${where} refused us: ${refusal}`, { cause: error });
      const code = apiErrorCode(error);
      // A server that has no part in it says so when it greets; in a cluster another may have it.
      const isAlone = nc.info?.jetstream !== true && nc.info?.cluster === undefined;
      const isOff = code === NOT_ENABLED || code === NOT_FOR_ACCOUNT || (isAlone && isRetryable(error));
      if (isOff || clock.monotonic() + RETRY_MS >= until) {
        const why = isOff ? "is not enabled" : "does not answer: its servers may have no leader";
        throw new TocsinError("E603", `JetStream ${why} in ${where}`, { cause: error });
      }
    }
    await wait(clock, RETRY_MS);
  }
}

const NOT_ENABLED = 10_076;
const NOT_FOR_ACCOUNT = 10_039;

/** What a server, or TLS, has against us; `undefined`: it is no refusal. */
function refusalIn(error: unknown): string | undefined {
  const code = error instanceof NatsError ? error.code : "";
  if (AUTH_ERRORS.has(code)) return "its user, password, token or key is missing or wrong";
  if (code === ErrorCode.PermissionsViolation) return messageOf(error);
  if (code === ErrorCode.ServerOptionNotAvailable) return "it speaks no TLS";
  const own = systemCode(error) ?? "";
  const isTls =
    code === ErrorCode.Tls || /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO$)/.test(own);
  return isTls ? `TLS: ${messageOf(error)}` : undefined;
}

function reasonOf(error: unknown): string {
  if (error instanceof NatsError && error.code === ErrorCode.ConnectionRefused) return "nobody listens there";
  if (error instanceof NatsError && error.code === ErrorCode.Timeout) return "no answer";
  return messageOf(error ?? "the connection was closed");
}
