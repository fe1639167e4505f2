import type { ReceiverDirectory, ReceiverTarget } from "../ports.ts";
import type { LoadedCluster } from "./ruleFile.ts";
import { receiverDirectory } from "./rules.ts";

/** A change of a cluster's receivers that is under way. */
export interface ReceiverChange {
  /** The rules before name nothing any more: their receivers go. */
  done(): void;
  /** The rules before stay. */
  undo(): void;
}

/** The receivers of the rule files in force; they change while the service runs. */
export class ReceiverBook implements ReceiverDirectory {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  /** By cluster, the newest first: more than one only while a revision is on its way to being recorded. */
  readonly #byCluster = new Map<string, readonly ReceiverDirectory[]>();

  constructor(clusters: readonly LoadedCluster[], environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
    for (const cluster of clusters) this.change(cluster.rules.clusterId, cluster).done();
  }

  resolve(clusterId: string, receiver: string): ReceiverTarget | undefined {
    for (const directory of this.#byCluster.get(clusterId) ?? []) {
      const target = directory.resolve(clusterId, receiver);
      if (target) return target;
    }
    return undefined;
  }

  /**
   * From now on the receivers of this revision are found, and those before it as well: whichever of the two decides a
   * send, its receiver is known. `undefined`: the cluster's file is gone.
   */
  change(clusterId: string, cluster: LoadedCluster | undefined): ReceiverChange {
    const before = this.#byCluster.get(clusterId) ?? [];
    const now = cluster ? [receiverDirectory([cluster], this.#environment)] : [];
    const set = (directories: readonly ReceiverDirectory[]) => {
      if (directories.length > 0) this.#byCluster.set(clusterId, directories);
      else this.#byCluster.delete(clusterId);
    };
    set([...now, ...before]);
    return { done: () => set(now), undo: () => set(before) };
  }
}
