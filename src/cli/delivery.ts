/** `tocsin delivery list|show|retry|drop` as text. */

import { formatDuration } from "../lib/durations.ts";
import { floatRepr } from "../lib/python.ts";
import type { Clock } from "../ports.ts";
import type { AttemptView, ClusterView, DeliveryDetail, DeliveryView } from "../serviceView.ts";
import { printableLine } from "./printable.ts";
import { formatTable } from "./table.ts";

/** Lines of an answer that are shown: `-o json` has all that is kept. */
const MOST_LINES = 20;
/** `msg_` and 8 digits: nearly always enough to name a delivery by. */
export const SHORT_ID = 12;

interface Listed {
  readonly needing: readonly DeliveryView[];
  readonly rest: readonly DeliveryView[];
  readonly clusters: readonly ClusterView[];
  /** Of what needs a person each one, rather than the newest of those that are alike. */
  readonly isEach: boolean;
}

/** What needs a person first, in a section of its own; then the rest. */
export function deliveryTable(
  { needing, rest, clusters, isEach }: Listed,
  clock: Pick<Clock, "now">,
  parseAt: (text: string) => number,
): string {
  const names = new Map(clusters.map((one) => [one.cluster_id, one.cluster_name]));
  const rowOf = (one: DeliveryView, before = 0) => [
    one.delivery_id.slice(0, SHORT_ID),
    `${formatDuration(Math.max(0, clock.now() - parseAt(one.created_at)))} ago`,
    names.get(one.cluster_id) ?? one.cluster_id,
    one.alarm_name,
    one.receiver,
    one.current,
    one.status,
    String(one.attempts),
    before === 0 ? one.reason : `${one.reason} (and ${before} before it)`,
  ];
  const alike = isEach ? needing.map((one) => [one]) : kindsOf(needing);
  const urgent = alike.flatMap(([newest, ...before]) => (newest ? [rowOf(newest, before.length)] : []));
  const header = ["ID", "CREATED", "CLUSTER", "ALARM", "RECEIVER", "STATE", "STATUS", "ATTEMPTS", "REASON"];
  const table = formatTable(header, [...urgent, ...rest.map((one) => rowOf(one))]);
  if (needing.length === 0) return table;
  const [head = "", ...lines] = table.split("\n");
  const each = urgent.length === needing.length ? "" : "; each of them: --attention";
  const title = `NEEDS A PERSON (${needing.length}): tocsin delivery show, retry or drop ID${each}`;
  const first = [title, head, ...lines.slice(0, urgent.length)];
  return (rest.length === 0 ? first : [...first, "", "THE REST", head, ...lines.slice(urgent.length)]).join("\n");
}

/** Those that tell of one trouble, the newest first: one receiver that is away must not hide the others. */
function kindsOf(deliveries: readonly DeliveryView[]): readonly (readonly DeliveryView[])[] {
  const kindOf = (one: DeliveryView) => JSON.stringify([one.cluster_id, one.alarm_id, one.receiver, one.status]);
  return [...Map.groupBy(deliveries, kindOf).values()];
}

/** All of one delivery: what it is about, and each attempt with what came of it. */
export function deliveryText(delivery: DeliveryDetail, clusterName: string): string {
  const { notification, attempt_list: attempts } = delivery;
  const value = newestValueOf(delivery);
  const facts: readonly (readonly [string, string])[] = [
    ["delivery_id", delivery.delivery_id],
    ["status", delivery.attention ? `${delivery.status}: it needs a person` : delivery.status],
    ["reason", delivery.reason || "-"],
    ...(delivery.attention ? [["next", nextStepOf(delivery)] as const] : []),
    ["attempts", attemptsOf(delivery)],
    ["alarm", `${delivery.alarm_name} (${delivery.alarm_id})`],
    ["cluster", `${clusterName} (${delivery.cluster_id})`],
    ["receiver", delivery.receiver],
    ["class", delivery.class === "control" ? `control, ${delivery.direction}` : delivery.class],
    ["state", `${delivery.previous} -> ${delivery.current}`],
    ["severity", notification.severity],
    ["says", notification.reason],
    ...(value === undefined ? [] : [["value", value] as const]),
    ...(notification.count === undefined ? [] : [["count", String(notification.count)] as const]),
    ["send", `${delivery.transition}.${delivery.repeat}`],
    ["created_at", delivery.created_at],
  ];
  return [formatTable(["FIELD", "VALUE"], facts), ...attempts.map(attemptText)].join("\n\n");
}

/** What a person does about it. */
function nextStepOf({ delivery_id: id, class: kind, status, alarm_name: alarm, receiver }: DeliveryDetail): string {
  const again = `tocsin delivery retry ${id.slice(0, SHORT_ID)}, or drop it`;
  if (kind === "notice") return `mend the receiver (tocsin receiver test ${receiver}), then ${again}`;
  if (status === "uncertain") return `find out whether it ran; unless it is asked for again by itself: ${again}`;
  return `mend the receiver; while alarm ${alarm} still asks for it: ${again}`;
}

function newestValueOf({ notification: { reasonData } }: DeliveryDetail): string | undefined {
  if (reasonData.type !== "threshold") return undefined;
  const server = reasonData.server === undefined ? "" : `, server ${reasonData.server}`;
  return `${reasonData.mostRecent === null ? "none" : floatRepr(reasonData.mostRecent)}${server}`;
}

/** The newest may be under way, and one whose outcome the process did not live to see is not told. */
function attemptsOf({ attempts, attempt_list: told }: DeliveryDetail): string {
  if (told.length >= attempts) return String(attempts);
  return `${attempts}, of which ${told.length} ${told.length === 1 ? "has" : "have"} an outcome`;
}

function attemptText(attempt: AttemptView): string {
  const { status, reason, answer, request_id: requestId, started_at: at } = attempt;
  const word = outcomeWord(attempt.outcome);
  const outcome = status === null ? word : `${word} (${status})`;
  return [
    printableLine(`attempt ${attempt.attempt}  ${at ?? "not made"}  ${outcome}: ${reason}`),
    `  ${latencyOf(attempt)}`,
    ...(requestId === null ? [] : [printableLine(`  its request id  ${requestId}`)]),
    ...(answer === null ? [] : answerLines(answer)),
  ].join("\n");
}

/** An outcome as people say it. */
export function outcomeWord(outcome: string): string {
  return outcome === "not_run" ? "did not run" : outcome;
}

/** The parts of the time that it took, one after the other. */
function latencyOf({ wait_ms: wait, connect_ms: connect, first_byte_ms: first, total_ms: total }: AttemptView): string {
  if (total === null) return "no times are known";
  const parts = [
    wait === null ? undefined : `waited ${ms(wait)}`,
    connect === null ? "no connection" : `connected in ${ms(connect)}`,
    first === null ? undefined : `first byte ${ms(first - (connect ?? 0))} later`,
    `${ms(total)} in all`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** E.g. `0.4 ms`, `17 ms`, `5.2 s`. */
export function ms(value: number): string {
  if (value >= 1000) return `${Number((value / 1000).toPrecision(3))} s`;
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} ms`;
}

/** The beginning of an answer, indented: whatever is in it, it changes nothing at a terminal. */
export function answerLines(answer: string): readonly string[] {
  if (answer.trim() === "") return ["  it answered nothing else"];
  const lines = answer.trimEnd().replaceAll("\t", "  ").split(/\r?\n/);
  const more = lines.length > MOST_LINES ? [`    … ${lines.length - MOST_LINES} lines more`] : [];
  return ["  its answer", ...lines.slice(0, MOST_LINES).map((line) => printableLine(`    ${line}`.trimEnd())), ...more];
}

/** What came of a retry, as a sentence. */
export function retriedText(delivery: DeliveryView): string {
  const what = `${delivery.delivery_id} to ${delivery.receiver}`;
  const tells = `"tocsin delivery show ${delivery.delivery_id.slice(0, SHORT_ID)}" tells what comes of it`;
  switch (delivery.status) {
    case "waiting":
      return `${what} waits for its turn, and is sent again under the same id; ${tells}`;
    case "claimed":
      return `${what} is being sent again, under the same id; ${tells}`;
    case "delivered":
      return `${what} was sent again, and is delivered`;
    default:
      if (delivery.class !== "control") return `${what} was sent again: ${delivery.status}: ${delivery.reason}`;
      return `the action of alarm ${delivery.alarm_name} is owed to ${delivery.receiver} again, under a new id: "tocsin alarm explain ${delivery.alarm_name}" tells what holds it`;
  }
}

/** What came of a drop, as a sentence. */
export function droppedText(delivery: DeliveryView): string {
  const what = `${delivery.delivery_id} to ${delivery.receiver}`;
  if (delivery.status === "dropped") return `${what} is dropped: it is not sent again, and needs nobody any more`;
  return `${what} is ${delivery.status}: ${delivery.reason}`;
}
