/**
 * The engine: one evaluator for each partition that this process owns, and one face for all of them. What is correct
 * rests on the log, which refuses whoever is not the last to have appended (rules N1, N2); immediately before a request
 * is written it asks whether somebody else may have taken over (rule N3).
 */

import type { ClusterState } from "../evaluator/cluster.ts";
import { TocsinError } from "../lib/errors.ts";
import { partitionOf } from "../lib/partition.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Command, EventInput, Outcome } from "../model/decision.ts";
import type { Tick } from "../model/tick.ts";
import type { Ledger, OutcomeSink, Trimmed } from "../ports.ts";
import type { PartitionHandlers } from "../scalePorts.ts";
import type { EngineOptions } from "./options.ts";
import { OwnedPartition } from "./partition.ts";

export type { EngineOptions, Mapping } from "./options.ts";

export class Engine implements OutcomeSink, PartitionHandlers {
  readonly #options: EngineOptions;
  readonly #parts = new Map<number, OwnedPartition>();
  /** Of all clusters, so that a takeover has them. */
  readonly #rules: Map<string, ClusterRules>;
  #newest: Tick | undefined;
  #isStopping = false;
  /** Deliveries that were held by what their clusters know nothing of, until their outcome comes. */
  readonly #waiting = new Set<string>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#rules = new Map(options.rules.map((own) => [own.clusterId, own]));
  }

  async acquire(partition: number): Promise<void> {
    if (this.#isStopping) throw new Error("the process ends");
    const { log, clock, coordination } = this.#options;
    const begun = clock.monotonic();
    const part = new OwnedPartition(
      {
        ...this.#options,
        partition,
        rulesNow: () => this.#rules.values(),
        onRefused: () => this.#refused(partition, part),
      },
      this.#newest,
    );
    void this.#parts.get(partition)?.abandon();
    this.#parts.set(partition, part);
    try {
      await part.begun;
      log.info("partition taken", {
        partition,
        of: coordination.partitions,
        clusters: part.evaluator.clusters().length,
        ms: Math.round(clock.monotonic() - begun),
      });
    } catch (error) {
      this.#drop(partition, part);
      throw error;
    }
  }

  async release(partition: number): Promise<void> {
    const part = this.#parts.get(partition);
    if (!part) return;
    await part.release();
    this.#drop(partition, part);
    this.#options.log.info("partition given back", { partition });
  }

  lose(partition: number): void {
    const part = this.#parts.get(partition);
    if (!part) return;
    this.#drop(partition, part);
    this.#options.log.warn("partition lost", { partition });
  }

  /** Somebody else has appended since: at once nothing more is done, and whoever coordinates looks who has it. */
  #refused(partition: number, part: OwnedPartition): void {
    if (this.#parts.get(partition) !== part) return;
    this.#drop(partition, part);
    this.#options.log.warn("an append was refused: another engine has the partition, or had it meanwhile", {
      partition,
    });
    this.#options.coordination.reload(partition);
  }

  #drop(partition: number, part: OwnedPartition): void {
    part.abandon().catch(() => {});
    if (this.#parts.get(partition) === part) this.#parts.delete(partition);
  }

  /** A tick begins. */
  tick(tick: Tick): void {
    this.#newest = tick;
    for (const part of this.#parts.values()) part.tick(tick);
  }

  /**
   * Records that nothing more is to be sent: outcomes of what is under way are still folded. What is beginning is left, and
   * nothing is begun from now on.
   */
  async stopSending(): Promise<void> {
    this.#isStopping = true;
    for (const [partition, part] of this.#parts) if (part.isBeginning) this.#drop(partition, part);
    await Promise.allSettled(this.#working().map((part) => part.stopSending()));
  }

  /** Partitions that are worked on, in order. */
  owned(): readonly number[] {
    return [...this.#parts]
      .flatMap(([partition, { isWorking }]) => (isWorking ? [partition] : []))
      .sort((a, b) => a - b);
  }

  /** The clusters of its partitions as they are now. Read only. */
  clusters(): readonly ClusterState[] {
    return this.#working().flatMap(({ evaluator }) => evaluator.clusters());
  }

  knownSources(): readonly string[] {
    return [...new Set(this.#working().flatMap(({ evaluator }) => evaluator.knownSources()))];
  }

  /** Whether anything is held of a cluster. */
  holds(clusterId: string): boolean {
    return this.#partOf(clusterId)?.evaluator.holds(clusterId) === true;
  }

  /** The record of a cluster that is its own, with what it appended last. */
  ledgerOf(clusterId: string): Ledger | undefined {
    const part = this.#partOf(clusterId);
    return part?.isWorking ? part.ledger : undefined;
  }

  /** One slice of forgetting in what it owns; where it owns nothing, in its own copy of the whole record. */
  async trim(before: number, all: Pick<Ledger, "trim">): Promise<Trimmed> {
    let [deleted, more] = [0, false];
    const ledgers = this.#working().flatMap(({ ledger }) => ledger ?? []);
    for (const ledger of ledgers.length > 0 ? ledgers : [all]) {
      const slice = await ledger.trim(before);
      deleted += slice.deleted;
      more ||= slice.more;
    }
    return { deleted, more };
  }

  /** Why its clusters are degraded, one line each. */
  degraded(): readonly string[] {
    const { coordination, samples } = this.#options;
    const deaf = this.owned().filter((partition) => !samples.isListening(partition));
    const away = !coordination.isFresh()
      ? ["the bus does not answer: nothing is sent"]
      : deaf.length > 0
        ? [`no samples can be read from the bus: partitions ${deaf.join(", ")} wait`]
        : [];
    return [...away, ...this.#working().flatMap(({ evaluator }) => evaluator.degraded())];
  }

  /**
   * Folds a person's command. Throws `E650` when the cluster is another engine's, `E651` when it becomes one's meanwhile,
   * `E403` when there is no such cluster, `E404` while its record cannot be written.
   */
  async command(clusterId: string, command: Command): Promise<void> {
    const part = this.#partOf(clusterId);
    if (!part?.isWorking) throw new TocsinError("E650", `another engine works on cluster ${clusterId}`);
    await part.evaluator.command(clusterId, command);
  }

  /** Hands an event to its clusters that hear it. Returns how many took it. */
  async event(event: EventInput): Promise<number> {
    const took = await Promise.all(this.#working().map(({ evaluator }) => evaluator.event(event)));
    return took.reduce((sum, count) => sum + count, 0);
  }

  /** New rules of a cluster; `undefined`: it has none any more. Resolves when they are recorded, if it is this engine's. */
  async revise(clusterId: string, rules: ClusterRules | undefined): Promise<void> {
    const before = this.#rules.get(clusterId);
    this.#setRules(clusterId, rules);
    try {
      await this.#partOf(clusterId)?.revise(clusterId, rules);
    } catch (error) {
      this.#setRules(clusterId, before);
      throw error;
    }
  }

  #setRules(clusterId: string, rules: ClusterRules | undefined): void {
    if (rules) this.#rules.set(clusterId, rules);
    else this.#rules.delete(clusterId);
  }

  heldBecause(clusterId: string, deliveryId: string): string | undefined {
    const waits = this.#waitsBecause(clusterId, deliveryId);
    if (waits === undefined) {
      this.#waiting.delete(deliveryId);
      return this.#partOf(clusterId)?.evaluator.heldBecause(clusterId, deliveryId);
    }
    this.#waiting.add(deliveryId);
    return waits;
  }

  #waitsBecause(clusterId: string, deliveryId: string): string | undefined {
    if (!this.#options.coordination.isFresh()) return "another engine may have taken over";
    const part = this.#partOf(clusterId);
    return part ? part.waitsBecause(clusterId, deliveryId) : "another engine has taken over";
  }

  outcome(clusterId: string, outcome: Outcome): void {
    const waits = this.#waiting.delete(outcome.deliveryId) && outcome.outcome === "cancelled";
    this.#partOf(clusterId)?.evaluator.outcome(clusterId, waits ? { ...outcome, wait: true } : outcome);
  }

  #working(): readonly OwnedPartition[] {
    return [...this.#parts].sort(([a], [b]) => a - b).flatMap(([, part]) => (part.isWorking ? [part] : []));
  }

  #partOf(clusterId: string): OwnedPartition | undefined {
    return this.#parts.get(partitionOf(clusterId, this.#options.coordination.partitions));
  }
}
