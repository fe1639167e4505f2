/** A seal → the sealed tick: sources add up to the cluster's meters. */

import type { ClusterRules } from "../model/alarm.ts";
import type { Meter } from "../model/meterKinds.ts";
import { METERS } from "../model/meters.ts";
import type { ClusterSlice, SealedTick, SourceAtTick } from "../model/tick.ts";
import type { Members, Spoken } from "./members.ts";
import { countOf, memberChanges, mergeMembers, tallyOf, witnessesOf } from "./members.ts";
import type { OwnBefore } from "./ownValues.ts";
import { ownValue } from "./ownValues.ts";
import type { Seal, SourceSays } from "./sealing.ts";
import type { Series } from "./series.ts";
import { isCompleteAt } from "./series.ts";
import { serverValues } from "./serverValues.ts";

/** What the cluster was at its last folded tick; its values hold the kept totals of counter meters, which never fall. */
export interface Before extends OwnBefore, Spoken {
  readonly tick: number;
  readonly members: Members;
  /** Which sources were known and answered at the tick before. */
  readonly series: Series;
  readonly rules: Pick<ClusterRules, "expect"> | undefined;
}

/** Combines what the sources said: values by the meter table, covered seconds and marks for rules E1 and E4. */
export function combine(seal: Seal, before: Before): SealedTick {
  const sources = [...seal.sources].map(([name, says]) => ({ name, says }));
  const slices = sources.flatMap(({ says }) => (says.ok && says.slice ? [says.slice] : []));
  const complete = sources.length >= Math.max(1, before.rules?.expect ?? 0) && sources.every(({ says }) => says.ok);
  const witnesses = witnessesOf(seal, before);
  const members = mergeMembers(witnesses, before.members, complete);
  const read = valuesFrom(seal, slices, before, members, complete);
  const values: Record<string, number> = {};
  for (const meter of METERS) {
    const value = read(meter, values);
    if (value !== undefined) values[meter.name] = value;
  }
  const servers = serverValues(slices, witnesses);
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

/** How each meter's value comes about; what has been worked out already is passed in. */
function valuesFrom(
  seal: Seal,
  slices: readonly ClusterSlice[],
  before: Before,
  members: Members,
  complete: boolean,
): (meter: Meter, done: Readonly<Record<string, number>>) => number | undefined {
  const timed = slices.filter((slice) => slice.coveredS > 0);
  const tally = tallyOf(members);
  const comparable = complete && isComparable(seal, slices, before);
  return (meter, done) => {
    switch (meter.kind) {
      case "counter": {
        const grown = sumOf(slices, (slice) => slice.increases[meter.name]);
        const total = before.values[meter.name];
        return grown === undefined ? total : (total ?? 0) + grown;
      }
      case "rate":
        return sumOf(timed, (slice) => perSecond(slice, meter.of));
      case "sum":
        return sumOf(slices, (slice) => slice.sums[meter.name]);
      case "most":
        return mostOf(slices, meter.name);
      case "change": {
        const [was, is] = [before.values[meter.of], done[meter.of]];
        if (!comparable || was === undefined || is === undefined) return undefined;
        return (is - was) / (before.intervalMs / 1000);
      }
      case "mean":
      case "share":
        return meanOf(slices, meter.name);
      case "ratio":
        return ratioOf(slices, meter.of, meter.over);
      case "members":
        return countOf(meter, tally, members.size);
      case "state":
        return undefined;
      case "own":
        return ownValue(meter, seal, before);
    }
  };
}

/**
 * Whether gauges may be subtracted from those of the tick before: it is the one just before, the same sources answered at
 * both, and none of them has lost sight of sessions or been given rows that were others' before.
 */
function isComparable(seal: Seal, slices: readonly ClusterSlice[], { series, tick, rules }: Before): boolean {
  const last = seal.tick.number - 1;
  if (tick !== last || !isCompleteAt(series, last, rules?.expect ?? 0)) return false;
  if (slices.some(({ reload, gap }) => reload || gap)) return false;
  let seen = 0;
  for (const [name, { lastSeen }] of series.sources) {
    if (lastSeen !== last) continue;
    if (!seal.sources.has(name)) return false;
    seen++;
  }
  return seen === seal.sources.size;
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

function mostOf(slices: readonly ClusterSlice[], name: string): number | undefined {
  const all = slices.flatMap(({ sums }) => sums[name] ?? []);
  return all.length === 0 ? undefined : Math.max(...all);
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

/** A source that answered without a row of this cluster covered its tick all the same: there is nothing of it there. */
function sourceAtTick(name: string, says: SourceSays, intervalS: number): SourceAtTick {
  if (!says.ok) return { name, coveredS: 0, error: says.reason, ...(says.away ? { away: true as const } : {}) };
  const { slice } = says;
  if (!slice) return { name, coveredS: intervalS };
  const { pid } = slice.baseline.process;
  return {
    name,
    coveredS: slice.coveredS,
    ...(pid === undefined ? {} : { pid }),
    ...(slice.fresh ? { fresh: true as const } : {}),
    ...(slice.raw ? { raw: slice.raw } : {}),
    ...(slice.reload ? { reload: true as const } : {}),
    ...(slice.gap ? { gap: true as const } : {}),
    ...(slice.open ? { open: true as const } : {}),
    ...(slice.moved ? { moved: true as const } : {}),
  };
}
