import { ErrorCode, NatsError } from "nats";
import { messageOf, TocsinError } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import { apiErrorCode, isRetryable } from "./errors.ts";
import type { NatsLink } from "./link.ts";

/** Longer than an election of nats-server takes, 4 to 9 s, twice. */
const WITHIN_MS = 20_000;

const PAUSE_MS = 250;

/** "No suitable peers": servers of a cluster that has just begun do not know each other yet. */
const NO_PEERS = 10_005;

/**
 * Runs a request again until it is answered: elections and lost connections pass. Rejects with the last error after
 * `withinMs`, and at once with one that does not pass; without an answer that is `E603`, without permission `E602`.
 */
export async function retrying<T>(
  { clock }: Pick<NatsLink, "clock">,
  run: () => Promise<T>,
  withinMs = WITHIN_MS,
): Promise<T> {
  const until = clock.monotonic() + withinMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      const passes = isRetryable(error) || apiErrorCode(error) === NO_PEERS;
      if (!passes || clock.monotonic() + PAUSE_MS >= until) throw toldOf(error);
    }
    await wait(clock, PAUSE_MS);
  }
}

/** What an operator can mend, as such; what JetStream answers is for those who asked. */
function toldOf(error: unknown): unknown {
  if (!(error instanceof NatsError) || apiErrorCode(error) !== undefined) return error;
  if (error.code === ErrorCode.PermissionsViolation)
    return new TocsinError("E602", `NATS refused us: ${messageOf(error)}`, { cause: error });
  if (!isRetryable(error)) return error;
  return new TocsinError(
    "E603",
    `JetStream does not answer (${messageOf(error)}): see that its servers have a leader`,
    {
      cause: error,
    },
  );
}
