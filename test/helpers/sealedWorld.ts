import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { combine } from "../../src/evaluator/combine.ts";
import { eventsAt, fold } from "../../src/evaluator/fold.ts";
import type { Seal } from "../../src/evaluator/sealing.ts";
import { Sealer } from "../../src/evaluator/sealing.ts";
import { loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import type { ClusterSlice, ScrapeReport, SealedTick } from "../../src/model/tick.ts";
import { aSlice } from "./reports.ts";
import { BYTES, theRules } from "./rules.ts";

/** What a source does at a tick. `late`: its answer comes after the seal. */
export type Doing =
  | { readonly does: "answers" | "late"; readonly slice: Partial<ClusterSlice> | undefined }
  | { readonly does: "fails" };

/** What an event says in a word: its type, and whom it is about. */
const wordOf = ({ eventType, traits }: ReturnType<typeof eventsAt>[number]) =>
  `${eventType.replace("haproxy.", "")} ${traits.server ?? traits.source}${traits.previous === undefined ? "" : ` was ${traits.previous}`}`;

/** Sealing, combining and folding of one cluster, told tick by tick what its sources do. */
export class SealedWorld {
  cluster: ClusterState = emptyCluster("web");
  #sealer = new Sealer(120);
  #number = 0;
  /** Seals that are not folded yet, because the record cannot be written. */
  #queue: Seal[] = [];
  stuck = false;
  /** Bytes of each row that slices kept, as far as they are folded. */
  readonly rows: Record<string, number> = {};

  /** `known`: sources that are waited for from the first tick on. */
  constructor(known: readonly string[] = []) {
    this.#sealer.add("web", known);
    fold(this.cluster, { kind: "start", number: 0, at: 0, intervalMs: 10_000 });
    fold(this.cluster, { kind: "command", command: "rules", rules: theRules([]) });
  }

  /** One tick, up to its deadline and the late answers; returns what was folded, with its events. */
  tick(doings: Readonly<Record<string, Doing>>): { readonly tick: SealedTick; readonly events: readonly string[] }[] {
    const tick = { number: ++this.#number, at: this.#number * 10_000 };
    this.#sealer.openTick(tick);
    const report = (source: string, doing: Doing): ScrapeReport => ({
      tick,
      source,
      durationMs: 1,
      outcome:
        doing.does === "fails"
          ? { ok: false, code: "refused", reason: "nobody listens" }
          : { ok: true, slices: doing.slice ? [aSlice(doing.slice)] : [] },
    });
    const all = Object.entries(doings);
    for (const [source, doing] of all)
      if (doing.does !== "late") this.#queue.push(...this.#sealer.report(report(source, doing)));
    this.#queue.push(...this.#sealer.deadline(tick.number));
    for (const [source, doing] of all) {
      if (doing.does === "late") this.#queue.push(...this.#sealer.report(report(source, doing)));
      // The bus may bring anything twice.
      this.#queue.push(...this.#sealer.report(report(source, doing)));
    }
    return this.stuck ? [] : this.#queue.splice(0).map((seal) => this.#fold(seal));
  }

  #fold(seal: Seal) {
    const tick = combine(seal, this.cluster);
    for (const says of seal.sources.values()) {
      for (const { resource, increases } of (says.ok && says.slice?.kept) || [])
        this.rows[resource] = (this.rows[resource] ?? 0) + (increases[BYTES] ?? 0);
    }
    const events = eventsAt(this.cluster, tick).map(wordOf);
    fold(this.cluster, JSON.parse(JSON.stringify(tick)) as SealedTick);
    return { tick, events };
  }

  /** What is not folded is downtime, and its increases are put back (rule R4). */
  giveUp(): void {
    for (const seal of this.#queue.splice(0)) this.#sealer.putBack(seal);
    this.stuck = false;
  }

  forget(source: string): void {
    fold(this.cluster, { kind: "command", command: "forget", source });
    this.#sealer.forget("web", source);
  }

  /** The process begins anew from its record, so many ticks later. */
  restart(downTicks = 0): void {
    this.#number += downTicks;
    const { seq, rules } = this.cluster;
    this.cluster = loadCluster("web", seq, saveCluster(this.cluster), rules);
    fold(this.cluster, { kind: "start", number: this.#number, at: this.#number * 10_000, intervalMs: 10_000 });
    this.#sealer = new Sealer(120);
    this.#sealer.add("web", this.cluster.lastOk.keys());
  }
}
