/** Scaling that a person holds, for a while or until it is resumed. */

import type { Direction } from "../model/alarm.ts";
import type { Command, PauseDirection } from "../model/decision.ts";
import type { ClusterState } from "./cluster.ts";
import { ticksOf } from "./cluster.ts";

/** Tick number at which a pause ends of itself, by direction; `null`: it does not. */
export type Pauses = ReadonlyMap<PauseDirection, number | null>;

const BOTH: readonly PauseDirection[] = ["in", "out"];

/** Folds a pause or its end. */
export function foldPause(cluster: ClusterState, command: Extract<Command, { command: "pause" | "resume" }>): void {
  const pauses = new Map(cluster.pauses);
  for (const direction of command.direction === undefined ? BOTH : [command.direction]) {
    if (command.command === "resume") pauses.delete(direction);
    else pauses.set(direction, command.forS === undefined ? null : cluster.tick + ticksOf(command.forS, cluster));
  }
  cluster.pauses = pauses;
}

/** Why an action of that direction is held by a pause; `undefined`: it is not. A direction nobody knows may be either. */
export function pausedBecause(cluster: ClusterState, direction: Direction): string | undefined {
  if (cluster.pauses.size === 0) return undefined;
  for (const paused of direction === "unknown" ? BOTH : [direction]) {
    const until = cluster.pauses.get(paused);
    if (until === undefined || (until !== null && cluster.tick >= until)) continue;
    const left = until === null ? "until it is resumed" : `for ${until - cluster.tick} more ticks`;
    return `scaling ${paused} is paused ${left}; end it with "tocsin resume"`;
  }
  return undefined;
}
