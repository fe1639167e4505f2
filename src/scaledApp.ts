/** The composition past one machine: any of the roles in one process, over NATS; started in order, stopped in reverse. */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { startCollecting } from "./agent.ts";
import { startApi } from "./api/server.ts";
import { agentSources } from "./backend/nats/agents/agents.ts";
import { startCoordination } from "./backend/nats/coordination/coordination.ts";
import type { NatsLink } from "./backend/nats/link/link.ts";
import { connectNats, isRetryable } from "./backend/nats/link/link.ts";
import { ensureBus } from "./backend/nats/setup/setup.ts";
import { remoteView } from "./backend/nats/views/remoteView.ts";
import { serveView } from "./backend/nats/views/viewServer.ts";
import type { LoadedCluster } from "./config/ruleFile.ts";
import type { Settings } from "./config/settings.ts";
import type { RuleWatcher } from "./config/watch.ts";
import type { EngineRun } from "./engineRole.ts";
import { startEngine } from "./engineRole.ts";
import { messageOf, TocsinError } from "./lib/errors.ts";
import { VERSION } from "./lib/version.ts";
import { within } from "./lib/within.ts";
import type { Clock, Logger } from "./ports.ts";
import type { Coordination } from "./scalePorts.ts";

export interface ScaledOptions {
  /** With a bus of type nats. */
  readonly settings: Settings;
  /** Of a process that is an engine. */
  readonly rules?: { readonly clusters: readonly LoadedCluster[]; readonly watcher?: RuleWatcher };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The process cannot go on: it must be ended and started again. */
  readonly onFatal: (reason: string) => void;
}

export interface ScaledApp {
  /** What it is called on the bus. */
  readonly id: string;
  /** `undefined`: it has not this role. */
  readonly apiUrl: string | undefined;
  /** Gives everything back, and finishes or records what is under way, within 10 s. */
  stop(): Promise<void>;
}

/** Longest that each part of a stop but the engine's waits, ms. */
const STOP_PART_MS = 1000;

/** Starts the roles. Throws a TocsinError, with nothing left running, when it cannot. */
export async function startScaledApp(options: ScaledOptions): Promise<ScaledApp> {
  try {
    return await startRoles(options);
  } catch (error) {
    if (!isRetryable(error)) throw error;
    const reason = messageOf(error) || "no reason given";
    throw new TocsinError("E601", `NATS went away during the start (${reason}): start it again when NATS answers`, {
      cause: error,
    });
  }
}

async function startRoles(options: ScaledOptions): Promise<ScaledApp> {
  const { settings, environment, clock, log } = options;
  const { bus, roles, intervalMs } = settings;
  if (bus.type !== "nats") throw new Error("there is no bus");
  await using cleanup = new AsyncDisposableStack();
  const ending = (work: () => Promise<unknown>) => cleanup.defer(() => within(clock, STOP_PART_MS, work()));

  const id = `${hostname()
    .replaceAll(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 100)}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const connect = async (what: string): Promise<NatsLink> => {
    const link = await connectNats({ settings: bus, name: `${what} ${id}`, environment, clock, log });
    // Its own drain is bounded.
    cleanup.defer(() => link.close());
    return link;
  };
  const link = await connect("tocsin");
  // Samples may come by the megabyte: heartbeats and appends must not wait behind them.
  const samplesLink = roles.includes("engine") || roles.includes("collector") ? await connect("tocsin samples") : link;
  const { partitions } = await ensureBus(link, bus, intervalMs, roles);
  const coordination = await startCoordination({
    link,
    settings: bus,
    partitions,
    id,
    roles,
    host: hostname(),
    version: VERSION,
    clock,
    log,
    joins: roles.includes("engine"),
  });
  const leave = once(() => coordination.leave());
  ending(leave);

  const agents = agentSources(link);
  cleanup.defer(() => agents.stop());
  const sources = () => agents.sources();
  const engine = roles.includes("engine")
    ? await startEngine({ ...options, nats: bus, link, samplesLink, partitions, coordination, sources, cleanup, leave })
    : undefined;
  const view = remoteView({ link, coordination, partitions, clock, log, sources, ...localOf(coordination, engine) });
  engine?.watchedBy(view);
  if (engine) {
    const endServing = await serveView(link, id, engine.view, () => engine.owned());
    cleanup.defer(endServing);
  }
  const api = roles.includes("api") ? await startApi(settings.api, VERSION, view) : undefined;
  if (api) ending(() => api.close());
  if (roles.includes("collector")) {
    const collecting = startCollecting({ settings, environment, clock, log, link: samplesLink, partitions });
    cleanup.defer(() => collecting.stop());
  }
  // Last to begin, and so first to end: while it gives its partitions back, everything else still works.
  if (engine) {
    cleanup.defer(() => engine.end());
    await engine.begin();
  }

  const running = cleanup.move();
  return { id, apiUrl: api?.url, stop: () => running.disposeAsync() };
}

function localOf({ id }: Coordination, engine: EngineRun | undefined) {
  return engine ? { local: { id, view: engine.view, working: () => engine.owned() } } : {};
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= run();
    return done;
  };
}
