/** What comes out of the bucket of mappings, checked: whoever may write there may write anything. */

import type { RowPattern } from "../../../model/alarm.ts";
import type { ClusterRows, Reads } from "../../../model/clusterRows.ts";
import type { Family } from "../../../model/family.ts";

/** What is said of rows that no rule file claims. */
export interface FamilyRules {
  readonly families: readonly Family[];
  readonly ignore: readonly string[];
  readonly unmapped: "warn" | "ignore" | "proxy";
}

const MOST_TEXT = 8192;
const MOST_ITEMS = 100_000;

/** Rows of a cluster; `undefined`: it is none. */
export function rowsFrom(text: string): ClusterRows | undefined {
  const value = parsed(text);
  if (!isMap(value)) return undefined;
  const { clusterId, file } = value;
  const rows = listOf(value.rows, patternFrom);
  const reads = readsFrom(value.reads);
  if (!isName(clusterId) || !rows || (value.reads !== undefined && !reads)) return undefined;
  if (file !== undefined && !isName(file)) return undefined;
  return { clusterId, rows, ...(reads ? { reads } : {}), ...(file === undefined ? {} : { file }) };
}

/** What is said of the rest; `undefined`: nothing that could be. */
export function familiesFrom(text: string): FamilyRules | undefined {
  const value = parsed(text);
  if (!isMap(value)) return undefined;
  const families = listOf(value.families, familyFrom);
  const ignore = listOf(value.ignore, nameFrom);
  const { unmapped } = value;
  if (!families || !ignore) return undefined;
  if (unmapped !== "warn" && unmapped !== "ignore" && unmapped !== "proxy") return undefined;
  return { families, ignore, unmapped };
}

/** Names of sources; `undefined`: they are none. */
export function sourcesFrom(text: string): readonly string[] | undefined {
  return listOf(parsed(text), nameFrom);
}

function patternFrom(value: unknown): RowPattern | undefined {
  if (!isMap(value) || !isKind(value.kind) || !isName(value.pattern) || !isOptionalName(value.source)) return undefined;
  return { kind: value.kind, pattern: value.pattern, source: value.source };
}

function familyFrom(value: unknown): Family | undefined {
  if (!isMap(value)) return undefined;
  const { kind, pattern, source, clusterId, clusterName } = value;
  if (!isKind(kind) || !isName(pattern) || !isName(clusterId)) return undefined;
  if (!isOptionalName(source) || !isOptionalName(clusterName)) return undefined;
  return { kind, pattern, source, clusterId, clusterName };
}

function readsFrom(value: unknown): Reads | undefined {
  if (!isMap(value)) return undefined;
  const perServer = listOf(value.perServer, nameFrom);
  const counters = listOf(value.counters, nameFrom);
  return perServer && counters ? { perServer, counters } : undefined;
}

function nameFrom(value: unknown): string | undefined {
  return isName(value) ? value : undefined;
}

function listOf<T>(value: unknown, from: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value) || value.length > MOST_ITEMS) return undefined;
  const items: T[] = [];
  for (const item of value) {
    const read = from(item);
    if (read === undefined) return undefined;
    items.push(read);
  }
  return items;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MOST_TEXT;
}

function isOptionalName(value: unknown): value is string | undefined {
  return value === undefined || isName(value);
}

function isKind(value: unknown): value is RowPattern["kind"] {
  return value === "frontend" || value === "backend" || value === "proxy";
}
