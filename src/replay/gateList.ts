/** Every gate by itself: the fold stops at the first that holds, people want to see all of them. */

import type { AlarmState, ClusterState, Owed } from "../evaluator/cluster.ts";
import { ticksOf } from "../evaluator/cluster.ts";
import { gateOf } from "../evaluator/gates.ts";
import { settledAtTheLatest } from "../evaluator/settle.ts";
import { shadowOf } from "../evaluator/shadow.ts";
import { standingOf } from "../evaluator/verdict.ts";
import { rfc3339 } from "../lib/clock.ts";
import { nextStart } from "../lib/cron.ts";
import type { Alarm, Direction } from "../model/alarm.ts";
import type { Gate } from "../model/decision.ts";
import type { GateExplanation } from "../model/explanation.ts";

/** A cluster, an alarm and what it owes, as the gates are shown them. */
interface Seen {
  readonly cluster: ClusterState;
  readonly alarm: AlarmState;
  readonly owed: Owed;
}

/** No gate minds it. */
const JUDGED = standingOf({ kind: "event" });

/**
 * All gates in the order in which they are asked, for an action of the alarm's state, as they stand after the newest
 * tick. `owed`: the action; where the alarm owes none, one that it might owe.
 */
export function gatesOf(cluster: ClusterState, alarm: AlarmState, owed: Owed): readonly GateExplanation[] {
  const seen = { cluster, alarm, owed };
  const asked = ALONE.map(([gate, only]) => {
    const view = only(seen, allOpen(seen));
    const held = gateOf(view.cluster, view.alarm, view.owed);
    if (held?.gate !== gate) return { gate, passed: true, reason: null, opens_at: null };
    return { gate, passed: false, reason: ownLane(gate, seen) ?? held.reason, opens_at: opensAt(gate, seen) };
  });
  return [...asked, ...ownGates(seen)];
}

/** What holds a repeat is the very action that it would repeat. */
function ownLane(gate: Gate, { cluster: { lane }, alarm }: Seen): string | undefined {
  if (gate !== "lane" || (lane.phase !== "in flight" && lane.phase !== "settling")) return undefined;
  if (lane.alarmId !== alarm.alarm.id || lane.transition !== alarm.transition) return undefined;
  return lane.phase === "settling" ? "the effect of its own action is awaited" : "its own action is being sent";
}

/** The same with nothing that any gate would mind. */
function allOpen({ cluster, alarm, owed }: Seen): Seen {
  return {
    cluster: { ...cluster, pauses: new Map(), lane: { phase: "idle" }, alarms: new Map() },
    alarm: { ...alarm, state: "alarm", verdict: JUDGED, alarm: { ...alarm.alarm, suppressedBy: [] } },
    owed: { ...owed, direction: "out", notBefore: -Infinity, receivers: [] },
  };
}

type Only = (seen: Seen, open: Seen) => Seen;

const stopped: Only = ({ alarm }, open) => ({ ...open, alarm: { ...open.alarm, verdict: alarm.verdict } });
const ofLane: Only = ({ cluster, owed }, open) => ({
  ...open,
  cluster: { ...open.cluster, lane: cluster.lane },
  owed: { ...open.owed, direction: owed.direction },
});

/** What each gate looks at, put into a view in which all others are open. */
const ALONE: readonly (readonly [Gate, Only])[] = [
  ["enabled", stopped],
  ["time_constraint", stopped],
  [
    "direction",
    ({ alarm, owed }, open) => ({
      ...open,
      alarm: { ...open.alarm, state: alarm.state },
      owed: { ...open.owed, direction: owed.direction },
    }),
  ],
  [
    "suppressor",
    ({ cluster, alarm }, open) => ({
      ...open,
      cluster: { ...open.cluster, alarms: cluster.alarms },
      alarm: { ...open.alarm, alarm: alarm.alarm },
    }),
  ],
  [
    "pause",
    ({ cluster, owed }, open) => ({
      ...open,
      cluster: { ...open.cluster, pauses: cluster.pauses },
      owed: { ...open.owed, direction: owed.direction },
    }),
  ],
  [
    "evidence",
    ({ alarm }, open) => ({ ...open, alarm: { ...open.alarm, state: alarm.state, verdict: alarm.verdict } }),
  ],
  [
    "opposite",
    ({ cluster, alarm, owed }, open) => ({
      ...open,
      cluster: { ...open.cluster, alarms: new Map([...cluster.alarms].filter(([, other]) => other !== alarm)) },
      owed: { ...open.owed, direction: owed.direction },
    }),
  ],
  ["capacity", ({ owed }, open) => ({ ...open, owed: { ...open.owed, receivers: owed.receivers } })],
  ["backoff", ({ owed }, open) => ({ ...open, owed: { ...open.owed, notBefore: owed.notBefore } })],
  ["lane", ofLane],
  ["cooldown", ofLane],
];

/** What is not asked as a gate and holds all the same. */
function ownGates({ cluster, alarm: { alarm, repeats }, owed }: Seen): GateExplanation[] {
  const limit = alarm.maxRepeats;
  const used = limit !== undefined && repeats >= limit;
  const of = (gate: string, reason: string | null) => ({ gate, passed: reason === null, reason, opens_at: null });
  return [
    of("max_repeats", used ? `its ${limit} repeats are used up` : null),
    of("shadow", shadow(cluster, alarm, owed)),
  ];
}

/** Nothing of it is sent; `null`: some of it is. */
function shadow(cluster: ClusterState, alarm: Alarm, { receivers }: Owed): string | null {
  const why = receivers.map(({ action }) => shadowOf(cluster, alarm, action));
  return why.includes(undefined) ? null : (why[0] ?? null);
}

function opensAt(gate: Gate, { cluster, alarm, owed }: Seen): string | null {
  switch (gate) {
    case "time_constraint":
      return opening(alarm, cluster.at);
    case "pause": {
      const until = (["in", "out"] as const).flatMap((one) =>
        owed.direction === one || owed.direction === "unknown" ? [cluster.pauses.get(one)] : [],
      );
      return until.includes(null) ? null : labelAt(cluster, Math.max(...until.map((tick) => tick ?? -Infinity)));
    }
    case "backoff":
      return labelAt(cluster, owed.notBefore);
    case "lane": {
      const { lane } = cluster;
      // A scale-out waits for a scale-in's settling only where another process may still be sending that one.
      const goesAhead = lane.phase === "settling" && owed.direction === "out" && lane.direction !== "out";
      return goesAhead ? labelAt(cluster, lane.untilTick ?? cluster.tick) : laneUntil(cluster);
    }
    case "cooldown":
      return laneUntil(cluster);
    default:
      return null;
  }
}

function opening({ alarm }: AlarmState, at: number): string | null {
  const starts = alarm.timeConstraints.flatMap(({ start, timezone }) => nextStart(start, timezone, at) ?? []);
  return starts.length === 0 ? null : rfc3339(Math.min(...starts));
}

/** RFC 3339: when settling or cooldown end at the latest; `null`: what the lane waits for has no time. */
export function laneUntil(cluster: ClusterState): string | null {
  const { lane: own } = cluster;
  if (own.phase === "idle" || own.phase === "in flight") return null;
  if (own.phase === "settling") return labelAt(cluster, settledAtTheLatest(cluster, own));
  return labelAt(cluster, Math.max(own.untilTick, own.sentTick + ticksOf(cooldownOf(cluster, own.direction), cluster)));
}

function cooldownOf({ rules }: ClusterState, direction: Direction): number {
  return (direction === "out" ? rules?.cooldownS.out : rules?.cooldownS.in) ?? 0;
}

/** RFC 3339: label of a tick, as the newest one's says; `null`: there is no such tick. */
export function labelAt({ tick, at, intervalMs }: ClusterState, number: number): string | null {
  return Number.isFinite(number) ? rfc3339(at + (number - tick) * intervalMs) : null;
}
