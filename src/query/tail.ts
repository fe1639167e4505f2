/** Rollups of what has not been rolled up yet: made as those that are kept, of one meter. */

import type { Reading as OneReading, Rollup, RowPart } from "../model/rollup.ts";
import { BLOCK_MS, blockOf, readingOfRow, readingOfTick, rollUp } from "../model/rollup.ts";
import type { RowPoint } from "../seriesPorts.ts";
import type { Reading, Target } from "./recorded.ts";
import { pointsOf, recordsOf, valuesBefore } from "./recorded.ts";

/** Rollups that end in `(from, to]`, epoch ms, in order; those instants are ends of blocks. */
export async function tailOf(
  target: Target,
  meterName: string,
  from: number,
  to: number,
  reading: Reading,
): Promise<readonly Rollup[]> {
  const rollups: Rollup[] = [];
  const intervalS = reading.intervalMs / 1000;
  // Of its seconds some may have been counted by answers of the block after it: two are held at a time.
  let end = from + BLOCK_MS;
  let held: OneReading[] = [];
  const close = () => {
    const rollup = held.length === 0 ? undefined : rollUp(end, held, intervalS).get(meterName);
    if (rollup) rollups.push(rollup);
    held = held.filter(({ at }) => at > end);
    end += BLOCK_MS;
  };
  const readings = (target.resource === undefined ? ofCluster : ofRow)(target, meterName, from, to + BLOCK_MS, reading);
  for await (const one of readings) {
    while (held.length > 0 && one.at > end + BLOCK_MS) close();
    if (held.length === 0) end = Math.max(end, blockOf(one.at) - BLOCK_MS);
    held.push(one);
  }
  while (held.length > 0) close();
  return rollups.filter(({ at }) => at <= to);
}

async function* ofCluster(
  target: Target,
  meterName: string,
  from: number,
  to: number,
  reading: Reading,
): AsyncGenerator<OneReading> {
  let before: Readonly<Record<string, number>> | undefined;
  let isFirst = true;
  for await (const ticks of recordsOf(target, from, to, reading)) {
    for (const { tick } of ticks) {
      if (isFirst) before = await valuesBefore(target, from, reading);
      isFirst = false;
      yield only(meterName, readingOfTick(tick, before, reading.intervalMs / 1000));
      before = tick.values;
    }
  }
}

async function* ofRow(
  target: Target,
  meterName: string,
  from: number,
  to: number,
  reading: Reading,
): AsyncGenerator<OneReading> {
  for await (const points of pointsOf(target, from, to, reading)) {
    for (const own of Map.groupBy(points, ({ tick }: RowPoint) => tick.number).values()) {
      const parts: readonly RowPart[] = own;
      const [first] = own;
      if (first) yield only(meterName, readingOfRow(first.tick.at, parts));
    }
  }
}

/** Without all other meters: nobody asks for them. */
function only(name: string, { at, values, grown, covered }: OneReading): OneReading {
  const pick = (some: Readonly<Record<string, number>>) => {
    const own = some[name];
    return own === undefined ? {} : { [name]: own };
  };
  const increases = grown.map((one) => ({ spanS: one.spanS, increases: pick(one.increases) }));
  return { at, values: pick(values), grown: increases, covered };
}
