/** Schemas of alarms and their rules: Aodh's words unchanged, CloudWatch's where Aodh has none, few of our own. */

import { z } from "zod";
import { cronError, isZone } from "../lib/cron.ts";
import type { Statistic } from "../model/alarm.ts";
import { NAMED_STATISTICS, percentOf } from "../model/alarm.ts";
import { duration, name, positive, text } from "./fields.ts";

/** Aodh's states, as files write them. */
export const state = z.enum(["ok", "alarm", "insufficient data"]);

const comparison = z.enum(["lt", "le", "eq", "ne", "ge", "gt"]);
const actions = z.array(z.string().min(1, "must not be empty").max(2048, "at most 2048 characters")).max(20);

function isStatistic(word: string): word is Statistic {
  return NAMED_STATISTICS.some((one) => one === word) || percentOf(word) !== undefined;
}

const statistic = z.string().transform((word, context): Statistic => {
  if (isStatistic(word)) return word;
  const message = `one of ${NAMED_STATISTICS.join(", ")}, p1 … p99.9`;
  context.addIssue({ code: "custom", message, params: { choice: NAMED_STATISTICS } });
  return z.NEVER;
});

const per = z.enum(["total", "active_server", "server"]);
const treatMissingData = z.enum(["missing", "breaching", "not_breaching", "ignore"]);

const start = z.string().superRefine((cron, context) => {
  const wrong = cronError(cron);
  if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong });
});

const timeConstraint = z.strictObject({
  name,
  description: text.optional(),
  start,
  duration: duration(0),
  timezone: z
    .string()
    .refine((zone) => zone === "" || isZone(zone), "expected an IANA time zone such as Europe/Berlin")
    .optional(),
});

const severity = z.enum(["low", "moderate", "critical"]);
const repeats = {
  severity: severity.optional(),
  repeat_actions: z.boolean().optional(),
  repeat_interval: duration(1).optional(),
  max_repeats: z.int("must be a whole number").min(1, "must be at least 1").max(1_000_000).optional(),
};

/** What every alarm says, whatever its type. */
export const commonFields = z.strictObject({
  ...repeats,
  name,
  alarm_id: z.uuid("must be a UUID").optional(),
  description: text.optional(),
  enabled: z.boolean().optional(),
  mode: z.enum(["live", "shadow"]).optional(),
  time_constraints: z.array(timeConstraint).max(100, "at most 100 time constraints").optional(),
  suppressed_by: z.array(name).max(100, "at most 100 alarms").optional(),
  repeat_states: z.array(state).optional(),
  alarm_actions: actions.optional(),
  ok_actions: actions.optional(),
  insufficient_data_actions: actions.optional(),
});

/** Words of all rules about one meter, whatever Aodh calls its meter, period and statistic. */
const judging = {
  per: per.optional(),
  evaluation_periods: positive.optional(),
  datapoints_to_alarm: positive.optional(),
  threshold: z.number(),
  clear_threshold: z.number().optional(),
  comparison_operator: comparison,
  treat_missing_data: treatMissingData.optional(),
  exclude_outliers: z.boolean().optional(),
};

/** What `defaults:` may say for all alarms of the file. */
export const thresholdDefaults = {
  ...repeats,
  statistic: statistic.optional(),
  per: per.optional(),
  period: duration(1).optional(),
  evaluation_periods: positive.optional(),
  treat_missing_data: treatMissingData.optional(),
  exclude_outliers: z.boolean().optional(),
};

/** Aodh's threshold rule, with our words. */
export const thresholdFields = z.strictObject({
  ...judging,
  meter_name: name,
  query: z.unknown().optional(),
  statistic: statistic.optional(),
  period: duration(1).optional(),
});

const gnocchi = { ...judging, granularity: duration(1).optional(), aggregation_method: z.string() };

/** Aodh's rules on Gnocchi, by type: they are judged on our own series. */
export const gnocchiFields = {
  gnocchi_resources_threshold: z.strictObject({
    ...gnocchi,
    metric: name,
    resource_id: name,
    resource_type: name.optional(),
  }),
  gnocchi_aggregation_by_metrics_threshold: z.strictObject({
    ...gnocchi,
    metrics: z.array(name).min(1, "at least one meter is needed").max(100),
  }),
  gnocchi_aggregation_by_resources_threshold: z.strictObject({
    ...gnocchi,
    metric: name,
    query: z.unknown(),
    resource_type: name.optional(),
  }),
} as const;

const eventItem = z.strictObject({
  field: z.string().regex(/^[a-zA-Z.',0-9_-]+$/, "letters, digits and . , ' _ - only"),
  op: comparison.optional(),
  value: z.unknown().transform((value, context): string | number | boolean => {
    if (typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    context.addIssue({ code: "custom", message: "must be text, a number or a boolean" });
    return z.NEVER;
  }),
  type: z.enum(["string", "integer", "float", "boolean", ""]).optional(),
});

/** Aodh's event rule, and when it clears. */
export const eventFields = z.strictObject({
  event_type: z.string().min(1, "must not be empty").max(255, "at most 255 characters").optional(),
  query: z.array(eventItem).max(100, "at most 100 items").optional(),
  auto_ok_after: duration(1).optional(),
});

/** A composite rule is looked at part by part. */
export const compositeFields = z.strictObject({ composite_rule: z.unknown() });

export type CommonFields = z.infer<typeof commonFields>;
export type ThresholdFields = z.infer<typeof thresholdFields>;
export type GnocchiType = keyof typeof gnocchiFields;
export type GnocchiFields = z.infer<(typeof gnocchiFields)[GnocchiType]>;
export type EventFields = z.infer<typeof eventFields>;
export type TimeConstraintFields = z.infer<typeof timeConstraint>;
