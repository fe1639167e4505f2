/** Queries that alarms bring from Aodh and Heat: whether they select the file's own cluster. */

import { messageOf } from "../lib/errors.ts";
import { isGlob, matchesGlob } from "../lib/globs.ts";
import type { RuleFile } from "./ruleSchema.ts";

/** Values of each metadata field of a cluster; those of rows may be globs. */
export type ClusterLabels = ReadonlyMap<string, readonly string[]>;

/** Deeper queries are refused: nobody writes them. */
const MAX_DEPTH = 20;

/** Ceilometer, Heat and Gnocchi put the same key under different prefixes. */
const PREFIX = /^(?:(?:metadata|resource_metadata|user_metadata|metering)\.)+/;

/**
 * What a query may ask of a file's cluster. `server_group`, `stack` and `groupname` are what Heat's templates call
 * the thing that scales.
 */
export function clusterLabels({ cluster_id: id, cluster_name: clusterName = id, haproxy }: RuleFile): ClusterLabels {
  const group = [id, clusterName];
  const rows = haproxy.flatMap(({ frontend, backend, proxy }) => frontend ?? backend ?? proxy ?? []);
  const resource = [id, ...rows];
  return new Map([
    ["cluster_id", [id]],
    ["cluster_name", [clusterName]],
    ...["server_group", "stack", "groupname"].map((label) => [label, group] as const),
    ...["id", "resource_id", "resource", "original_resource_id", "name", "display_name"].map(
      (label) => [label, resource] as const,
    ),
  ]);
}

/** Whether a resource id is the cluster's, or one of its rows'. */
export function isResource(labels: ClusterLabels, id: string): boolean {
  return hits(labels.get("resource_id") ?? [], id);
}

/** Why a threshold alarm's query does not select the cluster; `undefined`: it does. A list of items, or Heat's map. */
export function ceilometerMismatch(query: unknown, labels: ClusterLabels, clusterId: string): string | undefined {
  if (query === undefined || query === null) return undefined;
  if (typeof query !== "object") return query === clusterId ? undefined : OTHER(clusterId);
  for (const { field, op, value } of ceilometerItems(query)) {
    if (op !== "eq") return `knows the op eq only, not ${show(op)}`;
    if (typeof field !== "string") return "is a list of {field, op, value}";
    const known = labels.get(bare(field));
    if (known === undefined) return `speaks of ${show(field)}, which says nothing about cluster ${clusterId}`;
    if (!hits(known, value)) return OTHER(clusterId);
  }
  return undefined;
}

const OTHER = (clusterId: string): string => `selects something else than cluster ${clusterId}`;

/** Items of a query as Aodh writes them: a map is Heat's short form of equalities. */
export function ceilometerItems(
  query: object,
): readonly { field: unknown; op: unknown; value: unknown; type?: unknown }[] {
  if (!Array.isArray(query)) return Object.entries(query).map(([field, value]) => ({ field, op: "eq", value }));
  return query.map((item: unknown) => {
    const { field, op = "eq", value, type } = isMap(item) ? item : {};
    return { field, op, value, ...(type === undefined ? {} : { type }) };
  });
}

/** Why a Gnocchi query (JSON text, or the same as a map) does not select the cluster; `undefined`: it does. */
export function gnocchiMismatch(query: unknown, labels: ClusterLabels, clusterId: string): string | undefined {
  let parsed = query;
  if (typeof query === "string") {
    try {
      parsed = JSON.parse(query);
    } catch (error) {
      return `is not JSON: ${messageOf(error)}`;
    }
  }
  const problems: string[] = [];
  const selected = evaluate(parsed, labels, problems, 0);
  return problems[0] ?? (selected ? undefined : OTHER(clusterId));
}

function evaluate(query: unknown, labels: ClusterLabels, problems: string[], depth: number): boolean {
  const fail = (problem: string): boolean => {
    problems.push(problem);
    return false;
  };
  if (depth > MAX_DEPTH) return fail(`is nested more than ${MAX_DEPTH} deep`);
  const [only, ...more] = isMap(query) ? Object.entries(query) : [];
  if (!only || more.length > 0) return fail(`has ${show(query)} where {operator: …} with one operator is expected`);
  const [op, operand] = only;
  const each = () => (Array.isArray(operand) ? operand : []).map((one) => evaluate(one, labels, problems, depth + 1));
  switch (op) {
    case "and":
    case "∧":
      return Array.isArray(operand) ? each().every(Boolean) : fail(`needs a list after ${show(op)}`);
    case "or":
    case "∨":
      return Array.isArray(operand) ? each().some(Boolean) : fail(`needs a list after ${show(op)}`);
    case "not":
    case "¬":
      return !evaluate(operand, labels, problems, depth + 1);
    default:
      return compareField(op, operand, labels, fail);
  }
}

function compareField(
  op: string,
  operand: unknown,
  labels: ClusterLabels,
  fail: (problem: string) => boolean,
): boolean {
  const [only, ...more] = isMap(operand) ? Object.entries(operand) : [];
  if (!only || more.length > 0) return fail(`needs one {field: value} after ${show(op)}`);
  const [field, value] = only;
  const known = labels.get(bare(field));
  if (known === undefined) return fail(`speaks of ${show(field)}, which no cluster here has`);
  switch (op) {
    case "=":
    case "==":
    case "eq":
      return hits(known, value);
    case "!=":
    case "≠":
    case "ne":
      return !hits(known, value);
    case "in":
    case "∈":
      return Array.isArray(value) ? value.some((one) => hits(known, one)) : fail(`needs a list after ${show(op)}`);
    case "like": {
      const pattern = String(value).replaceAll("%", "*").replaceAll("_", "?");
      return known.some((one) => matchesGlob(one, pattern));
    }
    default:
      return fail(`uses ${show(op)}: known are and, or, not, =, !=, in, like`);
  }
}

function bare(field: string): string {
  return field.replace(PREFIX, "");
}

function hits(known: readonly string[], value: unknown): boolean {
  if (typeof value !== "string" && typeof value !== "number") return false;
  const text = String(value);
  return known.some((one) => one === text || (isGlob(one) && matchesGlob(text, one)));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
