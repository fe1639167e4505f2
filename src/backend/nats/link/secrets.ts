/** Who we are to a NATS server. */

import type { Authenticator } from "nats";
import { credsAuthenticator, nkeyAuthenticator, tokenAuthenticator, usernamePasswordAuthenticator } from "nats";
import type { BusSecrets } from "../../../config/busSecrets.ts";
import { busSecrets } from "../../../config/busSecrets.ts";
import type { NatsSettings } from "../../../config/busSettings.ts";
import { messageOf, TocsinError } from "../../../lib/errors.ts";
import type { Logger } from "../../../ports.ts";

interface SecretsOptions {
  readonly settings: NatsSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

/**
 * Reads secrets anew for each connection, so that they may change; what cannot be read any more stays as it was.
 * `undefined`: there is nothing to show. Throws `E205` when one cannot be read at first, `E602` when it is none.
 */
export function authenticatorOf({ settings, environment, log }: SecretsOptions): Authenticator | undefined {
  const read = () => {
    const own = authenticatorBy(busSecrets(settings, environment));
    // What is no credentials at all is known before a server is asked.
    own?.("nonce");
    return own;
  };
  let known: Authenticator | undefined;
  try {
    known = read();
  } catch (error) {
    if (error instanceof TocsinError) throw error;
    const { credsFile, nkeyFile } = settings;
    const [word, what] = credsFile === undefined ? ["nkey", "seed"] : ["creds", "credentials"];
    const message = `${word} of bus.nats, ${credsFile ?? nkeyFile}, holds no ${what} of a NATS user`;
    throw new TocsinError("E602", message, { cause: error });
  }
  if (known === undefined) return undefined;
  let isTold = false;
  return (nonce) => {
    try {
      known = read();
      isTold = false;
    } catch (error) {
      // Thrown from here it would end the connection for ever.
      if (!isTold) log.error("bus credentials cannot be read: those before are used", { reason: messageOf(error) });
      isTold = true;
    }
    return known?.(nonce);
  };
}

function authenticatorBy(secrets: BusSecrets): Authenticator | undefined {
  switch (secrets.kind) {
    case "creds":
      return credsAuthenticator(secrets.bytes);
    case "nkey":
      return nkeyAuthenticator(new TextEncoder().encode(new TextDecoder().decode(secrets.bytes).trim()));
    case "user":
      return usernamePasswordAuthenticator(secrets.user, secrets.password);
    case "token":
      return tokenAuthenticator(secrets.token);
    case "none":
      return undefined;
  }
}
