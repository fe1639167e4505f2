import { expect, it } from "vitest";
import { readsOf } from "../../src/collector/reads.ts";
import type { Alarm, AlarmRule, ClusterRules, Per, ThresholdRule } from "../../src/model/alarm.ts";

const LB = "network.services.lb";

const threshold = (meterName: string, per: Per = "total"): ThresholdRule => ({
  kind: "threshold",
  meterName: meterName.startsWith("tocsin.") ? meterName : `${LB}.${meterName}`,
  statistic: "avg",
  per,
  periodS: 60,
  evaluationPeriods: 1,
  datapointsToAlarm: 1,
  threshold: 1,
  clearThreshold: 1,
  comparison: "gt",
  treatMissingData: "missing",
  excludeOutliers: false,
});

const leaf = (rule: ThresholdRule) => ({ op: "rule", rule, written: {} }) as const;

function theRules(rules: readonly AlarmRule[]): ClusterRules {
  const alarms = rules.map(
    (rule, index): Alarm => ({
      id: String(index),
      name: String(index),
      description: "",
      type: rule.kind,
      severity: "low",
      enabled: index > 0,
      rule,
      timeConstraints: [],
      suppressedBy: [],
      repeatActions: false,
      repeatIntervalS: 60,
      repeatStates: [],
      maxRepeats: undefined,
      actions: { ok: [], alarm: [], "insufficient data": [] },
    }),
  );
  const cluster = { clusterId: "web", clusterName: "web", file: "web.yaml", rows: [], expect: 0 };
  return { ...cluster, settleS: 60, cooldownS: { in: 0, out: 0 }, alarms };
}

const event: AlarmRule = { kind: "event", eventType: "haproxy.*", query: [], autoOkAfterS: undefined };

it.each<{ name: string; rules: readonly AlarmRule[]; perServer: readonly string[]; counters: readonly string[] }>([
  { name: "no rule", rules: [], perServer: [], counters: [] },
  {
    name: "an event, a gauge, a count, our own",
    rules: [event, threshold("active.connections"), threshold("members.up"), threshold("tocsin.source.age")],
    perServer: [],
    counters: [],
  },
  {
    name: "a counter, and its rate",
    rules: [threshold("requests"), threshold("requests.rate")],
    perServer: [],
    counters: ["requests"],
  },
  {
    name: "per active server is the cluster's total",
    rules: [threshold("incoming.bytes.rate", "active_server")],
    perServer: [],
    counters: ["incoming.bytes"],
  },
  {
    name: "a ratio",
    rules: [threshold("responses.5xx.ratio")],
    perServer: [],
    counters: ["5xx", "1xx", "2xx", "3xx", "4xx", "other"].map((code) => `responses.${code}`),
  },
  {
    name: "leaves of a composite, some per server",
    rules: [
      {
        kind: "composite",
        expression: {
          op: "and",
          parts: [
            leaf(threshold("incoming.bytes.rate", "server")),
            { op: "not", part: leaf(threshold("response.time", "server")) },
            { op: "alarm", alarmId: "x", name: "x", state: undefined },
            leaf(threshold("total.connections.rate")),
          ],
        },
      },
      threshold("response.time", "server"),
    ],
    perServer: ["incoming.bytes.rate", "response.time"],
    counters: ["incoming.bytes", "total.connections"],
  },
])("what rules read: $name", ({ rules, perServer, counters }) => {
  const named = (names: readonly string[]) => names.map((name) => `${LB}.${name}`);
  expect(readsOf(theRules(rules))).toEqual({ perServer: named(perServer), counters: named(counters) });
});
