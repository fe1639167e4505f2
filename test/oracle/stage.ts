/** What both oracles are played against: alarms with defaults, and the real fold with receivers that always accept. */

import type { Alarm, AlarmRule, Expression, State, ThresholdRule } from "../../src/model/alarm.ts";
import type { Decision } from "../../src/model/decision.ts";
import { type Folded, INTERVAL_S } from "../helpers/folded.ts";
import { notice } from "../helpers/rules.ts";

export const TICK_S = INTERVAL_S;

/** A leaf of a composite, with what `causative_rules` shows of it. */
export function aLeaf(rule: ThresholdRule): Expression {
  const written = {
    meter_name: rule.meterName,
    comparison_operator: rule.comparison,
    threshold: rule.threshold,
    evaluation_periods: rule.evaluationPeriods,
    type: "threshold",
  };
  return { op: "rule", rule, written };
}

/** An alarm that repeats as Aodh does: at every evaluation, in every state, to one receiver for each state. */
export function theAlarm(name: string, rule: AlarmRule, fields: Partial<Alarm> = {}): Alarm {
  return {
    id: `id-${name}`,
    name,
    description: "",
    type: rule.kind,
    severity: "low",
    enabled: true,
    rule,
    timeConstraints: [],
    suppressedBy: [],
    repeatActions: false,
    repeatIntervalS: TICK_S,
    repeatStates: ["ok", "alarm", "insufficient data"],
    maxRepeats: undefined,
    actions: { ok: [notice("ok")], alarm: [notice("alarm")], "insufficient data": [notice("insufficient data")] },
    ...fields,
  };
}

/** One tick of a cluster with one source that answers, and so much of each meter. */
export function playTick(folded: Folded, values: Readonly<Record<string, number>>): readonly Decision[] {
  const sources = [{ name: "s", coveredS: TICK_S }];
  return [...folded.input({ ...folded.sealed({}), values, sources, members: [] }), ...acceptAll(folded)];
}

/** Every attempt under way is accepted; returns what that led to. */
export function acceptAll(folded: Folded): readonly Decision[] {
  const decisions: Decision[] = [];
  for (;;) {
    const claimed = [...folded.cluster.deliveries.values()].find(({ status }) => status === "claimed");
    if (!claimed) return decisions;
    decisions.push(
      ...folded.input({
        kind: "outcome",
        deliveryId: claimed.id,
        attempt: claimed.attempts,
        outcome: "accepted",
        reason: "accepted",
      }),
    );
  }
}

/** The state of an alarm; a new one's is `insufficient data`. */
export function stateOf(folded: Folded, name: string): State {
  return folded.cluster.alarms.get(`id-${name}`)?.state ?? "insufficient data";
}
