/** The schema of a test file, `<name>.test.yaml`: promtool's words where it has them. */

import { z } from "zod";
import { parseDurationS } from "../lib/durations.ts";
import { GATES } from "../model/decision.ts";
import { duration, name } from "./fields.ts";

const at = duration(0);
const state = z.enum(["ok", "alarm", "insufficient data"]);
const list = <T extends z.ZodType>(item: T) => z.array(item).max(10_000, "at most 10000 of them").optional();

/** A duration with a sign: `-1h`. */
const signedDuration = z.unknown().transform((value, context): number => {
  const written = String(value).trim();
  const seconds = parseDurationS(written.replace(/^[+-]/, ""));
  if (seconds !== undefined) return written.startsWith("-") ? -seconds : seconds;
  context.addIssue({ code: "custom", message: `expected a duration such as 90s or -1h, not ${JSON.stringify(value)}` });
  return z.NEVER;
});

/** Only text: YAML reads an unquoted 0x10 as the number sixteen. */
const values = z.unknown().transform((value, context): string => {
  if (typeof value === "string") return value;
  context.addIssue({ code: "custom", message: `expected text in quotes, such as "0x10"` });
  return z.NEVER;
});

const series = z.strictObject({
  series: z.string().min(1, "must not be empty").max(512, "at most 512 characters"),
  values,
});

const servers = z.object({ at }).catchall(z.enum(["up", "standby", "draining", "down", "maint", "unknown", "gone"]));

const fault = z.strictObject({
  what: z.enum(["lost", "away", "late", "duplicate", "restarted", "reloaded", "clock_step"]),
  source: name.optional(),
  at: at.optional(),
  from: at.optional(),
  to: at.optional(),
  by: signedDuration.optional(),
});

const event = z.strictObject({
  at,
  event_type: name,
  traits: z.record(name, z.union([z.string(), z.number(), z.boolean()])).optional(),
  message_id: name.optional(),
});

const command = z.strictObject({
  at,
  command: z.enum(["pause", "resume", "forget"]),
  direction: z.enum(["in", "out"]).optional(),
  for: duration(1).optional(),
  source: name.optional(),
});

const says = z.union([
  z.int().min(100, "a status is 100 to 599").max(599, "a status is 100 to 599"),
  z.enum(["timeout", "refused", "reset", "lost"]),
]);

const outcome = z.strictObject({
  receiver: name,
  answers: z.array(
    z.union([
      says,
      z.strictObject({ answer: says, after: duration(0).optional(), retry_after: duration(0).optional() }),
    ]),
  ),
});

const restart = z.strictObject({ at, down: duration(0).optional(), crash: z.boolean().optional() });

const data = z.record(z.string(), z.unknown());

const expectedAlarm = z.strictObject({
  at,
  name,
  state: state.optional(),
  verdict: z.enum(["alarm", "ok", "undecided", "insufficient data", "unknown", "stopped", "event"]).optional(),
  reason: z.string().optional(),
  reason_data: data.optional(),
});

const expectedDelivery = z.strictObject({
  at,
  alarm: name,
  receiver: name,
  state: state.optional(),
  previous: state.optional(),
  repeat: z.int().min(0).optional(),
  attempt: z.int().min(1).optional(),
  reason: z.string().optional(),
  reason_data: data.optional(),
});

const gate = z.enum([...GATES, "none"]);

const test = z.strictObject({
  name,
  start: z.string().optional(),
  sources: z.array(name).min(1, "at least one source is needed").max(100, "at most 100 sources").optional(),
  proxy: name.optional(),
  input_series: list(series),
  servers: list(servers),
  faults: list(fault),
  events: list(event),
  commands: list(command),
  outcomes: list(outcome),
  restarts: list(restart),
  alarms: list(expectedAlarm),
  deliveries: list(expectedDelivery),
  only: z.union([name, z.array(name)]).optional(),
  holds: list(z.strictObject({ at, alarm: name, gate, reason: z.string().optional() })),
  effects: list(z.strictObject({ at, alarm: name, effect: z.enum(["effective", "unclear", "no_effect"]) })),
  until: duration(0).optional(),
});

/** A whole test file, as it is written. */
export const testFile = z.strictObject({
  rules: z.union([z.string().min(1, "must not be empty"), z.record(z.string(), z.unknown())]).optional(),
  interval: duration(1).optional(),
  tests: z.array(test).min(1, "at least one test is needed").max(1000, "at most 1000 tests"),
});

export type TestFields = z.infer<typeof test>;
