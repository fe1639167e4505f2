/** One HAProxy process as we reach it: asks it once a tick and remembers what the next answer is compared with. */

import { messageOf } from "../lib/errors.ts";
import { wait } from "../lib/wait.ts";
import type { Baseline, ProcessIdentity, ScrapeReport, Tick } from "../model/tick.ts";
import type { Clock } from "../ports.ts";
import type { Backoff } from "./backoff.ts";
import { afterAsking, isCostly, isDue, NO_BACKOFF } from "./backoff.ts";
import { failureHints } from "./hints.ts";
import { Leftovers } from "./leftovers.ts";
import type { ProxyClusters } from "./mapping.ts";
import { sinceOf } from "./process.ts";
import type { Reads } from "./reads.ts";
import type { Detail, SlicedDump } from "./slices.ts";
import { slicing } from "./slices.ts";
import { Tables } from "./tables.ts";
import type { Failure, Transport } from "./transport.ts";
import type { Sign } from "./twins.ts";
import { signOf } from "./twins.ts";

export interface SourceOptions {
  /** E.g. `local`, or `amphorae:/var/lib/octavia/x.sock` for one match of a glob. */
  readonly name: string;
  readonly transport: Transport;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly clustersOf: (proxy: string) => ProxyClusters;
  /** What the rules of a cluster read beyond its values; `undefined`: nothing. */
  readonly readsOf?: (clusterId: string) => Reads | undefined;
  /** Of the mapping that is in force, where it was published: goes with what it finds. */
  readonly revision?: () => number | undefined;
  /** Which rows are kept by themselves; by default those of proxies. */
  readonly detail?: Detail;
  /** Raw counters recorded by an earlier run, by cluster. */
  readonly baselines: ReadonlyMap<string, Baseline>;
}

/** What an answer said of itself. */
export interface Answered {
  readonly version: string;
  readonly process: ProcessIdentity;
  /** When it was asked, by our monotonic time, ms. */
  readonly askedMs: number;
  /** Rows in all, also those of no cluster. */
  readonly rows: number;
  readonly unmapped: readonly string[];
  readonly skippedRows: number;
  /** Tells the process that answered from others; `undefined`: nothing does. */
  readonly sign: Sign | undefined;
}

/** A scrape and what is wrong with it short of an error. */
export interface Scrape {
  readonly report: ScrapeReport;
  /** `undefined`: there was no answer. */
  readonly answered: Answered | undefined;
  /** What is worth a word beyond the error. */
  readonly hints: readonly string[];
  /** It was not asked at this tick: the error is that of the last time. */
  readonly isRepeated: boolean;
}

export class Source {
  readonly name: string;
  readonly #options: SourceOptions;
  readonly #left: Leftovers;
  readonly #tables = new Tables();
  #clustersOf: SourceOptions["clustersOf"];
  #remaps = 0;
  #busy = false;
  #backoff: Backoff = NO_BACKOFF;
  #lastFailure: Failure | undefined;

  constructor(options: SourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clustersOf = options.clustersOf;
    this.#left = new Leftovers(options.baselines);
  }

  /** Where it leads to, for people. */
  get address(): string {
    return this.#options.transport.address;
  }

  /**
   * Scrapes of one source never overlap: one that is still under way makes the next an error report (rule T2). One
   * that fails again and again at a cost is left alone for some ticks: they say again what was wrong.
   */
  async scrape(tick: Tick): Promise<Scrape> {
    if (this.#busy) {
      return this.#failed(tick, 0, failure("overlap", "the scrape of the tick before is still under way"));
    }
    const { transport, intervalMs } = this.#options;
    if (this.#lastFailure && !isDue(this.#backoff, tick.number, intervalMs)) {
      return { ...this.#failed(tick, 0, this.#lastFailure), isRepeated: true };
    }
    this.#busy = true;
    try {
      const scrape = await this.#scrape(tick);
      const { outcome } = scrape.report;
      this.#lastFailure = outcome.ok ? undefined : outcome;
      const isCostlyFailure = !outcome.ok && isCostly(transport.isLocal, outcome.code);
      this.#backoff = afterAsking(this.#backoff, tick.number, isCostlyFailure);
      return scrape;
    } catch (error) {
      return this.#failed(tick, 0, failure("bug", messageOf(error)));
    } finally {
      this.#busy = false;
    }
  }

  /** What was counted so far was another source's: the next answer is baseline only. */
  forget(): void {
    this.#left.forget();
  }

  /**
   * Other rows belong to the clusters from the next answer on. What a cluster no longer has is no baseline of its
   * any more, so that a row that comes back to it later brings nothing along.
   */
  remap(clustersOf: SourceOptions["clustersOf"]): void {
    this.#clustersOf = clustersOf;
    this.#remaps++;
    this.#left.sortOut(clustersOf);
  }

  async #scrape(tick: Tick): Promise<Scrape> {
    const { clock, transport, intervalMs, timeoutMs } = this.#options;
    const { readsOf = () => undefined, revision = () => undefined, detail = "proxies" } = this.#options;
    const sentMs = clock.monotonic();
    const wallAt = clock.now();
    const answer = await transport.ask(timeoutMs, this.#tables);
    const durationMs = clock.monotonic() - sentMs;
    if (!answer.ok) return this.#failed(tick, durationMs, answer);
    const { dump } = answer;
    const asked = { process: dump.process, preciseUptime: dump.preciseUptime, sentMs, wallAt };
    const sinceThen = (clusterId: string) => sinceOf(this.#left.of(clusterId), asked, intervalMs);
    const remaps = this.#remaps;
    const { formers } = this.#left;
    const clustersOf = this.#clustersOf;
    const mapping = revision();
    const steps = slicing({ dump, wallAt, clustersOf, sinceOf: sinceThen, readsOf, detail, formers });
    const sliced = await inPieces(steps, clock);
    const { slices, unmapped } = sliced;
    this.#left.take(sliced, sentMs);
    // Other rules came into force meanwhile: what was counted by the old ones is sorted out as if just after.
    if (remaps !== this.#remaps) this.#left.sortOut(this.#clustersOf);
    this.#tables.turn((table) => this.#left.isReading(table));
    const by = mapping === undefined ? {} : { mapping };
    const report: ScrapeReport = { tick, source: this.name, durationMs, ...by, outcome: { ok: true, slices } };
    const { version } = dump.process;
    const answered = {
      version,
      process: dump.process,
      askedMs: sentMs,
      rows: dump.table.size,
      unmapped,
      skippedRows: dump.skipped,
      sign: signOf(dump, { host: transport.host, fromMs: sentMs, toMs: sentMs + durationMs }),
    };
    return { report, answered, hints: [], isRepeated: false };
  }

  #failed(tick: Tick, durationMs: number, failed: Failure): Scrape {
    const { code, reason, away } = failed;
    const outcome = { ok: false, code, reason, ...(away ? { away } : {}) } as const;
    const report = { tick, source: this.name, durationMs, outcome };
    return { report, answered: undefined, hints: failureHints(failed), isRepeated: false };
  }
}

/** So long slicing goes on at once, ms: one step more is all that holds up everything else. */
const PIECE_MS = 3;

async function inPieces(steps: Generator<void, SlicedDump>, clock: Clock): Promise<SlicedDump> {
  let beganMs = clock.monotonic();
  for (;;) {
    const step = steps.next();
    // What is done with the slices is work as well: after long slicing it has a turn of its own.
    if (clock.monotonic() - beganMs >= (step.done ? 1 : PIECE_MS)) {
      await wait(clock, 0);
      beganMs = clock.monotonic();
    }
    if (step.done) return step.value;
  }
}

function failure(code: string, reason: string): Failure {
  return { ok: false, code, reason };
}
