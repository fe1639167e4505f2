/**
 * What files of version 1 say, as version 2 says it: alarms had one kind of rule, and its words stood beside theirs. What
 * was under way is not carried over: the cluster waits for as long as an action would take, and what was owed is decided
 * anew.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Decision, Delivery } from "../../model/decision.ts";
import { aboutOf } from "../about.ts";

/** A value of JSON that is not looked into. */
type Doc = Readonly<Record<string, unknown>>;

const RULE_WORDS = [
  "meterName",
  "statistic",
  "per",
  "periodS",
  "evaluationPeriods",
  "datapointsToAlarm",
  "threshold",
  "clearThreshold",
  "comparison",
  "treatMissingData",
];

/** Brings the documents of a file of version 1 to version 2, and says which alarm each decision is about. */
export function fromVersion1(database: DatabaseSync): void {
  const inputs = database.prepare("SELECT cluster_id, seq, doc FROM input WHERE kind = 'command'").all();
  const putInput = database.prepare("UPDATE input SET doc = ? WHERE cluster_id = ? AND seq = ?");
  for (const { cluster_id, seq, doc } of inputs) {
    const command = JSON.parse(String(doc)) as Doc;
    if (command.command !== "rules") continue;
    const text = JSON.stringify({ ...command, rules: rulesOf(command.rules as Doc) });
    putInput.run(text, String(cluster_id), Number(seq));
  }
  const putCluster = database.prepare("UPDATE cluster SET doc = ? WHERE id = ?");
  for (const { id, doc } of database.prepare("SELECT id, doc FROM cluster").all()) {
    putCluster.run(JSON.stringify(snapshotOf(JSON.parse(String(doc)) as Doc)), String(id));
  }
  endDeliveries(database);
  indexDecisions(database);
  // A second copy of each alarm's state.
  database.exec("DROP TABLE IF EXISTS alarm");
}

function rulesOf(rules: Doc): Doc {
  return { expect: 0, ...rules, alarms: docs(rules.alarms).map(alarmOf) };
}

function alarmOf(alarm: Doc): Doc {
  const ofRule = ([name]: readonly [string, unknown]) => RULE_WORDS.includes(name);
  const words = Object.entries(alarm);
  const rule = { kind: "threshold", ...Object.fromEntries(words.filter(ofRule)), excludeOutliers: false };
  const rest = Object.fromEntries(words.filter((word) => !ofRule(word)));
  return { ...rest, rule, timeConstraints: [], suppressedBy: [] };
}

function snapshotOf(saved: Doc): Doc {
  const { capacity } = saved.series as Doc;
  return {
    ...saved,
    shadow: false,
    pauses: { pairs: [] },
    // Its content is read from the ticks again.
    series: { capacity, from: -(2 ** 30), rings: [], serversSince: null },
    failing: [],
    away: [],
    alarms: docs(saved.alarms).map(({ owed: _owed, held: _held, reasonData, ...alarm }) => ({
      ...alarm,
      ...(reasonData ? { reasonData: { type: "threshold", ...(reasonData as Doc) } } : {}),
    })),
    lane: laneOf(saved),
    notices: [],
    retired: (saved.retired as readonly (readonly [string, number])[]).map(([id, transition]) => [
      id,
      { transition, sends: 0 },
    ]),
    deliveries: [],
  };
}

/** An action that was sent lately may still have its effect. */
function laneOf({ lane, tick }: Doc): Doc {
  const { phase, direction, sentTick } = lane as Doc;
  if (phase === "idle") return { phase };
  return { phase: "cooldown", direction, sentTick, untilTick: Number(tick) + WAIT_TICKS };
}

/** Five minutes of the usual interval. */
const WAIT_TICKS = 30;

/** Nobody knows any more what became of what was under way or waited. */
function endDeliveries(database: DatabaseSync): void {
  const put = database.prepare("UPDATE delivery SET status = ?, doc = ? WHERE id = ?");
  const open = database.prepare("SELECT id, status, doc FROM delivery WHERE status IN ('waiting', 'claimed')").all();
  for (const { id, status, doc } of open) {
    const delivery = JSON.parse(String(doc)) as Delivery;
    const end = status === "claimed" ? "uncertain" : "expired";
    const reason = "it was not ended when a newer version began";
    put.run(end, JSON.stringify({ ...delivery, status: end, reason } satisfies Delivery), String(id));
  }
}

function indexDecisions(database: DatabaseSync): void {
  const delivery = database.prepare("SELECT doc FROM delivery WHERE id = ?");
  const alarmOfDelivery = (id: string) => {
    const row = delivery.get(id);
    return row && (JSON.parse(String(row.doc)) as Delivery).alarmId;
  };
  const put = database.prepare("INSERT INTO alarm_decision(cluster_id, alarm_id, seq, n) VALUES(?, ?, ?, ?)");
  for (const row of database.prepare("SELECT cluster_id, seq, n, doc FROM decision").all()) {
    const alarmId = aboutOf(JSON.parse(String(row.doc)) as Decision, alarmOfDelivery);
    if (alarmId !== undefined) put.run(String(row.cluster_id), alarmId, Number(row.seq), Number(row.n));
  }
}

function docs(value: unknown): readonly Doc[] {
  return value as readonly Doc[];
}
