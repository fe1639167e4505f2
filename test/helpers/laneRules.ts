/** Random rules of a cluster, each drawn from a number. */

import type { Action, Alarm, ClusterRules, Direction } from "../../src/model/alarm.ts";
import { anAlarm, control, theRules } from "./rules.ts";

const LB = "network.services.lb";
const METERS = ["active.connections", "queue.current", "queue.time", "connect.time", "response.time"].map(
  (name) => `${LB}.${name}`,
);
const NAMES = ["a", "b", "c", "d", "e"];

/** Alarms that call receivers each way, in their own rhythms, some in shadow. */
export function someRules(random: () => number): ClusterRules {
  const count = 2 + Math.floor(3.999 * random());
  const names = NAMES.slice(0, count);
  const alarms = names.map((name, index): Alarm => {
    const upward = random() < 0.5;
    const main: Direction = random() < 0.2 ? "unknown" : upward ? "out" : "in";
    const list = (direction: Direction): Action[] =>
      Array.from({ length: 1 + Math.floor(2.2 * random()) }, (_, at) =>
        maybeInShadow(control(`${name}${direction[0]}${at}`, random() < 0.15 ? "unknown" : direction), random),
      );
    const other: Direction = main === "in" ? "out" : "in";
    return anAlarm({
      name,
      meterName: METERS[index]!,
      statistic: "last",
      comparison: upward ? "gt" : "lt",
      threshold: upward ? 5 : 2,
      treatMissingData: random() < 0.7 ? "missing" : "ignore",
      repeatActions: random() < 0.6,
      repeatIntervalS: [10, 20, 25, 40][Math.floor(4 * random())]!,
      repeatStates: random() < 0.7 ? ["alarm"] : ["ok", "alarm", "insufficient data"],
      maxRepeats: random() < 0.5 ? undefined : Math.floor(4 * random()),
      ...(random() < 0.08 ? { shadow: true } : {}),
      suppressedBy: names.filter((one) => one !== name && random() < 0.08).map((one) => `id-${one}`),
      actions: {
        alarm: list(main),
        ok: random() < 0.2 ? list(other) : [],
        "insufficient data": random() < 0.2 ? list(random() < 0.5 ? "out" : "in") : [],
      },
    });
  });
  return theRules(alarms, laneOf(random));
}

function maybeInShadow(action: Action, random: () => number): Action {
  return random() < 0.12 ? { ...action, shadow: true } : action;
}

/** Settling and cooldown. */
export function laneOf(random: () => number): Pick<ClusterRules, "settleS" | "cooldownS"> {
  const cooldown = () => (random() < 0.5 ? 0 : Math.floor(60 * random()));
  return { settleS: Math.floor(40 * random()), cooldownS: { in: cooldown(), out: cooldown() } };
}
