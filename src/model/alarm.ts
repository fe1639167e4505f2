/**
 * Alarms as the evaluator knows them: rules resolved from files, without URLs or secrets. Words are Aodh's.
 */

/** Aodh's alarm states, spelled as on its wire. */
export type State = "ok" | "alarm" | "insufficient data";

export type Severity = "low" | "moderate" | "critical";

export type Comparison = "lt" | "le" | "eq" | "ne" | "ge" | "gt";

export type Statistic = "avg" | "max" | "min" | "sum" | "count";

/** What a missing datapoint means: CloudWatch's policies; `missing` is what Aodh does. */
export type MissingData = "missing" | "breaching" | "not_breaching" | "ignore";

/** `active_server`: the statistic of the cluster's total ÷ its active servers (rule J6). */
export type Per = "total" | "active_server";

/** A control receiver scales something; a notice receiver tells someone (rule A1). */
export type ReceiverClass = "control" | "notice";

/** Towards more (`out`) or fewer (`in`) servers (rule A2). */
export type Direction = "in" | "out" | "unknown";

/** One receiver in an action list of one alarm, with what the evaluator must know of it. */
export interface Action {
  /** Name within the cluster's rule file, or `url-…` for a bare URL (rule D5). */
  readonly receiver: string;
  readonly class: ReceiverClass;
  readonly direction: Direction;
  /** For how long a notice is tried, seconds. */
  readonly maxAgeS: number;
}

/** A threshold alarm. */
export interface Alarm {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly type: "threshold";
  readonly severity: Severity;
  readonly enabled: boolean;
  readonly meterName: string;
  readonly statistic: Statistic;
  readonly per: Per;
  readonly periodS: number;
  /** N, the number of datapoints looked at. */
  readonly evaluationPeriods: number;
  /** M, how many of them must breach; N by default. */
  readonly datapointsToAlarm: number;
  readonly threshold: number;
  readonly clearThreshold: number;
  readonly comparison: Comparison;
  readonly treatMissingData: MissingData;
  readonly repeatActions: boolean;
  readonly repeatIntervalS: number;
  /** States in which actions repeat. */
  readonly repeatStates: readonly State[];
  readonly actions: Readonly<Record<State, readonly Action[]>>;
}

/** Which HAProxy rows are a cluster's: one entry of the `haproxy:` block. */
export interface RowPattern {
  /** `proxy` matches frontends and backends alike. */
  readonly kind: "frontend" | "backend" | "proxy";
  /** A name or glob. */
  readonly pattern: string;
  /** A name or glob of the source; `undefined`: any. */
  readonly source: string | undefined;
}

/** One revision of one cluster's rules: what is recorded and folded. */
export interface ClusterRules {
  readonly clusterId: string;
  readonly clusterName: string;
  /** File it came from, as shown to people. */
  readonly file: string;
  readonly rows: readonly RowPattern[];
  /** Longest wait for an effect, seconds (rule L). */
  readonly settleS: number;
  /** Pause after an action of that direction, seconds. */
  readonly cooldownS: { readonly in: number; readonly out: number };
  readonly alarms: readonly Alarm[];
}

/** Whether `value op threshold` holds: Aodh's comparison operators. */
export function compare(value: number, comparison: Comparison, threshold: number): boolean {
  switch (comparison) {
    case "lt":
      return value < threshold;
    case "le":
      return value <= threshold;
    case "eq":
      return value === threshold;
    case "ne":
      return value !== threshold;
    case "ge":
      return value >= threshold;
    case "gt":
      return value > threshold;
  }
}
