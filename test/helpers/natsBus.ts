/** Connections to a bus, and the stream of the log as the service sets it up. */

import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { connectNats } from "../../src/backend/nats/link/link.ts";
import { wantedStreams } from "../../src/backend/nats/setup/streams.ts";
import type { NatsSettings } from "../../src/config/busSettings.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Logger } from "../../src/ports.ts";
import { natsSettings } from "./natsSettings.ts";

let prefixes = 0;

/** A prefix that no other test of this process has. */
export function aPrefix(): string {
  return `t${++prefixes}`;
}

/** Connects; a test's `servers` and `prefix`, and whatever else of the settings matters to it. */
export function linkTo(
  servers: string | readonly string[],
  prefix: string,
  {
    log = silentLogger,
    isAgent = false,
    ...settings
  }: Partial<NatsSettings> & { log?: Logger; isAgent?: boolean } = {},
): Promise<NatsLink> {
  return connectNats({
    settings: natsSettings([servers].flat(), { prefix, ...settings }),
    name: "test",
    isAgent,
    environment: {},
    clock: systemClock,
    log,
  });
}

/** Makes the stream of the log, and nothing else of the bus. */
export async function setUpLog({ jsm, names }: NatsLink, replicas = 1, logBytes = 0): Promise<void> {
  const wanted = wantedStreams(names, natsSettings([], { replicas, logBytes }));
  const log = wanted.find(({ stream }) => stream === names.log);
  await jsm.streams.add({ name: names.log, ...log?.config });
}
