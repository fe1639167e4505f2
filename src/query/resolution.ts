/** What an answer is worked out from: recorded ticks, or rollups of them. */

import { rfc3339 } from "../lib/clock.ts";
import { TocsinError } from "../lib/errors.ts";
import type { Statistic, ThresholdRule } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { Ends } from "./ends.ts";
import type { Found } from "./finding.ts";
import { LIMITS } from "./limits.ts";
import type { Reading, Target } from "./recorded.ts";
import { canRollUp, FROM_ROLLUPS, ROLLUP_S, rolledUpMeter } from "./rollups.ts";

/** Whether there would be too many ticks, and rollups can tell as well. Throws `E410` where only ticks can. */
export function prefersRollups(found: readonly Found[], rule: ThresholdRule, ends: Ends, reading: Reading): boolean {
  const { start, end } = spanOf(ends);
  const lengths = found.map(({ firstAt, lastAt }) => Math.max(0, Math.min(end, lastAt) - Math.max(start, firstAt)));
  const ticks = lengths.reduce((sum, one) => sum + one, 0) / reading.intervalMs;
  const isLong = ends.ticks * found.length > LIMITS.windowTicks;
  if ((isLong || ticks > LIMITS.rawTicks) && canBeRollups(found, rule, ends)) return true;
  reading.budget.window(ends.ticks, found.length);
  const areKnown = found.every(({ firstAt }) => Number.isFinite(firstAt));
  if (areKnown && ticks > LIMITS.ticks) reading.budget.ticks(ticks);
  return false;
}

/**
 * Whether the oldest ticks of a series are gone, of which there are rollups that can tell. `firstAt`: label of the first
 * tick that is there. Throws `E412` where ticks alone could have told.
 */
export async function areGone(
  target: Found,
  firstAt: number | undefined,
  rule: ThresholdRule,
  ends: Ends,
  reading: Reading,
): Promise<boolean> {
  // Where there is a tick at the very beginning, there were older ones.
  if (firstAt !== undefined && firstAt <= spanOf(ends).start + 2 * reading.intervalMs) return false;
  const gone = await goneUpTo(target, rule, spanOf(ends), reading);
  if (gone === undefined) return false;
  if (canBeRollups([target], rule, ends)) return true;
  throw notFromRollups(rule.statistic, gone);
}

/** The labels that the windows are over: `(start, end]`, epoch ms. */
export function spanOf(ends: Ends): { readonly start: number; readonly end: number } {
  return { start: ends.at(0) - ends.periodMs, end: ends.at(ends.count - 1) };
}

function canBeRollups(found: readonly Found[], rule: ThresholdRule, ends: Ends): boolean {
  return canRollUp(rule.statistic, ends.periodMs) && areRolledUp(rule, found);
}

/**
 * Up to when ticks of a series are gone of which there are rollups, epoch ms; `undefined`: none are. Only the oldest
 * are looked at: what is old is deleted first.
 */
async function goneUpTo(
  target: Target,
  rule: ThresholdRule,
  { start, end }: { readonly start: number; readonly end: number },
  { reader }: Reading,
): Promise<number | undefined> {
  const { clusterId, resource } = target;
  const hasTick = async (from: number, to: number) =>
    resource === undefined
      ? (await reader.ticks(clusterId, from, to, 1)).length > 0
      : (await reader.rowPoints(clusterId, resource, from, to, 1)).length > 0;
  const rollups = await reader.rollups(clusterId, resource, rolledUpMeter(rule), start, end);
  const [oldest] = rollups;
  if (!oldest || (await hasTick(oldest.at - ROLLUP_S * 1000, oldest.at))) return undefined;
  let [gone, kept] = [0, rollups.length];
  while (kept - gone > 1) {
    const middle = (gone + kept) >> 1;
    const at = rollups[middle]?.at ?? Infinity;
    if (await hasTick(at - ROLLUP_S * 1000, at)) kept = middle;
    else gone = middle;
  }
  return rollups[gone]?.at;
}

/**
 * Whether rollups of these series can tell. What is kept of a row's counter is what it grew by: of its totals neither
 * sum nor average. What our own counts grew by is not kept.
 */
function areRolledUp({ meterName, statistic }: ThresholdRule, found: readonly Found[]): boolean {
  if (statistic === "increase" && meterNamed(meterName)?.kind === "own") return false;
  const isOfRows = found.some(({ resource }) => resource !== undefined);
  return !(isOfRows && isCounter(meterName) && (statistic === "avg" || statistic === "sum"));
}

export function isCounter(meterName: string): boolean {
  return meterNamed(meterName)?.kind === "counter";
}

function notFromRollups(statistic: Statistic, gone: number): TocsinError {
  const since = `those up to ${rfc3339(gone)} are not kept any more`;
  const cure = FROM_ROLLUPS.includes(statistic)
    ? `or make the period a multiple of ${ROLLUP_S} s`
    : `or for one of ${FROM_ROLLUPS.join(", ")} with a period that is a multiple of ${ROLLUP_S} s`;
  return new TocsinError(
    "E412",
    `such windows of ${statistic} need single ticks, and ${since}: ask for a later time, ${cure}`,
  );
}
