/**
 * The evaluator stage: reports in, decisions out. Restores every cluster from the record, seals ticks, and hands
 * each cluster's inputs to its runner; the one part of the evaluator that does I/O.
 */

import { TocsinError } from "../lib/errors.ts";
import { noEntries } from "../lib/maps.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Command, EventInput, Outcome, Start } from "../model/decision.ts";
import type { Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { LedgerCluster, OutcomeSink, Timer } from "../ports.ts";
import { Away } from "./away.ts";
import type { ClusterState } from "./cluster.ts";
import { emptyCluster } from "./cluster.ts";
import { Comings } from "./comings.ts";
import { tookOf } from "./events.ts";
import type { EvaluatorOptions } from "./options.ts";
import { storeOf, tickKeeping } from "./options.ts";
import type { ScrapedAt } from "./recorded.ts";
import { restoreAll, scrapedAt } from "./recorded.ts";
import { restoreCluster } from "./restore.ts";
import { differ, withoutAlarms } from "./revision.ts";
import { ClusterRunner } from "./runner.ts";
import type { Seal } from "./sealing.ts";
import { Sealer } from "./sealing.ts";
import { Starts } from "./starts.ts";
import { Turns } from "./turns.ts";
import type { TickKeeping } from "./unrecorded.ts";

export class Evaluator implements OutcomeSink {
  readonly #options: EvaluatorOptions;
  readonly #ticks: TickKeeping;
  readonly #sealer: Sealer;
  readonly #runners = new Map<string, ClusterRunner>();
  readonly #deadlines = new Set<Timer>();
  /** Folding yields to the event loop now and then. */
  readonly #turns: Turns<Seal>;
  readonly #starts = new Starts();
  readonly #comings: Comings;
  readonly #away: Away;
  #newestTick: Tick | undefined;
  #unsubscribe: (() => void) | undefined;
  /** After a takeover: what the record has, and may come again. */
  #scrapedAt: ScrapedAt | undefined;
  readonly #recordedAt: number[] = [];
  #abandoned = false;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#ticks = tickKeeping(options);
    this.#sealer = new Sealer(maxGapS(options.intervalMs));
    this.#turns = new Turns(options.clock, (seal) => this.#fold(seal));
    const { ledger } = options;
    this.#away = new Away({
      load: () => ledger.load(),
      restore: (saved) => this.#restore(saved),
      add: (cluster) => this.#add(cluster),
    });
    this.#comings = new Comings({
      ...options,
      sealer: this.#sealer,
      away: this.#away,
      starts: this.#starts,
      now: () => this.#newestTick,
      find: (clusterId) => this.#runners.get(clusterId),
      create: (clusterId) => this.#add(emptyCluster(clusterId)),
      remove: (clusterId) => this.#runners.delete(clusterId),
      seals: (cluster, known) => this.#seals(cluster, known),
      isOver: () => this.#abandoned,
    });
  }

  /** Restores all but those that were let go of. Returns the newest recorded tick, `undefined` when there is none. */
  async restore(): Promise<Tick | undefined> {
    const { ledger } = this.#options;
    let newest: Tick | undefined;
    for (const { clusterId, stood } of await restoreAll(await ledger.load(), (saved) => this.#restore(saved))) {
      if (Number.isFinite(stood.tick)) this.#recordedAt.push(stood.at);
      if (stood.tick > (newest?.number ?? -Infinity)) newest = { number: stood.tick, at: stood.at };
      if ("rests" in stood) this.#away.add(clusterId, stood.tick);
      else this.#add(stood);
    }
    return newest;
  }

  #restore(saved: LedgerCluster): Promise<ClusterState> {
    const { ledger, clock, log } = this.#options;
    return restoreCluster(saved, { ledger, store: storeOf(this.#options) }, log, clock.now());
  }

  /** When it was restored: labels of the newest recorded tick of each cluster, epoch ms. */
  get recordedAt(): readonly number[] {
    return this.#recordedAt;
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
    if (start.takeover) this.#scrapedAt = scrapedAt(await this.#options.ledger.baselines());
    const ofCluster = new Map(rules.map((own) => [own.clusterId, own]));
    const done: Promise<void>[] = [];
    this.#starts.begin(start, isConfigured);
    for (const [clusterId, runner] of this.#runners) {
      const { cluster } = runner;
      const own = ofCluster.get(clusterId) ?? withoutAlarms(cluster);
      if (!own) {
        this.#comings.expect(clusterId, start.number);
        continue;
      }
      const told = this.#starts.tell(runner, start);
      if (differ(own, cluster.rules)) {
        told.push(runner.input({ kind: "command", command: "rules", rules: own } satisfies Command));
      }
      // The others work all the same.
      const passUnread = (error: unknown) => (runner.isUnread ? undefined : Promise.reject(error));
      done.push(...told.map((one) => one.catch(passUnread)));
      // What a cluster without rules still has to tell needs ticks, too.
      if (ofCluster.has(clusterId) || cluster.deliveries.size > 0)
        this.#seals(cluster, this.#starts.sourcesOf(cluster));
    }
    await Promise.all(done);
    if (this.#abandoned) return;
    this.#unsubscribe = this.#options.bus.subscribe((report) => {
      this.#comings.meet(report);
      this.#turns.add(this.#sealer.report(report));
    });
  }

  /** From now on ticks of the cluster are sealed. */
  #seals({ clusterId, tick }: Pick<ClusterState, "clusterId" | "tick">, known: readonly string[]): void {
    const before = this.#scrapedAt && { number: tick, scrapedAt: this.#scrapedAt.get(clusterId) ?? noEntries() };
    this.#sealer.add(clusterId, known, before);
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
    this.#starts.tellLate(runner, this.#starts.late(this.#newestTick));
    this.#comings.settle(clusterId);
    if (rules && !this.#sealer.has(clusterId)) this.#seals(runner.cluster, this.#starts.sourcesOf(runner.cluster));
    await runner.command({ kind: "command", command: "rules", rules: revision });
  }

  /**
   * Folds a person's command. Throws `E403` when there is no such cluster, `E404` while its record cannot be written;
   * `isPatient`: then it waits.
   */
  async command(clusterId: string, command: Command, isPatient = false): Promise<void> {
    const runner = this.#runners.get(clusterId);
    if (!runner) throw new TocsinError("E403", `there is no cluster ${clusterId}`);
    await (isPatient ? runner.input(command) : runner.command(command));
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
    this.openTick(tick);
    const timer = this.#options.clock.after(this.#options.evaluationDelayMs, () => {
      this.#deadlines.delete(timer);
      this.deadline(tick.number);
    });
    this.#deadlines.add(timer);
  }

  /** A tick begins whose deadline somebody else calls out. `isOpen`: it is sealed also where no report of it comes. */
  openTick(tick: Tick, isOpen = true): void {
    this.#newestTick = tick;
    this.#comings.look(tick.number);
    if (isOpen) this.#sealer.openTick(tick);
  }

  /** What is open up to that tick is sealed as it is. */
  deadline(number: number): void {
    if (!this.#abandoned) this.#turns.add(this.#sealer.deadline(number));
  }

  outcome(clusterId: string, outcome: Outcome): void {
    this.#runners
      .get(clusterId)
      ?.input(outcome)
      .catch(() => {});
  }

  heldBecause(clusterId: string, deliveryId: string): string | undefined {
    const runner = this.#runners.get(clusterId);
    if (!runner) return "the cluster is gone";
    return this.waitsBecause(clusterId, deliveryId) ?? runner.heldBecause(deliveryId);
  }

  /** The same, where what holds it is no gate of the fold, which would claim it again at once. */
  waitsBecause(clusterId: string, deliveryId: string): string | undefined {
    const cluster = this.#runners.get(clusterId)?.cluster;
    if (cluster?.deliveries.get(deliveryId)?.class !== "control") return undefined;
    const { isLate, isSilent } = this.#options;
    if (cluster.late || isLate?.(cluster.tick)) return "it is catching up with the samples";
    return isSilent?.() ? "no samples have come for a while" : undefined;
  }

  /** The clusters as they are now, for people: those that have, or had, a rule file, and those whose rows come. Read only. */
  clusters(): readonly ClusterState[] {
    return [...this.#runners.values()]
      .map(({ cluster }) => cluster)
      .filter(({ clusterId, rules }) => rules !== undefined || this.#comings.has(clusterId));
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

  /**
   * Records that the process ends, where something is under way: its outcomes are still folded, nothing more is sent.
   * `all`: also where something may yet be decided.
   */
  async stopSending(all = false): Promise<void> {
    const busy = [...this.#runners.values()].filter(
      ({ cluster: { deliveries, alarms } }) => deliveries.size > 0 || (all && alarms.size > 0),
    );
    await Promise.all(busy.filter(({ degraded }) => !degraded).map((runner) => runner.input({ kind: "stop" })));
  }

  /** Whether the outcome of some attempt is awaited. */
  isSending(): boolean {
    return [...this.#runners.values()].some(({ cluster }) =>
      [...cluster.deliveries.values()].some(({ status }) => status === "claimed"),
    );
  }

  /** Its clusters are another process's: from this call on nothing more is folded, recorded or dispatched. */
  abandon(): void {
    this.#abandoned = true;
    this.stopTicks();
    for (const runner of this.#runners.values()) runner.abandon();
    this.#away.abandon();
  }

  /** Ends when everything folded is durable. */
  async close(): Promise<void> {
    this.stopTicks();
    await Promise.all([...[...this.#runners.values()].map((runner) => runner.close()), this.#away.close()]);
  }

  #add(cluster: ClusterState): ClusterRunner {
    const { onDecision = () => {} } = this.#options;
    const own = { ticks: this.#ticks, sealer: this.#sealer, onDecision };
    const runner = new ClusterRunner(cluster, { ...this.#options, ...own });
    if (this.#abandoned) runner.abandon();
    this.#runners.set(cluster.clusterId, runner);
    return runner;
  }

  #fold(seal: Seal): void {
    if (!this.#comings.keeps(seal)) this.#runners.get(seal.clusterId)?.seal(seal);
  }
}
