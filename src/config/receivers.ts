/** Receivers of a rule file: their class and direction (rules A1, A2), and where they are. */

import { createHash } from "node:crypto";
import type { AlarmRule, Direction, Expression, ReceiverClass, State, ThresholdRule } from "../model/alarm.ts";
import type { BodyTemplate } from "../model/body.ts";
import { meterNamed } from "../model/meters.ts";
import { bodyOf } from "./receiverBody.ts";
import type { ReceiverFields } from "./receiverSchema.ts";
import { scalerOf } from "./receiverUrl.ts";

/** A receiver with its secrets still in `${…}` form. */
export interface ReceiverConfig {
  readonly name: string;
  readonly class: ReceiverClass;
  /** Whose receiver it is, by its type or the shape of its URL: each takes some members of a body as inputs. */
  readonly scaler: "senlin" | "heat" | undefined;
  /** The receiver's own word; `undefined`: the alarm's operator decides. */
  readonly direction: "in" | "out" | undefined;
  /** Everything but the POST. */
  readonly shadow: boolean;
  /** Of a receiver that only logs: `log:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutS: number;
  readonly maxAgeS: number;
  /** Notice receivers to tell when an action had no effect, as they are written: `receiver:NAME`. */
  readonly onNoEffect: readonly string[];
  /** It is told by how many servers. */
  readonly scale: "proportional" | undefined;
  /** Secret of the Standard Webhooks signature; `undefined`: not signed. */
  readonly signSecret: string | undefined;
  readonly tls: TlsPaths;
  readonly keepAlive: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly body: BodyTemplate;
}

/** PEM files: the authority of its certificate, by default the system's, and what is shown of ourselves. */
export type TlsPaths = Readonly<Partial<Record<"ca_file" | "cert_file" | "key_file", string | undefined>>>;

const DAY_S = 86_400;

/** A receiver that is spelled out in the file. */
export function namedReceiver(name: string, fields: ReceiverFields, defaultTimeoutS: number): ReceiverConfig {
  const { type, direction, alarm_url: url = "log:" } = fields;
  const scaler = type === "senlin" || type === "heat" ? type : scalerOf(url);
  const scales = direction !== undefined || scaler !== undefined;
  return {
    name,
    class: fields.class ?? (scales ? "control" : "notice"),
    scaler,
    direction,
    shadow: fields.mode === "shadow",
    url,
    headers: fields.headers ?? {},
    timeoutS: fields.timeout ?? defaultTimeoutS,
    maxAgeS: fields.max_age ?? DAY_S,
    onNoEffect: fields.on_no_effect ?? [],
    scale: fields.scale?.count,
    signSecret: fields.sign?.secret,
    tls: fields.tls ?? {},
    keepAlive: fields.keep_alive ?? false,
    labels: fields.labels ?? {},
    body: bodyOf(fields.body ?? "aodh"),
  };
}

/** A URL that stands in an action list: its name is `url-` and 12 digits of its hash (rule D5). */
export function bareReceiver(url: string, defaultTimeoutS: number): ReceiverConfig {
  const name = `url-${createHash("sha256").update(url).digest("hex").slice(0, 12)}`;
  return namedReceiver(name, { alarm_url: url }, defaultTimeoutS);
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
