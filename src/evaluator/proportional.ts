/**
 * By how many servers a proportional action changes the cluster (Action.scale): with so many more, or fewer, what each
 * of them has to bear is at the threshold.
 */

import type { Action, ClusterRules } from "../model/alarm.ts";
import type { AlarmState, ClusterState } from "./cluster.ts";
import { newestOf } from "./judge.ts";
import { ticksPer } from "./needs.ts";
import { NEVER } from "./track.ts";
import { activeServersIn, windowAt } from "./window.ts";

/** What a proportional action may ask for now: so many servers of at most `room`, or nothing, for a reason. */
export type Proportion =
  | { readonly count: number; readonly room: number }
  | { readonly count: undefined; readonly reason: string };

/** How far a division may be off before it counts, relative. */
const NOISE = 1e-9;

/** `undefined`: the action does not scale in proportion. */
export function proportionOf(cluster: ClusterState, alarm: AlarmState, action: Action): Proportion | undefined {
  if (action.scale === undefined) return undefined;
  const { rule } = alarm.alarm;
  const { direction } = action;
  // Nobody knows which way, or there is no threshold (such rules are refused when they are read).
  if (direction === "unknown" || rule.kind !== "threshold") return { count: 1, room: Number.MAX_SAFE_INTEGER };
  const { series, rules } = cluster;
  const expect = rules?.expect ?? 0;
  const window = windowAt(series.last, 0, ticksPer(rule.periodS, series.intervalS), series.intervalS);
  const servers = series.last === NEVER ? undefined : activeServersIn(series, window, expect);
  if (servers === undefined) {
    return { count: undefined, reason: "no tick of the window says how many servers are active" };
  }
  const room = roomFor(direction, servers, rules?.capacity);
  if (room <= 0) return { count: undefined, reason: fullBecause(direction, servers, rules?.capacity) };
  const value = newestOf(rule, series, expect) ?? Number.NaN;
  return { count: Math.min(serversAsked(direction, servers, value, rule.threshold), room), room };
}

/**
 * The fewest servers more with which each bears at most the threshold, or the most servers fewer; at least 1.
 * `servers` may be a half (rule J6). Where value and threshold have no proportion it is 1.
 */
export function serversAsked(direction: "in" | "out", servers: number, value: number, threshold: number): number {
  const needed = (servers * value) / threshold;
  if (!(needed >= 0 && needed <= Number.MAX_SAFE_INTEGER)) return 1;
  const noise = NOISE * Math.max(1, needed);
  const change = direction === "out" ? Math.ceil(needed - servers - noise) : Math.floor(servers - needed + noise);
  return Math.max(1, change);
}

/** Without a least number the last server stays: nobody said that the cluster may be empty. */
const LEAST = 1;

/** How many servers may come or go; a half is rounded to the side of fewer. 0 or less: none. */
export function roomFor(direction: "in" | "out", servers: number, capacity: ClusterRules["capacity"]): number {
  if (direction === "in") return Math.floor(servers - (capacity?.min ?? LEAST));
  // What no capacity bounds stays a number that JSON has.
  return Math.floor(Math.min((capacity?.max ?? Infinity) - servers, Number.MAX_SAFE_INTEGER));
}

function fullBecause(direction: "in" | "out", servers: number, capacity: ClusterRules["capacity"]): string {
  return direction === "out"
    ? `the cluster has ${servers} of at most ${capacity?.max} servers`
    : `the cluster has ${servers} of at least ${capacity?.min ?? LEAST} servers`;
}
