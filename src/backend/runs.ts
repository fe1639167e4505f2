/**
 * Which ticks a block is made of. The way goes by number: labels may jump ahead and back again, or begin in 1970 on a host
 * without a clock, and still every number is rolled up once.
 */

import { BLOCK_MS, blockOf } from "../model/rollup.ts";

/** A tick by its number, with its label, epoch ms. */
export interface Label {
  readonly number: number;
  readonly at: number;
}

/** Ticks of all clusters, by number. */
export interface Labelled {
  /** The first from a number on. */
  from(number: number): Label | undefined;
  /** The last before a number. */
  before(number: number): Label | undefined;
}

/** Ticks that follow one another and are labelled in one block. */
export interface Run {
  /** End of the block, epoch ms. */
  readonly end: number;
  /** Number of the last. */
  readonly last: number;
  /** Labels have been later than now for so long that nobody waits for them any more. */
  readonly isAhead?: true;
}

/** So many ticks that are labelled later than now are waited for. */
const MOST_AHEAD = 2000;

/**
 * The run that begins with a tick; `undefined`: whatever there is is labelled later than `now`, epoch ms, and counts with
 * the next that is not.
 */
export function runFrom(labels: Labelled, first: Label, now: number): Run | undefined {
  let run: Run | undefined;
  let ahead = 0;
  for (let tick: Label | undefined = first; tick && ahead < MOST_AHEAD; tick = labels.from(tick.number + 1)) {
    const end = blockOf(tick.at);
    if (tick.at > now) ahead++;
    else if (run && end !== run.end) return run;
    else run = { end, last: tick.number };
  }
  if (run || ahead < MOST_AHEAD) return run;
  const end = blockOf(first.at);
  let last = first.number;
  for (let tick = labels.from(last + 1); tick && blockOf(tick.at) === end; tick = labels.from(last + 1)) {
    last = tick.number;
  }
  return { end, last, isAhead: true };
}

/**
 * By number, with their labels, the ticks that the block of a run is made of: also those before it that a jump of the
 * clock parted from it. Where a clock that was set back has labelled a time twice, the newer ones count. None is looked
 * for below `oldest`.
 */
export function membersOf(labels: Labelled, run: Run, oldest: number, now: number): ReadonlyMap<number, number> {
  const { end, last, isAhead = false } = run;
  const members = new Map<number, number>();
  let least = Infinity;
  let following: number | undefined;
  for (let tick = labels.before(last + 1); tick && tick.number >= oldest; tick = labels.before(tick.number)) {
    const counts: number | undefined = tick.at > now && !isAhead ? following : tick.at;
    following = counts;
    if (counts === undefined || counts > end || counts <= end - BLOCK_MS) continue;
    if (counts > least || (counts === least && counts === tick.at)) continue;
    members.set(tick.number, counts);
    least = counts;
  }
  return members;
}

/** Number of the last tick after a run that is labelled later than its block, by so much at the most. */
export function reachAfter(labels: Labelled, { end, last }: Run, withinMs: number): number {
  let reach = last;
  const comes = (tick: Label | undefined) => tick && tick.at > end && tick.at <= end + withinMs;
  for (let tick = labels.from(last + 1); tick && comes(tick); tick = labels.from(reach + 1)) reach = tick.number;
  return reach;
}

/** So many of the ticks since are looked at. */
const PROBES = 16;

/**
 * Whether a tick is labelled later than it was: a clock was ahead, and of those that came since, up to the number
 * `newest`, a quarter has an earlier label. A few that are labelled long ago do not make it so.
 */
export function isAhead(labels: Labelled, { number, at }: Label, newest: number): boolean {
  let earlier = 0;
  for (let probe = 1; probe <= PROBES; probe++) {
    const tick = labels.before(number + Math.ceil((probe * (newest - number)) / PROBES) + 1);
    if (tick && tick.number > number && tick.at < at) earlier++;
  }
  return earlier * 4 >= PROBES;
}
