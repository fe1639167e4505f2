/** Rows of `tick`: one for each sealed tick of a cluster, with a column for each meter. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { METERS } from "../../model/meters.ts";
import type { SealedTick } from "../../model/tick.ts";
import type { TickRecord } from "../../seriesPorts.ts";
import type { Numbers } from "./labels.ts";
import type { MetricsTable } from "./metricsSchema.ts";
import { METRICS_SCHEMA } from "./metricsSchema.ts";
import type { Sums } from "./sums.ts";
import { damagedRead } from "./sums.ts";

/** Names of the meters' columns. */
export const METER_COLUMNS = METERS.map((meter) => meter.name);

/** Identifiers cannot be bound; meter names are our own, and quoted all the same. */
export function quoted(meter: string): string {
  return `"${meter.replaceAll('"', '""')}"`;
}

interface StoredTick {
  readonly seq: number;
  readonly tick: SealedTick;
}

/**
 * Selects rows of one cluster in the order of their key, which begins with the number: parameters are the first and the
 * last number, and the cluster. Rows of all other clusters between them are passed over.
 */
export function eachNumber(columns: string, table: "tick" | "answer"): string {
  return `WITH RECURSIVE each(n) AS (SELECT ?1 WHERE ?1 <= ?2 UNION ALL SELECT n + 1 FROM each WHERE n < ?2 ORDER BY 1)
    SELECT ${columns} FROM each CROSS JOIN ${table} ON ${table}.number = n AND ${table}.cluster = ?3`;
}

/** Looks up ticks; each is verified. */
export class TickRows {
  readonly #sums: Sums<MetricsTable>;
  readonly #tickAt: StatementSync;
  readonly #ticksFrom: StatementSync;
  /** All columns that are no part of every row, by name, and the places of those that are meters of ours. */
  readonly #others: readonly string[];
  readonly #meters: readonly (readonly [name: string, place: number])[];

  constructor(database: DatabaseSync, sums: Sums<MetricsTable>) {
    this.#sums = sums;
    const own = METRICS_SCHEMA.columns.tick;
    const present = database
      .prepare("PRAGMA table_info(tick)")
      .all()
      .map(({ name }) => String(name));
    this.#others = present.filter((name) => name !== "sum" && !own.includes(name)).sort();
    const places = new Map(this.#others.map((name, n) => [name, n]));
    this.#meters = METER_COLUMNS.flatMap((name) => {
      const place = places.get(name);
      return place === undefined ? [] : [[name, place] as const];
    });
    const names = [...own, "sum", ...this.#others].map(quoted);
    this.#tickAt = database.prepare(`SELECT ${names} FROM tick WHERE number = ? AND cluster = ?`);
    this.#tickAt.setReturnArrays(true);
    this.#ticksFrom = database.prepare(eachNumber(names.map((name) => `tick.${name}`).join(), "tick"));
    this.#ticksFrom.setReturnArrays(true);
  }

  /** `undefined`: there is none. Throws `E306` when it is not what was written. */
  at(number: number, cluster: number): StoredTick | undefined {
    const row = this.#tickAt.get(number, cluster) as readonly unknown[] | undefined;
    return row && this.#tickOf(row);
  }

  /** All of a cluster from one number to another, in order. Throws as `at`. */
  within({ first, last }: Numbers, cluster: number): StoredTick[] {
    const rows = this.#ticksFrom.all(first, last, cluster) as unknown as readonly (readonly unknown[])[];
    return rows.map((row) => this.#tickOf(row));
  }

  #tickOf(row: readonly unknown[]): StoredTick {
    const [ownNumber, , seq, at, detail, sum] = row;
    if (sum !== this.#sums.ofWide("tick", row, OWN - 1, this.#others))
      throw damagedRead("a row of tick is not what was written");
    const { sources, members, servers } = JSON.parse(String(detail)) as Detail;
    const values: Record<string, number> = {};
    for (const [name, place] of this.#meters) {
      const value = row[OWN + place];
      if (typeof value === "number") values[name] = value;
    }
    return {
      seq: Number(seq),
      // As it was folded: to the bit, and with its keys in the same order.
      tick: {
        kind: "tick",
        number: Number(ownNumber),
        at: Number(at),
        values,
        sources,
        members,
        ...(servers ? { servers } : {}),
      },
    };
  }

  record(clusterId: string, number: number, cluster: number): TickRecord | undefined {
    const found = this.at(number, cluster);
    return found && { clusterId, ...found, baselines: {} };
  }
}

type Detail = Pick<SealedTick, "sources" | "members" | "servers">;

/** Columns before those of the meters: the schema's, and the sum. */
const OWN = METRICS_SCHEMA.columns.tick.length + 1;
