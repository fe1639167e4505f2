/**
 * Rows of one answer ↔ points of `tocsin_rows`, one for each row: `<meter>.increase` of a counter, `<meter>` of a sum,
 * `<meter>.sum` and `<meter>.weight` of a mean.
 */

import type { MeanPart, RowKind, RowSample } from "../../model/tick.ts";
import type { RowPoint, RowRecord } from "../../seriesPorts.ts";
import { docFields, docFrom, nameOf, numberField, textField } from "./lineProtocol.ts";
import type { Point } from "./points.ts";
import { numberOf, textOf } from "./points.ts";
import { FIELDS, jsonNumber } from "./tickPoints.ts";

/** Rows of HAProxy. */
export const ROWS = "tocsin_rows";

type Numbers = Readonly<Record<string, number | string>>;

/** What no field can hold. */
interface Doc {
  readonly i?: Numbers;
  readonly s?: Numbers;
  readonly m?: Readonly<Record<string, readonly [sum: number | string, weight: number | string]>>;
}

/** Tags of a row: what a series of rows is. */
export function rowTags(
  clusterId: string,
  resource: string,
  source: string,
  kind: RowKind,
): readonly (readonly [string, string])[] {
  return [
    ["cluster_id", clusterId],
    ["kind", kind],
    ["resource", resource],
    ["source", source],
  ];
}

/** `key`: its measurement and tags. `time`: of all rows of the answer. */
export function rowLine(
  { tick, coveredS, gap }: Pick<RowRecord, "tick" | "coveredS" | "gap">,
  row: RowSample,
  key: string,
  time: string,
): string {
  let fields = `tick=${numberField(tick.number)},covered=${numberField(coveredS)}`;
  if (gap) fields += ",gap=1";
  if (row.state !== undefined) fields += `,state=${textField(row.state)}`;
  const [own, increases] = numbers(row.increases, ".increase");
  const [gauges, sums] = numbers(row.sums, "");
  fields += own + gauges;
  let means: Record<string, readonly [number | string, number | string]> | undefined;
  for (const name in row.means) {
    const { sum, weight } = row.means[name] ?? NOTHING;
    if (FIELDS.has(name) && Number.isFinite(sum) && Number.isFinite(weight))
      fields += `,${name}.sum=${numberField(sum)},${name}.weight=${numberField(weight)}`;
    else {
      means ??= {};
      means[name] = [jsonNumber(sum), jsonNumber(weight)];
    }
  }
  if (increases || sums || means) {
    const doc: Doc = { ...(increases && { i: increases }), ...(sums && { s: sums }), ...(means && { m: means }) };
    fields += `,${docFields(doc)}`;
  }
  return `${key} ${fields} ${time}`;
}

const NOTHING: MeanPart = { sum: Number.NaN, weight: Number.NaN };

/** Those that have a field, and those that have none. */
function numbers(all: Readonly<Record<string, number>>, suffix: string): readonly [string, Numbers | undefined] {
  let fields = "";
  let others: Record<string, number | string> | undefined;
  for (const name in all) {
    const value = all[name] ?? Number.NaN;
    if (FIELDS.has(name) && Number.isFinite(value)) fields += `,${name}${suffix}=${numberField(value)}`;
    else {
      others ??= {};
      others[name] = jsonNumber(value);
    }
  }
  return [fields, others];
}

/** Throws where it is not what was written. */
export function rowPoint(point: Point): RowPoint {
  const increases: Record<string, number> = {};
  const sums: Record<string, number> = {};
  const parts: Record<string, { sum?: number; weight?: number }> = {};
  point.columns.forEach((column, place) => {
    const value = point.values[place];
    if (typeof value !== "number") return;
    if (FIELDS.has(column)) {
      sums[column] = value;
      return;
    }
    const [, name = "", part] = /^(.+)\.(increase|sum|weight)$/.exec(column) ?? [];
    if (!FIELDS.has(name)) return;
    if (part === "increase") increases[name] = value;
    else parts[name] = { ...parts[name], [part === "sum" ? "sum" : "weight"]: value };
  });
  const means: Record<string, MeanPart> = {};
  for (const name in parts) {
    const { sum, weight } = parts[name] ?? {};
    if (sum !== undefined && weight !== undefined) means[name] = { sum, weight };
  }
  if (point.field("doc") !== undefined) {
    const doc = docFrom(point.field) as Doc;
    for (const [name, value] of Object.entries(doc.i ?? {})) increases[name] = Number(value);
    for (const [name, value] of Object.entries(doc.s ?? {})) sums[name] = Number(value);
    for (const [name, [sum, weight]] of Object.entries(doc.m ?? {}))
      means[name] = { sum: Number(sum), weight: Number(weight) };
  }
  const state = point.field("state");
  return {
    tick: { number: numberOf(point, "tick"), at: point.at },
    source: nameOf(textOf(point, "source")),
    coveredS: numberOf(point, "covered"),
    ...(point.field("gap") === 1 ? { gap: true as const } : {}),
    row: {
      resource: nameOf(textOf(point, "resource")),
      kind: nameOf(textOf(point, "kind")) as RowKind,
      increases,
      sums,
      means,
      ...(typeof state === "string" ? { state: state as NonNullable<RowSample["state"]> } : {}),
    },
  };
}
