/** Receivers of a rule file: their class and direction (rules A1, A2), and where they are. */

import { createHash } from "node:crypto";
import type { AlarmRule, Direction, Expression, ReceiverClass, State, ThresholdRule } from "../model/alarm.ts";
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
  /** Notice receivers to tell when an action had no effect, as they are written: `receiver:NAME`. */
  readonly onNoEffect: readonly string[];
  /** Secret of the Standard Webhooks signature; `undefined`: not signed. */
  readonly signSecret: string | undefined;
  /** PEM file of the authority of its certificate; `undefined`: the system's. */
  readonly caFile: string | undefined;
  readonly keepAlive: boolean;
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
    onNoEffect: fields.on_no_effect ?? [],
    signSecret: fields.sign?.secret,
    caFile: fields.tls?.ca_file,
    keepAlive: fields.keep_alive ?? false,
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

/** Direction of one receiver in one action list of an alarm (rule A2). */
export function directionOf(receiver: ReceiverConfig, rule: AlarmRule, list: State): Direction {
  if (receiver.direction) return receiver.direction;
  if (list === "insufficient data") return "unknown";
  const direction = directionOfRule(rule);
  if (list === "alarm" || direction === "unknown") return direction;
  return direction === "in" ? "out" : "in";
}

/** Where being in alarm points to: of a composite, where all its rules that are not negated agree. */
function directionOfRule(rule: AlarmRule): Direction {
  if (rule.kind === "event") return "unknown";
  const [first, ...more] = new Set((rule.kind === "threshold" ? [rule] : asked(rule.expression)).map(directionOfMeter));
  return first === undefined || more.length > 0 ? "unknown" : first;
}

function directionOfMeter({ meterName, comparison }: ThresholdRule): Direction {
  if (!meterNamed(meterName)?.load) return "unknown";
  return ({ lt: "in", le: "in", gt: "out", ge: "out", eq: "unknown", ne: "unknown" } as const)[comparison];
}

/** Inline rules that must hold for the expression to hold. */
function asked(expression: Expression): readonly ThresholdRule[] {
  switch (expression.op) {
    case "and":
    case "or":
      return expression.parts.flatMap(asked);
    case "rule":
      return [expression.rule];
    case "not":
    case "alarm":
      return [];
  }
}
