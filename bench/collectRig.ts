/** Collecting as the service does it, without its ticker: collector → bus → seal, fold → the embedded record. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryBus } from "../src/backend/memory/bus.ts";
import { openSqlite } from "../src/backend/sqlite/backend.ts";
import { Collector } from "../src/collector/collector.ts";
import { createMapping } from "../src/collector/mapping.ts";
import { Evaluator } from "../src/evaluator/evaluator.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { Family } from "../src/model/family.ts";
import type { ClusterSlice, ScrapeReport } from "../src/model/tick.ts";
import type { Ledger, SampleBus } from "../src/ports.ts";
import type { RowRecord, SampleStore } from "../src/seriesPorts.ts";

/** Ticks come quicker than the default 10 s: what one costs does not depend on it. */
const INTERVAL_MS = 100;

export interface CollectRig extends AsyncDisposable {
  /** One tick: resolves when all that it says of every cluster is stored. Returns what the source said. */
  tick(): Promise<readonly ClusterSlice[]>;
  /** Sum of a meter over all clusters, as it was stored at the tick before. */
  stored(meterName: string): number;
}

const FAMILIES: readonly Family[] = ["front", "back"].map((end) => ({
  kind: "proxy",
  pattern: `{service}_${end}`,
  source: undefined,
  clusterId: "{service}",
  clusterName: undefined,
}));

/** Asks one HAProxy as an agent does; a cluster for each backend with its frontend, by families of names. */
export function bigCollector(socket: string, bus: SampleBus, intervalMs: number): Collector {
  return new Collector({
    clock: systemClock,
    log: silentLogger,
    bus,
    entries: [{ kind: "socket", name: "big", socket, quiet: false }],
    secretsOf: () => ({}),
    intervalMs,
    timeoutMs: 10_000,
    maxOffsetMs: 0,
    mapping: createMapping({ clusters: [], families: FAMILIES, ignore: ["stats"], unmapped: "warn" }),
    baselines: new Map(),
    known: [],
  });
}

/** One source, and a cluster for each backend with its frontend, by families of names; everything else as by default. */
export async function startCollectRig(socket: string, clusters: number): Promise<CollectRig> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-collect-"));
  const backend = await openSqlite(folder);
  const done = new Done(clusters);
  const bus = createMemoryBus();
  const [store, ledger] = [done.watchStore(backend.store), done.watchLedger(backend.ledger)];
  const evaluator = new Evaluator({
    clock: systemClock,
    log: silentLogger,
    bus,
    ledger,
    store,
    dispatcher: { dispatch() {}, cancel() {} },
    intervalMs: INTERVAL_MS,
    evaluationDelayMs: 60_000,
  });
  const collector = bigCollector(socket, bus, INTERVAL_MS);
  let number = 1000;
  await evaluator.start([], { kind: "start", number, at: number * INTERVAL_MS, intervalMs: INTERVAL_MS }, () => true);
  let said: readonly ClusterSlice[] = [];
  bus.subscribe((report) => {
    if (!report.outcome.ok) throw new Error(`${report.outcome.code}: ${report.outcome.reason}`);
    said = report.outcome.slices;
    void store.putRows(rowRecords(report));
  });
  return {
    async tick() {
      const tick = { number: ++number, at: number * INTERVAL_MS };
      const stored = done.of(number);
      evaluator.tick(tick);
      await collector.tick(tick);
      await stored;
      return said;
    },
    stored: (meterName) => done.sums.get(meterName) ?? 0,
    async [Symbol.asyncDispose]() {
      collector.stop();
      evaluator.stopTicks();
      await evaluator.close();
      await backend.store.close();
      await backend.ledger.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The rows that are kept by themselves. */
function rowRecords({ tick, source, outcome }: ScrapeReport): RowRecord[] {
  if (!outcome.ok) return [];
  return outcome.slices.flatMap(({ clusterId, coveredS, gap, kept = [] }) =>
    kept.length > 0 ? [{ clusterId, source, tick, coveredS, rows: kept, ...(gap ? { gap: true as const } : {}) }] : [],
  );
}

/** Knows when the tick of the last cluster is stored, in the store or with a commit. */
class Done {
  readonly #clusters: number;
  readonly sums = new Map<string, number>();
  #number = 0;
  #left = 0;
  #pending = 0;
  #resolve = () => {};

  constructor(clusters: number) {
    this.#clusters = clusters;
  }

  /** Resolves when every cluster's tick of this number is stored, and nothing else is being written. */
  of(number: number): Promise<void> {
    this.#number = number;
    this.#left = this.#clusters;
    this.sums.clear();
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  watchStore(store: SampleStore): SampleStore {
    const put: SampleStore["put"] = (record) => {
      const { number, values } = record.tick;
      if (number === this.#number) {
        for (const [name, value] of Object.entries(values)) this.sums.set(name, (this.sums.get(name) ?? 0) + value);
      }
      return this.#watch(store.put(record), number);
    };
    const putRows: SampleStore["putRows"] = (records) => this.#watch(store.putRows(records), undefined);
    return { ...store, put, putRows };
  }

  watchLedger(ledger: Ledger): Ledger {
    // Ticks of a commit are put into the store as well.
    return { ...ledger, commit: (commit) => this.#watch(ledger.commit(commit), undefined) };
  }

  async #watch(work: Promise<void>, number: number | undefined): Promise<void> {
    this.#pending++;
    await work;
    this.#pending--;
    if (number === this.#number) this.#left--;
    if (this.#left === 0 && this.#pending === 0) this.#resolve();
  }
}
