/** Looking at the bus, and setting it up, without a service. */

import type { NatsLink } from "./backend/nats/link/link.ts";
import { connectNats } from "./backend/nats/link/link.ts";
import type { BusReport } from "./backend/nats/setup/inspectReport.ts";
import { reportBus } from "./backend/nats/setup/inspectReport.ts";
import type { SetupStep } from "./backend/nats/setup/setup.ts";
import { setupBus } from "./backend/nats/setup/setup.ts";
import type { NatsSettings } from "./config/busSettings.ts";
import type { Settings } from "./config/settings.ts";
import { TocsinError } from "./lib/errors.ts";
import { silentLogger } from "./lib/log.ts";
import type { Clock } from "./ports.ts";

export type { BusReport } from "./backend/nats/setup/inspectReport.ts";
export type { SetupStep } from "./backend/nats/setup/setup.ts";

interface BusOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** Shorter than a service waits: a person sits before it. */
const WITHIN_MS = 5000;

/** How the bus stands. Throws `E607` when there is none to look at, and as `connectNats` does. */
export async function checkBusNow(options: BusOptions): Promise<BusReport> {
  return onBus(options, (link, nats) => reportBus(link, nats, options.settings.intervalMs));
}

/** Sets the bus up, or says what it would do. Throws as `setupBus` does, and as `checkBusNow`. */
export async function setupBusNow(options: BusOptions, isDryRun: boolean): Promise<readonly SetupStep[]> {
  return onBus(options, (link, nats) => setupBus(link, nats, options.settings.intervalMs, { isDryRun }));
}

async function onBus<T>(
  { settings: { bus, roles }, environment, clock }: BusOptions,
  run: (link: NatsLink, nats: NatsSettings) => Promise<T>,
): Promise<T> {
  if (bus.type === "local")
    throw new TocsinError("E607", "there is no bus: bus.type of tocsin.yaml is local, one process does everything");
  // On an agent's machine there are an agent's credentials.
  const isAgent = roles.every((role) => role === "collector");
  const about = { settings: bus, name: "tocsin bus", environment, clock, log: silentLogger, withinMs: WITHIN_MS };
  const link = await connectNats({ ...about, isAgent });
  try {
    return await run(link, bus);
  } finally {
    await link.close();
  }
}
