/** Answers of one source that come together, because some of them came too late: as one. */

import { meterNamed } from "../model/meters.ts";
import type { ClusterSlice, MeanPart, RowSample, ServerParts } from "../model/tick.ts";

/** Two slices of one source as one: what was counted adds up, with its seconds; of what just is, the newer one's holds. */
export function mergeSlices(older: ClusterSlice, newer: ClusterSlice, maxGapS: number): ClusterSlice {
  const spansS = older.coveredS + newer.coveredS;
  const gap = older.gap || newer.gap || spansS > maxGapS;
  const resets = (older.resets ?? 0) + (newer.resets ?? 0);
  return {
    ...newer,
    ...mergeParts(older, newer),
    // What spans a gap counts in totals and in no rate (the collector's rule for one long answer).
    coveredS: gap ? 0 : spansS,
    ...(older.servers && newer.servers ? { servers: mergeServers(older.servers, newer.servers) } : {}),
    ...(older.kept ? { kept: mergeKept(older.kept, newer.kept ?? []) } : {}),
    ...(resets > 0 ? { resets } : {}),
    reload: older.reload || newer.reload,
    fresh: older.fresh === true || newer.fresh === true,
    gap,
    moved: older.moved || newer.moved,
  };
}

/**
 * What was counted, of a source that has answered since without a row of the cluster: what else it said is over. The
 * seconds are those of the answer, so that the increases keep their rate.
 */
export function countedOf(slice: ClusterSlice): ClusterSlice {
  const { servers: _, proxies: __, kept, ...rest } = slice;
  const rows = kept ? { kept: kept.map(countedRow) } : {};
  return { ...rest, ...rows, ...onlyCounted(slice), members: {}, open: false, rowCount: 0, skipped: 0 };
}

/** Of each server the parts; a name that the newer one lacks has left. */
function mergeServers(
  older: NonNullable<ClusterSlice["servers"]>,
  newer: NonNullable<ClusterSlice["servers"]>,
): NonNullable<ClusterSlice["servers"]> {
  const before = new Map(Object.entries(older));
  // Entries and no assignments: `__proto__` may be the name of a server.
  return Object.fromEntries(
    Object.entries(newer).map(([name, own]): [string, ServerParts] => {
      const parts = before.get(name);
      return [name, parts ? mergeParts(parts, own) : own];
    }),
  );
}

/** Of each row the parts; one that the newer answer lacks counted until it left. */
function mergeKept(older: readonly RowSample[], newer: readonly RowSample[]): readonly RowSample[] {
  const rest = new Map(older.map((row) => [row.resource, row]));
  const merged = newer.map((row) => {
    const before = rest.get(row.resource);
    rest.delete(row.resource);
    return before ? { ...row, ...mergeParts(before, row) } : row;
  });
  return [...merged, ...[...rest.values()].map(countedRow)];
}

function countedRow({ resource, kind, ...parts }: RowSample): RowSample {
  return { resource, kind, increases: parts.increases, ...onlyCounted(parts) };
}

/** Parts of one thing that come one after the other: what was counted adds up, of what just is the newer holds. */
export function mergeParts(older: ServerParts, newer: ServerParts): ServerParts {
  const counted = onlyCounted(older);
  return {
    increases: mergeBy(older.increases, newer.increases, (a, b) => a + b),
    sums: mergeBy(counted.sums, newer.sums, Math.max),
    means: mergeBy(
      counted.means,
      newer.means,
      (a, b): MeanPart => ({ sum: a.sum + b.sum, weight: a.weight + b.weight }),
    ),
  };
}

/** Means and longest times are of what was done since the answer before; sums and shares are of an instant. */
function onlyCounted({ sums, means }: ServerParts): Pick<ServerParts, "sums" | "means"> {
  return { sums: ofKind(sums, "most"), means: ofKind(means, "mean") };
}

function ofKind<T>(parts: Readonly<Record<string, T>>, kind: "most" | "mean"): Record<string, T> {
  return Object.fromEntries(Object.entries(parts).filter(([name]) => meterNamed(name)?.kind === kind));
}

function mergeBy<T>(
  a: Readonly<Record<string, T>>,
  b: Readonly<Record<string, T>>,
  join: (x: T, y: T) => T,
): Record<string, T> {
  const merged: Record<string, T> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const other = merged[key];
    merged[key] = other === undefined ? value : join(other, value);
  }
  return merged;
}
