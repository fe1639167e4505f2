import type { ReceiverDirectory, ReceiverTarget } from "../ports.ts";
import type { ReceiverConfig } from "./receivers.ts";
import { targetOf } from "./receiverTarget.ts";
import type { LoadedCluster } from "./ruleFile.ts";

/** A change of a cluster's receivers that is under way. */
export interface ReceiverChange {
  /** The rules before name nothing any more: their receivers go. */
  done(): void;
  /** The rules before stay. */
  undo(): void;
}

/** A receiver of a rule file in force, with its secrets still in `${…}` form. */
export interface ListedReceiver {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly receiver: ReceiverConfig;
}

/** The receivers of the rule files in force; they change while the service runs. */
export class ReceiverBook implements ReceiverDirectory {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  /** By cluster, the newest first: more than one only while a revision is on its way to being recorded. */
  readonly #byCluster = new Map<string, readonly LoadedCluster[]>();

  constructor(clusters: readonly LoadedCluster[], environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
    for (const cluster of clusters) this.change(cluster.rules.clusterId, cluster).done();
  }

  resolve(clusterId: string, receiver: string): ReceiverTarget | undefined {
    for (const { rules, receivers } of this.#byCluster.get(clusterId) ?? []) {
      const found = receivers.get(receiver);
      if (found) return targetOf(found, rules.clusterName, this.#environment);
    }
    return undefined;
  }

  /** All receivers of the newest rules, also those that stand as URLs in action lists; by cluster and name. */
  list(): readonly ListedReceiver[] {
    const listed = [...this.#byCluster.values()].flatMap(([newest]) => {
      if (newest === undefined) return [];
      const { clusterId, clusterName } = newest.rules;
      return [...newest.receivers.values()].map((receiver) => ({ clusterId, clusterName, receiver }));
    });
    return listed.sort((a, b) => order(a.clusterId, b.clusterId) || order(a.receiver.name, b.receiver.name));
  }

  /**
   * From now on the receivers of this revision are found, and those before it as well: whichever of the two decides a
   * send, its receiver is known. `undefined`: the cluster's file is gone.
   */
  change(clusterId: string, cluster: LoadedCluster | undefined): ReceiverChange {
    const before = this.#byCluster.get(clusterId) ?? [];
    const now = cluster ? [cluster] : [];
    const set = (clusters: readonly LoadedCluster[]) => {
      if (clusters.length > 0) this.#byCluster.set(clusterId, clusters);
      else this.#byCluster.delete(clusterId);
    };
    set([...now, ...before]);
    return { done: () => set(now), undo: () => set(before) };
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
