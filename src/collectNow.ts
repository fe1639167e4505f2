/** Collecting without a service: the sources, the mapping and the cluster series are the service's, and nothing is kept. */

import { createMemoryBus } from "./backend/memory/bus.ts";
import { Collector } from "./collector/collector.ts";
import { lookAtSources, SECOND_LOOK_MS } from "./collector/look.ts";
import type { Claimed, Mapping } from "./collector/mapping.ts";
import { createMapping, entryOf } from "./collector/mapping.ts";
import type { Settings } from "./config/settings.ts";
import { evaluationDelayMs, maxOffsetMs } from "./config/settings.ts";
import { sourceSecrets } from "./config/sourceSecrets.ts";
import type { ClusterState } from "./evaluator/cluster.ts";
import type { Explanation } from "./explainedRows.ts";
import { explanationOf } from "./explainedRows.ts";
import { rfc3339 } from "./lib/clock.ts";
import { isGlob } from "./lib/globs.ts";
import { silentLogger } from "./lib/log.ts";
import { Ticker } from "./lib/ticker.ts";
import { LiveClusters } from "./liveClusters.ts";
import type { ClusterRules } from "./model/alarm.ts";
import type { WebEntry } from "./model/source.ts";
import type { ScrapeReport, Tick } from "./model/tick.ts";
import type { Clock, Logger } from "./ports.ts";
import { rowsOf } from "./ruleChanges.ts";

export interface CollectOptions {
  readonly settings: Settings;
  /** Of rule files, in order. */
  readonly rules: readonly ClusterRules[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** A cluster at one tick. */
export interface Gauged {
  readonly cluster_id: string;
  readonly cluster_name: string;
  /** RFC 3339. */
  readonly timestamp: string;
  /** By meter; at the first tick there are no rates. */
  readonly values: Readonly<Record<string, number>>;
  /** States by name. */
  readonly servers: Readonly<Record<string, string>>;
  readonly sources: readonly string[];
}

/** A configured source that did not answer, or an entry that led to none. */
export interface FailedSource {
  readonly name: string;
  readonly code: string;
  readonly reason: string;
}

/** Clusters by id, and who failed; the well-known sockets that are not there did not. */
export interface Collected {
  readonly clusters: readonly Gauged[];
  readonly failed: readonly FailedSource[];
}

export interface ExplainOptions extends CollectOptions {
  /** Once, before the wait for a second look: how long it is, ms. */
  readonly onSecondLook?: (ms: number) => void;
}

/** Looks at every source. Where sessions are open it looks again after some seconds, to tell whether bytes flow unseen. */
export async function explainNow(options: ExplainOptions): Promise<Explanation> {
  const { settings, clock, onSecondLook } = options;
  const { sources, timeoutMs } = settings;
  const { mapping, names, claims, secretsOf } = stand(options);
  let isTold = false;
  const looks = await lookAtSources(sources, {
    ...{ clock, timeoutMs, secretsOf, mapping, secondLookMs: SECOND_LOOK_MS },
    onSecondLook() {
      if (!isTold) onSecondLook?.(SECOND_LOOK_MS);
      isTold = true;
    },
  });
  return explanationOf(looks, names, claims);
}

/** Asks every source once. */
export async function collectOnce(options: CollectOptions): Promise<Collected> {
  const { settings, clock } = options;
  const { intervalMs } = settings;
  const own = stand(options);
  const number = Math.floor(clock.now() / intervalMs);
  const tick: Tick = { number, at: number * intervalMs };
  const live = new LiveClusters(intervalMs);
  const reported = new Set<string>();
  let check = () => {};
  const collector = collectorOf(options, own, 0, silentLogger, (report) => {
    live.take(report);
    reported.add(report.source);
    check();
  });
  live.tick(tick);
  await collector.tick(tick);
  await new Promise<void>((resolve) => {
    const timer = clock.after(evaluationDelayMs(settings), resolve);
    check = () => {
      if (!collector.sources().every((name) => reported.has(name))) return;
      timer.cancel();
      resolve();
    };
    check();
  });
  collector.stop();
  live.deadline(number);
  return {
    clusters: live.clusters().map((cluster) => gaugedOf(cluster, own.names)),
    failed: failedOf(collector, settings),
  };
}

export interface LiveOptions extends CollectOptions {
  /** Ends it. */
  readonly signal: AbortSignal;
  /** A cluster at a tick that is complete. */
  readonly onCluster: (cluster: Gauged) => void;
  /** A source, or the search for one, fails: once for each change. */
  readonly onTrouble: (message: string, source: string, reason: string) => void;
}

/** Goes on at each interval until it is ended. Resolves to the sources that failed at the last. */
export async function collectOn(options: LiveOptions): Promise<readonly FailedSource[]> {
  const { settings, clock, signal, onCluster, onTrouble } = options;
  const own = stand(options);
  const live = new LiveClusters(settings.intervalMs);
  const say = (message: string, fields: { source?: string; reason?: string } = {}) =>
    onTrouble(message, fields.source ?? "", fields.reason ?? "");
  let told: Gauged[] = [];
  let isWhole = () => false;
  // Clusters are complete in any order: a tick is told as a whole.
  const flush = () => {
    const order = ({ timestamp, cluster_name: name }: Gauged) => `${timestamp} ${name}`;
    const sorted = told.sort((a, b) => (order(a) < order(b) ? -1 : 1));
    told = [];
    for (const cluster of sorted) onCluster(cluster);
  };
  const tell = (clusters: readonly ClusterState[]) => {
    for (const cluster of clusters) told.push(gaugedOf(cluster, own.names));
    if (isWhole()) flush();
  };
  const log: Logger = { ...silentLogger, warn: say, error: say };
  const reported = new Set<string>();
  // Before its sockets are found a glob has no source that could be missing.
  let isSearched = false;
  const take = (report: ScrapeReport) => {
    reported.add(report.source);
    tell(live.take(report));
  };
  const collector = collectorOf(options, own, maxOffsetMs(settings), log, take);
  isWhole = () => isSearched && collector.sources().every((name) => reported.has(name));
  const ticker = new Ticker({
    clock,
    intervalMs: settings.intervalMs,
    after: undefined,
    onTick(tick) {
      live.tick(tick);
      reported.clear();
      isSearched = false;
      clock.after(evaluationDelayMs(settings), () => {
        tell(live.deadline(tick.number));
        flush();
      });
      void collector.tick(tick).then(() => {
        isSearched = true;
        if (isWhole()) flush();
      });
    },
    onStep: () => {},
  });
  ticker.start();
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  ticker.stop();
  collector.stop();
  flush();
  for (const { name, reason } of searchedInVain(collector, settings)) onTrouble("source not found", name, reason);
  return failedOf(collector, settings);
}

interface Stand {
  readonly mapping: Mapping;
  /** Of clusters by id; families add to them as rows come. */
  readonly names: ReadonlyMap<string, string>;
  readonly claims: readonly Claimed[];
  readonly secretsOf: (entry: WebEntry) => ReturnType<typeof sourceSecrets>;
}

function stand({ settings, rules, environment }: CollectOptions): Stand {
  const names = new Map(rules.map(({ clusterId, clusterName }) => [clusterId, clusterName]));
  const claims: Claimed[] = [];
  const { families, ignore } = settings;
  const mapping = createMapping({
    clusters: rules.map(rowsOf),
    families,
    ignore,
    // Who wants to know of proxies without a cluster asks for an explanation.
    unmapped: settings.unmapped === "proxy" ? "proxy" : "ignore",
    onTwice: (claimed) => claims.push(claimed),
    onName: (clusterId, name) => names.set(clusterId, names.get(clusterId) ?? name),
  });
  return { mapping, names, claims, secretsOf: (entry) => sourceSecrets(entry, environment) };
}

function collectorOf(
  { settings, clock }: CollectOptions,
  { mapping, secretsOf }: Stand,
  offsetMs: number,
  log: Logger,
  onReport: (report: ScrapeReport) => void,
): Collector {
  const { sources: entries, intervalMs, timeoutMs } = settings;
  const bus = createMemoryBus();
  bus.subscribe(onReport);
  const ports = { clock, log, bus, entries, secretsOf, mapping, baselines: new Map(), known: [] };
  return new Collector({ ...ports, intervalMs, timeoutMs, maxOffsetMs: offsetMs, detail: "clusters" });
}

function gaugedOf({ clusterId, values, members, lastOk, at }: ClusterState, names: Stand["names"]): Gauged {
  return {
    cluster_id: clusterId,
    cluster_name: names.get(clusterId) ?? clusterId,
    timestamp: rfc3339(at),
    values,
    servers: Object.fromEntries([...members].sort()),
    sources: [...lastOk.keys()].sort(),
  };
}

function failedOf(collector: Collector, settings: Settings): readonly FailedSource[] {
  const quiet = new Set(settings.sources.flatMap((entry) => (entry.quiet ? [entry.name] : [])));
  const failed = collector
    .status()
    .filter(({ ok, name }) => !ok && !quiet.has(entryOf(name)))
    .map(({ name, code, reason }) => ({ name, code, reason }));
  return [...failed, ...searchedInVain(collector, settings)];
}

/** Entries of the configuration whose globs no socket matched. */
function searchedInVain(collector: Collector, { sources }: Settings): readonly FailedSource[] {
  const found = new Set(collector.sources().map(entryOf));
  return sources.flatMap((entry) => {
    const { name, quiet, kind } = entry;
    if (kind !== "socket" || quiet || !isGlob(entry.socket) || found.has(name)) return [];
    const reason = `no socket matches ${entry.socket}: HAProxy is not running, or its stats socket is elsewhere`;
    return [{ name, code: "absent", reason }];
  });
}
