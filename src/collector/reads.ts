import type { ClusterRules } from "../model/alarm.ts";
import { thresholdRules } from "../model/alarm.ts";
import type { Reads } from "../model/clusterRows.ts";
import { metersBehind } from "./parts.ts";

export type { Reads } from "../model/clusterRows.ts";

/** What the rules of a cluster read, of every alarm: one that is disabled may be enabled while we run. */
export function readsOf(rules: ClusterRules): Reads {
  const read = rules.alarms.flatMap((alarm) => thresholdRules(alarm.rule));
  const counters = read.flatMap((rule) => metersBehind(rule.meterName)).filter((meter) => meter.kind === "counter");
  return {
    perServer: [...new Set(read.filter((rule) => rule.per === "server").map((rule) => rule.meterName))],
    counters: [...new Set(counters.map((meter) => meter.name))],
  };
}
