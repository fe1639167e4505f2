/**
 * A sealed tick ↔ a point of `tocsin_ticks`: one float for each meter, by its name, and what these do not say in one
 * document: sources, members, servers.
 */

import { METERS } from "../../model/meters.ts";
import type { SealedTick } from "../../model/tick.ts";
import type { TickRecord } from "../../seriesPorts.ts";
import { docFields, docFrom, nameOf, numberField, seriesKey, timeOf } from "./lineProtocol.ts";
import type { Point } from "./points.ts";
import { numberOf, textOf } from "./points.ts";

/** Ticks of clusters. */
export const TICKS = "tocsin_ticks";

/** Meters that have a field: the names that we know. */
export const FIELDS: ReadonlySet<string> = new Set(METERS.map(({ name }) => name));

interface Doc {
  readonly s: SealedTick["sources"];
  readonly m?: SealedTick["members"];
  readonly v?: SealedTick["servers"];
  /** Values that no field can hold. */
  readonly x?: Readonly<Record<string, number | string>>;
}

export function tickLine({ clusterId, seq, tick }: TickRecord): string {
  const { number, at, values, sources, members, servers } = tick;
  let fields = `seq=${numberField(seq)},tick=${numberField(number)}`;
  let others: Record<string, number | string> | undefined;
  for (const name in values) {
    const value = values[name] ?? Number.NaN;
    if (FIELDS.has(name) && Number.isFinite(value)) fields += `,${name}=${numberField(value)}`;
    else {
      others ??= {};
      others[name] = jsonNumber(value);
    }
  }
  const doc: Doc = {
    s: sources,
    ...(members.length > 0 ? { m: members } : {}),
    ...(servers ? { v: servers } : {}),
    ...(others ? { x: others } : {}),
  };
  return `${seriesKey(TICKS, [["cluster_id", clusterId]])} ${fields},${docFields(doc)} ${timeOf(at, seq)}`;
}

/** Throws where it is not what was written. */
export function tickRecord(point: Point): TickRecord {
  const doc = docFrom(point.field) as Doc;
  const values: Record<string, number> = {};
  point.columns.forEach((name, place) => {
    const value = point.values[place];
    if (typeof value === "number" && FIELDS.has(name)) values[name] = value;
  });
  for (const [name, value] of Object.entries(doc.x ?? {})) values[name] = Number(value);
  const tick: SealedTick = {
    kind: "tick",
    number: numberOf(point, "tick"),
    at: point.at,
    values,
    sources: doc.s,
    members: doc.m ?? [],
    ...(doc.v ? { servers: doc.v } : {}),
  };
  return { clusterId: nameOf(textOf(point, "cluster_id")), seq: numberOf(point, "seq"), tick, baselines: {} };
}

/** A number as JSON can hold it. */
export function jsonNumber(value: number): number | string {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : String(value);
}
