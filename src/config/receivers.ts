/** Receivers of a rule file: their class and direction (rules A1, A2), and where they are. */

import { createHash } from "node:crypto";
import type { Comparison, Direction, ReceiverClass, State } from "../model/alarm.ts";
import { meterNamed } from "../model/meters.ts";
import type { ReceiverFields } from "./ruleSchema.ts";

/** A receiver with its secrets still in `${…}` form. */
export interface ReceiverConfig {
  readonly name: string;
  readonly class: ReceiverClass;
  /** The receiver's own word; `undefined`: the alarm's operator decides. */
  readonly direction: "in" | "out" | undefined;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutS: number;
  readonly maxAgeS: number;
}

/** `…/v1/webhooks/<id>/trigger`: Senlin's receivers. */
const SENLIN_URL = /\/v1\/webhooks\/[^/?#]+\/trigger\/?(\?|$)/;
/** Signal URLs of Heat's scaling policies: signed, or native. */
const HEAT_URL = /\/v1\/signal\/|\/resources\/[^/?#]+\/signal(\?|$)/;

const DAY_S = 86_400;

/** A receiver that is spelled out in the file. */
export function namedReceiver(name: string, fields: ReceiverFields, defaultTimeoutS: number): ReceiverConfig {
  const { type, direction, alarm_url: url, headers = {}, timeout, max_age: maxAge } = fields;
  const scales = direction !== undefined || type === "senlin" || type === "heat" || scalesByUrl(url);
  return {
    name,
    class: fields.class ?? (scales ? "control" : "notice"),
    direction,
    url,
    headers,
    timeoutS: timeout ?? defaultTimeoutS,
    maxAgeS: maxAge ?? DAY_S,
  };
}

/** A URL that stands in an action list: its name is `url-` and 12 digits of its hash (rule D5). */
export function bareReceiver(url: string, defaultTimeoutS: number): ReceiverConfig {
  const name = `url-${createHash("sha256").update(url).digest("hex").slice(0, 12)}`;
  return namedReceiver(name, { alarm_url: url }, defaultTimeoutS);
}

function scalesByUrl(url: string): boolean {
  return SENLIN_URL.test(url) || HEAT_URL.test(url);
}

/** Direction of one receiver in one action list of one alarm (rule A2). */
export function directionOf(
  receiver: ReceiverConfig,
  alarm: { readonly meterName: string; readonly comparison: Comparison },
  list: State,
): Direction {
  if (receiver.direction) return receiver.direction;
  if (list === "insufficient data" || !meterNamed(alarm.meterName)?.load) return "unknown";
  const when = { lt: "in", le: "in", gt: "out", ge: "out", eq: "unknown", ne: "unknown" } as const;
  const direction = when[alarm.comparison];
  if (list === "alarm" || direction === "unknown") return direction;
  return direction === "in" ? "out" : "in";
}
