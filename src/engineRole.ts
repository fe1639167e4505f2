/** The role of an engine in a process: the log, the partitions, the notifier, and the store of series. */

import { join } from "node:path";
import { createMemoryBus } from "./backend/memory/bus.ts";
import type { MappingBook } from "./backend/nats/agents/mappings.ts";
import { createMappingBook, withoutStale } from "./backend/nats/agents/mappings.ts";
import type { startCoordination } from "./backend/nats/coordination/coordination.ts";
import type { NatsLink } from "./backend/nats/link/link.ts";
import { openSharedLog } from "./backend/nats/log/sharedLog.ts";
import { natsSamples } from "./backend/nats/samples/samples.ts";
import { DAMAGED_CODE, openSqlite } from "./backend/sqlite/backend.ts";
import type { NatsSettings } from "./config/busSettings.ts";
import { ReceiverBook } from "./config/receiverBook.ts";
import { evaluationDelayMs } from "./config/settings.ts";
import { busClock } from "./engine/busClock.ts";
import type { Mapping } from "./engine/engine.ts";
import { Engine } from "./engine/engine.ts";
import { eachMinute } from "./engine/telling.ts";
import { troubles } from "./health.ts";
import { Keeper } from "./keeper.ts";
import { createAddressPolicy } from "./lib/addressPolicy.ts";
import { messageOf } from "./lib/errors.ts";
import { partitionOf } from "./lib/partition.ts";
import { Ticker } from "./lib/ticker.ts";
import { within } from "./lib/within.ts";
import { localView } from "./localView.ts";
import type { Heartbeat } from "./notifier/heartbeat.ts";
import { createHeartbeat, createNotifier } from "./outgoing.ts";
import type { Ledger } from "./ports.ts";
import { QueryClient } from "./query/client.ts";
import { createMappings, rowsOf, ruleApplier } from "./ruleChanges.ts";
import type { ScaledOptions } from "./scaledApp.ts";
import type { SharedLog } from "./scalePorts.ts";
import { createSeriesFeed } from "./seriesFeed.ts";
import type { SampleStore } from "./seriesPorts.ts";
import { NO_TICKS, openSeries } from "./seriesStore.ts";
import type { OwnView, ServiceView, SourceView } from "./serviceView.ts";

export interface EngineRoleOptions extends ScaledOptions {
  readonly nats: NatsSettings;
  readonly link: NatsLink;
  /** Samples come over this one. */
  readonly samplesLink: NatsLink;
  readonly partitions: number;
  readonly coordination: Awaited<ReturnType<typeof startCoordination>>;
  readonly sources: () => readonly SourceView[];
  /** What ends is put here. */
  readonly cleanup: AsyncDisposableStack;
  /** Gives back what is owned, and leaves. */
  readonly leave: () => Promise<void>;
}

export interface EngineRun {
  /** Of the partitions that it works on. */
  readonly view: OwnView;
  owned(): readonly number[];
  /** The view of all engines: the dead-man's switch is about all of them. */
  watchedBy(all: ServiceView): void;
  /** Takes part in owning as soon as it has read the log. */
  begin(): Promise<void>;
  /** Sends nothing more, and gives its partitions back. */
  end(): Promise<void>;
}

/** Longest that a stop waits for requests under way, ms: giving back and the rest need what is left of 10 s. */
const STOP_GRACE_MS = 5000;
/** And for the partitions to be given back, ms. */
const LEAVE_MS = 6000;
const RECORD_GRACE_MS = 1000;
/** How often all engines are asked how they are, for the dead-man's switch, ms. */
const ASK_ALL_MS = 30_000;

/** Opens all that an engine works with. Nothing is owned before `begin`. */
export async function startEngine(options: EngineRoleOptions): Promise<EngineRun> {
  const { settings, environment, clock, log, onFatal, nats, link, partitions, coordination, cleanup } = options;
  const { clusters = [], watcher } = options.rules ?? {};
  const { intervalMs, dataPath } = settings;
  const ending = (work: () => Promise<unknown>) => cleanup.defer(() => within(clock, RECORD_GRACE_MS, work()));

  const folder = join(dataPath, "log");
  const about = { link, folder, partitions, logAgeS: nats.logAgeS, clock, log, onDeath: onFatal };
  const sharedLog = await openSharedLog(about);
  ending(() => sharedLog.close());
  const { store, degraded: seriesDegraded } = await openStore(options);
  const feed = createSeriesFeed(store, log);
  ending(() => feed.settled());
  const bus = createMemoryBus();
  const ledger = readerOf(sharedLog, (clusterId) => engine.ledgerOf(clusterId));
  const keeper = new Keeper({
    clock,
    log,
    bus,
    store,
    ledger: { trim: (before) => engine.trim(before, sharedLog.all) },
    historyS: settings.store.retention.historyS,
    neededTicks: () => 0,
  });
  ending(() => keeper.stop());

  const receivers = new ReceiverBook(clusters, environment);
  const policy = createAddressPolicy(settings.notifier);
  const world = { settings, environment, clock, log, policy };
  const notifier = createNotifier(world, receivers);
  const book = createMappingBook(link);
  cleanup.defer(() => book.close());
  const rules = clusters.map((cluster) => cluster.rules);
  const tickClock = busClock({ clock, log, intervalMs, offsetMs: () => coordination.offsetMs() });
  const engine = new Engine({
    clock: tickClock,
    log,
    coordination,
    sharedLog,
    samples: natsSamples({ link: options.samplesLink, intervalMs, clock, log }),
    mapping: mappingOf(book, partitions),
    dispatcher: notifier,
    intervalMs,
    evaluationDelayMs: evaluationDelayMs(settings),
    backlogMs: nats.samplesAgeS * 1000,
    takeoverS: () => (nats.ttlMs + longestAttemptMs(receivers, settings.notifier.connectTimeoutMs)) / 1000,
    shadow: settings.shadow,
    rules,
    onReport: (report) => bus.publish(report),
    onTicks: feed.take,
    onDecision(clusterId, decision) {
      if (decision.d !== "source") return;
      log.warn("source forgotten", { cluster_id: clusterId, source: decision.source, reason: decision.reason });
    },
  });
  notifier.connect(engine);
  const mappings = createMappings(settings, log, (clusterId) => engine.holds(clusterId));
  const queries = new QueryClient({ folder: dataPath, intervalMs, clock, influx: settings.store.influx });
  cleanup.defer(() => queries.close());
  const view = localView({
    clock,
    working: engine,
    ledger,
    store: NO_TICKS,
    queries,
    receivers,
    notifier,
    policy,
    named: mappings.named,
    sources: options.sources,
    degraded: () => [
      ...engine.degraded(),
      ...tickClock.degraded(),
      ...keeper.degraded(),
      ...seriesDegraded(),
      ...feed.degraded(),
      ...(watcher?.degraded() ?? []),
    ],
  });
  const deadMan = new DeadMan(() =>
    createHeartbeat(world, () => {
      const sealedBy = tickClock.now() - evaluationDelayMs(settings);
      return [...troubles(engine.clusters(), view.degraded(), sealedBy), ...deadMan.elsewhere];
    }),
  );
  let askedMs = -Infinity;
  let all: ServiceView | undefined;
  const ticker = new Ticker({
    clock: tickClock,
    intervalMs,
    after: undefined,
    onTick({ at }) {
      // The bus's numbers, also when the clock has stepped.
      engine.tick({ number: at / intervalMs, at });
      // One of all engines tells that all of them are well: who works on the first partition.
      deadMan.isOurs(engine.owned().includes(0));
      if (clock.monotonic() - askedMs < ASK_ALL_MS) return;
      askedMs = clock.monotonic();
      void deadMan.ask(all);
    },
    onStep: (byMs) => log.warn("the wall clock stepped: ticks are labelled anew", { by_ms: byMs }),
  });
  return {
    view,
    owned: () => engine.owned(),
    watchedBy(view) {
      all = view;
    },
    async begin() {
      keeper.start();
      ticker.start();
      const { families, ignore, unmapped } = settings;
      const telling = eachMinute(clock, log, () => book.putFamilies({ families, ignore, unmapped }));
      cleanup.defer(() => telling.stop());
      coordination.begin(engine);
      sharedLog.caughtUp.then(
        () => coordination.setReady(),
        (error) => onFatal(messageOf(error)),
      );
      if (!watcher) return;
      cleanup.defer(() => watcher[Symbol.asyncDispose]());
      // Agents follow what the engine tells them: there is no collector to be told here.
      const collector = { update() {} };
      await watcher.start(
        ruleApplier({ clock, receivers, evaluator: engine, collector, mappingOf: mappings.of, rules }),
      );
    },
    async end() {
      ticker.stop();
      await deadMan.stop();
      await within(clock, RECORD_GRACE_MS, engine.stopSending());
      // What was not begun is dropped at once, and what is under way is waited for by the partition that asked for it.
      await Promise.all([notifier.stop(STOP_GRACE_MS), within(clock, LEAVE_MS, options.leave())]);
    },
  };
}

async function openStore({
  settings,
  environment,
  clock,
  log,
  onFatal,
  cleanup,
}: EngineRoleOptions): Promise<{ readonly store: SampleStore; readonly degraded: () => readonly string[] }> {
  const series = await openSeries(settings, { environment, clock, log });
  if (series) {
    cleanup.defer(() => series.close());
    return { store: series, degraded: () => series.degraded() };
  }
  const { retention, quotaBytes } = settings.store;
  const opened = await openSqlite(settings.dataPath, { at: clock.now(), onDeath: onFatal, retention, quotaBytes });
  cleanup.defer(() => opened.ledger.close());
  cleanup.defer(() => opened.store.close());
  for (const reason of opened.damaged) log.error("the record was damaged", { code: DAMAGED_CODE, reason });
  // Nothing that is decided rests on it.
  if (opened.lost !== undefined) opened.covered();
  return { store: opened.store, degraded: () => [] };
}

/** Reads of the whole record, where what this process has just appended is there. */
function readerOf({ all }: Pick<SharedLog, "all">, ledgerOf: (clusterId: string) => Ledger | undefined): Ledger {
  return {
    ...all,
    async delivery(id) {
      const found = await all.delivery(id);
      const own = found && ledgerOf(found.delivery.clusterId);
      return own ? own.delivery(id) : found;
    },
    decisions: (clusterId, query) => (ledgerOf(clusterId) ?? all).decisions(clusterId, query),
  };
}

function mappingOf(book: MappingBook, partitions: number): Mapping {
  return {
    put: (rules, isOver) => book.put(rowsOf(rules), isOver),
    remove: (clusterId, isOver) => book.remove(clusterId, isOver),
    putKnown: (partition, sources, isOver) => book.putKnown(partition, sources, isOver),
    clusters: async (partition) =>
      (await book.clusters()).filter((clusterId) => partitionOf(clusterId, partitions) === partition),
    current: (report) => withoutStale(report, (clusterId) => book.newest(clusterId)),
  };
}

function longestAttemptMs(receivers: ReceiverBook, connectTimeoutMs: number): number {
  const longest = receivers.list().reduce((most, { receiver }) => Math.max(most, receiver.timeoutS), 0);
  return connectTimeoutMs + longest * 1000;
}

/** The dead-man's switch of several engines: one of them calls, and only while none of the others says that it is unwell. */
class DeadMan {
  /** What the others say. */
  elsewhere: readonly string[] = [];
  readonly #create: () => Heartbeat | undefined;
  #beating: Heartbeat | undefined;

  constructor(create: () => Heartbeat | undefined) {
    this.#create = create;
  }

  isOurs(isOurs: boolean): void {
    if (isOurs && !this.#beating) {
      this.#beating = this.#create();
      this.#beating?.start();
    } else if (!isOurs) void this.stop();
  }

  async ask(all: ServiceView | undefined): Promise<void> {
    if (!this.#beating || !all) return;
    try {
      this.elsewhere = await all.degraded();
    } catch (error) {
      this.elsewhere = [messageOf(error)];
    }
  }

  async stop(): Promise<void> {
    const beating = this.#beating;
    this.#beating = undefined;
    await beating?.stop();
  }
}
