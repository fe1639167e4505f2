/** A bus that nothing is set up of yet, and a process that says that it is there. */

import { memberRecord } from "../../src/backend/nats/coordination/membersRecord.ts";
import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { setupBus } from "../../src/backend/nats/setup/setup.ts";
import type { NatsSettings } from "../../src/config/busSettings.ts";
import type { Logger } from "../../src/ports.ts";
import { aPrefix, linkTo } from "./natsBus.ts";
import { natsSettings } from "./natsSettings.ts";

/** Streams and buckets, in order, without the prefix. */
export const EVERYTHING = ["log", "samples", "members", "owners", "mappings", "agents", "setup"];

export interface Bus extends AsyncDisposable {
  readonly link: NatsLink;
  readonly settings: NatsSettings;
  readonly log: string[];
  setUp(more?: Partial<NatsSettings>, intervalMs?: number): Promise<readonly string[]>;
  /** What the bus does not let happen. */
  refuses(run: Promise<unknown>): Promise<string>;
}

/** Connected to `servers`, with a prefix of its own unless `own` has one. */
export async function aBus(
  servers: readonly string[],
  own: Partial<NatsSettings> & { isAgent?: boolean } = {},
): Promise<Bus> {
  const { isAgent = false, ...more } = own;
  const log: string[] = [];
  const say = (text: string, fields: object = {}) => void log.push(`${text} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: () => {}, info: say, warn: say, error: say };
  const settings = natsSettings(servers, { prefix: aPrefix(), ttlMs: 200, ...more });
  const link = await linkTo(servers, settings.prefix, { ...settings, isAgent, log: logger });
  const short = (name: string) => name.replace(`${settings.prefix}_`, "");
  return {
    link,
    settings,
    log,
    async setUp(more = {}, intervalMs = 10_000) {
      const steps = await setupBus(link, { ...settings, ...more }, intervalMs);
      return steps.map(({ action, name, details }) => [action, short(name), ...details].join(" "));
    },
    async refuses(run) {
      try {
        await run;
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        return `${code} ${message.replaceAll(`${settings.prefix}_`, "")}`;
      }
      return "nothing";
    },
    [Symbol.asyncDispose]: () => link.close(),
  };
}

/** Says again and again that a process is there. Returns what ends that. */
export function beating(link: NatsLink, id: string): () => Promise<void> {
  let isOver = false;
  const beat = async () => {
    for (let beats = 1; !isOver; beats++) {
      const { key, value } = memberRecord({ id, isReady: true, roles: ["engine"], host: "h", version: "1" }, beats);
      await link.js.publish(`$KV.${link.names.members}.${key}`, value);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const beats = beat();
  return async () => {
    isOver = true;
    await beats;
  };
}
