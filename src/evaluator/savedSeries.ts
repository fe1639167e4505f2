/** A series over a restart: its shape is saved, its content comes from the recorded ticks. */

import type { ClusterRules } from "../model/alarm.ts";
import { createRing } from "./readings.ts";
import type { Series } from "./series.ts";
import { createSeries, fitSeries } from "./series.ts";
import type { Ring } from "./track.ts";
import { NEVER } from "./track.ts";

/** What a restart must know of a series to hold, from the record, just what it held. */
export interface SavedSeries {
  readonly capacity: number;
  readonly from: number;
  /** The first tick that each ring could hold, where it did not begin with the series. */
  readonly rings: readonly Pick<Ring, "meter" | "isIncrease" | "since">[];
  readonly serversSince: number | null;
}

export function saveSeries({ capacity, from, own, serversSince }: Series): SavedSeries {
  const late = own.rings.filter(({ since }) => since !== NEVER);
  const rings = late.map(({ meter, isIncrease, since }) => ({ meter, isIncrease, since }));
  return { capacity, from, rings, serversSince: serversSince ?? null };
}

/** The series as it was saved, without its content, which is pushed tick by tick. */
export function loadSeries(saved: SavedSeries, intervalS: number, rules: ClusterRules | undefined): Series {
  const series = createSeries(saved.capacity, intervalS);
  series.from = saved.from;
  series.own.rings = saved.rings.map(({ meter, isIncrease, since }) =>
    createRing(meter, isIncrease, saved.capacity, since),
  );
  if (rules) fitSeries(series, rules);
  if (saved.serversSince !== null) series.serversSince = saved.serversSince;
  return series;
}
