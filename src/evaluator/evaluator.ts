/**
 * The evaluator stage: reports in, decisions out. Restores every cluster from the record, seals ticks, and hands
 * each cluster's inputs to its runner; the one part of the evaluator that does I/O.
 */

import type { ClusterRules } from "../model/alarm.ts";
import type { Command, Decision, Outcome, Start } from "../model/decision.ts";
import type { SealedTick, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type {
  Clock,
  Dispatcher,
  Ledger,
  LedgerCluster,
  Logger,
  OutcomeSink,
  SampleBus,
  SampleStore,
  Timer,
} from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import { emptyCluster } from "./cluster.ts";
import { fold } from "./fold.ts";
import { ClusterRunner } from "./runner.ts";
import type { Seal } from "./sealing.ts";
import { Sealer } from "./sealing.ts";
import { fillWindows, loadCluster, ticksToRead } from "./snapshot.ts";

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
  #unsubscribe: (() => void) | undefined;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#sealer = new Sealer(maxGapS(options.intervalMs));
  }

  /** Restores what was recorded. Returns the newest recorded tick, `undefined` when there is none. */
  async restore(): Promise<Tick | undefined> {
    const { ledger, log, store } = this.#options;
    let newest: Tick | undefined;
    for (const saved of await ledger.load()) {
      const cluster = await restoreCluster(saved, ledger, store, log);
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
    for (const [clusterId, runner] of this.#runners) {
      const { cluster } = runner;
      const own = ofCluster.get(clusterId) ?? withoutAlarms(cluster);
      if (!own) continue;
      done.push(runner.input(start));
      for (const source of [...cluster.lastOk.keys()].filter((name) => !isConfigured(name))) {
        done.push(runner.input({ kind: "command", command: "forget", source } satisfies Command));
      }
      if (JSON.stringify(own) !== JSON.stringify(cluster.rules)) {
        done.push(runner.input({ kind: "command", command: "rules", rules: own } satisfies Command));
      }
      if (ofCluster.has(clusterId)) this.#sealer.add(clusterId, [...cluster.lastOk.keys()].filter(isConfigured));
    }
    await Promise.all(done);
    this.#unsubscribe = this.#options.bus.subscribe((report) => this.#take(this.#sealer.report(report)));
  }

  /** A tick begins: it will be sealed by its deadline at the latest. */
  tick(tick: Tick): void {
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

  #add(cluster: ClusterState): void {
    const { clock, log, ledger, store, dispatcher, onDecision = () => {} } = this.#options;
    const ports = { clock, log, ledger, store, dispatcher, sealer: this.#sealer, onDecision };
    this.#runners.set(cluster.clusterId, new ClusterRunner(cluster, ports));
  }

  #take(seals: readonly Seal[]): void {
    for (const seal of seals) this.#runners.get(seal.clusterId)?.seal(seal);
  }
}

/** A cluster whose rule file is gone keeps its lane and its ledger, but no alarm. */
function withoutAlarms(cluster: ClusterState): ClusterRules | undefined {
  return cluster.rules && { ...cluster.rules, alarms: [] };
}

async function restoreCluster(
  saved: LedgerCluster,
  ledger: Ledger,
  store: SampleStore,
  log: Logger,
): Promise<ClusterState> {
  const { snapshot, rules } = saved;
  const { clusterId } = snapshot;
  const cluster = loadCluster(clusterId, snapshot.seq, snapshot.doc, rules);
  const after = cluster.tick - ticksToRead(cluster);
  const ticks = new Map<number, SealedTick>();
  for (const { seq, tick } of await store.ticks(clusterId, after)) ticks.set(seq, tick);
  for (const { seq, input } of await ledger.ticks(clusterId, after)) if (input.kind === "tick") ticks.set(seq, input);
  const inOrder = [...ticks].sort(([a], [b]) => a - b).map(([seq, tick]) => ({ seq, tick }));
  fillWindows(cluster, inOrder);
  for (const { seq, tick } of inOrder) {
    if (seq <= cluster.seq) continue;
    if (seq > cluster.seq + 1) log.warn("recorded ticks are missing", { cluster_id: clusterId, before_seq: seq });
    cluster.seq = seq - 1;
    const { decisions } = fold(cluster, tick);
    // Ticks with decisions are committed with them: these had none, and must have none again.
    if (decisions.length > 0) log.error("a recorded tick decides otherwise now", { cluster_id: clusterId, seq });
  }
  return cluster;
}
