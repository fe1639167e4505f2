/** Rows of one cluster in one answer, and where each was in the answer before. */

import type { RowTable } from "./rowTable.ts";

/** Rows of one table that belong together. */
export interface RowGroup {
  readonly table: RowTable;
  /** Their numbers in the table. */
  readonly rows: Int32Array;
}

/** Row numbers of the same rows in another answer; -1 where it had none. */
export function matched({ table, rows }: RowGroup, before: RowGroup): Int32Array {
  const places = new Int32Array(rows.length);
  let index: ReadonlyMap<string, number> | undefined;
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    // HAProxy prints rows in the same order every time, but after a change.
    const usual = before.rows[at];
    if (usual !== undefined && isSameRow(table, row, before.table, usual)) {
      places[at] = usual;
      continue;
    }
    index ??= indexOf(before);
    places[at] = index.get(keyOf(table, row)) ?? -1;
  }
  return places;
}

/** Whether two rows of two tables have one name and kind. */
export function isSameRow(a: RowTable, row: number, b: RowTable, other: number): boolean {
  return a.servers[row] === b.servers[other] && a.proxies[row] === b.proxies[other] && a.kinds[row] === b.kinds[other];
}

function indexOf({ table, rows }: RowGroup): ReadonlyMap<string, number> {
  const index = new Map<string, number>();
  for (const row of rows) index.set(keyOf(table, row), row);
  return index;
}

/** Never `iid` or `sid`: a reload may number them anew. */
function keyOf(table: RowTable, row: number): string {
  return `${table.kinds[row]} ${table.proxies[row]}\n${table.servers[row]}`;
}
