/** How far apart ticks were when they were recorded: that may have been another interval than it is now. */

import { intervalOf } from "../model/rollup.ts";
import type { SealedTick, Tick } from "../model/tick.ts";
import type { Reading, Target } from "./recorded.ts";
import { firstOf } from "./recorded.ts";

/** Distances that differ by less, in parts of them, are one. */
const TOLERANCE = 0.05;
/** Series in which ticks are looked for. */
const TRIED = 3;

/** The interval at the beginning of what is recorded in `(from, to]`, epoch ms; where nobody can know, that of now. */
export async function paceIn(series: readonly Target[], from: number, to: number, reading: Reading): Promise<number> {
  const { intervalMs } = reading;
  for (const target of series.slice(0, TRIED)) {
    const ticks = await firstOf(target, from, to, reading);
    const own = intervalOf(ticks, 0) * 1000;
    if (own > 0) return isOther(own, intervalMs) ? Math.round(own) : intervalMs;
  }
  return intervalMs;
}

/** Ticks that were recorded at one interval. */
export interface Run {
  readonly intervalMs: number;
  readonly ticks: readonly SealedTick[];
}

/** Cuts ticks where their interval changes. `intervalMs`: of the first. */
export async function* runsOf(batches: AsyncIterable<readonly SealedTick[]>, intervalMs: number): AsyncGenerator<Run> {
  let pace = intervalMs;
  for await (const ticks of batches) {
    let first = 0;
    for (let n = 0; n + 2 < ticks.length; n++) {
      const own = steadyFrom(ticks, n);
      if (own === undefined || !isOther(own, pace)) continue;
      if (n + 1 > first) yield { intervalMs: pace, ticks: ticks.slice(first, n + 1) };
      [pace, first] = [own, n + 1];
    }
    yield { intervalMs: pace, ticks: ticks.slice(first) };
  }
}

/** From one tick to the next and from that to the one after; a clock that was set makes but one such distance. */
function steadyFrom(ticks: readonly Tick[], n: number): number | undefined {
  const [one, two, three] = [ticks[n], ticks[n + 1], ticks[n + 2]];
  if (!one || !two || !three || two.number !== one.number + 1 || three.number !== two.number + 1) return undefined;
  const own = two.at - one.at;
  return own > 0 && !isOther(three.at - two.at, own) ? own : undefined;
}

function isOther(one: number, other: number): boolean {
  return Math.abs(one - other) > TOLERANCE * other;
}
