/** Rings of one thing's meters (a cluster, or one server of it), and the statistics that are kept up over them. */

import { createFloats } from "../lib/arena.ts";
import { noEntries } from "../lib/maps.ts";
import type { Statistic, ThresholdRule } from "../model/alarm.ts";
import type { Needs } from "./needs.ts";
import { counterOf, ticksPer } from "./needs.ts";
import type { Ring, Track } from "./track.ts";
import { createTrack, NEVER } from "./track.ts";

/** Where a rule finds its datapoints. */
export interface Probe {
  readonly ring: Ring;
  readonly track: Track;
  /** Samples of each window, where outliers are looked for. */
  readonly counts: Track | undefined;
}

export interface Readings {
  rings: readonly Ring[];
  tracks: readonly Track[];
  /** By rule: the very object that the rules hold. */
  probes: ReadonlyMap<ThresholdRule, Probe>;
  /** Newest tick that said anything. */
  lastSeen: number;
}

export function createReadings(): Readings {
  return { rings: [], tracks: [], probes: noEntries(), lastSeen: NEVER };
}

/** The ring of a meter's values, or of a counter meter's increases. */
export function ringOf({ rings }: Readings, meter: string, isIncrease: boolean): Ring | undefined {
  return rings.find((ring) => ring.meter === meter && ring.isIncrease === isIncrease);
}

/** Keeps what is needed, drops what is not, and makes what is new: it holds values from `since` on. */
export function fitReadings(readings: Readings, needs: Needs, capacity: number, since: number): void {
  const fitted = (names: ReadonlySet<string>, isIncrease: boolean) =>
    [...names].map((name) => ringOf(readings, name, isIncrease) ?? createRing(name, isIncrease, capacity, since));
  readings.rings = [...fitted(needs.values, false), ...fitted(needs.increases, true)];
}

export function createRing(meter: string, isIncrease: boolean, capacity: number, since: number): Ring {
  return { meter, isIncrease, data: createFloats(capacity, Number.NaN), since };
}

/**
 * Takes a tick: `readingOf` says what it has for a ring; `undefined`: nothing. Numbers must follow one another without
 * a gap.
 */
export function pushReadings(
  readings: Readings,
  number: number,
  capacity: number,
  coveredS: number,
  readingOf: (ring: Ring) => number | undefined,
): void {
  const place = number % capacity;
  for (const ring of readings.rings) {
    const value = readingOf(ring);
    ring.data[place] = value === undefined || number < ring.since ? Number.NaN : value;
  }
  for (const track of readings.tracks) pushTrack(track, number, place, coveredS);
}

function pushTrack(track: Track, number: number, place: number, coveredS: number): void {
  track.newest = track.push(number, track.ring.data[place] ?? Number.NaN, coveredS);
  if (track.results) track.results[place] = track.newest;
}

/** The ticks that rings hold at the moment. */
export interface Held {
  readonly capacity: number;
  readonly intervalS: number;
  /** The oldest tick that is held, and the newest; the former is the greater where none is. */
  readonly from: number;
  readonly last: number;
  coveredAt(number: number): number;
}

/** Binds rules to the statistics they ask for, and works those out over what the rings hold. */
export function bindReadings(readings: Readings, rules: readonly ThresholdRule[], held: Held): void {
  const tracks: Track[] = [];
  const probes = new Map<ThresholdRule, Probe>();
  for (const rule of rules) {
    const counter = counterOf(rule);
    const ring = ringOf(readings, counter ?? rule.meterName, counter !== undefined);
    if (!ring) continue;
    const ticks = ticksPer(rule.periodS, held.intervalS);
    const trackOf = (statistic: Statistic): Track => {
      const known = tracks.find((one) => one.ring === ring && one.statistic === statistic && one.ticks === ticks);
      const track = known ?? createTrack(ring, statistic, ticks);
      if (!known) tracks.push(track);
      if (rule.evaluationPeriods > 1 || rule.excludeOutliers) {
        track.results ??= createFloats(held.capacity, Number.NaN);
      }
      return track;
    };
    const track = trackOf(ring.isIncrease && rule.statistic !== "increase" ? "rate" : rule.statistic);
    probes.set(rule, { ring, track, counts: rule.excludeOutliers ? trackOf("count") : undefined });
  }
  for (const track of tracks) {
    for (let number = held.from; number <= held.last; number++) {
      pushTrack(track, number, number % held.capacity, held.coveredAt(number));
    }
  }
  readings.tracks = tracks;
  readings.probes = probes.size === 0 ? noEntries() : probes;
}

/** Longer rings with the same content; statistics must be bound anew. */
export function resizeReadings(readings: Readings, copy: (from: Float64Array) => Float64Array): void {
  readings.rings = readings.rings.map((ring) => ({ ...ring, data: copy(ring.data) }));
}

/** Nothing of the past is left, so many ticks have passed unseen; statistics must be bound anew. */
export function clearReadings({ rings }: Readings): void {
  for (const { data } of rings) data.fill(Number.NaN);
}
