/** A folder of rule files in memory under the real reconciling, and the real fold of every cluster; it can be restarted. */

import type { Reading, RulesState, Scan, Version } from "../../src/config/reconcile.ts";
import { changesFrom, inForce, initialState, reconcile, toRead } from "../../src/config/reconcile.ts";
import { readingOf } from "../../src/config/scan.ts";
import type { ClusterState } from "../../src/evaluator/cluster.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { fold } from "../../src/evaluator/fold.ts";
import { fillWindows, loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import type { Decision } from "../../src/model/decision.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { BYTES, RATE, SESSIONS } from "./rules.ts";

const DEFAULTS = { repeatIntervalS: 60, timeoutS: 30, intervalS: 10, environment: {} };
const INTERVAL_MS = 10_000;
const LOOK_MS = 250;

const read = new Map<string, Reading>();
/** Texts come again and again: each is parsed once. */
function readOnce(name: string, text: string): Reading {
  const key = `${name}\n${text}`;
  const known = read.get(key) ?? readingOf({ name, shownAs: `rules/${name}` }, text, DEFAULTS);
  if (read.size > 20_000) read.clear();
  read.set(key, known);
  return known;
}

export class RuleFolder {
  /** Texts by name, each with what changes when it is written. */
  readonly files = new Map<string, { readonly text: string; readonly stamp: string }>();
  view: "as it is" | "emptied" | "unreadable" = "as it is";
  readonly clusters = new Map<string, ClusterState>();
  /** Decisions of revisions since they were last taken. */
  decided: { readonly clusterId: string; readonly decision: Decision }[] = [];
  readonly ticks = new Map<string, { readonly seq: number; readonly tick: SealedTick }[]>();
  #copies = new Map<string, string>();
  #applied = new Map<string, Version>();
  #state: RulesState = initialState([], () => false, 0);
  #now = 0;
  #writes = 0;
  #tick = 1000;
  readonly #totals = new Map<string, number>();

  write(name: string, text: string): void {
    this.files.set(name, { text, stamp: String(++this.#writes) });
  }

  rename(from: string, to: string): void {
    const file = this.files.get(from);
    this.files.delete(from);
    if (file) this.files.set(to, file);
  }

  /** So much time with looks all the while. */
  wait(ms: number): void {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now += LOOK_MS;
      this.look();
    }
  }

  look(): void {
    const scan = this.#scan();
    const readings = new Map<string, Reading>();
    for (const name of toRead(this.#state, scan, this.#now))
      readings.set(name, readOnce(name, this.files.get(name)?.text ?? ""));
    this.#state = reconcile(this.#state, scan, readings, this.#now).state;
    for (const change of changesFrom(this.#applied, this.#state)) {
      const before = this.clusters.get(change.clusterId);
      const cluster = before ?? emptyCluster(change.clusterId);
      this.clusters.set(change.clusterId, cluster);
      if (!before) this.#start(cluster);
      const rules =
        change.kind === "apply" ? change.version.cluster.rules : { ...change.before.cluster.rules, alarms: [] };
      if (change.kind === "apply") this.#applied.set(change.clusterId, change.version);
      else this.#applied.delete(change.clusterId);
      // As the evaluator has it: an equal revision is none.
      if (JSON.stringify(rules) === JSON.stringify(cluster.rules)) continue;
      const { decisions } = fold(cluster, { kind: "command", command: "rules", rules });
      this.decided.push(...decisions.map((decision) => ({ clusterId: change.clusterId, decision })));
    }
    this.#copies = new Map([...this.#applied.values()].map(({ name, text }) => [name, text]));
  }

  /** The process ends and begins again: what it knows is what is on disk. */
  restart(): void {
    for (const [id, cluster] of this.clusters) {
      const loaded = loadCluster(id, cluster.seq, saveCluster(cluster), cluster.rules);
      fillWindows(loaded, this.ticks.get(id) ?? []);
      this.clusters.set(id, loaded);
      this.#start(loaded);
    }
    const kept = [...this.#copies].flatMap(([name, text]) => {
      const reading = readOnce(name, text);
      return reading.kind === "good" ? [reading.version] : [];
    });
    const scan = this.#scan();
    this.#state = initialState(kept, (name) => scan.kind === "listed" && scan.stamps.has(name), this.#now);
    this.look();
    this.wait(LOOK_MS);
  }

  /** A tick of every cluster, with so many sessions. */
  tick(sessions: number): void {
    this.#tick++;
    for (const cluster of this.clusters.values()) {
      const known = this.#totals.get(cluster.clusterId);
      const total = (known ?? 0) + sessions * 10_000;
      this.#totals.set(cluster.clusterId, total);
      const tick = sealed(this.#tick, sessions, total, known === undefined);
      fold(cluster, tick);
      const ticks = this.ticks.get(cluster.clusterId) ?? [];
      ticks.push({ seq: cluster.seq, tick });
      this.ticks.set(cluster.clusterId, ticks.slice(-60));
      answer(cluster);
    }
  }

  /** By cluster. */
  get inForce(): ReadonlyMap<string, Version> {
    return inForce(this.#state);
  }

  #start(cluster: ClusterState): void {
    fold(cluster, { kind: "start", number: this.#tick, at: this.#tick * INTERVAL_MS, intervalMs: INTERVAL_MS });
  }

  #scan(): Scan {
    if (this.view === "unreadable") return { kind: "unreadable", reason: "EACCES" };
    const files = this.view === "emptied" ? [] : [...this.files];
    return { kind: "listed", stamps: new Map(files.map(([name, { stamp }]) => [name, stamp])) };
  }
}

/** Whatever is claimed is accepted, until nothing is. */
function answer(cluster: ClusterState): void {
  for (;;) {
    const claimed = [...cluster.deliveries.values()].find(({ status }) => status === "claimed");
    if (!claimed) return;
    const { id: deliveryId, attempts: attempt } = claimed;
    fold(cluster, { kind: "outcome", deliveryId, attempt, outcome: "accepted", reason: "" });
  }
}

function sealed(number: number, sessions: number, total: number, isFirst: boolean): SealedTick {
  return {
    kind: "tick",
    number,
    at: number * INTERVAL_MS,
    values: {
      [SESSIONS]: sessions,
      "network.services.lb.queue.current": sessions,
      [RATE]: sessions * 1000,
      [BYTES]: total,
      "network.services.lb.members.up": 2,
    },
    sources: [{ name: "s", coveredS: 10, moved: true }],
    members: isFirst ? ["a", "b"].map((name) => [name, "up"] as const) : [],
  };
}
