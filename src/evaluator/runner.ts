/**
 * Folds one cluster's inputs, one at a time, and records each before anything follows from it (rules R2–R4).
 *
 * A tick without decisions goes to the store, or waits for a commit where there is none. Everything else is one commit
 * to the ledger, with the ticks before it that the store has not acknowledged; while it is under way the cluster folds
 * nothing, and what it decided is dispatched when it is durable. A failed commit is kept and tried again first: until
 * it succeeds the cluster is degraded and its ticks are downtime. One that is refused is another process's cluster:
 * nothing follows any more.
 */

import { messageOf, TocsinError } from "../lib/errors.ts";
import { fnv1a32 } from "../lib/hash.ts";
import { Refused, Unread } from "../lib/refused.ts";
import type { Input, RecordedInput } from "../model/decision.ts";
import type { Commit, Timer } from "../ports.ts";
import type { TickRecord } from "../seriesPorts.ts";
import { checkpointOf } from "./checkpoint.ts";
import type { ClusterState } from "./cluster.ts";
import { combine } from "./combine.ts";
import { baselinesOf, commitOf } from "./commit.ts";
import { CommitWatch } from "./commitWatch.ts";
import { dispatchOf } from "./dispatch.ts";
import type { Folded } from "./fold.ts";
import { fold } from "./fold.ts";
import { heldBecause } from "./gates.ts";
import type { RunnerPorts } from "./options.ts";
import type { Seal } from "./sealing.ts";
import { saveCluster } from "./snapshot.ts";
import type { Unrecorded } from "./unrecorded.ts";
import { LedgerTicks, StoredTicks } from "./unrecorded.ts";

/** Seals that may wait for a commit, where nobody says otherwise: more is downtime. */
const MAX_WAITING_SEALS = 8;
/** And where there was no backlog to be folded. */
const MAX_WAITING_NOW = 60;
const RETRY_MS = 1000;
/** A commit without decisions after so many ticks, so that a restart has few to fold. */
const TICKS_PER_COMMIT = 360;
/** So many ticks after a checkpoint, and at every start, the snapshot of a commit is kept as one. */
const TICKS_PER_CHECKPOINT = 360;

/** An input that is waited for. */
interface Waiting {
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

interface WaitingInput extends Waiting {
  readonly input: Input;
  /** It is refused rather than kept waiting for long. */
  readonly isCommand: boolean;
}

const NOTHING: Folded = { decisions: [], deliveries: [] };
const NOBODY: Waiting = { done() {}, fail() {} };

export class ClusterRunner {
  readonly cluster: ClusterState;
  readonly #ports: RunnerPorts;
  readonly #seals: Seal[] = [];
  #inputs: WaitingInput[] = [];
  readonly #unrecorded: Unrecorded;
  /** Where ticks are in the ledger alone. */
  readonly #watch: CommitWatch | undefined;
  readonly #ticksPerCommit: number;
  #committing = false;
  /** Who waits for the commit under way. */
  #underWay = NOBODY;
  /** Ticks to the next commit without decisions: clusters take turns. */
  #ticksToCommit: number;
  /** Ticks to the next checkpoint: the first commit from then on, decisions or not, is one. */
  #ticksToCheckpoint = 0;
  #degraded: string | undefined;
  #retry: Timer | undefined;
  #closed = false;
  #abandoned = false;
  /** It ended because its last record cannot be read here: nobody else need work on it. */
  isUnread = false;
  #idle: (() => void)[] = [];

  constructor(cluster: ClusterState, ports: RunnerPorts) {
    this.cluster = cluster;
    this.#ports = ports;
    const { ticks } = ports;
    this.#ticksPerCommit = "store" in ticks ? TICKS_PER_COMMIT : ticks.ticksPerCommit;
    this.#ticksToCommit = 1 + (fnv1a32(cluster.clusterId) % this.#ticksPerCommit);
    const onRoom = () => {
      if (this.#seals.length > 0) this.#run();
    };
    this.#unrecorded =
      "store" in ticks
        ? new StoredTicks({ ...ports, store: ticks.store, onRoom, mostKept: TICKS_PER_COMMIT })
        : new LedgerTicks(ticks.onTicks ?? (() => {}));
    const oldMs = ports.intervalMs + ports.evaluationDelayMs;
    if (!("store" in ticks)) this.#watch = new CommitWatch(ports.clock, oldMs, (why) => this.#refuseCommands(why));
  }

  /** Why the cluster is degraded, `undefined`: it is not. */
  get degraded(): string | undefined {
    return this.#degraded ?? this.#watch?.reason ?? this.#unrecorded.failure;
  }

  seal(seal: Seal): void {
    if (this.#abandoned) return;
    this.#seals.push(seal);
    this.#run();
    const { mostWaiting = MAX_WAITING_SEALS, isCatchingUp = () => true } = this.#ports;
    const most = isCatchingUp() ? mostWaiting : Math.min(mostWaiting, MAX_WAITING_NOW);
    while (this.#seals.length > (this.#degraded ? 0 : most)) {
      const dropped = this.#seals.shift();
      if (dropped) this.#ports.sealer.putBack(dropped);
    }
  }

  /** Resolves when the input is folded and durable. Throws `E650`, or `E651`, when the cluster is another process's by then. */
  input(input: Input, isCommand = false): Promise<void> {
    return new Promise((done, fail) => {
      if (this.#abandoned) {
        fail(this.#lost());
        return;
      }
      this.#inputs.push({ input, done, fail, isCommand });
      this.#run();
    });
  }

  /** Folds a person's word, or an event. Throws `E404` while the record cannot be written (rule R4). */
  async command(input: Input): Promise<void> {
    const why = this.#degraded ?? this.#watch?.reason ?? (this.#closed ? "it ends" : undefined);
    if (why !== undefined) throw this.#cannotRecord(why);
    await this.input(input, true);
  }

  /** Those who wait for a commit before their own would wait for too long. */
  #refuseCommands(reason: string): void {
    const waiting = this.#inputs;
    this.#inputs = waiting.filter(({ isCommand }) => !isCommand);
    for (const { isCommand, fail } of waiting) if (isCommand) fail(this.#cannotRecord(reason));
  }

  #cannotRecord(why: string): TocsinError {
    return new TocsinError("E404", `nothing can be recorded for cluster ${this.cluster.clusterId} now: ${why}`);
  }

  /** Waits for what is under way, and where no store has them records the ticks that wait; nothing is folded afterwards. */
  async close(): Promise<void> {
    await this.#untilIdle();
    if (!("store" in this.#ports.ticks) && !this.#degraded && !this.#closed && this.#unrecorded.all().length > 0) {
      this.#committing = true;
      this.#commit(this.#commitOf(undefined, NOTHING, undefined), false, NOBODY, () => {});
      await this.#untilIdle();
    }
    this.#closed = true;
    this.#retry?.cancel();
    this.#watch?.stop();
    this.#unrecorded.close();
  }

  async #untilIdle(): Promise<void> {
    while (!this.#degraded && !this.#abandoned && (this.#committing || this.#inputs.length > 0)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Records that it ends; seals that wait are passed over. Resolves when that is durable, or the cluster another's. */
  async leave(): Promise<void> {
    this.#seals.length = 0;
    await this.input({ kind: "stop" }).catch(() => {});
    await this.close();
  }

  /** The cluster is another process's: from this call on nothing of it is folded, recorded or dispatched. */
  abandon(): void {
    this.#abandoned = true;
    this.#closed = true;
    this.#retry?.cancel();
    this.#watch?.stop();
    this.#unrecorded.close();
    this.#seals.length = 0;
    for (const { fail } of this.#inputs.splice(0)) fail(this.#lost());
    const unknown = "it is not known whether this was done: look before you repeat it";
    this.#underWay.fail(new TocsinError("E651", `${this.#lost().message}; ${unknown}`));
    this.#underWay = NOBODY;
    for (const idle of this.#idle.splice(0)) idle();
  }

  #lost(): TocsinError {
    return new TocsinError("E650", `another engine works on cluster ${this.cluster.clusterId} now`);
  }

  /** Why a claimed delivery must not be written now (rule A5), `undefined`: nothing holds it. */
  heldBecause(deliveryId: string): string | undefined {
    return heldBecause(this.cluster, deliveryId);
  }

  #run(): void {
    while (!this.#committing && !this.#closed) {
      const next = this.#inputs.shift();
      if (next) {
        this.#fold(next.input, {}, next);
        continue;
      }
      if (this.#unrecorded.isFull) break;
      const seal = this.#seals.shift();
      if (!seal) break;
      const tick = combine(seal, this.cluster);
      const isLate = this.#ports.isLate?.(tick.number) === true;
      this.#fold(isLate ? { ...tick, late: true } : tick, baselinesOf(seal), NOBODY);
    }
    if (!this.#committing && this.#inputs.length === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  #fold(input: Input, baselines: TickRecord["baselines"], waiting: Waiting): void {
    const folded = fold(this.cluster, input);
    const recorded: RecordedInput = { seq: this.cluster.seq, input };
    const { clusterId } = this.cluster;
    const record = input.kind === "tick" ? { clusterId, seq: recorded.seq, tick: input, baselines } : undefined;
    if (record) this.#ticksToCheckpoint--;
    if (record && folded.decisions.length === 0 && --this.#ticksToCommit > 0) {
      this.#unrecorded.add(record, false);
      waiting.done();
      return;
    }
    this.#ticksToCommit = this.#ticksPerCommit;
    this.#committing = true;
    this.#commit(this.#commitOf(recorded, folded, record), false, waiting, () => {
      if (record) this.#unrecorded.add(record, true);
      this.#dispatch(folded);
      waiting.done();
    });
  }

  /** `recorded`: the input that decided; `undefined`: there is none, and ticks are brought along. */
  #commitOf(recorded: RecordedInput | undefined, folded: Folded, record: TickRecord | undefined): Commit {
    const doc = saveCluster(this.cluster);
    const ticks = this.#unrecorded.all();
    return { ...commitOf(this.cluster, doc, { recorded, folded, ticks, record }), ...this.#checkpoint(doc) };
  }

  #checkpoint(doc: string): Pick<Commit, "checkpoint" | "rules"> {
    if (this.#ticksToCheckpoint > 0) return {};
    const checkpoint = checkpointOf(this.cluster, doc);
    if (!checkpoint) return {};
    this.#ticksToCheckpoint = TICKS_PER_CHECKPOINT;
    return { checkpoint, rules: this.cluster.rules ?? null };
  }

  /**
   * `again`: it failed before. What it decided is then old, as it is when it took long without failing: a recorded stall
   * makes the gates say so (rule R4).
   */
  #commit(commit: Commit, again: boolean, waiting: Waiting, committed: () => void): void {
    const { ledger, log, clock } = this.#ports;
    const { clusterId, inputs } = commit;
    this.#underWay = waiting;
    this.#watch?.begin();
    ledger.commit(commit).then(
      () => {
        if (this.#abandoned) return;
        this.#committing = false;
        this.#underWay = NOBODY;
        this.#unrecorded.committed(inputs.map(({ seq }) => seq));
        if (again) log.info("commit succeeded again", { cluster_id: clusterId });
        const isOld = this.#watch?.end() === true && inputs.at(-1)?.input.kind !== "stall";
        if (again || isOld) {
          this.#degraded = undefined;
          this.#fold({ kind: "stall" }, {}, { ...waiting, done: committed });
        } else committed();
        this.#run();
      },
      (error) => {
        if (this.#abandoned) return;
        if (error instanceof Refused) {
          this.isUnread = error instanceof Unread;
          if (this.isUnread) this.#degraded = messageOf(error);
          this.abandon();
          return;
        }
        const reason = messageOf(error);
        if (this.#degraded !== reason) log.error("commit failed", { cluster_id: clusterId, reason });
        this.#degraded = reason;
        for (const seal of this.#seals.splice(0)) this.#ports.sealer.putBack(seal);
        for (const idle of this.#idle.splice(0)) idle();
        if (!this.#closed) this.#retry = clock.after(RETRY_MS, () => this.#commit(commit, true, waiting, committed));
      },
    );
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
