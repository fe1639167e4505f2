/**
 * Sealing (rule T3). A (cluster, tick) is open from the tick until every known source has reported (an error is a
 * report) or its deadline passes; then it is sealed, once. Ticks of a cluster are sealed in order: when a later
 * one is complete, earlier open ones are sealed with it. What comes after the seal is carried over to the next
 * tick, so no increase of a counter is ever lost.
 */

import type { ClusterSlice, ScrapeReport, Tick } from "../model/tick.ts";
import { countedOf, mergeSlices } from "./mergeSlices.ts";

/** What one known source said at one tick. */
export type SourceSays = (
  | { readonly ok: true; readonly slice: ClusterSlice | undefined; readonly durationMs: number }
  | { readonly ok: false; readonly reason: string; readonly away?: true }
) & {
  /** What the clock of whoever asked it is ahead by, ms. */
  readonly skewMs?: number;
};

/** A sealed tick before it is combined: each known source's word. */
export interface Seal {
  readonly clusterId: string;
  readonly tick: Tick;
  readonly sources: ReadonlyMap<string, SourceSays>;
}

/** What another process sealed of a cluster, as the record has it: what comes again is dropped. */
export interface SealedBefore {
  /** Number of the newest recorded tick. */
  readonly number: number;
  /** Wall clock of the newest recorded scrape of each source, epoch ms of the source's own collector. */
  readonly scrapedAt: ReadonlyMap<string, number>;
}

interface OpenTick {
  readonly tick: Tick;
  readonly says: Map<string, SourceSays>;
}

interface ClusterSealing {
  readonly maxGapS: number;
  readonly known: Set<string>;
  /** Open ticks, oldest first. */
  readonly open: OpenTick[];
  lastSealed: number;
  readonly before: SealedBefore | undefined;
  /** Newest tick of which each source's answer was taken: the same answer may come twice. */
  readonly taken: Map<string, number>;
  /** Increases that came too late for their tick, by source, with the newest tick that they are of. */
  readonly carried: Map<string, { readonly number: number; readonly slice: ClusterSlice }>;
}

export class Sealer {
  readonly #maxGapS: number;
  readonly #clusters = new Map<string, ClusterSealing>();
  /** Clusters that know a source. */
  readonly #knowing = new Map<string, Set<string>>();

  /** Increases that span more than `maxGapS` make no rate. */
  constructor(maxGapS: number) {
    this.#maxGapS = maxGapS;
  }

  /** Adds a cluster with the sources it is known to have. `before`: what of it is sealed and may come again. */
  add(clusterId: string, known: Iterable<string>, before?: SealedBefore): void {
    const cluster = {
      maxGapS: this.#maxGapS,
      known: new Set<string>(),
      open: [],
      lastSealed: before?.number ?? -Infinity,
      before,
      taken: new Map(),
      carried: new Map(),
    };
    this.#clusters.set(clusterId, cluster);
    for (const source of known) this.#know(clusterId, cluster, source);
  }

  /** Sources that it is known to have, too. */
  know(clusterId: string, sources: Iterable<string>): void {
    const cluster = this.#clusters.get(clusterId);
    if (cluster) for (const source of sources) this.#know(clusterId, cluster, source);
  }

  has(clusterId: string): boolean {
    return this.#clusters.has(clusterId);
  }

  /** Nothing more of it is sealed, until it is added again. */
  remove(clusterId: string): void {
    this.#clusters.delete(clusterId);
    for (const knowing of this.#knowing.values()) knowing.delete(clusterId);
  }

  /** Rule T4: a source whose configuration is gone is waited for no longer. */
  forget(clusterId: string, source: string): void {
    this.#clusters.get(clusterId)?.known.delete(source);
    this.#knowing.get(source)?.delete(clusterId);
  }

  /** A tick begins: it is open in every cluster. */
  openTick(tick: Tick): void {
    for (const cluster of this.#clusters.values()) if (tick.number > cluster.lastSealed) openIn(cluster, tick);
  }

  /** Takes a report; returns what it seals, in order. */
  report(report: ScrapeReport): readonly Seal[] {
    const { outcome, source, tick } = report;
    const seals: Seal[] = [];
    const slices = new Map(outcome.ok ? outcome.slices.map((slice) => [slice.clusterId, slice]) : []);
    for (const clusterId of new Set([...slices.keys(), ...(this.#knowing.get(source) ?? [])])) {
      const cluster = this.#clusters.get(clusterId);
      if (!cluster) continue;
      const slice = slices.get(clusterId);
      if (slice && wasRecorded(cluster.before, source, tick.number, slice)) continue;
      if (outcome.ok) {
        if (tick.number <= (cluster.taken.get(source) ?? -Infinity)) continue;
        cluster.taken.set(source, tick.number);
      }
      if (slice) this.#know(clusterId, cluster, source);
      if (tick.number <= cluster.lastSealed) {
        if (slice && !slice.stale) carry(cluster, source, tick.number, slice);
        continue;
      }
      openIn(cluster, tick).says.set(source, wordOf(report, slice));
      const last = cluster.open.findLastIndex((open) => [...cluster.known].every((name) => open.says.has(name)));
      seals.push(...sealUpTo(clusterId, cluster, last));
    }
    return seals;
  }

  #know(clusterId: string, cluster: ClusterSealing, source: string): void {
    cluster.known.add(source);
    const knowing = this.#knowing.get(source) ?? new Set();
    this.#knowing.set(source, knowing.add(clusterId));
  }

  /** The deadline of a tick has passed: what is open up to it is sealed as it is. */
  deadline(number: number): readonly Seal[] {
    const seals: Seal[] = [];
    for (const [clusterId, cluster] of this.#clusters) {
      seals.push(
        ...sealUpTo(
          clusterId,
          cluster,
          cluster.open.findLastIndex((open) => open.tick.number <= number),
        ),
      );
    }
    return seals;
  }

  /** A seal that was not folded (rule R4): it is downtime, but its increases count with the next. */
  putBack(seal: Seal): void {
    const cluster = this.#clusters.get(seal.clusterId);
    if (!cluster) return;
    for (const [source, says] of seal.sources) {
      if (says.ok && says.slice) carry(cluster, source, seal.tick.number, says.slice);
    }
  }
}

/**
 * Whether a slice is in the record. Of a tick that was sealed before, the record may lack one that came too late for it:
 * that is the newer scrape. Afterwards only the very same scrape is none: clocks may be set back.
 */
function wasRecorded(
  before: SealedBefore | undefined,
  source: string,
  number: number,
  { baseline }: ClusterSlice,
): boolean {
  const scrapedAt = before?.scrapedAt.get(source);
  if (before === undefined || scrapedAt === undefined) return false;
  return number <= before.number ? baseline.at <= scrapedAt : baseline.at === scrapedAt;
}

/** What a report says of one cluster. Rows that were told by other rules are no answer, and none at all is one. */
function wordOf({ outcome, durationMs, skewMs }: ScrapeReport, slice: ClusterSlice | undefined): SourceSays {
  const skew = skewMs === undefined ? {} : { skewMs };
  if (!outcome.ok)
    return { ok: false, reason: outcome.reason, ...(outcome.away ? { away: outcome.away } : {}), ...skew };
  if (slice?.stale) return { ok: false, reason: "its rows were told by rules that are not in force any more", ...skew };
  return { ok: true, slice, durationMs, ...skew };
}

function openIn(cluster: ClusterSealing, tick: Tick): OpenTick {
  const found = cluster.open.find((open) => open.tick.number === tick.number);
  if (found) return found;
  const opened = { tick, says: new Map<string, SourceSays>() };
  const after = cluster.open.findLastIndex((open) => open.tick.number < tick.number);
  cluster.open.splice(after + 1, 0, opened);
  return opened;
}

function sealUpTo(clusterId: string, cluster: ClusterSealing, last: number): Seal[] {
  return cluster.open.splice(0, last + 1).map(({ tick, says }) => {
    cluster.lastSealed = tick.number;
    const sources = new Map<string, SourceSays>();
    for (const source of [...cluster.known].sort()) {
      sources.set(source, withCarried(cluster, source, says.get(source) ?? { ok: false, reason: "no report in time" }));
    }
    return { clusterId, tick, sources };
  });
}

function withCarried(cluster: ClusterSealing, source: string, says: SourceSays): SourceSays {
  const carried = cluster.carried.get(source)?.slice;
  if (!carried || !says.ok) return says;
  cluster.carried.delete(source);
  return { ...says, slice: says.slice ? mergeSlices(carried, says.slice, cluster.maxGapS) : countedOf(carried) };
}

function carry(cluster: ClusterSealing, source: string, number: number, slice: ClusterSlice): void {
  const before = cluster.carried.get(source);
  if (!before) cluster.carried.set(source, { number, slice });
  else if (before.number <= number)
    cluster.carried.set(source, { number, slice: mergeSlices(before.slice, slice, cluster.maxGapS) });
  else cluster.carried.set(source, { ...before, slice: mergeSlices(slice, before.slice, cluster.maxGapS) });
}
