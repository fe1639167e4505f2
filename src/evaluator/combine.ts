/** A seal → the sealed tick: sources add up to the cluster's meters. */

import type { ClusterRules } from "../model/alarm.ts";
import type { MemberState } from "../model/meters.ts";
import { METERS, meterNamed, worseState } from "../model/meters.ts";
import type { ClusterSlice, SealedTick, ServerParts, SourceAtTick } from "../model/tick.ts";
import type { Seal, SourceSays } from "./sealing.ts";

/** What the cluster was at its last folded tick. */
export interface Before {
  /** With the kept totals of counter meters, which never fall. */
  readonly values: Readonly<Record<string, number>>;
  readonly members: ReadonlyMap<string, MemberState>;
  /** Number of the tick at which each known source last answered. */
  readonly lastOk: ReadonlyMap<string, number>;
  readonly intervalMs: number;
  readonly rules: Pick<ClusterRules, "expect"> | undefined;
}

/** Combines what the sources said (DESIGN section 5's meter table; covered seconds and marks for rules E1 and E4). */
export function combine(seal: Seal, before: Before): SealedTick {
  const sources = [...seal.sources].map(([name, says]) => ({ name, says }));
  const slices = sources.flatMap(({ says }) => (says.ok && says.slice ? [says.slice] : []));
  const complete = sources.length >= Math.max(1, before.rules?.expect ?? 0) && sources.every(({ says }) => says.ok);
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
        const total = before.values[meter.name];
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
  const servers = serverValues(slices);
  return {
    kind: "tick",
    number: seal.tick.number,
    at: seal.tick.at,
    values,
    sources: sources.map(({ name, says }) => sourceAtTick(name, says, before.intervalMs / 1000)),
    members: memberChanges(before.members, members, slices),
    ...(servers ? { servers } : {}),
  };
}

function perSecond(slice: ClusterSlice, counter: string): number | undefined {
  const grown = slice.increases[counter];
  return grown === undefined ? undefined : grown / slice.coveredS;
}

function sumOf<T>(parts: readonly T[], of: (part: T) => number | undefined): number | undefined {
  let sum: number | undefined;
  for (const part of parts) {
    const value = of(part);
    if (value !== undefined) sum = (sum ?? 0) + value;
  }
  return sum;
}

/** What the servers say each by itself (rule J7): of a counter meter its increase, and its rate beside it. */
function serverValues(slices: readonly ClusterSlice[]): SealedTick["servers"] {
  const names = [...new Set(slices.flatMap((slice) => Object.keys(slice.servers ?? {})))].sort();
  if (names.length === 0) return undefined;
  return Object.fromEntries(names.map((name) => [name, valuesOf(name, slices)]));
}

function valuesOf(server: string, slices: readonly ClusterSlice[]): Record<string, number> {
  const parts = slices.flatMap((slice) => {
    const own = slice.servers?.[server];
    return own ? [{ own, coveredS: slice.coveredS }] : [];
  });
  const names = (of: (own: ServerParts) => object) => new Set(parts.flatMap(({ own }) => Object.keys(of(own))));
  const values: Record<string, number> = {};
  for (const counter of names(({ increases }) => increases)) {
    values[counter] = sumOf(parts, ({ own }) => own.increases[counter]) ?? 0;
    const timed = parts.filter(({ coveredS }) => coveredS > 0);
    const rate = sumOf(timed, ({ own, coveredS }) => {
      const grown = own.increases[counter];
      return grown === undefined ? undefined : grown / coveredS;
    });
    if (rate !== undefined && meterNamed(`${counter}.rate`)) values[`${counter}.rate`] = rate;
  }
  for (const name of names(({ sums }) => sums)) values[name] = sumOf(parts, ({ own }) => own.sums[name]) ?? 0;
  for (const name of names(({ means }) => means)) {
    const weight = sumOf(parts, ({ own }) => own.means[name]?.weight);
    const sum = sumOf(parts, ({ own }) => own.means[name]?.sum);
    if (weight && sum !== undefined) values[name] = sum / weight;
  }
  for (const meter of METERS) {
    if (meter.kind !== "ratio" || !meter.over.every((name) => name in values)) continue;
    const total = (of: readonly string[]) => of.reduce((sum, name) => sum + (values[name] ?? 0), 0);
    if (total(meter.over) > 0) values[meter.name] = (100 * total(meter.of)) / total(meter.over);
  }
  return values;
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
function sourceAtTick(name: string, says: SourceSays, intervalS: number): SourceAtTick {
  if (!says.ok) return { name, coveredS: 0, error: says.reason, ...(says.away ? { away: true as const } : {}) };
  const { slice } = says;
  if (!slice) return { name, coveredS: intervalS };
  return {
    name,
    coveredS: slice.coveredS,
    pid: slice.baseline.process.pid,
    ...(slice.fresh ? { fresh: true as const } : {}),
    ...(slice.raw ? { raw: slice.raw } : {}),
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
  slices: readonly ClusterSlice[],
): SealedTick["members"] {
  const changed = [...after.keys(), ...before.keys()].filter((name) => before.get(name) !== after.get(name));
  return [...new Set(changed)].sort().map((name) => {
    const proxy = slices.find((slice) => slice.proxies?.[name] !== undefined)?.proxies?.[name];
    const state = after.get(name) ?? null;
    return proxy === undefined ? ([name, state] as const) : ([name, state, proxy] as const);
  });
}
