/** The composition root: settings → backends → stages; started in order, stopped in reverse. */

import { startApi } from "./api/server.ts";
import { createMemoryBus } from "./backend/memory/bus.ts";
import type { SqliteBackend } from "./backend/sqlite/backend.ts";
import { DAMAGED_CODE, openSqlite } from "./backend/sqlite/backend.ts";
import { Collector } from "./collector/collector.ts";
import { isFromEntry } from "./collector/mapping.ts";
import { ReceiverBook } from "./config/receiverBook.ts";
import type { LoadedCluster } from "./config/ruleFile.ts";
import type { Settings } from "./config/settings.ts";
import { evaluationDelayMs, maxOffsetMs } from "./config/settings.ts";
import { sourceSecrets } from "./config/sourceSecrets.ts";
import type { RuleWatcher } from "./config/watch.ts";
import type { ClusterState } from "./evaluator/cluster.ts";
import { Evaluator } from "./evaluator/evaluator.ts";
import { ticksBetweenCommits } from "./evaluator/options.ts";
import { pausesAfterLoss } from "./evaluator/restore.ts";
import { troubles } from "./health.ts";
import { Keeper, ticksOfRestart } from "./keeper.ts";
import { createAddressPolicy } from "./lib/addressPolicy.ts";
import { Ticker } from "./lib/ticker.ts";
import { VERSION } from "./lib/version.ts";
import { within } from "./lib/within.ts";
import { localView } from "./localView.ts";
import type { Decision, Start } from "./model/decision.ts";
import type { Baseline } from "./model/tick.ts";
import { createHeartbeat, createNotifier } from "./outgoing.ts";
import type { Clock, Ledger, Logger } from "./ports.ts";
import { QueryClient } from "./query/client.ts";
import { createMappings, ruleApplier } from "./ruleChanges.ts";
import { createSeriesFeed } from "./seriesFeed.ts";
import type { SampleStore } from "./seriesPorts.ts";
import { openSeries } from "./seriesStore.ts";
import type { ServiceView } from "./serviceView.ts";
import { sourceView } from "./views.ts";

export interface AppOptions {
  readonly settings: Settings;
  readonly clusters: readonly LoadedCluster[];
  /** What `clusters` came from, and what changes of them come from; `undefined`: they stay. */
  readonly watcher?: RuleWatcher;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Opens the record; by default the embedded one. */
  readonly open?: typeof openSqlite;
  /** Told of every decision once it is durable. */
  readonly onDecision?: (clusterId: string, decision: Decision) => void;
  /** The service cannot go on (its storage is gone): it must be ended and started again. */
  readonly onFatal: (reason: string) => void;
}

export interface App {
  readonly apiUrl: string;
  readonly view: ServiceView;
  /** The clusters as they are now. Read only. */
  clusters(): readonly ClusterState[];
  /** Finishes or records what is under way, within 10 s. */
  stop(): Promise<void>;
}

/** Longest that a stop waits for requests under way, ms: their outcomes and the databases need the rest of 10 s. */
const STOP_GRACE_MS = 7000;
/** And for the record of the stop, where the disk still takes it, ms. */
const RECORD_GRACE_MS = 1000;

/** Starts the service. Throws a TocsinError, with nothing left running, when it cannot. */
export async function startApp(options: AppOptions): Promise<App> {
  const { settings, clusters, watcher, environment, clock, log, open = openSqlite, onDecision, onFatal } = options;
  const { intervalMs, timeoutMs, sources } = settings;
  await using cleanup = new AsyncDisposableStack();

  const { retention, quotaBytes } = settings.store;
  const record = await open(settings.dataPath, { at: clock.now(), onDeath: onFatal, retention, quotaBytes });
  const { ledger } = record;
  cleanup.defer(() => ledger.close());
  cleanup.defer(() => record.store.close());
  const series = await openSeries(settings, { environment, clock, log });
  if (series) cleanup.defer(() => series.close());
  const store = series ?? record.store;
  // A store that may be away records nothing: ticks go with commits, and to it as far as it takes them.
  const feed = series && createSeriesFeed(series, log);
  if (feed) cleanup.defer(() => within(clock, RECORD_GRACE_MS, feed.settled()));
  for (const sentence of record.damaged) log.error("the record was damaged", { code: DAMAGED_CODE, reason: sentence });

  const bus = createMemoryBus();
  const neededTicks = () => ticksOfRestart(evaluator.clusters().map(({ series }) => series.capacity));
  const keeper = new Keeper({ clock, log, bus, store, ledger, historyS: retention.historyS, neededTicks });
  cleanup.defer(() => within(clock, RECORD_GRACE_MS, keeper.stop()));
  const receivers = new ReceiverBook(clusters, environment);
  const policy = createAddressPolicy(settings.notifier);
  const world = { settings, environment, clock, log, policy };
  const notifier = createNotifier(world, receivers);
  const evaluator = new Evaluator({
    clock,
    log,
    bus,
    ledger,
    // Also where ticks are recorded in the ledger alone: it has those of before that.
    store: record.store,
    ...(feed ? { ticksPerCommit: ticksBetweenCommits(intervalMs), onTicks: feed.take } : {}),
    dispatcher: notifier,
    intervalMs,
    evaluationDelayMs: evaluationDelayMs(settings),
    onDecision(clusterId, decision) {
      if (decision.d === "source") void forgetSource(clusterId, decision.source, decision.reason);
      onDecision?.(clusterId, decision);
    },
  });
  notifier.connect(evaluator);
  cleanup.defer(() => within(clock, RECORD_GRACE_MS, evaluator.close()));

  const newest = await evaluator.restore();
  const known = evaluator.knownSources();
  const rules = clusters.map((cluster) => cluster.rules);
  const mappings = createMappings(settings, log, (clusterId) => evaluator.holds(clusterId));
  const collector = new Collector({
    clock,
    log,
    bus,
    entries: sources,
    intervalMs,
    timeoutMs,
    maxOffsetMs: maxOffsetMs(settings),
    secretsOf: (entry) => sourceSecrets(entry, environment),
    mapping: mappings.of(rules),
    detail: settings.store.detail,
    baselines: await baselinesBySource(ledger, record.store),
    known,
  });
  const queries = new QueryClient({ folder: settings.dataPath, intervalMs, clock, influx: settings.store.influx });
  cleanup.defer(() => queries.close());
  const view = localView({
    clock,
    working: evaluator,
    ledger,
    store: record.store,
    queries,
    receivers,
    notifier,
    policy,
    named: mappings.named,
    sources: () => collector.status().map(sourceView),
    degraded: () => [
      ...evaluator.degraded(),
      ...keeper.degraded(),
      ...(series?.degraded() ?? []),
      ...(feed?.degraded() ?? []),
      ...(watcher?.degraded() ?? []),
    ],
  });
  /** A source that no cluster waits for any longer need not be asked either, once its path is gone. */
  const forgetSource = async (clusterId: string, source: string, reason: string) => {
    log.warn("source forgotten", { cluster_id: clusterId, source, reason });
    if (!evaluator.knownSources().includes(source)) await collector.forget(source);
  };
  const api = await startApi(settings.api, VERSION, view);
  cleanup.defer(() => api.close());

  // Outcomes of what is under way must reach the ledger before it closes.
  cleanup.defer(() => notifier.stop(STOP_GRACE_MS));
  cleanup.defer(() => within(clock, RECORD_GRACE_MS, evaluator.stopSending()));
  cleanup.defer(() => collector.stop());
  const ticker = new Ticker({
    clock,
    intervalMs,
    after: newest,
    onTick(tick) {
      evaluator.tick(tick);
      void collector.tick(tick);
    },
    onStep: (byMs) => log.warn("the wall clock stepped: ticks are labelled anew", { by_ms: byMs }),
  });
  cleanup.defer(() => {
    ticker.stop();
    evaluator.stopTicks();
  });
  const isConfigured = (source: string) => sources.some((entry) => isFromEntry(source, entry));
  const start: Start = {
    kind: "start",
    number: ticker.first - 1,
    at: clock.now(),
    intervalMs,
    ...(settings.shadow ? { shadow: true } : {}),
  };
  await evaluator.start(rules, start, isConfigured);
  await protect(record, evaluator, clock.now());
  keeper.start();
  ticker.start();
  const heartbeat = createHeartbeat(world, () => {
    const sealedBy = clock.now() - evaluationDelayMs(settings);
    return troubles(evaluator.clusters(), view.degraded(), sealedBy);
  });
  heartbeat?.start();
  cleanup.defer(async () => heartbeat?.stop());
  if (watcher) {
    cleanup.defer(() => watcher[Symbol.asyncDispose]());
    await watcher.start(ruleApplier({ clock, receivers, evaluator, collector, mappingOf: mappings.of, rules }));
  }

  const running = cleanup.move();
  return { apiUrl: api.url, view, clusters: () => evaluator.clusters(), stop: () => running.disposeAsync() };
}

/** After a loss: scaling is paused, and only when all of that is durable is the loss forgotten. */
async function protect({ lost, covered }: SqliteBackend, evaluator: Evaluator, now: number): Promise<void> {
  if (lost === undefined) return;
  const pauses = evaluator
    .clusters()
    .flatMap((cluster) => pausesAfterLoss(cluster, now, lost).map((pause) => ({ cluster, pause })));
  await Promise.all(pauses.map(({ cluster, pause }) => evaluator.command(cluster.clusterId, pause)));
  covered();
}

/** Recorded raw counters, by source and cluster: the only ones that a restart may subtract from (rule R3). */
async function baselinesBySource(
  ledger: Pick<Ledger, "baselines">,
  store: Pick<SampleStore, "baselines">,
): Promise<Map<string, Map<string, Baseline>>> {
  const newestLast = [...(await ledger.baselines()), ...(await store.baselines())].sort((a, b) => a.seq - b.seq);
  const bySource = new Map<string, Map<string, Baseline>>();
  for (const { clusterId, source, baseline } of newestLast) {
    const own = bySource.get(source) ?? new Map<string, Baseline>();
    bySource.set(source, own.set(clusterId, baseline));
  }
  return bySource;
}
