/** What clusters are told when they begin to work: the start, once, and which sources they need not wait for. */

import type { Command, Start } from "../model/decision.ts";
import type { Tick } from "../model/tick.ts";
import type { ClusterState } from "./cluster.ts";
import type { ClusterRunner } from "./runner.ts";

export class Starts {
  readonly #told = new Set<string>();
  #isConfigured: (source: string) => boolean = () => true;
  #start: Start | undefined;

  /** The process begins to work. */
  begin(start: Start, isConfigured: (source: string) => boolean): void {
    this.#start = start;
    this.#isConfigured = isConfigured;
  }

  /** The start as of now; after a takeover as of `before`, which may be long past. `undefined`: nothing has begun. */
  late(now: Tick | undefined, before?: Tick): Start | undefined {
    const { number, at } = (this.#start?.takeover && before) || now || {};
    return this.#start && { ...this.#start, number: number ?? this.#start.number, at: at ?? this.#start.at };
  }

  /** Tells a cluster. What it resolves with is durable then. */
  tell(runner: ClusterRunner, start: Start): Promise<void>[] {
    const { clusterId, lastOk, tick, at } = runner.cluster;
    this.#told.add(clusterId);
    const gone = [...lastOk.keys()].filter((source) => !this.#isConfigured(source));
    const forget = gone.map((source): Command => ({ kind: "command", command: "forget", source }));
    // Clusters were recorded up to different ticks, and what comes next is the one after.
    const own = start.takeover && tick > start.number ? { ...start, number: tick, at } : start;
    return [own, ...forget].map((input) => runner.input(input));
  }

  /** Tells a cluster that begins later than the others, unless it was told. */
  tellLate(runner: ClusterRunner, start: Start | undefined): void {
    if (start && !this.#told.has(runner.cluster.clusterId))
      for (const told of this.tell(runner, start)) told.catch(() => {});
  }

  /** It will be told again when it comes back. */
  forget(clusterId: string): void {
    this.#told.delete(clusterId);
  }

  /** Known sources of a cluster that have an entry. */
  sourcesOf({ lastOk }: ClusterState): readonly string[] {
    return [...lastOk.keys()].filter(this.#isConfigured);
  }
}
