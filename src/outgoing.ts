/** The way out: the notifier with what it needs of settings and environment, and the dead-man's switch. */

import { readFileSync } from "node:fs";
import { expandKeystone } from "./config/keystoneSettings.ts";
import { maskedTarget } from "./config/receiverUrl.ts";
import { expandSecrets } from "./config/secrets.ts";
import type { KeystoneSettings, Settings } from "./config/settings.ts";
import type { AddressPolicy } from "./lib/addressPolicy.ts";
import { parseHttpDate } from "./lib/clock.ts";
import { messageOf, TocsinError } from "./lib/errors.ts";
import { VERSION } from "./lib/version.ts";
import { Heartbeat } from "./notifier/heartbeat.ts";
import { KeystoneTokens } from "./notifier/keystone.ts";
import { Notifier } from "./notifier/notifier.ts";
import type { Clock, Logger, ReceiverDirectory } from "./ports.ts";

interface World {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly policy: AddressPolicy;
}

/** Nothing is read that may be missing: what the notifier needs of secrets and files it reads when it needs it. */
export function createNotifier(world: World, receivers: ReceiverDirectory): Notifier {
  const { settings, clock, log, policy } = world;
  const { connectTimeoutMs, concurrency, perOrigin, keystone } = settings.notifier;
  return new Notifier({
    clock,
    log,
    parseDate: parseHttpDate,
    receivers,
    policy,
    version: VERSION,
    connectTimeoutMs,
    concurrency,
    perOrigin,
    ...(keystone === undefined ? {} : { tokens: tokensOf(keystone, world) }),
  });
}

function tokensOf(keystone: KeystoneSettings, { settings, environment, clock }: World): KeystoneTokens {
  return new KeystoneTokens({
    access: () => {
      const { authUrl, credentials, caFile } = expandKeystone(keystone, environment);
      return { authUrl, credentials, ...(caFile === undefined ? {} : { ca: authority(caFile) }) };
    },
    shown: maskedTarget(keystone.authUrl),
    clock,
    timeoutMs: settings.notifier.timeoutS * 1000,
  });
}

function authority(caFile: string): string {
  try {
    return readFileSync(caFile, "utf8");
  } catch (error) {
    throw new TocsinError("E212", `cannot read ca_file of notifier.keystone: ${messageOf(error)}`, { cause: error });
  }
}

/** `undefined`: none is configured. */
export function createHeartbeat(world: World, troubles: () => readonly string[]): Heartbeat | undefined {
  const { settings, environment, clock, log } = world;
  const { heartbeatUrl } = settings.notifier;
  if (heartbeatUrl === undefined) return undefined;
  const url = () => expandSecrets(heartbeatUrl, environment);
  return new Heartbeat({ url, shown: maskedTarget(heartbeatUrl), clock, log, troubles, version: VERSION });
}
