/** Scrapes every source once a tick, all in parallel, each with its own deadline; publishes what they say. */

import { glob, lstat } from "node:fs/promises";
import { messageOf, systemCode } from "../lib/errors.ts";
import { isGlob } from "../lib/globs.ts";
import { fnv1a32 } from "../lib/hash.ts";
import type { SocketEntry, SourceEntry } from "../model/source.ts";
import type { Baseline, Tick } from "../model/tick.ts";
import type { Clock, Logger, SampleBus, Timer } from "../ports.ts";
import { Journal } from "./journal.ts";
import type { SecretsOf } from "./link.ts";
import { transportOf } from "./link.ts";
import type { Mapping } from "./mapping.ts";
import { isFromEntry } from "./mapping.ts";
import type { Detail } from "./slices.ts";
import { Source } from "./source.ts";
import type { SourceStatus } from "./status.ts";
import { Twins } from "./twins.ts";

export interface CollectorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: SampleBus;
  readonly entries: readonly SourceEntry[];
  /** Asked before each request of a page or a Prometheus endpoint. */
  readonly secretsOf: SecretsOf;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Scrapes start so long after their tick at the most, each source at its own offset. */
  readonly maxOffsetMs: number;
  /** Where rows go. */
  readonly mapping: Mapping;
  /** Which rows are kept by themselves; by default those of proxies. */
  readonly detail?: Detail;
  /** Recorded raw counters, by source. */
  readonly baselines: ReadonlyMap<string, ReadonlyMap<string, Baseline>>;
  /** Sources that some cluster knows: asked also when no glob finds them (any more). */
  readonly known: readonly string[];
}

interface KnownSource {
  readonly source: Source;
  readonly entry: SourceEntry;
  /** The path that a glob found, and may find again. */
  readonly found: string | undefined;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #journal: Journal;
  readonly #sources = new Map<string, KnownSource>();
  readonly #twins = new Twins();
  /** Recorded raw counters that no source has taken yet. */
  readonly #baselines: Map<string, ReadonlyMap<string, Baseline>>;
  #mapping: Mapping;
  readonly #timers = new Set<Timer>();
  #searching = false;
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#journal = new Journal(options.log);
    this.#baselines = new Map(options.baselines);
    this.#mapping = options.mapping;
    for (const entry of options.entries) if (!isSearched(entry)) this.#add(entry.name, entry, undefined);
    for (const name of options.known) {
      const entry = options.entries.filter(isSearched).find((candidate) => isFromEntry(name, candidate));
      if (entry) this.#add(name, entry, name.slice(entry.name.length + 1));
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
  update(mapping: Mapping): void {
    const same = mapping.text === this.#mapping.text;
    this.#mapping = mapping;
    if (same) return;
    for (const [name, { source }] of this.#sources) source.remap((proxy) => mapping.clustersOf(name, proxy));
  }

  /**
   * Stops asking a source that no cluster knows any more (rule T4), if a glob found it and its path is away: where
   * the path comes back, the glob finds it as a new one. What has its place in the configuration is always asked.
   * Resolves to whether it is no longer asked.
   */
  async forget(name: string): Promise<boolean> {
    const known = this.#sources.get(name);
    if (known?.found === undefined || !(await isAway(known.found))) return false;
    if (this.#sources.get(name) !== known) return false;
    this.#sources.delete(name);
    this.#journal.forget(name);
    this.#twins.forget(name);
    return true;
  }

  /** Names of those that are asked at every tick. */
  sources(): readonly string[] {
    return [...this.#sources.keys()];
  }

  /** What is known of each source that has been asked, by name in order. */
  status(): readonly SourceStatus[] {
    return this.#journal.status();
  }

  /** Nothing is published afterwards; scrapes under way end by their own deadline. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Looks for sockets that globs match; what has no glob is a source from the beginning. */
  async #discover(): Promise<void> {
    if (this.#searching) return;
    this.#searching = true;
    for (const entry of this.#options.entries.filter(isSearched)) {
      try {
        for await (const path of glob(entry.socket)) this.#add(`${entry.name}:${path}`, entry, path);
      } catch (error) {
        this.#options.log.warn("cannot search for sockets", { source: entry.name, reason: messageOf(error) });
      }
    }
    this.#searching = false;
  }

  #add(name: string, entry: SourceEntry, found: string | undefined): void {
    if (this.#sources.has(name)) return;
    const { clock, intervalMs, timeoutMs, secretsOf, detail } = this.#options;
    const path = found ?? (entry.kind === "socket" ? entry.socket : "");
    // Taken once: to a source that comes back later they would be hours old.
    const baselines = this.#baselines.get(name) ?? new Map<string, Baseline>();
    this.#baselines.delete(name);
    const source = new Source({
      name,
      transport: transportOf(entry, path, clock, secretsOf),
      intervalMs,
      timeoutMs,
      clock,
      clustersOf: (proxy) => this.#mapping.clustersOf(name, proxy),
      readsOf: (clusterId) => this.#mapping.readsOf(clusterId),
      revision: () => this.#mapping.revision,
      ...(detail === undefined ? {} : { detail }),
      baselines,
    });
    this.#sources.set(name, { source, entry, found });
  }

  async #scrape(source: Source, tick: Tick): Promise<void> {
    const asked = this.#sources.get(source.name);
    const isAsked = () => !this.#stopped && this.#sources.get(source.name)?.source === source;
    if (!asked || !isAsked()) return;
    const scrape = await source.scrape(tick);
    if (!isAsked()) return;
    const other = this.#twins.otherNameOf(source.name, scrape.answered?.sign, tick.number);
    this.#journal.add(asked.entry, source, scrape, other, this.#mapping);
    if (other === undefined) {
      this.#options.bus.publish(scrape.report);
      return;
    }
    // Two sockets of one process would count everything twice: this one answered, and has nothing of its own.
    source.forget();
    this.#options.bus.publish({ ...scrape.report, outcome: { ok: true, slices: [] } });
  }
}

/** One path is a source from the beginning; a glob's are searched for at every tick. */
function isSearched(entry: SourceEntry): entry is SocketEntry {
  return entry.kind === "socket" && isGlob(entry.socket);
}

async function isAway(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return systemCode(error) === "ENOENT";
  }
}
