/** Engines that share a log: each with a connection and an index of its own. */

import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import type { SharedLogOptions } from "../../src/backend/nats/log/sharedLog.ts";
import { openSharedLog } from "../../src/backend/nats/log/sharedLog.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Commit, Logger } from "../../src/ports.ts";
import type { SharedLog } from "../../src/scalePorts.ts";
import { openDirectIndex } from "./directIndex.ts";
import { aPrefix, linkTo, setUpLog } from "./natsBus.ts";
import { temporaryFolder } from "./sockets.ts";

export interface Engine {
  readonly link: NatsLink;
  readonly shared: SharedLog;
  readonly folder: string;
  /** What it logged: level and text. */
  readonly said: readonly string[];
  /** Opens its log again, on the same index. */
  again(): Promise<Engine>;
  close(): Promise<void>;
}

export interface LogWorld extends AsyncDisposable {
  readonly prefix: string;
  /** Connection of the test itself. */
  readonly link: NatsLink;
  engine(options?: Partial<SharedLogOptions> & { readonly servers?: string | readonly string[] }): Promise<Engine>;
}

/** A log of its own on these servers. */
export async function logWorld(servers: string | readonly string[], replicas = 1, logBytes = 0): Promise<LogWorld> {
  const prefix = aPrefix();
  const root = temporaryFolder();
  const link = await linkTo(servers, prefix);
  await setUpLog(link, replicas, logBytes);
  const open = new Set<Engine>();
  let engines = 0;
  const engineIn = async (folder: string, options: Parameters<LogWorld["engine"]>[0] = {}): Promise<Engine> => {
    const { servers: own = servers, ...more } = options;
    const said: string[] = [];
    const tell = (level: string) => (text: string) => void said.push(`${level} ${text}`);
    const log: Logger = { debug: tell("debug"), info: tell("info"), warn: tell("warn"), error: tell("error") };
    const ownLink = await linkTo(own, prefix, { log });
    const shared = await openSharedLog({
      link: ownLink,
      folder,
      partitions: 1,
      logAgeS: 0,
      clock: systemClock,
      log,
      openIndex: openDirectIndex,
      ...more,
    });
    const engine: Engine = {
      link: ownLink,
      shared,
      folder,
      said,
      async again() {
        await engine.close();
        return engineIn(folder, options);
      },
      async close() {
        if (!open.delete(engine)) return;
        await shared.close();
        await ownLink.close();
      },
    };
    open.add(engine);
    return engine;
  };
  return {
    prefix,
    link,
    engine: (options) => engineIn(`${root.path}/${++engines}`, options),
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((engine) => engine.close()));
      await link.close();
      root[Symbol.dispose]();
    },
  };
}

/** The `seq`-th commit of a cluster. */
export function commitOf(clusterId: string, seq: number, fields: Partial<Commit> = {}): Commit {
  return {
    clusterId,
    inputs: [{ seq, input: { kind: "tick", number: seq, at: seq * 1000, values: {}, sources: [], members: [] } }],
    decisions: [],
    snapshot: { clusterId, seq, doc: `{"seq":${seq}}` },
    deliveries: [],
    attempts: [],
    baselines: [],
    ...fields,
  };
}

/** Waits until something holds, a deadline at the most. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
