/** Rings of a cluster's last ticks, by tick number: all that windows are computed from. */

import { meterNamed } from "../model/meters.ts";
import type { SealedTick } from "../model/tick.ts";
import { isComplete } from "../model/tick.ts";

/** One known source over the ring. */
export interface SourceRing {
  /** Newest tick that knew of it: a forgotten source counts only in windows that reach back to that. */
  lastSeen: number;
  /** Seconds covered; NaN: it did not report (an error), or the tick is not there. */
  readonly coveredS: Float64Array;
  /** An error report, as against a tick that we did not see. */
  readonly silent: Uint8Array;
  /** Marks of rule E4. */
  readonly reload: Uint8Array;
  readonly open: Uint8Array;
  readonly moved: Uint8Array;
}

export interface Series {
  readonly capacity: number;
  readonly intervalS: number;
  /** Which tick number a place holds. */
  readonly numbers: Float64Array;
  /** Values by meter; NaN: none. */
  readonly values: ReadonlyMap<string, Float64Array>;
  /** Increase of each counter meter that some rate is read of, with rates that can be trusted; NaN: none. */
  readonly increases: ReadonlyMap<string, Float64Array>;
  /** Longest stretch that an increase of that tick spans, seconds. */
  readonly reachS: Float64Array;
  /** Whether the sources' stretches of that tick differ: their increases cannot be told apart. */
  readonly uneven: Uint8Array;
  readonly sources: Map<string, SourceRing>;
  /** Active servers at a complete tick; NaN: the tick was not complete, or the cluster has no server row. */
  readonly active: Float64Array;
  /** Number of the newest tick; -Infinity: none yet. */
  last: number;
}

/** Rings of `capacity` ticks for the meters that alarms read. */
export function createSeries(capacity: number, intervalS: number, meterNames: Iterable<string>): Series {
  const ring = () => new Float64Array(capacity).fill(Number.NaN);
  const values = new Map<string, Float64Array>();
  const increases = new Map<string, Float64Array>();
  for (const name of meterNames) {
    values.set(name, ring());
    const meter = meterNamed(name);
    if (meter?.kind === "rate") increases.set(meter.of, ring());
  }
  const sources = new Map<string, SourceRing>();
  return {
    capacity,
    intervalS,
    numbers: ring(),
    values,
    increases,
    reachS: ring(),
    uneven: new Uint8Array(capacity),
    sources,
    active: ring(),
    last: -Infinity,
  };
}

/** What a complete tick says of the active servers (rule J6); absent when the cluster never had a server row. */
const ACTIVE_METER = "network.services.lb.members.up";

/** Adds a tick. `totals` are the kept totals before it; `undefined`: they are not known, and it gives no increase. */
export function pushTick(series: Series, tick: SealedTick, totals: ReadonlyMap<string, number> | undefined): void {
  const place = placeOf(series, tick.number);
  series.numbers[place] = tick.number;
  series.last = tick.number;
  for (const [name, ring] of series.values) ring[place] = tick.values[name] ?? Number.NaN;
  const covered = tick.sources.filter((source) => source.coveredS > 0).map((source) => source.coveredS);
  const gap = tick.sources.some((source) => source.gap);
  series.reachS[place] = covered.length > 0 ? Math.max(...covered) : Number.NaN;
  series.uneven[place] = Math.max(...covered) - Math.min(...covered) > series.intervalS / 2 ? 1 : 0;
  for (const [counter, ring] of series.increases) {
    const rate = tick.values[`${counter}.rate`];
    const total = tick.values[counter];
    if (!totals || rate === undefined || total === undefined || covered.length === 0) ring[place] = Number.NaN;
    // Over a gap the total grew by what no rate was made of; the rates themselves still say what the others did.
    else ring[place] = gap ? rate * series.intervalS : total - (totals.get(counter) ?? 0);
  }
  for (const { name } of tick.sources) addSource(series, name);
  for (const [name, ring] of series.sources) {
    const source = tick.sources.find((candidate) => candidate.name === name);
    if (source) ring.lastSeen = tick.number;
    else if (ring.lastSeen < tick.number - series.capacity) series.sources.delete(name);
    ring.coveredS[place] = source && source.error === undefined ? source.coveredS : Number.NaN;
    ring.silent[place] = source?.error === undefined ? 0 : 1;
    ring.reload[place] = source?.reload ? 1 : 0;
    ring.open[place] = source?.open ? 1 : 0;
    ring.moved[place] = source?.moved ? 1 : 0;
  }
  series.active[place] = isComplete(tick) ? (tick.values[ACTIVE_METER] ?? Number.NaN) : Number.NaN;
}

/** Sources are kept in order of name: what is computed over them must not depend on who came first. */
function addSource(series: Series, name: string): void {
  if (series.sources.has(name)) return;
  const all = [...series.sources, [name, createSourceRing(series.capacity)] as const].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  series.sources.clear();
  for (const [each, ring] of all) series.sources.set(each, ring);
}

function createSourceRing(capacity: number): SourceRing {
  return {
    lastSeen: Number.POSITIVE_INFINITY,
    coveredS: new Float64Array(capacity).fill(Number.NaN),
    silent: new Uint8Array(capacity),
    reload: new Uint8Array(capacity),
    open: new Uint8Array(capacity),
    moved: new Uint8Array(capacity),
  };
}

function placeOf(series: Series, number: number): number {
  return ((number % series.capacity) + series.capacity) % series.capacity;
}

/** Place of a tick in the rings, or -1 when the series does not hold it. */
export function placeAt(series: Series, number: number): number {
  const place = placeOf(series, number);
  return series.numbers[place] === number ? place : -1;
}

/** What a ring holds of a tick; NaN: nothing, or the series does not hold the tick. */
export function valueAt(series: Series, ring: Float64Array, number: number): number {
  const place = placeAt(series, number);
  return place < 0 ? Number.NaN : (ring[place] ?? Number.NaN);
}
