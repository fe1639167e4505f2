/** The schema of a rule file around its alarms: the cluster, its rows, its receivers, its defaults. */

import { z } from "zod";
import { thresholdDefaults } from "./alarmSchema.ts";
import { duration, name, positive } from "./fields.ts";
import { receiver } from "./receiverSchema.ts";

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
