/** What Tocsin says of itself at every seal, whatever the sources say (rule E6). */

import type { OwnMeter } from "../model/meterKinds.ts";
import type { ClusterSlice } from "../model/tick.ts";
import type { Seal } from "./sealing.ts";

/** What the cluster was at its last folded tick. */
export interface OwnBefore {
  readonly values: Readonly<Record<string, number>>;
  /** Number of the tick at which each known source last answered. */
  readonly lastOk: ReadonlyMap<string, number>;
  readonly intervalMs: number;
}

/** The value of one of Tocsin's own meters; `undefined`: it has none as long as the cluster knows no source. */
export function ownValue(meter: OwnMeter, seal: Seal, before: OwnBefore): number | undefined {
  const says = [...seal.sources];
  const known = before.values[meter.name];
  // That there is no source at all is worth an alarm too; ages and durations there are none of, and totals stay.
  if (says.length === 0) return meter.name === "tocsin.source.up" ? 0 : meter.cumulative ? known : undefined;
  const sum = (of: (slice: ClusterSlice) => number | undefined) =>
    says.reduce((total, [, word]) => total + ((word.ok && word.slice && of(word.slice)) || 0), 0);
  switch (meter.name) {
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
    case "tocsin.source.skew": {
      // Within one process there is one clock. What is not known of any stays as it was.
      const skews = says.flatMap(([, word]) => word.skewMs ?? (word.ok ? 0 : []));
      if (skews.length === 0) return known ?? 0;
      return skews.reduce((most, own) => (Math.abs(own) > Math.abs(most) ? own : most), 0) / 1000;
    }
    case "tocsin.source.rows":
      return sum(({ rowCount }) => rowCount);
    case "tocsin.source.skipped":
      return sum(({ skipped }) => skipped);
    case "tocsin.source.errors":
      return (known ?? 0) + says.filter(([, word]) => !word.ok).length;
    case "tocsin.source.resets":
      return (known ?? 0) + sum(({ resets }) => resets);
    default:
      return undefined;
  }
}
