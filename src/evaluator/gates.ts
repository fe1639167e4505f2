/** What holds an action back, each gate with a name and a reason (rules A3, A5, L). */

import type { Gate, Notification } from "../model/decision.ts";
import type { AlarmState, ClusterState, Owed } from "./cluster.ts";
import { pausedBecause } from "./pause.ts";

export interface Held {
  readonly gate: Gate;
  readonly reason: string;
}

/** The alarm is still where the action belongs: same transition, same state. */
export function stillAsks(alarm: AlarmState | undefined, transition: number, notification: Notification): boolean {
  return alarm !== undefined && alarm.transition === transition && alarm.state === notification.current;
}

/** Why an owed action is not sent now, `undefined`: nothing holds it. */
export function gateOf(cluster: ClusterState, alarm: AlarmState, owed: Owed): Held | undefined {
  return worldGate(cluster, alarm, owed) ?? waitGate(cluster, owed) ?? laneGate(cluster, owed);
}

/** The gates that are read again immediately before the socket write: what the world may have changed meanwhile. */
export function worldGate(cluster: ClusterState, alarm: AlarmState, owed: Pick<Owed, "direction">): Held | undefined {
  if (alarm.state === "insufficient data" && owed.direction !== "out") {
    return { gate: "direction", reason: "without data only a scale-out may be sent" };
  }
  const { verdict } = alarm;
  if (verdict.kind === "stopped") return { gate: verdict.gate, reason: verdict.reason };
  const suppressor = suppressorOf(cluster, alarm);
  if (suppressor !== undefined) return { gate: "suppressor", reason: suppressor };
  const paused = pausedBecause(cluster, owed.direction);
  if (paused !== undefined) return { gate: "pause", reason: paused };
  if (verdict.kind === "unknown") return { gate: "evidence", reason: verdict.reason };
  if (verdict.assumed && owed.direction !== "out") {
    return { gate: "evidence", reason: "a source is silent, and its policy alone says that there is little" };
  }
  if (verdict.kind === "insufficient data" && alarm.state !== "insufficient data") {
    return { gate: "evidence", reason: "too few datapoints at the newest tick" };
  }
  if (owed.direction !== "out") {
    const asks = [...cluster.alarms.values()].find((other) => other !== alarm && asksOut(other));
    if (asks) return { gate: "opposite", reason: `alarm ${asks.alarm.name} asks for a scale-out` };
  }
  return undefined;
}

/** Why a suppressor holds the alarm's actions, notices too; `undefined`: none does. */
export function suppressorOf(cluster: ClusterState, { alarm }: AlarmState): string | undefined {
  for (const id of alarm.suppressedBy) {
    const suppressor = cluster.alarms.get(id);
    if (suppressor?.state === "alarm" && suppressor.verdict.kind !== "stopped")
      return `alarm ${suppressor.alarm.name} suppresses it`;
  }
  return undefined;
}

/** Rule L1: an evaluated alarm with a scale-out receiver that is in alarm or owed. */
function asksOut(alarm: AlarmState): boolean {
  if (alarm.verdict.kind === "stopped") return false;
  if (alarm.owed?.direction === "out" && !alarm.owed.isRepeat) return true;
  const outward = alarm.alarm.actions.alarm.some((action) => action.class === "control" && action.direction === "out");
  return alarm.state === "alarm" && outward;
}

function waitGate(cluster: ClusterState, owed: Owed): Held | undefined {
  const ticks = owed.notBefore - cluster.tick;
  return ticks > 0 ? { gate: "backoff", reason: `the receiver is called again ${ticks} ticks from now` } : undefined;
}

function laneGate(cluster: ClusterState, owed: Owed): Held | undefined {
  const { lane } = cluster;
  switch (lane.phase) {
    case "idle":
      return undefined;
    case "in flight":
      return { gate: "lane", reason: "another action of the cluster is being sent" };
    case "settling":
      // A scale-out never waits for what came of a scale-in.
      if (owed.direction === "out" && lane.direction !== "out") return undefined;
      return { gate: "lane", reason: "the effect of the action before is awaited" };
    case "cooldown":
      if (owed.direction === "out" && lane.direction !== "out") return undefined;
      return { gate: "cooldown", reason: "the cooldown of the action before runs" };
  }
}
