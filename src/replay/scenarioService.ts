/** The evaluator of a scenario as the live service drives it, on a record in memory: seals, folds, ends and begins again. */

import type { ClusterState } from "../evaluator/cluster.ts";
import { emptyCluster } from "../evaluator/cluster.ts";
import { combine } from "../evaluator/combine.ts";
import { fold } from "../evaluator/fold.ts";
import type { Seal } from "../evaluator/sealing.ts";
import { Sealer } from "../evaluator/sealing.ts";
import { fillWindows, loadCluster, saveCluster, ticksToRead } from "../evaluator/snapshot.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Decision, Input, RecordedInput, Start } from "../model/decision.ts";
import type { ScrapeReport, SealedTick, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import { replay } from "./replay.ts";

export class ScenarioService {
  cluster: ClusterState;
  readonly #rules: ClusterRules;
  readonly #intervalMs: number;
  readonly #inputs: RecordedInput[] = [];
  readonly #log: string[] = [];
  readonly #onDecision: (decision: Decision) => void;
  #sealer: Sealer;
  /** As of the last input that is committed by itself: anything but a tick that decides nothing. */
  #snapshot: { readonly seq: number; readonly doc: string } | undefined;
  /** What is wrong with the record, in words. */
  readonly faults: string[] = [];

  constructor(rules: ClusterRules, intervalMs: number, onDecision: (decision: Decision) => void) {
    this.#rules = rules;
    this.#intervalMs = intervalMs;
    this.#onDecision = onDecision;
    this.cluster = emptyCluster(rules.clusterId);
    this.#sealer = new Sealer(maxGapS(intervalMs));
  }

  /** Begins to work; `last` is the last tick that is in the past. */
  start(last: Tick, sources: readonly string[]): void {
    const start: Start = { kind: "start", number: last.number, at: last.at, intervalMs: this.#intervalMs };
    this.#sealer.add(this.#rules.clusterId, sources);
    this.input(start);
    if (!this.cluster.rules) this.input({ kind: "command", command: "rules", rules: this.#rules });
  }

  /** A tick with the answers that came in time, and those that came when it was sealed. */
  tick(tick: Tick, inTime: readonly ScrapeReport[], late: readonly ScrapeReport[]): void {
    this.#sealer.openTick(tick);
    for (const report of inTime) this.#take(this.#sealer.report(report));
    this.#take(this.#sealer.deadline(tick.number));
    for (const report of late) this.#take(this.#sealer.report(report));
  }

  input(input: Input): void {
    const recorded = JSON.parse(JSON.stringify(input)) as Input;
    const { decisions } = fold(this.cluster, input);
    const { seq } = this.cluster;
    this.#inputs.push({ seq, input: recorded });
    if (decisions.length > 0 || input.kind !== "tick") this.#snapshot = { seq, doc: saveCluster(this.cluster) };
    for (const decision of decisions) {
      this.#log.push(JSON.stringify(decision));
      if (decision.d === "source") this.#sealer.forget(this.#rules.clusterId, decision.source);
      this.#onDecision(decision);
    }
  }

  forget(source: string): void {
    this.#sealer.forget(this.#rules.clusterId, source);
    this.input({ kind: "command", command: "forget", source });
  }

  /** The process ends: all that it did not record is gone. `crash`: also that it ends. */
  end(crash: boolean): void {
    if (!crash && this.cluster.deliveries.size > 0) this.input({ kind: "stop" });
    const { clusterId } = this.#rules;
    const { seq, doc } = this.#snapshot ?? { seq: 0, doc: saveCluster(emptyCluster(clusterId)) };
    const cluster = loadCluster(clusterId, seq, doc, this.#rules);
    const after = cluster.tick - ticksToRead(cluster);
    const ticks = this.#inputs.flatMap(({ seq: tickSeq, input }): { seq: number; tick: SealedTick }[] =>
      input.kind === "tick" && input.number > after ? [{ seq: tickSeq, tick: input }] : [],
    );
    fillWindows(cluster, ticks);
    for (const recorded of ticks) {
      if (recorded.seq <= cluster.seq) continue;
      cluster.seq = recorded.seq - 1;
      const { decisions } = fold(cluster, recorded.tick);
      for (const decision of decisions)
        this.faults.push(`after a restart a recorded tick decides otherwise: ${JSON.stringify(decision)}`);
    }
    this.cluster = cluster;
    this.#sealer = new Sealer(maxGapS(this.#intervalMs));
  }

  /** How the decisions differ that the recorded inputs lead to, folded from nothing; `undefined`: not at all. */
  replayDiffers(): string | undefined {
    const again = replay(this.#rules.clusterId, this.#inputs);
    const index = this.#log.findIndex((line, place) => line !== again[place]);
    if (index < 0 && again.length === this.#log.length) return undefined;
    const place = index < 0 ? this.#log.length : index;
    return `decision ${place + 1} was ${this.#log[place] ?? "none"}, and replayed is ${again[place] ?? "none"}`;
  }

  #take(seals: readonly Seal[]): void {
    for (const seal of seals) this.input(combine(seal, this.cluster));
  }
}
