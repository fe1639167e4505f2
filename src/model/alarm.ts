/**
 * Alarms as the evaluator knows them: rules resolved from files, without URLs or secrets. Words are Aodh's.
 */

/** Aodh's alarm states, spelled as on its wire. */
export type State = "ok" | "alarm" | "insufficient data";

export type Severity = "low" | "moderate" | "critical";

export type Comparison = "lt" | "le" | "eq" | "ne" | "ge" | "gt";

/** Statistics by name; beside them percentiles `p1` … `p99.9` (rank ⌈n·p/100⌉, at least 1). */
export const NAMED_STATISTICS = [
  "avg",
  "max",
  "min",
  "sum",
  "count",
  "last",
  "first",
  "stddev",
  "median",
  "range",
  "rate",
  "increase",
] as const;

export type Statistic = (typeof NAMED_STATISTICS)[number] | `p${number}`;

/** Percent of a percentile statistic, above 0 and below 100; `undefined`: the statistic is no percentile. */
export function percentOf(statistic: string): number | undefined {
  const match = /^p(\d{1,2}(?:\.\d{1,3})?)$/.exec(statistic);
  const percent = Number(match?.[1]);
  return match && percent > 0 ? percent : undefined;
}

/** What a missing datapoint means: CloudWatch's policies; `missing` is what Aodh does. */
export type MissingData = "missing" | "breaching" | "not_breaching" | "ignore";

/**
 * `active_server`: the statistic of the cluster's total ÷ its active servers (rule J6). `server`: each server by
 * itself (rule J7).
 */
export type Per = "total" | "active_server" | "server";

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
  /** Notice receivers that are told when a control action had no effect (rule L4). */
  readonly onNoEffect?: readonly Action[];
  /** Everything but the POST: it counts as accepted. */
  readonly shadow?: true;
  /** The body says by how many servers: worked out from how far the value is from the threshold. */
  readonly scale?: "proportional";
}

/** Only within such a stretch is an alarm evaluated: Aodh's time constraints, with its words. */
export interface TimeConstraint {
  readonly name: string;
  readonly description: string;
  /** When it opens: cron, of five fields or six; the sixth is seconds, as Aodh's croniter reads it. */
  readonly start: string;
  readonly durationS: number;
  /** IANA zone that `start` is read in; empty: UTC. */
  readonly timezone: string;
}

/** A number of datapoints of one meter against a threshold: a threshold alarm's rule, or one leaf of a composite. */
export interface ThresholdRule {
  readonly kind: "threshold";
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
  /** Datapoints made of oddly many or few samples are left out (Aodh's rule). */
  readonly excludeOutliers: boolean;
}

/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What a composite alarm asks (rule J8). Leaves are named rule1, rule2… in reading order. */
export type Expression =
  | { readonly op: "and" | "or"; readonly parts: readonly Expression[] }
  | { readonly op: "not"; readonly part: Expression }
  | {
      readonly op: "rule";
      readonly rule: ThresholdRule;
      /** The rule with Aodh's words and its defaults filled in, `type` last: what `causative_rules` shows. */
      readonly written: { readonly [key: string]: Json };
    }
  /** Another alarm of the file; with `state`: whether it is in that state. */
  | { readonly op: "alarm"; readonly alarmId: string; readonly name: string; readonly state: State | undefined };

export interface CompositeRule {
  readonly kind: "composite";
  readonly expression: Expression;
}

/** One item of an event alarm's query: `field` of the event, or `traits.NAME`, against a value. */
export interface EventQuery {
  readonly field: string;
  readonly op: Comparison;
  readonly value: string | number | boolean;
  /** Aodh's type of the value; empty: as it is. */
  readonly type: "string" | "integer" | "float" | "boolean" | "";
}

/** Fires on an event whose type matches the glob and that hits every query item. */
export interface EventRule {
  readonly kind: "event";
  readonly eventType: string;
  readonly query: readonly EventQuery[];
  /** Seconds without a further such event after which the alarm is ok; `undefined`: never, as Aodh's. */
  readonly autoOkAfterS: number | undefined;
}

export type AlarmRule = ThresholdRule | CompositeRule | EventRule;

/** Aodh's types. Its `gnocchi_*` ones are other spellings of a threshold rule. */
export type AlarmType =
  | "threshold"
  | "composite"
  | "event"
  | "gnocchi_resources_threshold"
  | "gnocchi_aggregation_by_metrics_threshold"
  | "gnocchi_aggregation_by_resources_threshold";

export interface Alarm {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly type: AlarmType;
  readonly severity: Severity;
  readonly enabled: boolean;
  readonly rule: AlarmRule;
  /** Evaluated within any of them; empty: always. */
  readonly timeConstraints: readonly TimeConstraint[];
  /** Ids of alarms of the file: while one of them is in alarm, this one's actions are held. */
  readonly suppressedBy: readonly string[];
  readonly repeatActions: boolean;
  readonly repeatIntervalS: number;
  /** States in which actions repeat. */
  readonly repeatStates: readonly State[];
  /** Most repeats of one transition; `undefined`: no limit. */
  readonly maxRepeats: number | undefined;
  /** All its actions are in shadow. */
  readonly shadow?: true;
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
  /** So many sources must report, whatever was seen; 0: those that were seen. */
  readonly expect: number;
  /** Bounds of the active servers, and how long one takes to serve: for advice, never for decisions. */
  readonly capacity?: { readonly min?: number; readonly max?: number; readonly bootS?: number };
  /** Longest wait for an effect, seconds (rule L). */
  readonly settleS: number;
  /** Pause after an action of that direction, seconds. */
  readonly cooldownS: { readonly in: number; readonly out: number };
  readonly alarms: readonly Alarm[];
}

/** Threshold rules of an alarm: its own, or the leaves of its composite in reading order. */
export function thresholdRules(rule: AlarmRule): readonly ThresholdRule[] {
  if (rule.kind === "threshold") return [rule];
  return rule.kind === "composite"
    ? leavesOf(rule.expression).flatMap((leaf) => (leaf.op === "rule" ? [leaf.rule] : []))
    : [];
}

/** Leaves of an expression in reading order: inline rules and references. */
export function leavesOf(expression: Expression): readonly Extract<Expression, { readonly op: "rule" | "alarm" }>[] {
  switch (expression.op) {
    case "and":
    case "or":
      return expression.parts.flatMap(leavesOf);
    case "not":
      return leavesOf(expression.part);
    case "rule":
    case "alarm":
      return [expression];
  }
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
