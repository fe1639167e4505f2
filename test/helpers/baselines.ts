/** What baselines hold, for tests: the counters of each row as HAProxy printed them. */

import { rowsOf } from "../../src/collector/baseline.ts";
import { RowsBuilder } from "../../src/collector/rows.ts";
import type { RowTable } from "../../src/collector/rowTable.ts";
import { COLUMNS, COUNTER_COLUMNS, KINDS } from "../../src/collector/rowTable.ts";
import type { Baseline, ProcessIdentity, RowKind } from "../../src/model/tick.ts";

export const NOBODY: ProcessIdentity = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };

type Counters = Readonly<Record<string, string>>;

/** Counters by `<pxname>/<svname>/<kind>`. */
export function recordsOf(baseline: Baseline): Readonly<Record<string, Counters>> {
  const { table, rows } = rowsOf(baseline);
  return Object.fromEntries(
    [...rows].map((row) => [
      `${table.proxies[row]}/${table.servers[row]}/${KINDS[table.kinds[row]!]}`,
      countersOf(table, row),
    ]),
  );
}

/** The same of what is written down of it alone. */
export function recordedOf(baseline: Baseline): Readonly<Record<string, Counters>> {
  return recordsOf(structuredClone(baseline));
}

function countersOf(table: RowTable, row: number): Counters {
  const counters = COUNTER_COLUMNS.map((name, column) => {
    const place = row * COLUMNS.length + column;
    return [name, String(table.exact.get(place) ?? table.numbers[place])] as const;
  });
  return Object.fromEntries(counters.filter(([, digits]) => digits !== "NaN"));
}

/** A table of one row with these numbers. */
export function rowWith(numbers: Counters, kind: RowKind = "frontend"): RowTable {
  const builder = new RowsBuilder();
  const row = builder.row("web", "a", kind);
  for (const [column, digits] of Object.entries(numbers)) builder.set(row, column, digits);
  return builder.build(NOBODY, 0).table;
}
