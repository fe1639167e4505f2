/** A seal → the sealed tick: sources add up to the cluster's meters. */

import type { CounterMeter, MemberState } from "../model/meters.ts";
import { METERS, worseState } from "../model/meters.ts";
import type { ClusterSlice, SealedTick, SourceAtTick } from "../model/tick.ts";
import type { Seal } from "./sealing.ts";

/** What the cluster was at its last folded tick. */
export interface Before {
  /** Kept totals of counter meters: they never fall. */
  readonly totals: ReadonlyMap<string, number>;
  readonly members: ReadonlyMap<string, MemberState>;
  /** Number of the tick at which each known source last answered. */
  readonly lastOk: ReadonlyMap<string, number>;
  readonly intervalMs: number;
}

const COUNTERS = METERS.filter((meter): meter is CounterMeter => meter.kind === "counter");

/** Combines what the sources said (DESIGN section 5's meter table; covered seconds and marks for rules E1 and E4). */
export function combine(seal: Seal, before: Before): SealedTick {
  const sources = [...seal.sources].map(([name, says]) => ({ name, says }));
  const slices = sources.flatMap(({ says }) => (says.ok && says.slice ? [says.slice] : []));
  const complete = sources.length > 0 && sources.every(({ says }) => says.ok);
  const members = mergeMembers(slices, before.members, complete);
  const values: Record<string, number> = {};
  const set = (name: string, value: number | undefined) => {
    if (value !== undefined) values[name] = value;
  };
  const timed = slices.filter((slice) => slice.coveredS > 0);
  for (const meter of METERS) {
    switch (meter.kind) {
      case "counter": {
        const grown = sumOf(slices, (slice) => slice.increases[meter.name]);
        const total = before.totals.get(meter.name);
        set(meter.name, grown === undefined ? total : (total ?? 0) + grown);
        break;
      }
      case "rate":
        set(
          meter.name,
          sumOf(timed, (slice) => perSecond(slice, meter.of)),
        );
        break;
      case "sum":
        set(
          meter.name,
          sumOf(slices, (slice) => slice.sums[meter.name]),
        );
        break;
      case "mean":
        set(meter.name, meanOf(slices, meter.name));
        break;
      case "ratio":
        set(meter.name, ratioOf(slices, meter.of, meter.over));
        break;
      case "members":
        if (members.size > 0) set(meter.name, countMembers(members, meter.states));
        break;
      case "own":
        set(meter.name, ownValue(meter.name, seal, before));
        break;
    }
  }
  return {
    kind: "tick",
    number: seal.tick.number,
    at: seal.tick.at,
    values,
    sources: sources.map(({ name, says }) =>
      says.ok ? sourceAtTick(name, says.slice, before.intervalMs / 1000) : { name, coveredS: 0, error: says.reason },
    ),
    members: memberChanges(before.members, members),
  };
}

/** Names of the counter meters whose kept totals a tick carries on. */
export const COUNTER_NAMES: readonly string[] = COUNTERS.map((meter) => meter.name);

function perSecond(slice: ClusterSlice, counter: string): number | undefined {
  const grown = slice.increases[counter];
  return grown === undefined ? undefined : grown / slice.coveredS;
}

function sumOf(
  slices: readonly ClusterSlice[],
  partOf: (slice: ClusterSlice) => number | undefined,
): number | undefined {
  let sum: number | undefined;
  for (const slice of slices) {
    const value = partOf(slice);
    if (value !== undefined) sum = (sum ?? 0) + value;
  }
  return sum;
}

function meanOf(slices: readonly ClusterSlice[], name: string): number | undefined {
  const sum = sumOf(slices, (slice) => slice.means[name]?.sum);
  const weight = sumOf(slices, (slice) => slice.means[name]?.weight);
  return sum === undefined || !weight ? undefined : sum / weight;
}

function ratioOf(slices: readonly ClusterSlice[], of: readonly string[], over: readonly string[]): number | undefined {
  const total = (names: readonly string[]) =>
    sumOf(slices, (slice) => names.reduce((sum, name) => sum + (slice.increases[name] ?? 0), 0)) ?? 0;
  const whole = total(over);
  return whole > 0 ? (100 * total(of)) / whole : undefined;
}

function ownValue(name: string, seal: Seal, before: Before): number | undefined {
  const says = [...seal.sources];
  // That there is no source at all is worth an alarm too; ages and durations there are none of.
  if (says.length === 0) return name === "tocsin.source.up" ? 0 : undefined;
  switch (name) {
    case "tocsin.source.up":
      return says.filter(([, word]) => word.ok).length;
    case "tocsin.source.age": {
      const ages = says.map(([source, word]) =>
        word.ok ? 0 : seal.tick.number - (before.lastOk.get(source) ?? seal.tick.number),
      );
      return (Math.max(...ages) * before.intervalMs) / 1000;
    }
    case "tocsin.source.duration":
      return Math.max(0, ...says.map(([, word]) => (word.ok ? word.durationMs : 0)));
    default:
      return undefined;
  }
}

/** A source that answered without a row of this cluster covered its tick all the same: there is nothing of it there. */
function sourceAtTick(name: string, slice: ClusterSlice | undefined, intervalS: number): SourceAtTick {
  if (!slice) return { name, coveredS: intervalS };
  return {
    name,
    coveredS: slice.coveredS,
    ...(slice.reload ? { reload: true as const } : {}),
    ...(slice.gap ? { gap: true as const } : {}),
    ...(slice.open ? { open: true as const } : {}),
    ...(slice.moved ? { moved: true as const } : {}),
  };
}

/**
 * Each server name once. Where some sources carry traffic and others do not (an active and a standby balancer),
 * only the former are asked. A name vanishes only when every known source has reported.
 */
function mergeMembers(
  slices: readonly ClusterSlice[],
  before: ReadonlyMap<string, MemberState>,
  complete: boolean,
): Map<string, MemberState> {
  const busy = slices.filter((slice) => slice.moved);
  const merged = new Map<string, MemberState>();
  for (const slice of busy.length > 0 ? busy : slices) {
    for (const [name, state] of Object.entries(slice.members)) {
      merged.set(name, worseState(merged.get(name), state));
    }
  }
  return complete ? merged : new Map([...before, ...merged]);
}

function countMembers(members: ReadonlyMap<string, MemberState>, states: readonly MemberState[] | undefined): number {
  if (!states) return members.size;
  return [...members.values()].filter((state) => states.includes(state)).length;
}

function memberChanges(
  before: ReadonlyMap<string, MemberState>,
  after: ReadonlyMap<string, MemberState>,
): SealedTick["members"] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => [name, after.get(name) ?? null] as const);
}
