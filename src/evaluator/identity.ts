/** What an alarm measures: as long as that stays, its state survives any edit of its rule. */

import type { Alarm, AlarmRule, ClusterRules, Expression, ThresholdRule } from "../model/alarm.ts";
import { leavesOf } from "../model/alarm.ts";

/**
 * Text that is equal for two revisions of an alarm exactly when they measure the same: type, meter, statistic, `per`,
 * operator and the rows of HAProxy; of composites and event alarms what takes the meter's place.
 */
export function measureOf(alarm: Alarm, { rows }: Pick<ClusterRules, "rows">): string {
  return JSON.stringify([alarm.type, measured(alarm.rule), alarm.rule.kind === "event" ? [] : rows]);
}

function measured(rule: AlarmRule): unknown {
  switch (rule.kind) {
    case "threshold":
      return ofThreshold(rule);
    case "composite":
      return ofExpression(rule.expression);
    case "event":
      return [rule.eventType, rule.query];
  }
}

function ofThreshold({ meterName, statistic, per, comparison }: ThresholdRule): unknown {
  return [meterName, statistic, per, comparison];
}

function ofExpression(expression: Expression): unknown {
  switch (expression.op) {
    case "and":
    case "or":
      return [expression.op, ...expression.parts.map(ofExpression)];
    case "not":
      return ["not", ofExpression(expression.part)];
    case "rule":
      return ofThreshold(expression.rule);
    case "alarm":
      return ["alarm", expression.alarmId, expression.state ?? null];
  }
}

/** Alarms with those that they refer to before them, else in the order of the rules. References make no cycle. */
export function judgingOrder<T extends { readonly alarm: Alarm }>(alarms: ReadonlyMap<string, T>): readonly T[] {
  const order = new Set<T>();
  const visit = (one: T, path: ReadonlySet<T>) => {
    if (order.has(one) || path.has(one)) return;
    for (const id of referredBy(one.alarm)) {
      const other = alarms.get(id);
      if (other) visit(other, new Set([...path, one]));
    }
    order.add(one);
  };
  for (const one of alarms.values()) visit(one, new Set());
  return [...order];
}

/** Ids of the alarms that a composite refers to. */
function referredBy({ rule }: Alarm): readonly string[] {
  if (rule.kind !== "composite") return [];
  return leavesOf(rule.expression).flatMap((leaf) => (leaf.op === "alarm" ? [leaf.alarmId] : []));
}
