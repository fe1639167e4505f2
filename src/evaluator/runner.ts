/**
 * Folds one cluster's inputs, one at a time, and records each before anything follows from it (rules R2–R4).
 *
 * A tick without decisions goes to the store. Everything else is one commit to the ledger, with the ticks before
 * it that the store has not acknowledged; while it is under way the cluster folds nothing, and what it decided is
 * dispatched when it is durable. A failed commit is kept and tried again first: until it succeeds the cluster is
 * degraded and its ticks are downtime.
 */

import { messageOf, TocsinError } from "../lib/errors.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { Decision, Input, Outcome, RecordedInput } from "../model/decision.ts";
import type { Baseline } from "../model/tick.ts";
import type { Clock, Commit, Dispatcher, Ledger, Logger, Timer } from "../ports.ts";
import type { SampleStore, StoredBaseline, TickRecord } from "../seriesPorts.ts";
import { checkpointOf } from "./checkpoint.ts";
import type { ClusterState } from "./cluster.ts";
import { combine } from "./combine.ts";
import { dispatchOf } from "./dispatch.ts";
import type { Folded } from "./fold.ts";
import { fold } from "./fold.ts";
import { heldBecause } from "./gates.ts";
import type { Seal, Sealer } from "./sealing.ts";
import { saveCluster } from "./snapshot.ts";

/** Seals that may wait for a commit: more is downtime. */
const MAX_WAITING_SEALS = 8;
/** Ticks that the store may owe an acknowledgement for: beyond, the cluster folds no ticks. */
const MAX_UNACKED = 1000;
const RETRY_MS = 1000;
/** A commit without decisions after so many ticks, so that a restart has few to fold. */
const TICKS_PER_COMMIT = 360;
/** So many ticks after a checkpoint, and at every start, the snapshot of a commit is kept as one. */
const TICKS_PER_CHECKPOINT = 360;

export interface RunnerPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly ledger: Ledger;
  readonly store: SampleStore;
  readonly dispatcher: Dispatcher;
  readonly sealer: Sealer;
  /** Told of every decision once it is durable. */
  readonly onDecision: (clusterId: string, decision: Decision) => void;
}

export class ClusterRunner {
  readonly cluster: ClusterState;
  readonly #ports: RunnerPorts;
  readonly #seals: Seal[] = [];
  readonly #inputs: { input: Input; done: () => void }[] = [];
  readonly #unacked = new Map<number, TickRecord>();
  #committing = false;
  /** Ticks to the next commit without decisions: clusters take turns. */
  #ticksToCommit: number;
  /** Ticks to the next checkpoint: the first commit from then on, decisions or not, is one. */
  #ticksToCheckpoint = 0;
  #storeFailure: string | undefined;
  #degraded: string | undefined;
  #retry: Timer | undefined;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(cluster: ClusterState, ports: RunnerPorts) {
    this.cluster = cluster;
    this.#ports = ports;
    this.#ticksToCommit = 1 + (fnv1a32(cluster.clusterId) % TICKS_PER_COMMIT);
  }

  /** Why the cluster is degraded, `undefined`: it is not. */
  get degraded(): string | undefined {
    return this.#degraded ?? this.#storeFailure;
  }

  seal(seal: Seal): void {
    this.#seals.push(seal);
    this.#run();
    while (this.#seals.length > (this.#degraded ? 0 : MAX_WAITING_SEALS)) {
      const dropped = this.#seals.shift();
      if (dropped) this.#ports.sealer.putBack(dropped);
    }
  }

  /** Resolves when the input is folded and durable. */
  input(input: Input): Promise<void> {
    return new Promise((resolve) => {
      this.#inputs.push({ input, done: resolve });
      this.#run();
    });
  }

  /** Folds a person's word, or an event. Throws `E404` while the record cannot be written (rule R4). */
  async command(input: Input): Promise<void> {
    if (this.#degraded !== undefined || this.#closed) {
      throw new TocsinError(
        "E404",
        `nothing can be recorded for cluster ${this.cluster.clusterId} now: ${this.#degraded ?? "it ends"}`,
      );
    }
    await this.input(input);
  }

  /** Waits for what is under way; nothing is folded afterwards. */
  async close(): Promise<void> {
    while (!this.#degraded && (this.#committing || this.#inputs.length > 0)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    this.#closed = true;
    this.#retry?.cancel();
  }

  /** Records that it ends; seals that wait are passed over. Resolves when that is durable. */
  async leave(): Promise<void> {
    this.#seals.length = 0;
    await this.input({ kind: "stop" });
    await this.close();
  }

  /** Why a claimed delivery must not be written now (rule A5), `undefined`: nothing holds it. */
  heldBecause(deliveryId: string): string | undefined {
    return heldBecause(this.cluster, deliveryId);
  }

  #run(): void {
    while (!this.#committing && !this.#closed) {
      const next = this.#inputs.shift();
      if (next) {
        this.#fold(next.input, {}, next.done);
        continue;
      }
      if (this.#unacked.size >= MAX_UNACKED) break;
      const seal = this.#seals.shift();
      if (!seal) break;
      this.#fold(combine(seal, this.cluster), baselinesOf(seal), () => {});
    }
    if (!this.#committing && this.#inputs.length === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  #fold(input: Input, baselines: TickRecord["baselines"], done: () => void): void {
    const folded = fold(this.cluster, input);
    const recorded: RecordedInput = { seq: this.cluster.seq, input };
    const { clusterId } = this.cluster;
    const record = input.kind === "tick" ? { clusterId, seq: recorded.seq, tick: input, baselines } : undefined;
    if (record) this.#ticksToCheckpoint--;
    if (record && folded.decisions.length === 0 && --this.#ticksToCommit > 0) {
      this.#store(record);
      done();
      return;
    }
    this.#ticksToCommit = TICKS_PER_COMMIT;
    this.#committing = true;
    this.#commit(this.#commitOf(recorded, folded, record), false, () => {
      if (record) this.#store(record);
      this.#dispatch(folded);
      done();
    });
  }

  #commitOf(recorded: RecordedInput, folded: Folded, record: TickRecord | undefined): Commit {
    const { cluster } = this;
    const { clusterId, seq } = cluster;
    const doc = saveCluster(cluster);
    const unacked = [...this.#unacked.values()].map(({ seq: tickSeq, tick }) => ({ seq: tickSeq, input: tick }));
    return {
      clusterId,
      inputs: [...unacked, recorded],
      decisions: folded.decisions,
      snapshot: { clusterId, seq, doc },
      deliveries: folded.deliveries,
      baselines: newestOf([...this.#unacked.values(), ...(record ? [record] : [])]),
      attempts: recorded.input.kind === "outcome" ? [recorded.input satisfies Outcome] : [],
      ...this.#checkpoint(doc),
    };
  }

  #checkpoint(doc: string): Pick<Commit, "checkpoint"> {
    if (this.#ticksToCheckpoint > 0) return {};
    const checkpoint = checkpointOf(this.cluster, doc);
    if (!checkpoint) return {};
    this.#ticksToCheckpoint = TICKS_PER_CHECKPOINT;
    return { checkpoint };
  }

  /** `again`: it failed before. What it decided is then old: a recorded stall makes the gates say so (rule R4). */
  #commit(commit: Commit, again: boolean, committed: () => void): void {
    const { ledger, log, clock } = this.#ports;
    ledger.commit(commit).then(
      () => {
        this.#committing = false;
        this.#letGo(commit);
        if (again) {
          log.info("commit succeeded again", { cluster_id: commit.clusterId });
          this.#degraded = undefined;
          this.#fold({ kind: "stall" }, {}, committed);
        } else committed();
        this.#run();
      },
      (error) => {
        const reason = messageOf(error);
        if (this.#degraded !== reason) log.error("commit failed", { cluster_id: commit.clusterId, reason });
        this.#degraded = reason;
        for (const seal of this.#seals.splice(0)) this.#ports.sealer.putBack(seal);
        for (const idle of this.#idle.splice(0)) idle();
        if (!this.#closed) this.#retry = clock.after(RETRY_MS, () => this.#commit(commit, true, committed));
      },
    );
  }

  /**
   * Ticks that a commit brought along are in the record: where the store takes nothing for long, they wait for it no
   * more, and judging goes on. One does, to be tried again with.
   */
  #letGo({ inputs }: Commit): void {
    const excess = this.#unacked.size - 1;
    if (this.#storeFailure === undefined || excess < TICKS_PER_COMMIT) return;
    for (const { seq } of inputs.slice(0, excess)) this.#unacked.delete(seq);
  }

  #store(record: TickRecord): void {
    this.#unacked.set(record.seq, record);
    if (this.#storeFailure === undefined) this.#put(record);
  }

  #put(record: TickRecord): void {
    const { store, log } = this.#ports;
    store.put(record).then(
      () => {
        this.#unacked.delete(record.seq);
        if (this.#seals.length > 0) this.#run();
      },
      (error) => {
        if (this.#storeFailure !== undefined) return;
        this.#storeFailure = messageOf(error);
        log.error("store failed", { cluster_id: record.clusterId, reason: this.#storeFailure });
        this.#putAgain();
      },
    );
  }

  /** Tries all that the store has not taken, one of it first, until it takes it. */
  #putAgain(): void {
    const { store, log, clock } = this.#ports;
    clock.after(RETRY_MS, () => {
      const [first] = this.#unacked.values();
      if (this.#closed || !first) return;
      store.put(first).then(
        () => {
          log.info("store succeeded again", { cluster_id: first.clusterId });
          this.#storeFailure = undefined;
          for (const record of [...this.#unacked.values()]) this.#put(record);
        },
        () => this.#putAgain(),
      );
    });
  }

  #dispatch(folded: Folded): void {
    const { dispatcher, onDecision } = this.#ports;
    const { clusterId } = this.cluster;
    for (const decision of folded.decisions) {
      onDecision(clusterId, decision);
      if (decision.d === "cancel") dispatcher.cancel(decision.delivery);
      if (decision.d === "source") this.#ports.sealer.forget(clusterId, decision.source);
      if (decision.d === "send" && !this.#closed) dispatcher.dispatch(dispatchOf(clusterId, decision));
    }
  }
}

function baselinesOf(seal: Seal): Record<string, Baseline> {
  return Object.fromEntries(
    [...seal.sources].flatMap(([source, says]) =>
      says.ok && says.slice ? [[source, says.slice.baseline] as const] : [],
    ),
  );
}

/** Of each source the newest raw counters. */
function newestOf(records: readonly TickRecord[]): StoredBaseline[] {
  const newest = new Map<string, StoredBaseline>();
  for (const { clusterId, seq, baselines } of records) {
    for (const [source, baseline] of Object.entries(baselines))
      newest.set(source, { clusterId, source, seq, baseline });
  }
  return [...newest.values()];
}
