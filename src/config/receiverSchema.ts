/** The schema of one receiver of a rule file. */

import { z } from "zod";
import { attemptTimeout, duration } from "./fields.ts";

/** Headers that frame the request, or that a signature is over, are Tocsin's own. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9-]+$/, "not a header name")
  .refine(
    (key) => !/^(host|connection|keep-alive|content-length|transfer-encoding|expect|upgrade|webhook-.*)$/i.test(key),
    "this header is set by Tocsin",
  );

const label = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,254}$/, "a label's name is a letter, then at most 254 letters, digits and _");

const secret = z.string().min(1, "must not be empty").max(2048, "at most 2048 characters");
const path = z.string().min(1, "must not be empty").max(4096, "at most 4096 characters");

const BODIES = ["aodh", "alertmanager-v4", "tacker-v2", "none"] as const;

type BodyName = (typeof BODIES)[number];

/** A body by name, or the map that it is made of: what stands in it is looked at by itself. */
export type BodyFields = BodyName | Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const body = z.unknown().transform((value, context): BodyFields => {
  const found = BODIES.find((one) => one === value);
  if (found !== undefined) return found;
  if (isMap(value)) return value;
  const params = typeof value === "string" ? { choice: BODIES } : {};
  const of = typeof value === "string" ? "" : "must be ";
  context.addIssue({ code: "custom", message: `${of}one of ${BODIES.join(", ")}, or a map`, params });
  return z.NEVER;
});

/** A receiver as it is written. */
export const receiver = z.strictObject({
  type: z.enum(["webhook", "senlin", "heat", "log"]).optional(),
  class: z.enum(["control", "notice"]).optional(),
  direction: z.enum(["in", "out"]).optional(),
  mode: z.enum(["live", "shadow"]).optional(),
  alarm_url: secret.optional(),
  headers: z
    .record(
      header,
      z
        .string()
        .max(4096)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "not a header's value"),
    )
    .optional(),
  timeout: attemptTimeout.optional(),
  max_age: duration(1).optional(),
  on_no_effect: z.array(secret).max(20).optional(),
  scale: z.strictObject({ count: z.literal("proportional") }).optional(),
  sign: z.strictObject({ scheme: z.literal("standard-webhooks"), secret }).optional(),
  tls: z.strictObject({ ca_file: path.optional(), cert_file: path.optional(), key_file: path.optional() }).optional(),
  keep_alive: z.boolean().optional(),
  labels: z.record(label, z.string().max(4096, "at most 4096 characters")).optional(),
  body: body.optional(),
});

export type ReceiverFields = z.infer<typeof receiver>;
