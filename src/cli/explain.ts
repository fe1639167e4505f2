/** `tocsin alarm explain` and `tocsin alarm history` as text. */

import { rfc3339 } from "../lib/clock.ts";
import { nextDown, nextUp } from "../lib/floats.ts";
import { floatRepr } from "../lib/python.ts";
import type { Decision } from "../model/decision.ts";
import type {
  Counterfactual,
  DeliveryExplanation,
  Explanation,
  RuleExplanation,
  SourceExplanation,
  WindowExplanation,
} from "../model/explanation.ts";
import type { DeliveryView } from "../serviceView.ts";
import { SHORT_ID } from "./delivery.ts";
import { formatQuantity, formatTable } from "./table.ts";

const SIGNS: Readonly<Record<string, string>> = { lt: "<", le: "<=", eq: "=", ne: "!=", ge: ">=", gt: ">" };
/** Servers and sources that are written out; of more, how many there are. */
const MOST_SERVERS = 8;

/** All of an explanation: what was decided, what it was decided by, what held the action, and what would change it. */
export function explainText(explanation: Explanation): string {
  const { name, cluster_name: cluster, tick, lane, next_repeat: next } = explanation;
  const lines = [`${name} (${cluster}) at ${time(tick.timestamp)}  ${headOf(explanation)}`];
  const say = (label: string, texts: readonly string[]) => {
    for (const [index, text] of texts.entries())
      lines.push(`  ${(index === 0 ? label : "").padEnd(11)} ${text}`.trimEnd());
  };
  const { verdict, verdict_reason: why, state_reason: reason, state_timestamp: since } = explanation;
  say("verdict", [
    `${verdict}${verdict === "undecided" ? " (the state is kept)" : ""}${why === null ? "" : `: ${why}`}`,
  ]);
  say("state", [`${explanation.state} since ${since === null ? "the beginning" : time(since)}: ${reason}`]);
  if (explanation.composite) {
    const { form, leaves } = explanation.composite;
    say("composite", [form, ...aligned(leaves.map(leafRow))]);
  }
  for (const rule of shown(explanation.rules)) sayRule(rule, say);
  const hidden = explanation.rules.length - shown(explanation.rules).length;
  if (hidden > 0) say("servers", [`${hidden} more, none in alarm; -o json has all`]);
  say("lacks", explanation.lacks);
  say("gates", aligned(explanation.gates.map((gate) => gateRow(gate))));
  say("lane", [laneText(lane, name)]);
  say("sent", sentLines(explanation));
  if (next)
    say("repeat", [
      `next at ${time(next.timestamp)}${next.limit === null ? "" : `, ${next.sent} of ${next.limit} sent`}`,
    ]);
  say("nearest", nearestTexts(explanation));
  return lines.join("\n");
}

/** Why a tick that was asked for is not told. `newest`: label of the newest tick of the cluster. */
export function latenessText({ tick }: Explanation, newest: string | null): string {
  if (newest !== null && newest > tick.timestamp)
    return `no tick is recorded between ${time(tick.timestamp)} and then: the service did not run, or could not record`;
  return `nothing later is recorded; the newest tick is ${time(tick.timestamp)}`;
}

function headOf({ state, state_before: before, transition, action, gates }: Explanation): string {
  const change = transition ? `state ${before} -> ${state}` : `state ${state}`;
  const isShadow = gates.some(({ gate, passed }) => gate === "shadow" && !passed);
  if (isShadow && action.status !== "none" && action.status !== "held")
    return `${change}, action decided, not sent (shadow)`;
  switch (action.status) {
    case "none":
      return change;
    case "held":
      return `${change}, action HELD`;
    case "sent":
      return `${change}, action sent`;
    case "in flight":
      return `${change}, action being sent`;
    case "settling":
      return `${change}, action sent, its effect is awaited`;
    case "done":
      return `${change}, action done`;
  }
}

/** Those in alarm first; all of a few. */
function shown(rules: readonly RuleExplanation[]): readonly RuleExplanation[] {
  const inAlarm = rules.filter(({ verdict }) => verdict === "alarm");
  const others = rules.filter(({ verdict }) => verdict !== "alarm");
  const kept = new Set([...inAlarm, ...others.slice(0, Math.max(0, MOST_SERVERS - inAlarm.length))]);
  return rules.filter((rule) => kept.has(rule));
}

function sayRule(rule: RuleExplanation, say: (label: string, texts: readonly string[]) => void): void {
  const { statistic, meter_name: meter, per, threshold, clear_threshold: clear, comparison_operator: operator } = rule;
  const { evaluation_periods: n, datapoints_to_alarm: m, period, breaching, treat_missing_data: policy } = rule;
  const of = [rule.name, rule.server === null ? null : `server ${rule.server}`].filter((part) => part !== null);
  const sign = SIGNS[operator] ?? operator;
  const cleared = clear === threshold ? "" : `, clears beyond ${floatRepr(clear)}`;
  say(rule.name ?? "rule", [
    `${of.length > 0 && rule.server !== null ? `server ${rule.server}: ` : ""}${statistic} of ${meter} per ${per} ${sign} ${floatRepr(threshold)}${cleared}`,
    `${rule.verdict}: ${breaching} breach, ${m} of ${n} needed, each over ${period} s, missing data: ${policy}`,
    ...(rule.verdict_reason === null ? [] : [rule.verdict_reason]),
  ]);
  say("datapoints", aligned(rule.windows.map((window) => windowRow(rule, window))));
  const [newest] = rule.windows;
  if (newest) say("raw", rawTexts(newest, rule));
}

function windowRow(rule: RuleExplanation, window: WindowExplanation): readonly string[] {
  const unit = rule.per === "active_server" ? `${rule.unit}/server` : rule.unit;
  const value = window.value === null ? "-" : formatQuantity(window.value, unit);
  const divided = window.divisor === null ? "" : `, ÷ ${window.divisor} servers`;
  const notes = [window.filled === null ? null : `counts as ${window.filled}`, window.used ? null : "not looked at"];
  return [
    `${time(window.from)} .. ${time(window.to)}`,
    value,
    sideOf(window),
    `${window.samples} ${window.samples === 1 ? "sample" : "samples"}${divided}`,
    [window.problem, ...notes].filter((note) => note !== null).join("; "),
  ];
}

function sideOf({ kind, breaches, clears }: WindowExplanation): string {
  if (kind === "missing") return "missing";
  if (breaches === null) return "unknown";
  if (breaches) return kind === "unknown" ? "breach (at least)" : "breach";
  return clears === false ? "between" : "clear";
}

/** Raw counters of the newest window, of sources that have any. */
function rawTexts({ sources }: WindowExplanation, { period }: RuleExplanation): readonly string[] {
  const texts = sources.slice(0, MOST_SERVERS).map((source) => rawText(source, period));
  return sources.length > MOST_SERVERS ? [...texts, `and ${sources.length - MOST_SERVERS} more sources`] : texts;
}

function rawText(
  { name, covered, pid, restarted, raw_start: start, raw_end: end }: SourceExplanation,
  period: number,
): string {
  const counters = start === null && end === null ? "" : ` ${start ?? "?"} -> ${end ?? "?"}`;
  const process = pid === null ? "" : `, pid ${pid}`;
  return `${name}${counters} (${covered} of ${period} s${process}${restarted ? ", restarted" : ""})`;
}

function leafRow({ name, alarm, state }: NonNullable<Explanation["composite"]>["leaves"][number]): readonly string[] {
  return [alarm === null ? name : `${name}, alarm ${alarm}`, state ?? "not looked at"];
}

function gateRow({ gate, passed, reason, opens_at: opens }: Explanation["gates"][number]): readonly string[] {
  if (passed) return [gate, "passed", ""];
  return [gate, "BLOCKED", `${reason ?? ""}${opens === null ? "" : `; opens at ${time(opens)}`}`];
}

function laneText({ phase, alarm, direction, sent_at: sent, until }: Explanation["lane"], name: string): string {
  if (phase === "idle") return "idle";
  const of = alarm === null ? "" : alarm === name ? ", its own action" : ` of ${alarm}`;
  return `${phase}${of} (${direction}), sent ${time(sent ?? "?")}${until === null ? "" : `, until ${time(until)} at the latest`}`;
}

/** Sends that are shown: an alarm that repeats has many in one state. */
const MOST_SENDS = 12;

function sentLines({ deliveries }: Explanation): readonly string[] {
  const before = deliveries.length - MOST_SENDS;
  const rows = aligned(deliveries.slice(-MOST_SENDS).map(deliveryRow));
  return before > 0 ? [`… ${before} before these: tocsin delivery list`, ...rows] : rows;
}

function deliveryRow({
  receiver,
  class: kind,
  repeat,
  sent_at: sent,
  end,
  ended_at: ended,
  reason,
}: DeliveryExplanation) {
  const attempts = sent.length > 1 ? `${sent.length} attempts` : "";
  const result = end === null ? "no answer yet" : `${end} ${time(ended ?? "")}`;
  return [
    receiver,
    kind,
    repeat === 0 ? "" : `repeat ${repeat}`,
    time(sent.at(-1) ?? "?"),
    attempts,
    result,
    reason ?? "",
  ];
}

function nearestTexts(explanation: Explanation): readonly string[] {
  const texts = explanation.nearest.map((one) => nearestText(one, explanation));
  const { opens_at: opens } = explanation.action;
  return opens === null ? texts : [`would be sent at ${time(opens)}, if nothing else happens`, ...texts];
}

function nearestText(change: Counterfactual, { rules, tick }: Explanation): string {
  const { to, from, verdict, rule } = change;
  const own = rules.find(({ name }) => name === rule);
  // Where no clear threshold was said it is the threshold: nothing has to be changed besides.
  const said = Object.entries(change.with).filter(
    ([word]) => word !== "clear_threshold" || own?.clear_threshold !== own?.threshold,
  );
  const of = `${rule === null ? "" : ` of ${rule}`}${said.map(([word, value]) => `, ${word} ${value}`).join("")}`;
  switch (change.change) {
    case "threshold": {
      const operator = own?.comparison_operator ?? "";
      const isBeyond = operator !== "eq" && operator !== "ne" && rule === null;
      return `would be ${verdict} with threshold ${thresholdText(from, to, isBeyond)}${of}`;
    }
    case "datapoints_to_alarm":
    case "evaluation_periods":
      return `would be ${verdict} with ${change.change} ${to}${of}`;
    case "time":
      return `was ${verdict} ${to} s after ${time(tick.timestamp)}`;
  }
}

/** A number just beside a shorter one is told by that one: `< 0.0`, not `<= -5e-324`. */
function thresholdText(from: number, to: number, isBeyond: boolean): string {
  const beside = to < from ? nextUp(to) : nextDown(to);
  if (floatRepr(beside).length >= floatRepr(to).length)
    return `${isBeyond ? (to < from ? "<= " : ">= ") : ""}${floatRepr(to)}`;
  const [sign, words] = to < from ? ["<", "just below"] : [">", "just above"];
  return `${isBeyond ? sign : words} ${floatRepr(beside)}`;
}

/** Rows in columns, without a header. */
function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const [first, ...rest] = rows;
  return first ? formatTable(first, rest).split("\n") : [];
}

/** A time as people read it: no milliseconds where there are none. */
function time(rfc: string): string {
  return rfc.replace(".000Z", "Z");
}

/**
 * Decisions about an alarm, one a line, in the order given. `deliveries`: for those whose sends are not among the
 * decisions, because these are cut off or nothing was sent.
 */
export function historyTable(decisions: readonly Decision[], deliveries: readonly DeliveryView[] = []): string {
  const sends = new Map(decisions.flatMap((one) => (one.d === "send" ? [[one.delivery, one] as const] : [])));
  const known = new Map(deliveries.map((one) => [one.delivery_id, one]));
  const nameOf = (id: string) => {
    const send = sends.get(id) ?? known.get(id);
    return send ? sendName(send) : `delivery ${id.slice(0, SHORT_ID)}`;
  };
  const rows = decisions.map((decision) => [time(rfc3339(decision.at)), ...decisionRow(decision, nameOf)]);
  return formatTable(["TIMESTAMP", "DECISION", "WHAT", "REASON"], rows);
}

/** Whether decisions are about deliveries whose sends are not among them. */
export function lacksSends(decisions: readonly Decision[]): boolean {
  const sent = new Set(decisions.flatMap((one) => (one.d === "send" ? [one.delivery] : [])));
  return decisions.some((one) => (one.d === "end" || one.d === "cancel") && !sent.has(one.delivery));
}

type Send = Extract<Decision, { readonly d: "send" }>;

/** A delivery as people name it: number of the transition and of the repeat, and the receiver. */
function sendName({ transition, repeat, receiver }: Pick<Send, "transition" | "repeat" | "receiver">): string {
  return `${transition}.${repeat} to ${receiver}`;
}

function decisionRow(
  decision: Decision,
  nameOf: (deliveryId: string) => string,
): readonly [decision: string, what: string, reason: string] {
  switch (decision.d) {
    case "transition":
      return ["transition", `${decision.transition}: ${decision.from} -> ${decision.to}`, decision.reason];
    case "send": {
      const again = decision.attempt > 1 ? `, attempt ${decision.attempt}` : "";
      return ["send", `${sendName(decision)} (${decision.class}${again})`, decision.notification.reason];
    }
    case "hold":
      return ["hold", `${decision.what}, by ${decision.gate}`, decision.reason];
    case "release":
      return ["release", "", decision.reason];
    case "cancel":
      return ["cancel", nameOf(decision.delivery), decision.reason];
    case "end":
      return ["end", `${nameOf(decision.delivery)}: ${decision.end}`, decision.reason];
    case "effect": {
      const { transition, effect, direction, ticks } = decision;
      const servers = decision.servers.length > 0 ? `: ${decision.servers.join(", ")}` : "";
      return ["effect", `${transition}: ${effect}`, `${direction}, after ${ticks} ticks${servers}`];
    }
    case "source":
      return ["source", decision.source, decision.reason];
  }
}
