/** One HAProxy process as we reach it: asks it once a tick and remembers what the next answer is compared with. */

import { opendir } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../lib/errors.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { Baseline, ScrapeReport, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Clock } from "../ports.ts";
import { ask } from "./ask.ts";
import type { Dump } from "./dump.ts";
import { parseDump, QUESTION } from "./dump.ts";
import type { ProxyClusters } from "./mapping.ts";
import type { Previous } from "./process.ts";
import { elapsed } from "./process.ts";
import type { Reads } from "./reads.ts";
import type { Since } from "./slices.ts";
import { sliceDump, stillMapped } from "./slices.ts";

export interface SourceOptions {
  /** E.g. `local`, or `amphorae:/var/lib/octavia/x.sock` for one match of a glob. */
  readonly name: string;
  readonly socket: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly clustersOf: (proxy: string) => ProxyClusters;
  /** What the rules of a cluster read beyond its values; `undefined`: nothing. */
  readonly readsOf?: (clusterId: string) => Reads | undefined;
  /** Raw counters recorded by an earlier run, by cluster. */
  readonly baselines: ReadonlyMap<string, Baseline>;
}

/** A scrape and what is wrong with it short of an error. */
export interface Scrape {
  readonly report: ScrapeReport;
  readonly unmapped: readonly string[];
  readonly skippedRows: number;
  /** The process that answered, as far as it can be told from others; `undefined`: it cannot. */
  readonly identity: string | undefined;
}

export class Source {
  readonly name: string;
  readonly #options: SourceOptions;
  readonly #previous = new Map<string, Previous>();
  #clustersOf: SourceOptions["clustersOf"];
  #busy = false;

  constructor(options: SourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clustersOf = options.clustersOf;
    for (const [clusterId, baseline] of options.baselines) {
      this.#previous.set(clusterId, { baseline, monotonicMs: undefined });
    }
  }

  /** Scrapes of one source never overlap: one that is still under way makes the next an error report (rule T2). */
  async scrape(tick: Tick): Promise<Scrape> {
    if (this.#busy) return this.#failed(tick, 0, "overlap", "the scrape of the tick before is still under way");
    this.#busy = true;
    try {
      return await this.#scrape(tick);
    } catch (error) {
      return this.#failed(tick, 0, "bug", messageOf(error));
    } finally {
      this.#busy = false;
    }
  }

  /** What was counted so far was another source's: the next answer is baseline only. */
  forget(): void {
    this.#previous.clear();
  }

  /**
   * Other rows belong to the clusters from the next answer on. What a cluster no longer has is no baseline of its
   * any more, so that a row that comes back to it later brings nothing along.
   */
  remap(clustersOf: SourceOptions["clustersOf"]): void {
    this.#clustersOf = clustersOf;
    for (const [clusterId, previous] of this.#previous) {
      const baseline = stillMapped(clusterId, previous.baseline, clustersOf);
      if (baseline) this.#previous.set(clusterId, { ...previous, baseline, remapped: true });
      else this.#previous.delete(clusterId);
    }
  }

  async #scrape(tick: Tick): Promise<Scrape> {
    const { clock, socket, timeoutMs, readsOf } = this.#options;
    const sentMs = clock.monotonic();
    const wallAt = clock.now();
    const answer = await ask(socket, QUESTION, timeoutMs, clock);
    const durationMs = clock.monotonic() - sentMs;
    if (!answer.ok) {
      const away = answer.code === "absent" && (await canBeRead(dirname(socket)));
      return this.#failed(tick, durationMs, answer.code, answer.reason, away);
    }
    const parsed = parseDump(answer.text);
    if (!parsed.ok) return this.#failed(tick, durationMs, parsed.code, parsed.reason);
    const { dump } = parsed;
    const sinceOf = (clusterId: string) => this.#since(clusterId, dump.process, dump.preciseUptime, sentMs, wallAt);
    const { slices, unmapped } = sliceDump(dump, wallAt, this.#clustersOf, sinceOf, readsOf);
    for (const slice of slices) {
      const kept = this.#previous.get(slice.clusterId);
      if (kept?.baseline === slice.baseline) continue;
      this.#previous.set(slice.clusterId, { baseline: slice.baseline, monotonicMs: sentMs });
    }
    const report: ScrapeReport = { tick, source: this.name, durationMs, outcome: { ok: true, slices } };
    return { report, unmapped, skippedRows: dump.skipped, identity: identityOf(dump) };
  }

  #since(
    clusterId: string,
    process: Baseline["process"],
    preciseUptime: boolean,
    sentMs: number,
    wallAt: number,
  ): Since {
    const previous = this.#previous.get(clusterId);
    if (!previous) return { previous, elapsed: undefined, gap: false };
    const { baseline, monotonicMs } = previous;
    const ownSeconds = monotonicMs === undefined ? (wallAt - baseline.at) / 1000 : (sentMs - monotonicMs) / 1000;
    const passed = elapsed(baseline.process, process, preciseUptime, ownSeconds);
    const intervalS = this.#options.intervalMs / 1000;
    // Too soon after the one before to divide by: the next scrape counts it.
    if (passed.same && passed.seconds <= 0.2 * intervalS) return { previous, elapsed: undefined, gap: false };
    const gap = passed.seconds <= 0 || passed.seconds > maxGapS(this.#options.intervalMs);
    return { previous, elapsed: passed, gap };
  }

  #failed(tick: Tick, durationMs: number, code: string, reason: string, away = false): Scrape {
    const outcome = { ok: false, code, reason, ...(away ? { away: true as const } : {}) } as const;
    const report: ScrapeReport = { tick, source: this.name, durationMs, outcome };
    return { report, unmapped: [], skippedRows: 0, identity: undefined };
  }
}

/** Opens the folder: unlike `access`, that asks with the rights that we have now, not those we began with. */
async function canBeRead(folder: string): Promise<boolean> {
  try {
    await (await opendir(folder)).close();
    return true;
  } catch {
    return false;
  }
}

/** Pid and start time alone may meet by chance in containers; with the same version and proxies they are one. */
function identityOf({ process, rows }: Dump): string | undefined {
  if (process.startTimeS === undefined) return undefined;
  const proxies = [...new Set(rows.map((row) => row.proxy))].sort().join();
  return `${process.pid} ${process.startTimeS} ${process.version} ${fnv1a32(proxies)}`;
}
