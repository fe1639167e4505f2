/** What a series holds of each source of the cluster, tick by tick. */

import { createBytes, createFloats } from "../lib/arena.ts";
import type { SourceAtTick } from "../model/tick.ts";
import { NEVER } from "./track.ts";

/** Marks of a source at a tick. */
export const MARK = { answered: 1, silent: 2, reload: 4, open: 8, moved: 16 } as const;

/** One source over the ring. */
export interface SourceRing {
  /** Seconds covered; NaN: it did not report (an error), or the tick is not there. */
  coveredS: Float64Array;
  /** Bits of MARK. */
  marks: Uint8Array;
  /** Newest tick that knew of it. */
  lastSeen: number;
  /** Newest tick at which it answered: windows that reach back to it need it even when it is known no longer. */
  lastAnswered: number;
  /** Newest tick with a reload that left sessions behind. */
  lastReload: number;
}

/** What a source said at a tick, as bits of MARK. */
export function marksOf(source: SourceAtTick): number {
  return (
    (source.error === undefined ? MARK.answered : MARK.silent) |
    (source.reload ? MARK.reload : 0) |
    (source.open ? MARK.open : 0) |
    (source.moved ? MARK.moved : 0)
  );
}

/** A ring of so many ticks for one more source. They are kept in order of name: nothing depends on who came first. */
export function addRing(sources: Map<string, SourceRing>, name: string, capacity: number): SourceRing {
  const ring: SourceRing = {
    coveredS: createFloats(capacity, Number.NaN),
    marks: createBytes(capacity),
    lastSeen: NEVER,
    lastAnswered: NEVER,
    lastReload: NEVER,
  };
  const all = [...sources, [name, ring] as const].sort(([a], [b]) => (a < b ? -1 : 1));
  sources.clear();
  for (const [each, own] of all) sources.set(each, own);
  return ring;
}
