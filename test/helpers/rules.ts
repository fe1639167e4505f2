import type { Action, Alarm, AlarmRule, ClusterRules, ThresholdRule } from "../../src/model/alarm.ts";

export const RATE = "network.services.lb.incoming.bytes.rate";
export const BYTES = "network.services.lb.incoming.bytes";
export const SESSIONS = "network.services.lb.active.connections";

/** A threshold rule with Aodh's defaults, over one tick of 10 s. */
export function aRule(fields: Partial<ThresholdRule> = {}): ThresholdRule {
  const evaluationPeriods = fields.evaluationPeriods ?? 1;
  const threshold = fields.threshold ?? 5;
  return {
    kind: "threshold",
    meterName: SESSIONS,
    statistic: "avg",
    per: "total",
    periodS: 10,
    evaluationPeriods,
    datapointsToAlarm: evaluationPeriods,
    threshold,
    clearThreshold: threshold,
    comparison: "gt",
    treatMissingData: "missing",
    excludeOutliers: false,
    ...fields,
  };
}

/** The same alarm with another threshold rule. */
export function withRule(alarm: Alarm, fields: Partial<ThresholdRule>): Alarm {
  return alarm.rule.kind === "threshold" ? { ...alarm, rule: { ...alarm.rule, ...fields } } : alarm;
}

type AlarmFields = Partial<Omit<Alarm, "rule">> & Partial<Omit<ThresholdRule, "kind">>;

/** A threshold alarm with Aodh's defaults, over one tick of 10 s; or one of another rule. */
export function anAlarm(fields: AlarmFields & { readonly name: string; readonly rule?: AlarmRule }): Alarm {
  const {
    meterName,
    statistic,
    per,
    periodS,
    evaluationPeriods,
    datapointsToAlarm,
    threshold,
    clearThreshold,
    comparison,
    treatMissingData,
    excludeOutliers,
    ...common
  } = fields;
  const own = {
    meterName,
    statistic,
    per,
    periodS,
    evaluationPeriods,
    datapointsToAlarm,
    threshold,
    clearThreshold,
    comparison,
    treatMissingData,
    excludeOutliers,
  };
  const said = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return {
    id: `id-${fields.name}`,
    description: "",
    type: fields.rule && fields.rule.kind !== "threshold" ? fields.rule.kind : "threshold",
    severity: "low",
    enabled: true,
    rule: aRule(said),
    timeConstraints: [],
    suppressedBy: [],
    repeatActions: false,
    repeatIntervalS: 60,
    repeatStates: ["alarm"],
    maxRepeats: undefined,
    actions: { ok: [], alarm: [], "insufficient data": [] },
    ...common,
  };
}

export function control(receiver: string, direction: Action["direction"]): Action {
  return { receiver, class: "control", direction, maxAgeS: 86_400 };
}

export function notice(receiver: string, maxAgeS = 86_400): Action {
  return { receiver, class: "notice", direction: "unknown", maxAgeS };
}

export function theRules(alarms: readonly Alarm[], fields: Partial<ClusterRules> = {}): ClusterRules {
  return {
    clusterId: "web",
    clusterName: "web",
    file: "web.yaml",
    rows: [{ kind: "proxy", pattern: "web", source: undefined }],
    expect: 0,
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms,
    ...fields,
  };
}
