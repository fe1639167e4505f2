/** The evaluator without its I/O: seals, combines, folds, records, and begins anew from its record. */

import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { combine } from "../../src/evaluator/combine.ts";
import { fold } from "../../src/evaluator/fold.ts";
import type { Seal } from "../../src/evaluator/sealing.ts";
import { Sealer } from "../../src/evaluator/sealing.ts";
import { fillWindows, loadCluster, saveCluster, ticksToRead } from "../../src/evaluator/snapshot.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { Decision, Input, OutcomeKind } from "../../src/model/decision.ts";
import type { Baseline, ScrapeReport, SealedTick, Tick } from "../../src/model/tick.ts";
import { maxGapS } from "../../src/model/tick.ts";

type Send = Extract<Decision, { readonly d: "send" }>;

export interface WatcherOptions {
  readonly rules: ClusterRules;
  readonly intervalMs: number;
  /** The last tick that is in the past. */
  readonly after: Tick;
  /** What a receiver answers; it does so at once. */
  readonly answer: (send: Send) => OutcomeKind;
}

export class Watcher {
  readonly sent: { readonly send: Send; readonly tick: number }[] = [];
  readonly baselines = new Map<string, Baseline>();
  cluster: ClusterState;
  readonly #options: WatcherOptions;
  #sealer: Sealer;
  readonly #ticks: { readonly seq: number; readonly tick: SealedTick }[] = [];
  #saved: { readonly seq: number; readonly doc: string };

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.cluster = emptyCluster("web");
    this.#sealer = this.#newSealer([]);
    this.#start(options.after);
    this.#input({ kind: "command", command: "rules", rules: options.rules });
    this.#saved = { seq: this.cluster.seq, doc: saveCluster(this.cluster) };
  }

  /** The sources' words of a tick, in the order in which they come; then its deadline passes. */
  tick(tick: Tick, reports: readonly ScrapeReport[]): void {
    this.begin(tick);
    for (const report of reports) this.report(report);
    this.deadline(tick.number);
  }

  begin(tick: Tick): void {
    this.#sealer.openTick(tick);
  }

  report(report: ScrapeReport): void {
    for (const seal of this.#sealer.report(report)) this.#take(seal);
  }

  deadline(number: number): void {
    for (const seal of this.#sealer.deadline(number)) this.#take(seal);
  }

  /** The process ends and begins again: what it knows is what was recorded. */
  restart(after: Tick): void {
    const { seq, doc } = this.#saved;
    const cluster = loadCluster("web", seq, doc, this.#options.rules);
    const from = cluster.tick - ticksToRead(cluster);
    const ticks = this.#ticks.filter(({ tick }) => tick.number > from);
    fillWindows(cluster, ticks);
    for (const one of ticks) {
      if (one.seq <= cluster.seq) continue;
      const { decisions } = fold(cluster, one.tick);
      if (decisions.length > 0) throw new Error(`a recorded tick decides otherwise: ${JSON.stringify(decisions)}`);
    }
    this.cluster = cluster;
    this.#sealer = this.#newSealer(cluster.lastOk.keys());
    this.#start(after);
  }

  #newSealer(known: Iterable<string>): Sealer {
    const sealer = new Sealer(maxGapS(this.#options.intervalMs));
    sealer.add("web", known);
    return sealer;
  }

  #start({ number, at }: Tick): void {
    this.#input({ kind: "start", number, at, intervalMs: this.#options.intervalMs });
  }

  #take(seal: Seal): void {
    const tick = combine(seal, this.cluster);
    this.#ticks.push({ seq: this.cluster.seq + 1, tick });
    for (const [source, says] of seal.sources) {
      if (says.ok && says.slice) this.baselines.set(source, says.slice.baseline);
    }
    this.#input(tick);
  }

  #input(input: Input): void {
    const { decisions } = fold(this.cluster, input);
    if (decisions.length > 0 || input.kind !== "tick") {
      this.#saved = { seq: this.cluster.seq, doc: saveCluster(this.cluster) };
    }
    for (const send of decisions) {
      if (send.d !== "send") continue;
      this.sent.push({ send, tick: this.cluster.tick });
      const { delivery: deliveryId, attempt } = send;
      const outcome = this.#options.answer(send);
      this.#input({ kind: "outcome", deliveryId, attempt, outcome, reason: outcome });
    }
  }
}
