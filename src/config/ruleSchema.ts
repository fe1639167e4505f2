/** The schema of a rule file around its alarms: the cluster, its rows, its receivers, its defaults. */

import { z } from "zod";
import { thresholdDefaults } from "./alarmSchema.ts";
import { duration, name, positive } from "./fields.ts";

/** Words of rule files that this version does not know yet: refused with a clear word rather than a guess. */
export const LATER_WORDS: ReadonlySet<string> = new Set(["scale"]);

/** Values that later versions know: told apart from mistakes. */
function oneOf<const T extends string>(values: readonly T[], later: readonly string[]): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    const known = typeof value !== "string" || later.includes(value);
    const params = known && later.length > 0 ? { later: wordOf(value) } : { choice: values };
    context.addIssue({ code: "custom", message: `one of ${values.join(", ")}`, params });
    return z.NEVER;
  });
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value).slice(0, 40);
}

/** Headers that frame the request are Tocsin's own. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9-]+$/, "not a header name")
  .refine(
    (key) => !/^(host|connection|content-length|transfer-encoding|expect|upgrade)$/i.test(key),
    "this header is set by Tocsin",
  );

const secret = z.string().min(1, "must not be empty").max(2048, "at most 2048 characters");

const receiver = z.strictObject({
  type: oneOf(["webhook", "senlin", "heat"], ["log"]).optional(),
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
  on_no_effect: z.array(secret).max(20).optional(),
  sign: z.strictObject({ scheme: z.literal("standard-webhooks"), secret }).optional(),
  tls: z.strictObject({ ca_file: z.string().min(1, "must not be empty").max(4096) }).optional(),
  keep_alive: z.boolean().optional(),
  body: oneOf(["aodh"], ["alertmanager-v4", "tacker-v2", "none"]).optional(),
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

/** A whole rule file, as it is written; its alarms are looked at one by one. */
export const ruleFile = z.strictObject({
  version: z.literal(1),
  cluster_id: name,
  cluster_name: name.optional(),
  haproxy: z.array(rowPattern).min(1, "at least one row pattern is needed"),
  expect: positive.optional(),
  capacity: z
    .strictObject({
      min: z.int("must be a whole number").min(0, "must be at least 0").max(100_000).optional(),
      max: z.int("must be a whole number").min(1, "must be at least 1").max(100_000).optional(),
      boot: duration(0).optional(),
    })
    .optional(),
  control: z
    .strictObject({
      settle: duration(0).optional(),
      cooldown: z.strictObject({ in: duration(0).optional(), out: duration(0).optional() }).optional(),
    })
    .optional(),
  defaults: z.strictObject(thresholdDefaults).optional(),
  receivers: z.record(name, receiver).optional(),
  alarms: z.array(z.unknown()).max(1000, "at most 1000 alarms"),
});

export type RuleFile = z.infer<typeof ruleFile>;
export type ReceiverFields = z.infer<typeof receiver>;
