/** The agent: a process, or the part of one, that asks HAProxy beside it and publishes what it says. It keeps nothing. */

import { hostname } from "node:os";
import { publishAgentStatus } from "./backend/nats/agents/agents.ts";
import type { FamilyRules, ToldMappings } from "./backend/nats/agents/mappings.ts";
import { watchMappings } from "./backend/nats/agents/mappings.ts";
import type { NatsLink } from "./backend/nats/link/link.ts";
import { connectNats } from "./backend/nats/link/link.ts";
import { createPublisher, sourceOnBus } from "./backend/nats/samples/publisher.ts";
import { ensureBus } from "./backend/nats/setup/setup.ts";
import { Collector } from "./collector/collector.ts";
import type { Claimed, Mapping } from "./collector/mapping.ts";
import { createMapping } from "./collector/mapping.ts";
import type { Settings } from "./config/settings.ts";
import { maxOffsetMs } from "./config/settings.ts";
import { sourceSecrets } from "./config/sourceSecrets.ts";
import { messageOf, TocsinError } from "./lib/errors.ts";
import { Ticker } from "./lib/ticker.ts";
import { wait } from "./lib/wait.ts";
import type { Clock, Logger } from "./ports.ts";
import type { SourceView } from "./serviceView.ts";
import { sourceView } from "./sourceView.ts";

export interface CollectingOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly link: NatsLink;
  /** As the bus was set up. */
  readonly partitions: number;
}

export interface Collecting {
  /** As people see them, named as on the bus. */
  sources(): readonly SourceView[];
  /** Messages of samples that were dropped since the start. */
  readonly dropped: number;
  /** Asks nobody any more, and publishes what waits, within 2 s. */
  stop(): Promise<void>;
}

/** What an agent is called: `TOCSIN_AGENT`, or the name of the host. Its sources' names begin with it. */
export function agentName(environment: Readonly<Record<string, string | undefined>>): string {
  const name = (environment.TOCSIN_AGENT || hostname()).replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 100);
  return name === "" ? "agent" : name;
}

/**
 * Begins to ask the sources at every tick, as soon as it is known where rows go. What is learned of a counter before a
 * restart is not: the first answer is a baseline only.
 */
export function startCollecting(options: CollectingOptions): Collecting {
  const { settings, environment, clock, log, link, partitions } = options;
  const { intervalMs, timeoutMs, sources: entries } = settings;
  const agentId = agentName(environment);
  const publisher = createPublisher({ link, partitions, intervalMs, agentId, clock, log });
  const onTwice = warnOnce(log);
  let collector: Collector | undefined;
  let known: ReadonlyMap<string, ReadonlySet<number>> = new Map();
  const learn = (told: ToldMappings) => {
    const before = known;
    known = ownOf(told.known, agentId, partitions);
    publisher.setKnown(known);
    publisher.setRevision(told.revision);
    const mapping = mappingOf(told, settings, onTwice);
    collector ??= new Collector({
      clock,
      log,
      bus: { publish: (report) => publisher.publish(report), subscribe: () => () => {} },
      entries,
      intervalMs,
      timeoutMs,
      maxOffsetMs: maxOffsetMs(settings),
      secretsOf: (entry) => sourceSecrets(entry, environment),
      mapping,
      detail: settings.store.detail,
      baselines: new Map(),
      known: [...known.keys()],
    });
    collector.update(mapping);
    for (const source of before.keys()) if (!known.has(source)) void collector.forget(source);
  };
  const mappings = watchMappings(link, learn);
  const sources = () => collector?.status().map(sourceView) ?? [];
  const status = publishAgentStatus({ link, agentId, sources });
  const ticker = new Ticker({
    clock,
    intervalMs,
    after: undefined,
    onTick(tick) {
      publisher.began(tick);
      void collector?.tick(tick);
    },
    onStep: (byMs) => log.warn("the wall clock stepped: ticks are labelled anew", { by_ms: byMs }),
  });
  ticker.start();
  return {
    sources: () => sources().map((view) => ({ ...view, name: sourceOnBus(agentId, view.name) })),
    get dropped() {
      return publisher.dropped;
    },
    async stop() {
      ticker.stop();
      mappings.stop();
      collector?.stop();
      await Promise.all([publisher.stop(), status.stop()]);
    },
  };
}

/** Those of this agent, by its own names for them. Partitions that there are no more know nothing. */
function ownOf(known: ToldMappings["known"], agentId: string, count: number): Map<string, ReadonlySet<number>> {
  const prefix = sourceOnBus(agentId, "");
  const own = new Map<string, ReadonlySet<number>>();
  for (const [source, said] of known) {
    const partitions = [...said].filter((partition) => partition < count);
    if (source.startsWith(prefix) && partitions.length > 0) own.set(source.slice(prefix.length), new Set(partitions));
  }
  return own;
}

/** Until an engine has said what is to become of the rest, it is as this file says; of an empty bus no proxy is news. */
function mappingOf(
  { clusters, families: told, revision }: ToldMappings,
  settings: FamilyRules,
  onTwice: (claimed: Claimed) => void,
): Mapping {
  const { families, ignore, unmapped } = told ?? settings;
  const isEmpty = told === undefined && clusters.length === 0;
  const rest = isEmpty && unmapped === "warn" ? "ignore" : unmapped;
  return createMapping({ clusters, families, ignore, unmapped: rest, onTwice, revision });
}

/** Warnings of rows that are claimed twice, of one run. */
const MOST_SAID = 1000;

function warnOnce(log: Logger): (claimed: Claimed) => void {
  const said = new Set<string>();
  return ({ source, proxy, file, others }) => {
    const key = [proxy, file, ...others].join("\n");
    if (said.has(key) || said.size >= MOST_SAID) return;
    said.add(key);
    log.warn("two rule files claim the same rows: the first has them", { source, proxy, file, others });
  };
}

export interface AgentOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** It cannot go on: it must be ended, and started again once that is mended. */
  readonly onFatal: (reason: string) => void;
}

/** For one look for the bus, and before the next, ms. */
const CONNECT_MS = 2000;
const RETRY_MS = 1000;

/** What passes: no server is there yet, it has no leader, or no engine has set the bus up. */
const PASSING: ReadonlySet<string> = new Set(["E601", "E603", "E606"]);

/**
 * Starts an agent. Throws a TocsinError when it never could work: wrong credentials, a bus that is set up otherwise. One
 * that is not there (yet) is waited for; resolves after the first look.
 */
export async function startAgent(options: AgentOptions): Promise<{ stop(): Promise<void> }> {
  const { clock, log, onFatal } = options;
  let running: Running | undefined;
  const ended = new AbortController();
  let told = "";
  const begin = async () => {
    try {
      running = await runOn(options);
      return true;
    } catch (error) {
      if (!(error instanceof TocsinError) || !PASSING.has(error.code)) throw error;
      const { code } = error;
      if (code !== told) log.warn("agent waits for the bus", { code, reason: error.message });
      told = code;
      return false;
    }
  };
  const keepTrying = async () => {
    while (!ended.signal.aborted) {
      await wait(clock, RETRY_MS, ended.signal);
      if (ended.signal.aborted || (await begin())) return;
    }
  };
  const trying = (await begin()) ? Promise.resolve() : keepTrying().catch((error) => onFatal(messageOf(error)));
  return {
    async stop() {
      ended.abort();
      await trying;
      await running?.stop();
    },
  };
}

interface Running {
  stop(): Promise<void>;
}

async function runOn({ settings, environment, clock, log }: AgentOptions): Promise<Running> {
  const { bus, intervalMs, sources } = settings;
  if (bus.type !== "nats") throw new Error("an agent needs a bus");
  const agent = agentName(environment);
  const link = await connectNats({
    settings: bus,
    name: `agent ${agent}`,
    isAgent: true,
    environment,
    clock,
    log,
    withinMs: CONNECT_MS,
  });
  try {
    const { partitions } = await ensureBus(link, bus, intervalMs, ["collector"]);
    const collecting = startCollecting({ settings, environment, clock, log, link, partitions });
    log.info("agent runs", { agent, partitions, interval_s: intervalMs / 1000, sources: sources.length });
    return {
      async stop() {
        await collecting.stop();
        await link.close();
      },
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
