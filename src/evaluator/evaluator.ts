/**
 * The evaluator stage: reports in, decisions out. Restores every cluster from the record, seals ticks, and hands
 * each cluster's inputs to its runner; the one part of the evaluator that does I/O.
 */

import { messageOf, TocsinError } from "../lib/errors.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Command, Decision, EventInput, Outcome, Start } from "../model/decision.ts";
import type { ScrapeReport, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Clock, Dispatcher, Ledger, Logger, OutcomeSink, SampleBus, Timer } from "../ports.ts";
import type { SampleStore } from "../seriesPorts.ts";
import { Away, restingIn } from "./away.ts";
import type { ClusterState } from "./cluster.ts";
import { emptyCluster } from "./cluster.ts";
import { tookOf } from "./events.ts";
import { Guests } from "./guests.ts";
import { restoreCluster } from "./restore.ts";
import { differ, withoutAlarms } from "./revision.ts";
import { ClusterRunner } from "./runner.ts";
import type { Seal } from "./sealing.ts";
import { Sealer } from "./sealing.ts";
import { Turns } from "./turns.ts";

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

/** Seals that wait for a cluster to be brought back: more is downtime. */
const MAX_EARLY = 8;

export class Evaluator implements OutcomeSink {
  readonly #options: EvaluatorOptions;
  readonly #sealer: Sealer;
  readonly #runners = new Map<string, ClusterRunner>();
  readonly #deadlines = new Set<Timer>();
  /** Folding yields to the event loop now and then. */
  readonly #turns: Turns<Seal>;
  /** Clusters that were told of the start. */
  readonly #started = new Set<string>();
  readonly #guests = new Guests();
  readonly #away: Away;
  /** Seals of clusters that are being brought back. */
  readonly #early = new Map<string, Seal[]>();
  #isConfigured: (source: string) => boolean = () => true;
  #newestTick: Tick | undefined;
  #start: Start | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#sealer = new Sealer(maxGapS(options.intervalMs));
    this.#turns = new Turns(options.clock, (seal) => this.#fold(seal));
    const { ledger } = options;
    this.#away = new Away({
      load: () => ledger.load(),
      restore: (saved) => restoreCluster(saved, options, options.log, options.clock.now()),
      add: (cluster) => this.#add(cluster),
    });
  }

  /** Restores all but those that were let go of. Returns the newest recorded tick, `undefined` when there is none. */
  async restore(): Promise<Tick | undefined> {
    const { clock, ledger, log } = this.#options;
    let newest: Tick | undefined;
    for (const saved of await ledger.load()) {
      const stood = restingIn(saved) ?? (await restoreCluster(saved, this.#options, log, clock.now()));
      if (stood.tick > (newest?.number ?? -Infinity)) newest = { number: stood.tick, at: stood.at };
      if ("rests" in stood) this.#away.add(saved.snapshot.clusterId);
      else this.#add(stood);
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
    for (const { clusterId } of rules) {
      if (this.#away.has(clusterId)) await this.#away.bringBack(clusterId);
      else if (!this.#runners.has(clusterId)) this.#add(emptyCluster(clusterId));
    }
    const ofCluster = new Map(rules.map((own) => [own.clusterId, own]));
    const done: Promise<void>[] = [];
    this.#start = start;
    this.#isConfigured = isConfigured;
    for (const [clusterId, runner] of this.#runners) {
      const { cluster } = runner;
      const own = ofCluster.get(clusterId) ?? withoutAlarms(cluster);
      if (!own) {
        this.#guests.expect(clusterId, start.number);
        continue;
      }
      done.push(...this.#startOf(runner, start));
      if (differ(own, cluster.rules)) {
        done.push(runner.input({ kind: "command", command: "rules", rules: own } satisfies Command));
      }
      // What a cluster without rules still has to tell needs ticks, too.
      if (ofCluster.has(clusterId) || cluster.deliveries.size > 0)
        this.#sealer.add(clusterId, [...cluster.lastOk.keys()].filter(isConfigured));
    }
    await Promise.all(done);
    this.#unsubscribe = this.#options.bus.subscribe((report) => {
      this.#meet(report);
      this.#turns.add(this.#sealer.report(report));
    });
  }

  /** What a cluster is told when it begins to work, once: the start, and which sources it need not wait for. */
  #startOf(runner: ClusterRunner, start: Start): Promise<void>[] {
    const { clusterId, lastOk } = runner.cluster;
    this.#started.add(clusterId);
    const gone = [...lastOk.keys()].filter((source) => !this.#isConfigured(source));
    const forget = gone.map((source): Command => ({ kind: "command", command: "forget", source }));
    return [start, ...forget].map((input) => runner.input(input));
  }

  /** The start as of now. */
  #lateStart(): Start | undefined {
    const { number, at } = this.#newestTick ?? {};
    return this.#start && { ...this.#start, number: number ?? this.#start.number, at: at ?? this.#start.at };
  }

  /** Takes in clusters that no rule file has, when the first rows of theirs come: they keep their series all the same. */
  #meet({ outcome, tick }: ScrapeReport): void {
    if (!outcome.ok) return;
    for (const { clusterId } of outcome.slices) {
      if (this.#sealer.has(clusterId)) {
        this.#guests.saw(clusterId, tick.number);
        continue;
      }
      if (!this.#guests.admit(clusterId, tick.number)) {
        const most = this.#guests.most;
        if (this.#guests.refused === 1)
          this.#options.log.warn("more clusters than are kept without rule files", { cluster_id: clusterId, most });
        continue;
      }
      if (this.#away.has(clusterId)) void this.#return(clusterId);
      else {
        const runner = this.#runners.get(clusterId) ?? this.#add(emptyCluster(clusterId));
        this.#tellLate(runner, this.#lateStart());
        this.#sealer.add(clusterId, [...runner.cluster.lastOk.keys()].filter(this.#isConfigured));
      }
    }
  }

  #tellLate(runner: ClusterRunner, start: Start | undefined): void {
    if (start && !this.#started.has(runner.cluster.clusterId))
      for (const told of this.#startOf(runner, start)) void told;
  }

  /** Rows of a cluster that was let go of came: its ticks are sealed from now on, and wait for what the record has of it. */
  async #return(clusterId: string): Promise<void> {
    const start = this.#lateStart();
    this.#sealer.add(clusterId, []);
    this.#early.set(clusterId, []);
    try {
      const runner = await this.#away.bringBack(clusterId);
      this.#tellLate(runner, start);
      this.#sealer.know(clusterId, [...runner.cluster.lastOk.keys()].filter(this.#isConfigured));
      for (const seal of this.#early.get(clusterId) ?? []) runner.seal(seal);
    } catch (error) {
      this.#options.log.error("cluster cannot be read", { cluster_id: clusterId, reason: messageOf(error) });
      this.#sealer.remove(clusterId);
      this.#guests.leave(clusterId);
    } finally {
      this.#early.delete(clusterId);
    }
  }

  /** Lets go of a cluster whose rows have not come for long. One that has, or had, a rule file is there for people. */
  #letGo(clusterId: string): void {
    this.#sealer.remove(clusterId);
    const runner = this.#runners.get(clusterId);
    if (!runner || runner.cluster.rules || runner.cluster.deliveries.size > 0) return;
    this.#runners.delete(clusterId);
    this.#started.delete(clusterId);
    this.#away.leave(runner);
  }

  /**
   * Applies a revision of the rules while the service runs: of a cluster that is known, or of a new one. `undefined`
   * rules retire its alarms. Resolves when that is durable; an equal revision is none.
   */
  async revise(clusterId: string, rules: ClusterRules | undefined): Promise<void> {
    if (this.#away.has(clusterId)) await this.#away.bringBack(clusterId);
    const known = this.#runners.get(clusterId);
    const revision = rules ?? (known && withoutAlarms(known.cluster));
    if (!revision || (known && !differ(revision, known.cluster.rules))) return;
    const runner = known ?? this.#add(emptyCluster(clusterId));
    this.#tellLate(runner, this.#lateStart());
    this.#guests.leave(clusterId);
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
    return tookOf(await Promise.allSettled(hearing.map((runner) => runner.command(event))));
  }

  /** A tick begins: it will be sealed by its deadline at the latest. */
  tick(tick: Tick): void {
    this.#newestTick = tick;
    for (const clusterId of this.#guests.gone(tick.number)) this.#letGo(clusterId);
    this.#sealer.openTick(tick);
    const timer = this.#options.clock.after(this.#options.evaluationDelayMs, () => {
      this.#deadlines.delete(timer);
      this.#turns.add(this.#sealer.deadline(tick.number));
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

  /** The clusters as they are now, for people: those that have, or had, a rule file, and those whose rows come. Read only. */
  clusters(): readonly ClusterState[] {
    return [...this.#runners.values()]
      .map(({ cluster }) => cluster)
      .filter(({ clusterId, rules }) => rules !== undefined || this.#guests.has(clusterId));
  }

  /** Whether anything is held of a cluster. */
  holds(clusterId: string): boolean {
    return this.#runners.has(clusterId) || this.#sealer.has(clusterId);
  }

  /** Why the service is degraded, one line for each cluster that is. */
  degraded(): readonly string[] {
    return [...this.#runners].flatMap(([id, { degraded }]) => (degraded ? [`${id}: ${degraded}`] : []));
  }

  /** No more ticks are taken; outcomes still are. */
  stopTicks(): void {
    this.#unsubscribe?.();
    this.#turns.stop();
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
    await Promise.all([...[...this.#runners.values()].map((runner) => runner.close()), this.#away.close()]);
  }

  #add(cluster: ClusterState): ClusterRunner {
    const { clock, log, ledger, store, dispatcher, onDecision = () => {} } = this.#options;
    const ports = { clock, log, ledger, store, dispatcher, sealer: this.#sealer, onDecision };
    const runner = new ClusterRunner(cluster, ports);
    this.#runners.set(cluster.clusterId, runner);
    return runner;
  }

  #fold(seal: Seal): void {
    const early = this.#early.get(seal.clusterId);
    if (early && early.length < MAX_EARLY) early.push(seal);
    else if (early) this.#sealer.putBack(seal);
    else this.#runners.get(seal.clusterId)?.seal(seal);
  }
}
