/**
 * Clusters that the record has and memory has not: those without rules whose rows have not come for long. Nothing but
 * their ids is held, until they are needed again.
 */

import type { LedgerCluster } from "../ports.ts";
import type { ClusterState } from "./cluster.ts";
import type { ClusterRunner } from "./runner.ts";
import type { Resting } from "./snapshot.ts";
import { restingOf } from "./snapshot.ts";

/** A recorded cluster that was let go of; `undefined`: it is one that must be there. */
export function restingIn({ rules, snapshot }: LedgerCluster): Resting | undefined {
  return rules === undefined ? restingOf(snapshot.doc) : undefined;
}

export interface AwayPorts {
  readonly load: () => Promise<readonly LedgerCluster[]>;
  readonly restore: (saved: LedgerCluster) => Promise<ClusterState>;
  /** From then on it is there. */
  readonly add: (cluster: ClusterState) => ClusterRunner;
}

export class Away {
  readonly #ports: AwayPorts;
  /** With the number of the newest tick of each. */
  readonly #ids = new Map<string, number>();
  /** Those whose last input is being recorded. */
  readonly #leaving = new Map<string, { readonly runner: ClusterRunner; readonly left: Promise<void> }>();
  readonly #returning = new Map<string, Promise<ClusterRunner>>();
  /** The record as it will be read for all that return together, and the reading that is under way. */
  #next: Promise<ReadonlyMap<string, LedgerCluster>> | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(ports: AwayPorts) {
    this.#ports = ports;
  }

  has(clusterId: string): boolean {
    return this.#ids.has(clusterId);
  }

  add(clusterId: string, tick: number): void {
    this.#ids.set(clusterId, tick);
  }

  /** Number of its newest tick; -Infinity: it has none, or is not away. */
  tickOf(clusterId: string): number {
    return this.#ids.get(clusterId) ?? -Infinity;
  }

  /** It ends; what it was is in the record as soon as that is durable. */
  leave(runner: ClusterRunner): void {
    const { clusterId, tick } = runner.cluster;
    const left = runner.leave().finally(() => this.#leaving.delete(clusterId));
    this.#leaving.set(clusterId, { runner, left });
    this.#ids.set(clusterId, tick);
  }

  /** Resolves when all that leave are gone, or cannot be recorded. */
  async close(): Promise<void> {
    await Promise.all([...this.#leaving.values()].map(({ runner }) => runner.close()));
  }

  /** Its clusters are another process's: nothing more of those that leave is recorded. */
  abandon(): void {
    for (const { runner } of this.#leaving.values()) runner.abandon();
  }

  /** The cluster as it was recorded: it is away no more. Rejects when it cannot be read: it is away still. */
  bringBack(clusterId: string): Promise<ClusterRunner> {
    const known = this.#returning.get(clusterId);
    if (known) return known;
    const returning = this.#restore(clusterId).finally(() => this.#returning.delete(clusterId));
    this.#returning.set(clusterId, returning);
    return returning;
  }

  async #restore(clusterId: string): Promise<ClusterRunner> {
    await this.#leaving.get(clusterId)?.left;
    const saved = (await this.#read()).get(clusterId);
    if (!saved) throw new Error(`the record has no cluster ${clusterId}`);
    const cluster = await this.#ports.restore(saved);
    this.#ids.delete(clusterId);
    return this.#ports.add(cluster);
  }

  /** What is being read already may lack what was recorded last. */
  #read(): Promise<ReadonlyMap<string, LedgerCluster>> {
    if (this.#next) return this.#next;
    const next = this.#reading.then(async () => {
      this.#next = undefined;
      return new Map((await this.#ports.load()).map((saved) => [saved.snapshot.clusterId, saved]));
    });
    this.#next = next;
    this.#reading = next.catch(() => {});
    return next;
  }
}
