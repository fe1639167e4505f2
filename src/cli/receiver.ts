/** `tocsin receiver list|test` as text. */

import type { ReceiverTest, ReceiverView, TestOutcome } from "../serviceView.ts";
import { answerLines, ms, outcomeWord } from "./delivery.ts";
import { printableLine } from "./printable.ts";
import { formatTable } from "./table.ts";

/** One line for each receiver, those that fail first. */
export function receiverTable(receivers: readonly ReceiverView[]): string {
  const fails = ({ failing, breaker }: ReceiverView) => failing !== null || breaker !== "closed";
  const ordered = [...receivers.filter(fails), ...receivers.filter((one) => !fails(one))];
  const rows = ordered.map((one) => [
    one.cluster_name,
    one.name,
    one.shadow ? `${one.class} (shadow)` : one.class,
    one.direction ?? "-",
    one.target,
    one.breaker,
    one.failing ?? "-",
  ]);
  return formatTable(["CLUSTER", "RECEIVER", "CLASS", "DIRECTION", "TARGET", "BREAKER", "FAILING"], rows);
}

/** The request as it would go, or went, and what was found. */
export function testText(test: ReceiverTest): string {
  const { headers, body, addresses, problem, outcome } = test;
  const direction = test.direction === null ? "" : `, ${test.direction}`;
  const lines = [`receiver ${test.name} of ${test.cluster_name} (${test.class}${direction})`, ""];
  const isPosted = Object.keys(headers).length > 0;
  if (isPosted) {
    lines.push(`POST ${test.target}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), "");
    if (body !== "") lines.push(...body.split("\n"), "");
  } else if (problem === null) lines.push(`${test.target} nothing leaves the process`, "");
  addresses.forEach(({ address, refused }, index) => {
    const label = index === 0 ? "addresses" : "";
    lines.push(`${label.padEnd(9)}  ${address}${refused === null ? "" : `  refused: ${refused}`}`);
  });
  lines.push(`problem    ${problem ?? "none"}`);
  lines.push(outcome === null ? unsentText(problem) : sentText(outcome));
  return lines
    .map(printableLine)
    .concat(outcome?.answer == null ? [] : answerLines(outcome.answer))
    .join("\n");
}

function unsentText(problem: string | null): string {
  return problem === null ? "sent       no: --send sends it, marked as a test" : "sent       no";
}

function sentText({ outcome, reason, total_ms: totalMs }: TestOutcome): string {
  return `sent       ${outcomeWord(outcome)} in ${ms(totalMs)}: ${reason}`;
}

/** Whether a test found that all is well. */
export function isWell({ problem, outcome }: ReceiverTest): boolean {
  return problem === null && (outcome === null || outcome.outcome === "accepted");
}
