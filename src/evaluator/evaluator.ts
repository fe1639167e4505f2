/**
 * The evaluator stage: reports in, decisions out. Restores every cluster from the record, seals ticks, and hands
 * each cluster's inputs to its runner; the one part of the evaluator that does I/O.
 */

import { TocsinError } from "../lib/errors.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Command, Decision, EventInput, Outcome, Start } from "../model/decision.ts";
import type { Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Clock, Dispatcher, Ledger, Logger, OutcomeSink, SampleBus, SampleStore, Timer } from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import { emptyCluster } from "./cluster.ts";
import { restoreCluster } from "./restore.ts";
import { ClusterRunner } from "./runner.ts";
import type { Seal } from "./sealing.ts";
import { Sealer } from "./sealing.ts";

export interface EvaluatorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: SampleBus;
  readonly ledger: Ledger;
  readonly store: SampleStore;
  readonly dispatcher: Dispatcher;
  readonly intervalMs: number;
  /** A tick is sealed at the latest this long after it (rule T2). */
  readonly evaluationDelayMs: number;
  readonly onDecision?: (clusterId: string, decision: Decision) => void;
}

export class Evaluator implements OutcomeSink {
  readonly #options: EvaluatorOptions;
  readonly #sealer: Sealer;
  readonly #runners = new Map<string, ClusterRunner>();
  readonly #deadlines = new Set<Timer>();
  /** Seals that wait for their turn: folding yields to the event loop now and then. */
  readonly #waiting: Seal[] = [];
  #turn: Timer | undefined;
  #newestTick: Tick | undefined;
  #start: Start | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#sealer = new Sealer(maxGapS(options.intervalMs));
  }

  /** Restores what was recorded. Returns the newest recorded tick, `undefined` when there is none. */
  async restore(): Promise<Tick | undefined> {
    const { clock, ledger, log, store } = this.#options;
    let newest: Tick | undefined;
    for (const saved of await ledger.load()) {
      const cluster = await restoreCluster(saved, { ledger, store }, log, clock.now());
      if (cluster.tick > (newest?.number ?? -Infinity)) newest = { number: cluster.tick, at: cluster.at };
      this.#add(cluster);
    }
    return newest;
  }

  /** Sources that some cluster knows. */
  knownSources(): readonly string[] {
    return [...new Set([...this.#runners.values()].flatMap(({ cluster }) => [...cluster.lastOk.keys()]))];
  }

  /**
   * Begins to work by these rules: records the start, forgets sources whose configuration is gone (rule T4),
   * applies changed rules. `start` is the last tick that is in the past. Resolves when all of it is durable.
   */
  async start(rules: readonly ClusterRules[], start: Start, isConfigured: (source: string) => boolean): Promise<void> {
    for (const { clusterId } of rules) if (!this.#runners.has(clusterId)) this.#add(emptyCluster(clusterId));
    const ofCluster = new Map(rules.map((own) => [own.clusterId, own]));
    const done: Promise<void>[] = [];
    this.#start = start;
    for (const [clusterId, runner] of this.#runners) {
      const { cluster } = runner;
      const own = ofCluster.get(clusterId) ?? withoutAlarms(cluster);
      if (!own) continue;
      done.push(runner.input(start));
      for (const source of [...cluster.lastOk.keys()].filter((name) => !isConfigured(name))) {
        done.push(runner.input({ kind: "command", command: "forget", source } satisfies Command));
      }
      if (differ(own, cluster.rules)) {
        done.push(runner.input({ kind: "command", command: "rules", rules: own } satisfies Command));
      }
      // What a cluster without rules still has to tell needs ticks, too.
      if (ofCluster.has(clusterId) || cluster.deliveries.size > 0)
        this.#sealer.add(clusterId, [...cluster.lastOk.keys()].filter(isConfigured));
    }
    await Promise.all(done);
    this.#unsubscribe = this.#options.bus.subscribe((report) => this.#take(this.#sealer.report(report)));
  }

  /**
   * Applies a revision of the rules while the service runs: of a cluster that is known, or of a new one. `undefined`
   * rules retire its alarms. Resolves when that is durable; an equal revision is none.
   */
  async revise(clusterId: string, rules: ClusterRules | undefined): Promise<void> {
    const known = this.#runners.get(clusterId);
    const revision = rules ?? (known && withoutAlarms(known.cluster));
    if (!revision || (known && !differ(revision, known.cluster.rules))) return;
    const runner = known ?? this.#add(emptyCluster(clusterId));
    const start = this.#start;
    if (!known && start) {
      void runner.input({
        ...start,
        number: this.#newestTick?.number ?? start.number,
        at: this.#newestTick?.at ?? start.at,
      });
    }
    if (rules && !this.#sealer.has(clusterId)) this.#sealer.add(clusterId, [...runner.cluster.lastOk.keys()]);
    await runner.command({ kind: "command", command: "rules", rules: revision });
  }

  /** Folds a person's command. Throws `E403` when there is no such cluster, `E404` while its record cannot be written. */
  async command(clusterId: string, command: Command): Promise<void> {
    const runner = this.#runners.get(clusterId);
    if (!runner) throw new TocsinError("E403", `there is no cluster ${clusterId}`);
    await runner.command(command);
  }

  /** Hands an event to the clusters that hear it, or to the one that it names. Returns how many took it. */
  async event(event: EventInput): Promise<number> {
    const { cluster_id: only } = event.traits;
    const hearing = [...this.#runners.values()].filter(
      ({ cluster }) => cluster.hearsEvents && (only === undefined || only === cluster.clusterId),
    );
    const heard = await Promise.allSettled(hearing.map((runner) => runner.command(event)));
    const refused = heard.find((one) => one.status === "rejected");
    const took = heard.filter((one) => one.status === "fulfilled").length;
    // Where some took it, it must not be sent again for the others.
    if (refused?.status === "rejected" && took === 0) throw refused.reason;
    return took;
  }

  /** A tick begins: it will be sealed by its deadline at the latest. */
  tick(tick: Tick): void {
    this.#newestTick = tick;
    this.#sealer.openTick(tick);
    const timer = this.#options.clock.after(this.#options.evaluationDelayMs, () => {
      this.#deadlines.delete(timer);
      this.#take(this.#sealer.deadline(tick.number));
    });
    this.#deadlines.add(timer);
  }

  outcome(clusterId: string, outcome: Outcome): void {
    void this.#runners.get(clusterId)?.input(outcome);
  }

  heldBecause(clusterId: string, deliveryId: string): string | undefined {
    const runner = this.#runners.get(clusterId);
    return runner ? runner.heldBecause(deliveryId) : "the cluster is gone";
  }

  /** The clusters as they are now, for people. Read only. */
  clusters(): readonly ClusterState[] {
    return [...this.#runners.values()].map(({ cluster }) => cluster).filter(({ rules }) => rules !== undefined);
  }

  /** Why the service is degraded, one line for each cluster that is. */
  degraded(): readonly string[] {
    return [...this.#runners].flatMap(([id, { degraded }]) => (degraded ? [`${id}: ${degraded}`] : []));
  }

  /** No more ticks are taken; outcomes still are. */
  stopTicks(): void {
    this.#unsubscribe?.();
    this.#turn?.cancel();
    for (const timer of this.#deadlines) timer.cancel();
    this.#deadlines.clear();
  }

  /** Records that the process ends, where something is under way: its outcomes are still folded, nothing more is sent. */
  async stopSending(): Promise<void> {
    const busy = [...this.#runners.values()].filter(({ cluster }) => cluster.deliveries.size > 0);
    await Promise.all(busy.filter(({ degraded }) => !degraded).map((runner) => runner.input({ kind: "stop" })));
  }

  /** Ends when everything folded is durable. */
  async close(): Promise<void> {
    this.stopTicks();
    await Promise.all([...this.#runners.values()].map((runner) => runner.close()));
  }

  #add(cluster: ClusterState): ClusterRunner {
    const { clock, log, ledger, store, dispatcher, onDecision = () => {} } = this.#options;
    const ports = { clock, log, ledger, store, dispatcher, sealer: this.#sealer, onDecision };
    const runner = new ClusterRunner(cluster, ports);
    this.#runners.set(cluster.clusterId, runner);
    return runner;
  }

  #take(seals: readonly Seal[]): void {
    for (const seal of seals) this.#waiting.push(seal);
    if (this.#turn === undefined) this.#fold();
  }

  /** Folds what waits, a few milliseconds at a time: requests and answers are not kept waiting by many clusters. */
  #fold(): void {
    const { clock } = this.#options;
    const until = clock.monotonic() + TURN_MS;
    let folded = 0;
    while (folded < this.#waiting.length && clock.monotonic() <= until) {
      const seal = this.#waiting[folded++];
      if (seal) this.#runners.get(seal.clusterId)?.seal(seal);
    }
    this.#waiting.splice(0, folded);
    this.#turn =
      this.#waiting.length === 0
        ? undefined
        : clock.after(0, () => {
            this.#turn = undefined;
            this.#fold();
          });
  }
}

/** Longest that folding holds the event loop at a time, ms. */
const TURN_MS = 4;

/** Revisions are compared as they are recorded. */
function differ(a: ClusterRules, b: ClusterRules | undefined): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** A cluster whose rule file is gone keeps its lane and its ledger, but no alarm. */
function withoutAlarms(cluster: ClusterState): ClusterRules | undefined {
  return cluster.rules && { ...cluster.rules, alarms: [] };
}
