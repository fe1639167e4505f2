/** One connection to NATS, and what everything here works with. */

import type { ConnectionOptions, JetStreamClient, JetStreamManager, NatsConnection } from "nats";
import { createInbox, DebugEvents, Events } from "nats";
import { checkBusTls } from "../../../config/busSecrets.ts";
import type { NatsSettings } from "../../../config/busSettings.ts";
import { messageOf } from "../../../lib/errors.ts";
import { wait } from "../../../lib/wait.ts";
import type { Clock, Logger } from "../../../ports.ts";
import type { BusNames } from "../names.ts";
import { busNames } from "../names.ts";
import { AUTH_ERRORS, jetStreamAnswers, reached } from "./greeting.ts";
import { authenticatorOf } from "./secrets.ts";
import { tlsOptions } from "./tls.ts";

export { apiErrorCode, isRetryable } from "./errors.ts";

export interface NatsLink {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly names: BusNames;
  readonly clock: Clock;
  readonly log: Logger;
  /** A new subject at which this process awaits something. */
  inbox(): string;
  /** A server is connected now, as far as is known here. */
  isUp(): boolean;
  /** Drains and closes, within 2 s. */
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly settings: NatsSettings;
  /** What the server shows of this connection. */
  readonly name: string;
  /** It may be allowed to do no more than an agent may. */
  readonly isAgent?: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest time until the connection stands and JetStream has answered, ms; default 10 s. */
  readonly withinMs?: number;
}

/** Of one request to JetStream, ms. */
const REQUEST_TIMEOUT_MS = 5000;

/** Of one attempt to connect to one server, ms. */
const DIAL_TIMEOUT_MS = 3000;

/** A connection over which nothing has come for two of these is taken for dead, ms. */
const PING_MS = 2000;

const MOST_WAIT_MS = 2000;
const DRAIN_MS = 2000;

/**
 * Connects, and sees that JetStream answers. Once it has connected, it connects again for ever. Throws `E601` when no
 * server is reached in time, `E602` when one refuses what it is shown, `E603` when there is no JetStream, `E205` and
 * `E212` when a secret or a file cannot be read.
 */
export async function connectNats(options: LinkOptions): Promise<NatsLink> {
  const { settings, clock, log, withinMs = 10_000 } = options;
  checkBusTls(settings);
  const authenticator = authenticatorOf(options);
  const greeting = { servers: settings.servers, clock, until: clock.monotonic() + withinMs };
  const waits = reconnectWaits();
  const nc = await reached(
    {
      ...connectionOptions(options),
      ...(authenticator === undefined ? {} : { authenticator }),
      reconnectDelayHandler: waits.now,
    },
    greeting,
  );
  const state = watchStatus(nc, options, waits);
  try {
    await jetStreamAnswers(nc, greeting);
  } catch (error) {
    await nc.close();
    throw error;
  }
  return {
    nc,
    js: nc.jetstream({ timeout: REQUEST_TIMEOUT_MS }),
    jsm: await nc.jetstreamManager({ timeout: REQUEST_TIMEOUT_MS, checkAPI: false }),
    names: busNames(settings.prefix),
    inbox: () => createInbox(inboxPrefix(options)),
    clock,
    log,
    isUp: () => state.isUp,
    async close() {
      // A server that is away answers nothing: then there is nothing to drain either.
      if (!nc.isClosed()) await Promise.race([nc.drain().catch(() => undefined), wait(clock, DRAIN_MS)]);
      await nc.close();
    },
  };
}

function inboxPrefix({ settings, isAgent = false }: LinkOptions): string {
  const { agent, engine } = busNames(settings.prefix).inboxes;
  return isAgent ? agent : engine;
}

function connectionOptions(options: LinkOptions): ConnectionOptions {
  const { settings, name } = options;
  const tls = tlsOptions(settings);
  return {
    name,
    inboxPrefix: inboxPrefix(options),
    timeout: DIAL_TIMEOUT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    // Credentials change under a running service: once they are right again, it goes on.
    ignoreAuthErrorAbort: true,
    ...(tls === undefined ? {} : { tls }),
  };
}

interface Waits {
  /** The client asks at each look whether it is time, so it says the same between two attempts, ms. */
  now(): number;
  attempted(): void;
  reset(): void;
}

/** How long to wait between attempts to connect to one server again: doubled each time, jittered, 2 s at the most. */
function reconnectWaits(): Waits {
  let [attempts, wait] = [0, 0];
  return {
    now: () => wait,
    attempted() {
      wait = Math.min(MOST_WAIT_MS, 100 * 2 ** attempts) * (0.5 + Math.random() / 2);
      attempts = Math.min(attempts + 1, 10);
    },
    reset() {
      [attempts, wait] = [0, 0];
    },
  };
}

/** Tells of what becomes of the connection, once for each change. */
function watchStatus(nc: NatsConnection, { log, name }: LinkOptions, waits: Waits): { readonly isUp: boolean } {
  const state = { isUp: true };
  let isRefused = false;
  const watch = async () => {
    for await (const { type, data } of nc.status()) {
      if (type === Events.Disconnect && state.isUp) {
        state.isUp = false;
        log.warn("bus lost", { connection: name, server: String(data) });
      } else if (type === Events.Reconnect) {
        if (!state.isUp) log.info("bus is back", { connection: name, server: String(data) });
        [state.isUp, isRefused] = [true, false];
        waits.reset();
      } else if (type === DebugEvents.Reconnecting) {
        waits.attempted();
      } else if (type === Events.Error && AUTH_ERRORS.has(String(data)) && !isRefused) {
        isRefused = true;
        log.error("bus refuses its credentials", { connection: name, code: String(data) });
      }
    }
  };
  void watch().catch((error: unknown) => log.error("bus is not watched any more", { reason: messageOf(error) }));
  void nc.closed().then((error) => {
    state.isUp = false;
    if (error) log.error("bus connection closed", { connection: name, reason: error.message });
  });
  return state;
}
