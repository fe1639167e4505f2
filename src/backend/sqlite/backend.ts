/** The embedded backend: `state.db` and `metrics.db` in one folder, each in a worker of its own. */

import { accessSync, constants, mkdirSync } from "node:fs";
import { systemClock } from "../../lib/clock.ts";
import { messageOf, TocsinError } from "../../lib/errors.ts";
import type { Commit, Ledger } from "../../ports.ts";
import type { RowRecord, SampleStore, TickRecord } from "../../seriesPorts.ts";
import type { SeriesOptions } from "./metricsDb.ts";
import type { MetricsOptions } from "./openMetrics.ts";
import { covered } from "./setAside.ts";
import type { StateIsOpen } from "./stateWorker.ts";
import { GroupWriter, WorkerClient } from "./worker.ts";

export interface SqliteBackend {
  readonly ledger: Ledger;
  readonly store: SampleStore;
  /** A sentence for each file that was damaged (`E305`): where it is now, and what is lost. */
  readonly damaged: readonly string[];
  /** What went with them: the record and its series, or the series alone; `undefined`: nothing. */
  readonly lost: "record" | "series" | undefined;
  /** What protects from the loss is durable: until this is called, every start tells of it again. */
  covered(): void;
}

export interface OpenOptions extends SeriesOptions {
  /** A storage worker has ended although nobody closed it: nothing can be recorded any more. */
  readonly onDeath?: (reason: string) => void;
  /** Now, epoch ms: names the folder that damaged files are moved to. */
  readonly at?: number;
}

/** The code that `damaged` is told under. */
export const DAMAGED_CODE = "E305";

/**
 * Opens both databases, for this process alone (rule R6). Damaged files are set aside, and new ones begun. Throws
 * `E301` when the folder cannot be used, `E302` when a file cannot be, `E303` when another process holds it, `E304`
 * when another version made one.
 */
export async function openSqlite(folder: string, options: OpenOptions = {}): Promise<SqliteBackend> {
  makeFolder(folder);
  const state = new WorkerClient("stateWorker", { folder }, options.onDeath);
  const metrics = new WorkerClient("metricsWorker", { folder }, options.onDeath);
  const { at = systemClock.now(), retention, quotaBytes } = options;
  const series: SeriesOptions = { ...(retention ? { retention } : {}), ...(quotaBytes ? { quotaBytes } : {}) };
  try {
    // The lock first: nobody may touch a folder that another process holds.
    const { damaged, ...record } = (await state.call("open", at)) as StateIsOpen;
    const own: MetricsOptions = { at, ...record, ...series };
    const more = (await metrics.call("open", own)) as readonly string[];
    return {
      ledger: ledgerOver(state),
      store: storeOver(metrics),
      damaged: [...damaged, ...more],
      lost: damaged.length > 0 ? "record" : more.length > 0 ? "series" : undefined,
      covered: () => covered(folder),
    };
  } catch (error) {
    await Promise.allSettled([state.close(), metrics.close()]);
    if (error instanceof TocsinError) throw error;
    throw new TocsinError("E302", `cannot open the databases in ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new TocsinError("E301", `cannot write to the data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

/** An index of a record that is kept elsewhere: what it lacks is written again from there. */
export interface LedgerIndex extends Ledger {
  /** The newest sequence of each cluster. */
  seqs(): Promise<readonly (readonly [clusterId: string, seq: number])[]>;
  /** Like `load`, of these clusters alone. */
  loadOf(clusterIds: readonly string[]): ReturnType<Ledger["load"]>;
  /** Like `baselines`, of these clusters alone. */
  baselinesOf(clusterIds: readonly string[]): ReturnType<Ledger["baselines"]>;
  /** Writes commits in one go, in order. Rejects when one of them is not written; all of them may be given again. */
  apply(commits: readonly Commit[]): Promise<void>;
}

/**
 * Opens an index in a folder of its own, for this process alone. One that is damaged, or may lack something after a loss
 * of power, is begun anew, as is any when it `isEmpty`. Throws `E301`, `E302`, `E303` as `openSqlite`.
 */
export async function openSqliteIndex(
  folder: string,
  isEmpty: boolean,
  onDeath?: (reason: string) => void,
): Promise<LedgerIndex> {
  makeFolder(folder);
  const worker = new WorkerClient("stateWorker", { folder, use: isEmpty ? "empty index" : "index" }, onDeath);
  try {
    await worker.call("open", 0);
  } catch (error) {
    await worker.close().catch(() => {});
    if (error instanceof TocsinError) throw error;
    throw new TocsinError("E302", `cannot open the index in ${folder}: ${messageOf(error)}`, { cause: error });
  }
  return {
    ...ledgerOver(worker),
    seqs: () => worker.call("seqs") as ReturnType<LedgerIndex["seqs"]>,
    loadOf: (clusterIds) => worker.call("load", clusterIds) as ReturnType<Ledger["load"]>,
    baselinesOf: (clusterIds) => worker.call("baselines", clusterIds) as ReturnType<Ledger["baselines"]>,
    async apply(commits) {
      const errors = (await worker.call("commit", commits)) as readonly (string | null)[];
      const error = errors.find((one) => one !== null);
      if (error) throw new Error(error);
    },
  };
}

function ledgerOver(worker: WorkerClient): Ledger {
  const commits = new GroupWriter<Commit>((group) => worker.call("commit", group) as Promise<(string | null)[]>);
  return {
    load: () => worker.call("load") as ReturnType<Ledger["load"]>,
    ticks: (clusterId, after, limit) => worker.call("ticks", clusterId, after, limit) as ReturnType<Ledger["ticks"]>,
    commit: (commit) => commits.add(commit),
    deliveries: (query) => worker.call("deliveries", query) as ReturnType<Ledger["deliveries"]>,
    delivery: (id) => worker.call("delivery", id) as ReturnType<Ledger["delivery"]>,
    inputs: (clusterId, after, upTo) => worker.call("inputs", clusterId, after, upTo) as ReturnType<Ledger["inputs"]>,
    checkpoint: (clusterId, at, before) =>
      worker.call("checkpoint", clusterId, at, before) as ReturnType<Ledger["checkpoint"]>,
    rulesAt: (clusterId, seq) => worker.call("rulesAt", clusterId, seq) as ReturnType<Ledger["rulesAt"]>,
    decisions: (clusterId, query) => worker.call("decisions", clusterId, query) as ReturnType<Ledger["decisions"]>,
    baselines: () => worker.call("baselines") as ReturnType<Ledger["baselines"]>,
    decisionLog: (clusterId) => worker.call("decisionLog", clusterId) as ReturnType<Ledger["decisionLog"]>,
    trim: (before) => worker.call("trim", before) as ReturnType<Ledger["trim"]>,
    close: () => worker.close(),
  };
}

function storeOver(worker: WorkerClient): SampleStore {
  // A tick that is stored after one that is not would look like commits that are gone.
  const puts = new GroupWriter<TickRecord>((group) => worker.call("put", group) as Promise<(string | null)[]>, true);
  const rows = new GroupWriter<RowRecord>((group) => worker.call("putRows", group) as Promise<(string | null)[]>);
  return {
    put: (record) => puts.add(record),
    putRows: async (records) => {
      await Promise.all(records.map((record) => rows.add(record)));
    },
    keep: (at, neededTicks) => worker.call("keep", at, neededTicks) as ReturnType<SampleStore["keep"]>,
    ticks: (clusterId, after, limit) =>
      worker.call("ticks", clusterId, after, limit) as ReturnType<SampleStore["ticks"]>,
    baselines: () => worker.call("baselines") as ReturnType<SampleStore["baselines"]>,
    close: () => worker.close(),
  };
}
