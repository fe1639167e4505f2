/** Points as they were recorded, and which of them tell everything. */

import { meterNamed } from "../model/meters.ts";
import type { MetricPoint } from "../model/metricQuery.ts";
import type { SealedTick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Found } from "./finding.ts";
import type { Reading } from "./recorded.ts";
import { ticksOf } from "./recorded.ts";

/** Points of a meter in `(from, to]`, epoch ms. */
export async function recordedPoints(
  target: Found,
  meterName: string,
  { from, to }: { readonly from: number; readonly to: number },
  reading: Reading,
): Promise<readonly MetricPoint[]> {
  const points: MetricPoint[] = [];
  // A rate is of seconds: of a source that was just reloaded, or is new, nobody knows one.
  const isTimed = meterNamed(meterName)?.kind === "rate";
  for await (const ticks of ticksOf(target, from, to, reading)) {
    const before = points.length;
    for (const tick of ticks) {
      const value = tick.values[meterName];
      if (value === undefined) continue;
      const seen = tick.sources.every(({ error, coveredS }) => error === undefined && (!isTimed || coveredS > 0));
      points.push({ at: tick.at, value, complete: seen && hasAll(tick, target, reading.intervalMs) });
    }
    reading.budget.points(points.length - before, "give a period, ask for less time, or for fewer series");
  }
  return points;
}

/** Of a row only those speak that have it: whether all do that had it before, and had it later or may have it again. */
function hasAll({ at, sources }: SealedTick, { spans = [] }: Found, intervalMs: number): boolean {
  const gapMs = maxGapS(intervalMs) * 1000;
  return spans.every(
    ({ source, firstAt, lastAt }) => at < firstAt || at > lastAt + gapMs || sources.some(({ name }) => name === source),
  );
}
