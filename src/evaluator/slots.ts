/** When repeats of a state are due (rule A4). */

import type { AlarmState, ClusterState } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";

/** How many repeats of a state have been due up to a tick. */
export function slotsAt(cluster: ClusterState, alarm: AlarmState, tick: number): number {
  if (!Number.isFinite(alarm.anchor)) return 0;
  return Math.floor(((tick - alarm.anchor) * cluster.intervalMs) / 1000 / alarm.alarm.repeatIntervalS + 1e-9);
}

/** Tick of the repeat after so many, whether or not the alarm repeats. */
export function slotTick(cluster: ClusterState, { alarm, anchor }: AlarmState, slots: number): number {
  return anchor + ticksOf((slots + 1) * alarm.repeatIntervalS, cluster);
}
