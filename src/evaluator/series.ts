/**
 * Rings of a cluster's last ticks, by tick number: all that windows are computed from. What is kept follows from the
 * rules; when they change, what the old rules kept stays, and what is read newly is known from then on.
 */

import { createBytes, createFloats } from "../lib/arena.ts";
import { noEntries, withEntry, withoutEntry } from "../lib/maps.ts";
import type { ClusterRules, ThresholdRule } from "../model/alarm.ts";
import { thresholdRules } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { SealedTick, SourceAtTick } from "../model/tick.ts";
import type { Needs } from "./needs.ts";
import { needsOf } from "./needs.ts";
import type { Held, Readings } from "./readings.ts";
import { bindReadings, clearReadings, createReadings, fitReadings, pushReadings, resizeReadings } from "./readings.ts";
import type { SourceRing } from "./sourceRings.ts";
import { addRing, marksOf } from "./sourceRings.ts";
import { NEVER } from "./track.ts";

export interface Series {
  capacity: number;
  readonly intervalS: number;
  /** The oldest tick whose content may be there. */
  from: number;
  /** Number of the newest tick; NEVER: none yet. */
  last: number;
  /** Newest tick that is absent, or at which some source did not cover just its interval. */
  lastUneven: number;
  /** Newest tick whose sources are others than those of the tick before. */
  lastChange: number;
  /** Known sources at a tick, plus one where all of them answered; 0: the tick is not there. */
  known: Uint8Array;
  readonly sources: Map<string, SourceRing>;
  /** The cluster's own meters. */
  readonly own: Readings;
  /** Meters of each server by itself, by server name; there only while some rule reads them. */
  servers: ReadonlyMap<string, Readings>;
  /** Rules that are `per: server`, what they read, and since which tick; empty and `undefined` where there is none. */
  serverRules: readonly ThresholdRule[];
  serverNeeds: Needs;
  serversSince: number | undefined;
}

/** Of `known`: whether all known sources answered is in the lowest bit. */
const ALL_ANSWERED = 1;
/** More sources than any cluster has are counted as so many less one. */
const MOST_KNOWN = 127;

const NOTHING: Needs = { values: new Set(), increases: new Set() };

/** Empty rings of `capacity` ticks. */
export function createSeries(capacity: number, intervalS: number): Series {
  return {
    capacity,
    intervalS,
    from: NEVER,
    last: NEVER,
    lastUneven: NEVER,
    lastChange: NEVER,
    known: createBytes(capacity),
    sources: new Map(),
    own: createReadings(),
    servers: noEntries(),
    serverRules: [],
    serverNeeds: NOTHING,
    serversSince: undefined,
  };
}

/**
 * Makes the series hold what these rules read, so far back as they look, and works out every statistic that they ask
 * for over what it holds already.
 */
export function fitSeries(series: Series, rules: ClusterRules): void {
  const needs = needsOf(rules, series.intervalS);
  if (needs.ticks > series.capacity) resize(series, needs.ticks);
  const since = series.last === NEVER ? NEVER : series.last + 1;
  const all = rules.alarms.flatMap(({ rule }) => thresholdRules(rule));
  series.serverRules = all.filter(({ per }) => per === "server");
  if (series.serverRules.length === 0) {
    series.servers = noEntries();
    series.serversSince = undefined;
  } else if (series.serversSince === undefined || !isWithin(needs.server, series.serverNeeds)) {
    series.servers = noEntries();
    series.serversSince = since;
  }
  series.serverNeeds = needs.server;
  fitReadings(series.own, needs.own, series.capacity, since);
  bindReadings(
    series.own,
    all.filter(({ per }) => per !== "server"),
    heldBy(series),
  );
  for (const readings of series.servers.values()) {
    fitReadings(readings, needs.server, series.capacity, since);
    bindReadings(readings, series.serverRules, heldBy(series));
  }
}

function heldBy(series: Series): Held {
  const { capacity, intervalS, from, last } = series;
  const oldest = last === NEVER ? Infinity : Math.max(from, last - capacity + 1);
  const coveredAt = (number: number) =>
    meanCoveredS([...series.sources.values()].map(({ coveredS }) => ({ coveredS: valueAt(series, coveredS, number) })));
  return { capacity, intervalS, from: oldest, last, coveredAt };
}

function isWithin(some: Needs, all: Needs): boolean {
  return (
    [...some.values].every((key) => all.values.has(key)) && [...some.increases].every((key) => all.increases.has(key))
  );
}

function resize(series: Series, capacity: number): void {
  const { last } = series;
  const oldest = last === NEVER ? Infinity : Math.max(series.from, last - series.capacity + 1);
  const copy = <T extends Float64Array | Uint8Array>(from: T, to: T): T => {
    for (let number = oldest; number <= last; number++) {
      to[number % capacity] = from[number % series.capacity] ?? 0;
    }
    return to;
  };
  series.known = copy(series.known, createBytes(capacity));
  for (const source of series.sources.values()) {
    source.coveredS = copy(source.coveredS, createFloats(capacity, Number.NaN));
    source.marks = copy(source.marks, createBytes(capacity));
  }
  const copyValues = (from: Float64Array) => copy(from, createFloats(capacity, Number.NaN));
  for (const readings of [series.own, ...series.servers.values()]) resizeReadings(readings, copyValues);
  if (last !== NEVER) series.from = oldest;
  series.capacity = capacity;
}

/**
 * Adds a tick. `before` are the values of the tick before it, with the kept totals of counter meters; `undefined`:
 * they are not known, and it gives no increase. A tick that is not newer than the newest, or
 * older than what the series may hold, is passed over.
 */
export function pushTick(series: Series, tick: SealedTick, before: SealedTick["values"] | undefined): void {
  const { number } = tick;
  if (number <= series.last || number < series.from) return;
  if (series.last === NEVER) series.from = Math.max(series.from, number);
  else if (number > series.last + 1) skipTo(series, number);
  const place = number % series.capacity;
  let answered = true;
  let gap = false;
  for (const source of tick.sources) {
    if (source.error !== undefined) answered = false;
    if (source.gap) gap = true;
  }
  series.known[place] = Math.min(tick.sources.length + 1, MOST_KNOWN) * 2 + (answered ? ALL_ANSWERED : 0);
  pushSources(series, tick, place);
  const coveredS = meanCoveredS(tick.sources);
  pushReadings(series.own, number, series.capacity, coveredS, ({ meter, isIncrease }) => {
    if (!isIncrease) return tick.values[meter];
    const total = tick.values[meter];
    if (isOwn(meter)) return before && total !== undefined ? total - (before[meter] ?? 0) : undefined;
    const rate = tick.values[`${meter}.rate`];
    if (!before || rate === undefined || total === undefined || Number.isNaN(coveredS)) return undefined;
    // Over a gap the total grew by what no rate was made of; the rates themselves still say what the others did.
    return gap ? rate * series.intervalS : total - (before[meter] ?? 0);
  });
  if (series.serversSince !== undefined && series.serversSince <= number) pushServers(series, tick, coveredS, gap);
  series.last = number;
}

/** Tocsin's own totals grow by what it saw itself, whatever the sources say. */
function isOwn(meter: string): boolean {
  return meterNamed(meter)?.kind === "own";
}

/** Ticks that nobody saw are there as ticks that say nothing. */
function skipTo(series: Series, number: number): void {
  const first = Math.max(series.last + 1, number - series.capacity);
  for (let skipped = first; skipped < number; skipped++) {
    const place = skipped % series.capacity;
    series.known[place] = 0;
    for (const source of series.sources.values()) {
      source.coveredS[place] = Number.NaN;
      source.marks[place] = 0;
    }
  }
  const nothing = () => undefined;
  if (first > series.last + 1) {
    series.servers = noEntries();
    clearReadings(series.own);
    bindReadings(series.own, [...series.own.probes.keys()], { ...heldBy(series), from: Infinity });
  }
  for (const readings of [series.own, ...series.servers.values()]) {
    for (let skipped = first; skipped < number; skipped++) {
      pushReadings(readings, skipped, series.capacity, Number.NaN, nothing);
    }
  }
  series.lastUneven = number - 1;
}

function pushSources(series: Series, tick: SealedTick, place: number): void {
  const { number, sources } = tick;
  const { intervalS } = series;
  let changed = Math.min(sources.length, MOST_KNOWN - 1) !== countSeenAt(series, number - 1);
  for (const source of sources) {
    const ring = series.sources.get(source.name) ?? addRing(series.sources, source.name, series.capacity);
    if (ring.lastSeen !== number - 1) changed = true;
    ring.lastSeen = number;
    const ok = source.error === undefined;
    ring.coveredS[place] = ok ? source.coveredS : Number.NaN;
    ring.marks[place] = marksOf(source);
    if (ok) ring.lastAnswered = number;
    if (source.reload) ring.lastReload = number;
    if (!ok || Math.abs(source.coveredS - intervalS) > JITTER * intervalS) series.lastUneven = number;
  }
  if (changed) series.lastChange = number;
  for (const [name, ring] of series.sources) {
    if (ring.lastSeen === number) continue;
    ring.coveredS[place] = Number.NaN;
    ring.marks[place] = 0;
    if (ring.lastSeen < number - series.capacity) series.sources.delete(name);
  }
}

/** Ticks never fall exactly one interval apart: by so much a span may differ from it and count whole. */
export const JITTER = 0.1;

/** Known sources of a tick. */
function countSeenAt(series: Series, number: number): number {
  return Math.max(0, ((series.known[placeOf(series, number)] ?? 0) >> 1) - 1);
}

/** Mean over the sources that covered any; NaN: none did. */
function meanCoveredS(sources: readonly Pick<SourceAtTick, "coveredS">[]): number {
  let seconds = 0;
  let count = 0;
  for (const { coveredS } of sources) {
    if (!(coveredS > 0)) continue;
    seconds += coveredS;
    count++;
  }
  return count === 0 ? Number.NaN : seconds / count;
}

function pushServers(series: Series, tick: SealedTick, coveredS: number, gap: boolean): void {
  const now = tick.servers ?? {};
  for (const name in now) {
    if (series.servers.has(name)) continue;
    const readings = createReadings();
    fitReadings(readings, series.serverNeeds, series.capacity, series.serversSince ?? NEVER);
    bindReadings(readings, series.serverRules, { ...heldBy(series), from: Infinity });
    series.servers = withEntry(series.servers, name, readings);
  }
  for (const [name, readings] of series.servers) {
    // Anything may be the name of a server, also what every object has.
    const own = Object.hasOwn(now, name) ? now[name] : undefined;
    if (own) readings.lastSeen = tick.number;
    else if (readings.lastSeen < tick.number - series.capacity) series.servers = withoutEntry(series.servers, name);
    pushReadings(readings, tick.number, series.capacity, coveredS, ({ meter, isIncrease }) =>
      isIncrease && gap ? times(own?.[`${meter}.rate`], series.intervalS) : own?.[meter],
    );
  }
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function placeOf(series: Series, number: number): number {
  return ((number % series.capacity) + series.capacity) % series.capacity;
}

/** Place of a tick in the rings, or -1 when the series does not hold it. */
export function placeAt(series: Series, number: number): number {
  if (number > series.last || number <= series.last - series.capacity || number < series.from) return -1;
  const place = number % series.capacity;
  return series.known[place] === 0 ? -1 : place;
}

/** What a ring holds of a tick; NaN: nothing, or the series does not hold the tick. */
export function valueAt(series: Series, ring: Float64Array, number: number): number {
  const place = placeAt(series, number);
  return place < 0 ? Number.NaN : (ring[place] ?? Number.NaN);
}

/** Whether all known sources, and as many as are expected, answered at a tick. */
export function isCompleteAt(series: Series, number: number, expect: number): boolean {
  const place = placeAt(series, number);
  if (place < 0) return false;
  const known = series.known[place] ?? 0;
  return (known & ALL_ANSWERED) === 1 && (known >> 1) - 1 >= Math.max(1, expect);
}

/** How many sources were known at a tick; `undefined`: the tick is not there. */
export function knownAt(series: Series, number: number): number | undefined {
  return placeAt(series, number) < 0 ? undefined : countSeenAt(series, number);
}
