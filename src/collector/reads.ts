import type { ClusterRules } from "../model/alarm.ts";
import { thresholdRules } from "../model/alarm.ts";
import { metersBehind } from "./parts.ts";

/** What a cluster's rules read beyond the cluster's own values, which are always delivered. */
export interface Reads {
  /** Meters that some rule reads `per: server`, as the rules name them. */
  readonly perServer: readonly string[];
  /** Counter meters that some rule reads: itself, or a rate or ratio made of it. */
  readonly counters: readonly string[];
}

/** What the rules of a cluster read, of every alarm: one that is disabled may be enabled while we run. */
export function readsOf(rules: ClusterRules): Reads {
  const read = rules.alarms.flatMap((alarm) => thresholdRules(alarm.rule));
  const counters = read.flatMap((rule) => metersBehind(rule.meterName)).filter((meter) => meter.kind === "counter");
  return {
    perServer: [...new Set(read.filter((rule) => rule.per === "server").map((rule) => rule.meterName))],
    counters: [...new Set(counters.map((meter) => meter.name))],
  };
}
