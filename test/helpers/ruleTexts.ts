/** Rule files as tests write and edit them: what a file says, and its text. */

export interface AlarmSpec {
  readonly name: string;
  readonly type: "threshold" | "composite" | "event";
  readonly meter: string;
  readonly statistic: string;
  readonly per: string;
  readonly operator: string;
  readonly threshold: number;
  readonly period: number;
  readonly n: number;
  readonly m: number;
  readonly description: string;
  readonly receiver: string;
}

export interface FileSpec {
  readonly clusterId: string;
  readonly rows: string;
  readonly alarms: readonly AlarmSpec[];
}

const METERS = ["network.services.lb.active.connections", "network.services.lb.queue.current"];
const NAMES = ["x", "y", "z", "w"];

/** A number of choices, made before. */
export type Pick = <T>(from: readonly T[]) => T;

export function anAlarmSpec(name: string): AlarmSpec {
  return {
    name,
    type: "threshold",
    meter: "network.services.lb.active.connections",
    statistic: "avg",
    per: "total",
    operator: "gt",
    threshold: 5,
    period: 10,
    n: 1,
    m: 1,
    description: "d",
    receiver: "out",
  };
}

export function aFileSpec(clusterId: string): FileSpec {
  return { clusterId, rows: `${clusterId}-1`, alarms: [anAlarmSpec("x"), { ...anAlarmSpec("y"), operator: "lt" }] };
}

/** Another version of a file: one thing about it is different, or nothing. */
export function edited(spec: FileSpec, pick: Pick): FileSpec {
  const at = pick(spec.alarms.map((_, index) => index));
  const alarm = spec.alarms[at];
  const put = (fields: Partial<AlarmSpec>): FileSpec => ({
    ...spec,
    alarms: spec.alarms.map((one, index) => (index === at ? { ...one, ...fields } : one)),
  });
  const free = NAMES.filter((name) => !spec.alarms.some((one) => one.name === name));
  const n = pick([1, 2, 3]);
  switch (
    pick([
      "threshold",
      "period",
      "n",
      "description",
      "receiver",
      "type",
      "meter",
      "statistic",
      "per",
      "operator",
      "rows",
      "rename",
      "delete",
      "add",
    ])
  ) {
    case "threshold":
      return put({ threshold: pick([0, 5, 50]) });
    case "period":
      return put({ period: pick([10, 20, 60]) });
    case "n":
      return put({ n, m: pick([1, n]) });
    case "description":
      return put({ description: pick(["d", "another"]) });
    case "receiver":
      return put({ receiver: pick(["out", "in", "ops"]) });
    case "type":
      return put({ type: pick(["threshold", "composite", "event"] as const) });
    case "meter":
      return put({ meter: pick(METERS) });
    case "statistic":
      return put({ statistic: pick(["avg", "max", "min"]) });
    case "per":
      return put({ per: pick(["total", "active_server"]) });
    case "operator":
      return put({ operator: pick(["gt", "lt", "ge"]) });
    case "rows":
      return { ...spec, rows: spec.rows.replace(/\d$/, pick(["1", "2"])) };
    case "rename":
      return free.length > 0 ? put({ name: pick(free) }) : spec;
    case "delete":
      return spec.alarms.length > 1 ? { ...spec, alarms: spec.alarms.filter((one) => one !== alarm) } : spec;
    default:
      return free.length > 0 ? { ...spec, alarms: [...spec.alarms, anAlarmSpec(pick(free))] } : spec;
  }
}

/** What an alarm measures, as its file says it: another means that it begins anew. */
export function measured({ type, meter, statistic, per, operator }: AlarmSpec, { rows }: FileSpec): string {
  return type === "event" ? "event" : [type, meter, statistic, per, operator, rows].join(" ");
}

/** In block style, so that what is cut off at the end of a line is often a valid file that says less. */
export function textOf({ clusterId, rows, alarms }: FileSpec): string {
  return `version: 1
cluster_id: ${clusterId}
haproxy: [{proxy: ${rows}}]
receivers:
  out: {type: senlin, direction: out, alarm_url: "http://h/out?V=2"}
  in: {type: senlin, direction: in, alarm_url: "http://h/in?V=2"}
  ops: {type: webhook, class: notice, alarm_url: "http://h/ops"}
alarms:
${alarms.map(alarmText).join("")}`;
}

function alarmText(alarm: AlarmSpec): string {
  const { meter, statistic, per, operator, threshold, period, n, m } = alarm;
  const rule = {
    meter_name: meter,
    statistic,
    per,
    comparison_operator: operator,
    threshold,
    period,
    evaluation_periods: n,
    datapoints_to_alarm: m,
  };
  const lines = {
    threshold: Object.entries(rule).map(([word, value]) => `${word}: ${value}`),
    composite: ["type: composite", `composite_rule: {or: [${JSON.stringify(rule)}]}`],
    event: ["type: event", "event_type: haproxy.server.down"],
  }[alarm.type];
  const all = [
    `name: ${alarm.name}`,
    ...lines,
    `description: ${alarm.description}`,
    `alarm_actions: ["receiver:${alarm.receiver}"]`,
  ];
  return all.map((line, index) => `  ${index === 0 ? "-" : " "} ${line}\n`).join("");
}
