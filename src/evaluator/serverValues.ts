/** What the servers of a cluster say each by itself (rule J7). */

import { worseStateNumber } from "../model/memberState.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { ClusterSlice, SealedTick, ServerParts } from "../model/tick.ts";
import type { Witnesses } from "./members.ts";

const RATIOS = METERS.filter((meter) => meter.kind === "ratio");

/** Names of the rates by name of their counter meter. */
const RATE_OF: ReadonlyMap<string, string> = new Map(
  METERS.flatMap((meter) => (meter.kind === "rate" ? [[meter.of, meter.name] as const] : [])),
);

interface Said {
  readonly own: ServerParts;
  readonly coveredS: number;
  /** What it says of the server's state holds, before what others say. */
  readonly asked: boolean;
}

/** Of a counter meter its increase, and its rate beside it. `undefined`: no rule reads any. */
export function serverValues(slices: readonly ClusterSlice[], { asked, awaited }: Witnesses): SealedTick["servers"] {
  const byName = new Map<string, Said[]>();
  for (const slice of slices) {
    const { servers, coveredS } = slice;
    if (!servers) continue;
    const isAsked = asked.includes(slice);
    for (const name in servers) {
      const own = servers[name];
      if (!own) continue;
      const said = { own, coveredS, asked: isAsked };
      const parts = byName.get(name);
      if (parts) parts.push(said);
      else byName.set(name, [said]);
    }
  }
  if (byName.size === 0) return undefined;
  // Entries and no assignments: `__proto__` may be the name of a server.
  return Object.fromEntries(
    [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, parts]) => [name, valuesOf(parts, awaited)]),
  );
}

function valuesOf(parts: readonly Said[], awaited: boolean): Record<string, number> {
  const values: Record<string, number> = {};
  const isAsked = parts.some(({ asked }) => asked);
  for (const { own, coveredS, asked } of parts) {
    const { increases, sums } = own;
    for (const counter in increases) {
      const grown = increases[counter] ?? 0;
      values[counter] = (values[counter] ?? 0) + grown;
      const rate = RATE_OF.get(counter);
      if (rate !== undefined && coveredS > 0) values[rate] = (values[rate] ?? 0) + grown / coveredS;
    }
    for (const name in sums) putSum(values, name, sums[name] ?? 0, asked || !(isAsked || awaited));
  }
  putMeans(values, parts);
  for (const { name, of, over } of RATIOS) {
    if (!over.every((counter) => counter in values)) continue;
    const total = (counters: readonly string[]) => counters.reduce((sum, counter) => sum + (values[counter] ?? 0), 0);
    if (total(over) > 0) values[name] = (100 * total(of)) / total(over);
  }
  return values;
}

function putSum(values: Record<string, number>, name: string, value: number, holds: boolean): void {
  const known = values[name];
  const kind = meterNamed(name)?.kind;
  if (kind === "most") values[name] = Math.max(known ?? value, value);
  else if (kind !== "state") values[name] = (known ?? 0) + value;
  else if (holds) values[name] = worseStateNumber(known, value);
}

function putMeans(values: Record<string, number>, parts: readonly Said[]): void {
  const weights: Record<string, number> = {};
  for (const { own } of parts) {
    for (const name in own.means) {
      const { sum, weight } = own.means[name] ?? { sum: 0, weight: 0 };
      values[name] = (values[name] ?? 0) + sum;
      weights[name] = (weights[name] ?? 0) + weight;
    }
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (weight > 0) values[name] = (values[name] ?? 0) / weight;
    else delete values[name];
  }
}
