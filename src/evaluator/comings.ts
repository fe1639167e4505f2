/** Clusters that no rule file has: they come with their rows, go when those stay away, and come back as they were recorded. */

import { messageOf } from "../lib/errors.ts";
import type { ScrapeReport, Tick } from "../model/tick.ts";
import type { Logger } from "../ports.ts";
import type { Away } from "./away.ts";
import { Guests } from "./guests.ts";
import type { ClusterRunner } from "./runner.ts";
import type { Seal, Sealer } from "./sealing.ts";
import type { Starts } from "./starts.ts";

/** Seals that wait for a cluster to be brought back, where nobody says otherwise: more is downtime. */
const MAX_EARLY = 8;

export interface ComingsPorts {
  readonly log: Logger;
  readonly intervalMs: number;
  readonly sealer: Sealer;
  readonly away: Away;
  readonly starts: Starts;
  /** The tick that began last. */
  readonly now: () => Tick | undefined;
  /** One that is there; `undefined`: it is not. */
  readonly find: (clusterId: string) => ClusterRunner | undefined;
  readonly create: (clusterId: string) => ClusterRunner;
  readonly remove: (clusterId: string) => void;
  /** From now on ticks of the cluster are sealed: those after the newest that it has, which are not in the record. */
  readonly seals: (cluster: { readonly clusterId: string; readonly tick: number }, known: readonly string[]) => void;
  /** Seals that may wait for a cluster. */
  readonly mostWaiting?: number;
  /** Nothing is done any more. */
  readonly isOver: () => boolean;
}

export class Comings {
  readonly #ports: ComingsPorts;
  readonly #guests = new Guests();
  /** Seals of clusters that are being brought back. */
  readonly #early = new Map<string, Seal[]>();

  constructor(ports: ComingsPorts) {
    this.#ports = ports;
  }

  /** Whether it is there because its rows came. */
  has(clusterId: string): boolean {
    return this.#guests.has(clusterId);
  }

  /** One that the record has: it is waited for as if rows of it had come at that tick. */
  expect(clusterId: string, number: number): void {
    this.#guests.expect(clusterId, number);
  }

  /** A rule file has it now. */
  settle(clusterId: string): void {
    this.#guests.leave(clusterId);
  }

  /** Takes in clusters when the first rows of theirs come: they keep their series all the same. */
  meet({ outcome, tick }: ScrapeReport): void {
    const { sealer, away, starts, log, intervalMs, now, find, create, seals } = this.#ports;
    if (!outcome.ok) return;
    const before = { number: tick.number - 1, at: tick.at - intervalMs };
    for (const { clusterId, stale } of outcome.slices) {
      if (stale) continue;
      if (sealer.has(clusterId)) {
        this.#guests.saw(clusterId, tick.number);
        continue;
      }
      if (!this.#guests.admit(clusterId, tick.number)) {
        const most = this.#guests.most;
        if (this.#guests.refused === 1)
          log.warn("more clusters than are kept without rule files", { cluster_id: clusterId, most });
        continue;
      }
      if (away.has(clusterId)) void this.#return(clusterId, before);
      else {
        const runner = find(clusterId) ?? create(clusterId);
        starts.tellLate(runner, starts.late(now(), before));
        seals(runner.cluster, starts.sourcesOf(runner.cluster));
      }
    }
  }

  /** A tick begins: those whose rows have not come for long are let go of. */
  look(number: number): void {
    for (const clusterId of this.#guests.gone(number)) this.#letGo(clusterId);
  }

  /** Keeps the seal of a cluster that is being brought back. Returns whether it is one. */
  keeps(seal: Seal): boolean {
    const early = this.#early.get(seal.clusterId);
    if (!early) return false;
    const { mostWaiting = MAX_EARLY } = this.#ports;
    if (early.length < mostWaiting) early.push(seal);
    else this.#ports.sealer.putBack(seal);
    return true;
  }

  /** Rows of a cluster that was let go of came: its ticks are sealed from now on, and wait for what the record has of it. */
  async #return(clusterId: string, before: Tick): Promise<void> {
    const { sealer, away, starts, log, now, seals, isOver } = this.#ports;
    const start = starts.late(now(), before);
    seals({ clusterId, tick: away.tickOf(clusterId) }, []);
    this.#early.set(clusterId, []);
    try {
      const runner = await away.bringBack(clusterId);
      starts.tellLate(runner, start);
      sealer.know(clusterId, starts.sourcesOf(runner.cluster));
      for (const seal of this.#early.get(clusterId) ?? []) runner.seal(seal);
    } catch (error) {
      if (isOver()) return;
      log.error("cluster cannot be read", { cluster_id: clusterId, reason: messageOf(error) });
      sealer.remove(clusterId);
      this.#guests.leave(clusterId);
    } finally {
      this.#early.delete(clusterId);
    }
  }

  /** One that has, or had, a rule file is there for people. */
  #letGo(clusterId: string): void {
    const { sealer, away, starts, find, remove } = this.#ports;
    sealer.remove(clusterId);
    const runner = find(clusterId);
    if (!runner || runner.cluster.rules || runner.cluster.deliveries.size > 0) return;
    remove(clusterId);
    starts.forget(clusterId);
    away.leave(runner);
  }
}
