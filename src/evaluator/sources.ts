/** The life of a cluster's sources: known once a row of theirs was seen, until they are forgotten or retired (rule T4). */

import { withEntry, withoutEntry } from "../lib/maps.ts";
import type { SealedTick } from "../model/tick.ts";
import { ticksOf } from "./cluster.ts";
import type { Folding } from "./folding.ts";

/** A source that has not answered for so many ticks is lost: fewer are hiccups. */
export const LOST_TICKS = 4;

/** A path that has been away for so long is proof enough, while another source of the cluster answers. */
const AWAY_S = 900;

/** Takes what a tick says of the sources, and retires those that are proved to be gone. */
export function absorbSources(folding: Folding, tick: SealedTick): void {
  const { cluster } = folding;
  const moved = tick.sources.filter((source) => source.moved).map(({ name }) => name);
  if (moved.length > 0 && !isSame(moved, cluster.carriers)) cluster.carriers = moved;
  for (const { name, error, away } of tick.sources) {
    if (error === undefined) cluster.lastOk.set(name, tick.number);
    cluster.failing = counted(cluster.failing, name, error !== undefined);
    cluster.away = counted(cluster.away, name, away === true);
  }
  if (cluster.away.size === 0 || tick.sources.every((source) => source.error !== undefined)) return;
  for (const [name, ticks] of cluster.away) {
    if (ticks >= ticksOf(AWAY_S, cluster) && cluster.lastOk.has(name)) {
      forgetSource(folding, name, `its path has been away for ${AWAY_S} s, and another source answers`);
    }
  }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, index) => others[index] === name);
}

/** Counts on for a source of which something holds again; forgets it where it does not. */
function counted(counts: ReadonlyMap<string, number>, name: string, holds: boolean): ReadonlyMap<string, number> {
  return holds ? withEntry(counts, name, (counts.get(name) ?? 0) + 1) : withoutEntry(counts, name);
}

/** The source is waited for no longer; windows that reach back to its last answer stay incomplete. */
export function forgetSource(folding: Folding, source: string, reason: string): void {
  const { cluster } = folding;
  cluster.failing = withoutEntry(cluster.failing, source);
  cluster.away = withoutEntry(cluster.away, source);
  if (!cluster.lastOk.delete(source)) return;
  folding.decisions.push({ d: "source", at: cluster.at, source, reason });
}
