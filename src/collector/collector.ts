/** Scrapes every source once a tick, all in parallel, each with its own deadline; publishes what they say. */

import { glob, lstat } from "node:fs/promises";
import { messageOf, systemCode } from "../lib/errors.ts";
import { isGlob, matchesGlob } from "../lib/globs.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { Baseline, Tick } from "../model/tick.ts";
import type { Clock, Logger, SampleBus, Timer } from "../ports.ts";
import type { ClusterRows, ProxyClusters } from "./mapping.ts";
import { clustersOfProxy, isFromEntry } from "./mapping.ts";
import type { Scrape } from "./source.ts";
import { Source } from "./source.ts";

/** One entry of `collector.sources`. */
export interface SourceEntry {
  readonly name: string;
  /** Path or glob of a stats socket. */
  readonly socket: string;
  /** Built-in default: its absence is no news. */
  readonly quiet: boolean;
}

export interface CollectorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: SampleBus;
  readonly entries: readonly SourceEntry[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Scrapes start so long after their tick at the most, each source at its own offset. */
  readonly maxOffsetMs: number;
  readonly clusters: readonly ClusterRows[];
  /** Proxies that belong to nobody on purpose, whatever the rule files say. */
  readonly ignore: readonly string[];
  readonly unmapped: "warn" | "ignore";
  /** Recorded raw counters, by source. */
  readonly baselines: ReadonlyMap<string, ReadonlyMap<string, Baseline>>;
  /** Sources that some cluster knows: asked also when no glob finds them (any more). */
  readonly known: readonly string[];
}

/** What is known of a source, for people. */
export interface SourceStatus {
  readonly name: string;
  readonly socket: string;
  readonly ok: boolean;
  readonly code: string;
  readonly reason: string;
  readonly unmapped: readonly string[];
  readonly skippedRows: number;
}

const NOBODY: ProxyClusters = { frontend: undefined, backend: undefined };

interface KnownSource {
  readonly source: Source;
  readonly socket: string;
  readonly quiet: boolean;
  /** A glob found it, and may find it again. */
  readonly found: boolean;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #sources = new Map<string, KnownSource>();
  readonly #status = new Map<string, SourceStatus>();
  /** Which source reports for a process, and the tick at which it last did. */
  readonly #owners = new Map<string, { source: string; number: number }>();
  /** Recorded raw counters that no source has taken yet. */
  readonly #baselines: Map<string, ReadonlyMap<string, Baseline>>;
  #clusters: readonly ClusterRows[];
  readonly #timers = new Set<Timer>();
  #searching = false;
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#baselines = new Map(options.baselines);
    this.#clusters = options.clusters;
    for (const entry of options.entries) if (!isGlob(entry.socket)) this.#add(entry.name, entry.socket, entry);
    for (const name of options.known) {
      const entry = options.entries.find((candidate) => isGlob(candidate.socket) && isFromEntry(name, candidate));
      if (entry) this.#add(name, name.slice(entry.name.length + 1), entry);
    }
  }

  /**
   * Starts the scrapes of a tick; they publish when they end. Sources that are known already are not kept waiting
   * by the search for new ones. Resolves when that search is over.
   */
  async tick(tick: Tick): Promise<void> {
    const asked = new Set(this.#sources.keys());
    for (const name of asked) this.#ask(name, tick);
    await this.#discover();
    for (const name of this.#sources.keys()) if (!asked.has(name)) this.#ask(name, tick);
  }

  #ask(name: string, tick: Tick): void {
    const source = this.#sources.get(name)?.source;
    if (!source || this.#stopped) return;
    const offsetMs = (fnv1a32(name) / 2 ** 32) * this.#options.maxOffsetMs;
    const timer = this.#options.clock.after(offsetMs, () => {
      this.#timers.delete(timer);
      void this.#scrape(source, tick);
    });
    this.#timers.add(timer);
  }

  /**
   * Other rules are in force: from the next answers on rows go where these say, and what these read is delivered.
   * Rows that stay with their cluster go on counting; one that comes to a cluster begins with a baseline.
   */
  update(clusters: readonly ClusterRows[]): void {
    const same = mappingText(clusters) === mappingText(this.#clusters);
    this.#clusters = clusters;
    if (same) return;
    for (const [name, { source }] of this.#sources) source.remap(this.#mappingOf(name));
  }

  /**
   * Stops asking a source that no cluster knows any more (rule T4), if a glob found it and its path is away: where
   * the path comes back, the glob finds it as a new one. What has its path in the configuration is always asked.
   * Resolves to whether it is no longer asked.
   */
  async forget(name: string): Promise<boolean> {
    const known = this.#sources.get(name);
    if (!known?.found || !(await isAway(known.socket))) return false;
    if (this.#sources.get(name) !== known) return false;
    this.#sources.delete(name);
    this.#status.delete(name);
    for (const [identity, owner] of this.#owners) if (owner.source === name) this.#owners.delete(identity);
    return true;
  }

  status(): readonly SourceStatus[] {
    return [...this.#status.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Nothing is published afterwards; scrapes under way end by their own deadline. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Looks for sockets that globs match; paths without one are sources from the beginning. */
  async #discover(): Promise<void> {
    if (this.#searching) return;
    this.#searching = true;
    for (const entry of this.#options.entries.filter(({ socket }) => isGlob(socket))) {
      try {
        for await (const path of glob(entry.socket)) this.#add(`${entry.name}:${path}`, path, entry);
      } catch (error) {
        this.#options.log.warn("cannot search for sockets", { source: entry.name, reason: messageOf(error) });
      }
    }
    this.#searching = false;
  }

  #add(name: string, socket: string, entry: SourceEntry): void {
    if (this.#sources.has(name)) return;
    const { clock, intervalMs, timeoutMs } = this.#options;
    const clustersOf = this.#mappingOf(name);
    const readsOf = (clusterId: string) => this.#clusters.find((cluster) => cluster.clusterId === clusterId)?.reads;
    // Taken once: to a source that comes back later they would be hours old.
    const baselines = this.#baselines.get(name) ?? new Map<string, Baseline>();
    this.#baselines.delete(name);
    const source = new Source({ name, socket, intervalMs, timeoutMs, clock, clustersOf, readsOf, baselines });
    this.#sources.set(name, { source, socket, quiet: entry.quiet, found: isGlob(entry.socket) });
  }

  /** Where each proxy of a source goes by the rules of now. */
  #mappingOf(source: string): (proxy: string) => ProxyClusters {
    const clusters = this.#clusters;
    const cache = new Map<string, ProxyClusters>();
    return (proxy) => {
      const known = cache.get(proxy);
      if (known) return known;
      const ignored = this.#options.ignore.some((pattern) => matchesGlob(proxy, pattern));
      const found = ignored ? NOBODY : clustersOfProxy(clusters, source, proxy);
      cache.set(proxy, found);
      return found;
    };
  }

  async #scrape(source: Source, tick: Tick): Promise<void> {
    const isAsked = () => !this.#stopped && this.#sources.get(source.name)?.source === source;
    if (!isAsked()) return;
    const scrape = await source.scrape(tick);
    if (!isAsked()) return;
    const other = this.#otherNameOf(source.name, scrape, tick);
    this.#journal(source.name, scrape, other);
    if (other === undefined) {
      this.#options.bus.publish(scrape.report);
      return;
    }
    // Two sockets of one process would count everything twice: this one answered, and has nothing of its own.
    source.forget();
    this.#options.bus.publish({ ...scrape.report, outcome: { ok: true, slices: [] } });
  }

  /** The source that reports for the same process already, `undefined`: none does. It keeps it as long as it answers. */
  #otherNameOf(name: string, { identity }: Scrape, tick: Tick): string | undefined {
    if (identity === undefined) return undefined;
    const owner = this.#owners.get(identity);
    if (owner && owner.source !== name && tick.number - owner.number <= 2) return owner.source;
    for (const [known, { number }] of this.#owners) if (tick.number - number > 2) this.#owners.delete(known);
    this.#owners.set(identity, { source: name, number: tick.number });
    return undefined;
  }

  /** Says what changed at a source, once for each change. */
  #journal(name: string, { report, unmapped, skippedRows }: Scrape, other: string | undefined): void {
    const { log, ignore } = this.#options;
    const { socket = "", quiet = false } = this.#sources.get(name) ?? {};
    const { outcome } = report;
    const twice = other === undefined ? "" : `it is the same process as source ${other}: remove one of the two`;
    const code = outcome.ok ? twice && "duplicate" : outcome.code;
    const reason = outcome.ok ? twice : outcome.reason;
    const listed = unmapped.filter((proxy) => !ignore.some((pattern) => matchesGlob(proxy, pattern)));
    const before = this.#status.get(name);
    const now = {
      name,
      socket,
      ok: outcome.ok,
      code,
      reason,
      unmapped: outcome.ok ? listed : (before?.unmapped ?? []),
      skippedRows,
    };
    this.#status.set(name, now);
    if (code !== (before?.code ?? "") || (!before && outcome.ok)) {
      if (twice) log.warn("source is not used", { source: name, reason });
      else if (outcome.ok) log.info("source answers", { source: name, socket });
      else if (!(quiet && code === "absent" && !before?.ok))
        log.warn("source does not answer", { source: name, code, reason });
    }
    if (
      this.#options.unmapped === "warn" &&
      now.unmapped.join() !== (before?.unmapped ?? []).join() &&
      now.unmapped.length > 0
    ) {
      log.warn("proxies that no rule file maps", {
        source: name,
        proxies: now.unmapped.slice(0, 20),
        count: now.unmapped.length,
      });
    }
    if (skippedRows > 0 && skippedRows !== before?.skippedRows) {
      log.warn("rows skipped: another number of fields than the header, or an unknown type", {
        source: name,
        rows: skippedRows,
      });
    }
  }
}

/** What decides where rows go; clusters are matched in order. */
function mappingText(clusters: readonly ClusterRows[]): string {
  return JSON.stringify(clusters.map(({ clusterId, rows }) => [clusterId, rows]));
}

async function isAway(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return systemCode(error) === "ENOENT";
  }
}
