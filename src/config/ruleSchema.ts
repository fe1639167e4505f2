/** The schema of a rule file: Aodh's words unchanged, CloudWatch's where Aodh has none, few of our own. */

import { z } from "zod";
import { duration, name, text } from "./fields.ts";

/** Words of rule files that this version does not know yet: refused with a clear word rather than a guess. */
export const LATER_WORDS: ReadonlySet<string> = new Set([
  "expect",
  "capacity",
  "exclude_outliers",
  "time_constraints",
  "suppressed_by",
  "max_repeats",
  "composite_rule",
  "event_type",
  "auto_ok_after",
  "on_no_effect",
  "sign",
  "tls",
  "body",
  "keep_alive",
  "scale",
]);

const state = z.enum(["ok", "alarm", "insufficient data"]);
const actions = z.array(z.string().min(1, "must not be empty").max(2048, "at most 2048 characters")).max(20);
const positive = z.int("must be a whole number").min(1, "must be at least 1").max(1000, "must be at most 1000");

const settings = {
  severity: z.enum(["low", "moderate", "critical"]).optional(),
  statistic: z.enum(["avg", "max", "min", "sum", "count"]).optional(),
  per: z.enum(["total", "active_server"]).optional(),
  period: duration(1).optional(),
  evaluation_periods: positive.optional(),
  treat_missing_data: z.enum(["missing", "breaching", "not_breaching", "ignore"]).optional(),
  repeat_actions: z.boolean().optional(),
  repeat_interval: duration(1).optional(),
};

const alarm = z.strictObject({
  ...settings,
  name,
  alarm_id: z.uuid("must be a UUID").optional(),
  description: text.optional(),
  type: z.enum(["threshold"]).optional(),
  enabled: z.boolean().optional(),
  meter_name: name,
  query: z.unknown().optional(),
  datapoints_to_alarm: positive.optional(),
  threshold: z.number(),
  clear_threshold: z.number().optional(),
  comparison_operator: z.enum(["lt", "le", "eq", "ne", "ge", "gt"]),
  repeat_states: z.array(state).optional(),
  alarm_actions: actions.optional(),
  ok_actions: actions.optional(),
  insufficient_data_actions: actions.optional(),
});

/** Headers that frame the request are Tocsin's own. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9-]+$/, "not a header name")
  .refine(
    (key) => !/^(host|connection|content-length|transfer-encoding|expect|upgrade)$/i.test(key),
    "this header is set by Tocsin",
  );

const receiver = z.strictObject({
  type: z.enum(["webhook", "senlin", "heat"]).optional(),
  class: z.enum(["control", "notice"]).optional(),
  direction: z.enum(["in", "out"]).optional(),
  alarm_url: z.string().min(1, "must not be empty").max(2048, "at most 2048 characters"),
  headers: z
    .record(
      header,
      z
        .string()
        .max(4096)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "not a header's value"),
    )
    .optional(),
  timeout: duration(1).optional(),
  max_age: duration(1).optional(),
});

const rowPattern = z
  .strictObject({
    frontend: name.optional(),
    backend: name.optional(),
    proxy: name.optional(),
    source: name.optional(),
  })
  .refine((row) => [row.frontend, row.backend, row.proxy].filter((one) => one !== undefined).length === 1, {
    message: "says one of frontend, backend and proxy",
  });

/** A whole rule file, as it is written. */
export const ruleFile = z.strictObject({
  version: z.literal(1),
  cluster_id: name,
  cluster_name: name.optional(),
  haproxy: z.array(rowPattern).min(1, "at least one row pattern is needed"),
  control: z
    .strictObject({
      settle: duration(0).optional(),
      cooldown: z.strictObject({ in: duration(0).optional(), out: duration(0).optional() }).optional(),
    })
    .optional(),
  defaults: z.strictObject(settings).optional(),
  receivers: z.record(name, receiver).optional(),
  alarms: z.array(alarm).max(1000, "at most 1000 alarms"),
});

export type RuleFile = z.infer<typeof ruleFile>;
export type AlarmFields = z.infer<typeof alarm>;
export type ReceiverFields = z.infer<typeof receiver>;
