import type { Action, Alarm, ClusterRules } from "../../src/model/alarm.ts";

export const RATE = "network.services.lb.incoming.bytes.rate";
export const BYTES = "network.services.lb.incoming.bytes";
export const SESSIONS = "network.services.lb.active.connections";

/** An alarm with Aodh's defaults, over one tick of 10 s. */
export function anAlarm(fields: Partial<Alarm> & { name: string }): Alarm {
  const evaluationPeriods = fields.evaluationPeriods ?? 1;
  const threshold = fields.threshold ?? 5;
  return {
    id: `id-${fields.name}`,
    description: "",
    type: "threshold",
    severity: "low",
    enabled: true,
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
    repeatActions: false,
    repeatIntervalS: 60,
    repeatStates: ["alarm"],
    actions: { ok: [], alarm: [], "insufficient data": [] },
    ...fields,
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
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms,
    ...fields,
  };
}
