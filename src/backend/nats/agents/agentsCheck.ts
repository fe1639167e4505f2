/** What an agent says of itself, checked: whoever may write there may write anything. */

import type { SourceView } from "../../../serviceView.ts";
import { keyOf } from "../names.ts";
import type { AgentStatus } from "./agents.ts";

const MOST_TEXT = 8192;
const MOST_BYTES = 1024 * 1024;

/** The status under a key; `undefined`: it is none, or one that speaks for another agent. */
export function agentFrom(data: Uint8Array, key: string): AgentStatus | undefined {
  if (data.length > MOST_BYTES) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isMap(value)) return undefined;
  const { agent, run, sources, untold } = value;
  if (!isText(agent) || !isText(run) || `${keyOf(agent)}.${keyOf(run)}` !== key) return undefined;
  if (!isAmount(untold) || !Array.isArray(sources) || !sources.every(isView)) return undefined;
  return sources.every(({ name }) => name.startsWith(`${agent}/`)) ? { agent, run, sources, untold } : undefined;
}

const VIEW: Readonly<Record<keyof SourceView, (value: unknown) => boolean>> = {
  name: isText,
  kind: isText,
  address: isText,
  ok: (value) => typeof value === "boolean",
  code: isText,
  reason: isText,
  unmapped: isTexts,
  skipped_rows: isAmount,
  version: isText,
  pid: isAmountOrNull,
  uptime_s: isAmountOrNull,
  process_since: (value) => value === null || isText(value),
  rows: isAmount,
  errors: isAmount,
  duration_ms: isAmount,
  hints: isTexts,
};

const VIEW_CHECKS = Object.entries(VIEW);

function isView(value: unknown): value is SourceView {
  return isMap(value) && VIEW_CHECKS.every(([name, check]) => check(value[name]));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MOST_TEXT;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isAmountOrNull(value: unknown): boolean {
  return value === null || isAmount(value);
}
