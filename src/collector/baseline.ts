/**
 * What a scrape leaves for the next one, also for one after a restart: the counters of a cluster's rows as text. The
 * first line names the columns, those of servers behind a `|`; then comes a line for each row: kind, proxy (`=`: that of
 * the line above), name, and a number for each column of its kind, empty where HAProxy printed none. Of servers only
 * what some meter that is read is made of is written down.
 *
 * While we run the next scrape subtracts from the rows themselves: text is read after a restart, and of a baseline
 * whose table other rows have been read into.
 */

import type { Baseline, RowKind } from "../model/tick.ts";
import { AsciiWriter } from "./asciiWriter.ts";
import type { RowGroup } from "./rowGroup.ts";
import { RowsBuilder } from "./rows.ts";
import type { RowTable } from "./rowTable.ts";
import { COLUMNS, COUNTER_COLUMNS, columnIndex, KINDS, SERVER } from "./rowTable.ts";

const LETTERS = "FBSL";
const DITTO = "=";

interface KeptRows {
  readonly group: RowGroup;
  readonly serverColumns: readonly string[];
  /** That of the group's table: when it has gone on the rows are others, and only the text tells what they were. */
  readonly turn: number;
}

/** Rows behind the baselines that this run of ours made, or has read already. */
const kept = new WeakMap<Baseline, KeptRows>();

/** The baseline that these rows leave. */
export function baselineOf(facts: Omit<Baseline, "rows">, group: RowGroup, serverColumns: readonly string[]): Baseline {
  const baseline: Baseline = { ...facts, rows: textOf(group, serverColumns) };
  kept.set(baseline, { group, serverColumns, turn: group.table.turn });
  return baseline;
}

/** Whether the rows of a baseline lie in this table. */
export function isIn(baseline: Baseline, table: RowTable): boolean {
  return kept.get(baseline)?.group.table === table;
}

/** Holds no table any more: the rows are read from the text when somebody asks. */
export function letGo(baseline: Baseline): void {
  kept.delete(baseline);
}

/** Rows of a baseline, whoever made it. */
export function rowsOf(baseline: Baseline): RowGroup {
  return keptOf(baseline).group;
}

/** The baseline without the rows that are not wanted any more; `undefined`: none is left. */
export function withRows(
  baseline: Baseline,
  isWanted: (proxy: string, kind: RowKind) => boolean,
): Baseline | undefined {
  const { group, serverColumns } = keptOf(baseline);
  const { table } = group;
  const rows = group.rows.filter((row) =>
    isWanted(table.proxies[row] ?? "", KINDS[table.kinds[row] ?? 0] ?? "listener"),
  );
  if (rows.length === 0) return undefined;
  const { process, at, open } = baseline;
  return baselineOf({ process, at, open }, { table, rows }, serverColumns);
}

function keptOf(baseline: Baseline): KeptRows {
  const known = kept.get(baseline);
  if (known && known.turn === known.group.table.turn) return known;
  const rows = typeof baseline.rows === "string" ? readText(baseline.rows) : readRecords(baseline.rows);
  kept.set(baseline, rows);
  return rows;
}

/** One for all: its room is used again. */
const writer = new AsciiWriter();

function textOf({ table, rows }: RowGroup, serverColumns: readonly string[]): string {
  const places = [COUNTER_COLUMNS.map(columnIndex), serverColumns.map(columnIndex)] as const;
  writer.begin();
  writer.text(`${COUNTER_COLUMNS.join(" ")}|${serverColumns.join(" ")}`);
  let above: string | undefined;
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    const kind = table.kinds[row] ?? 0;
    const proxy = table.proxies[row] ?? "";
    writer.text(`\n${LETTERS[kind]} `);
    if (proxy === above) writer.text(DITTO);
    else writer.name(proxy);
    writer.text(" ");
    writer.name(table.servers[row] ?? "");
    above = proxy;
    const base = row * COLUMNS.length;
    for (const column of kind === SERVER ? places[1] : places[0]) {
      const value = table.numbers[base + column] ?? Number.NaN;
      writer.text(" ");
      if (Number.isNaN(value)) continue;
      if (value <= Number.MAX_SAFE_INTEGER) writer.number(value);
      else writer.text(String(table.exact.get(base + column) ?? value));
    }
  }
  return writer.end();
}

function read(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function readText(text: string): KeptRows {
  const [header = "", ...lines] = text.split("\n");
  const [all = [], ofServers = []] = header.split("|").map((names) => names.split(" ").filter((name) => name !== ""));
  const builder = new RowsBuilder();
  let above = "";
  let size = 0;
  for (const line of lines) {
    const [letter = "", proxy = "", server = "", ...digits] = line.split(" ");
    const kind = KINDS[LETTERS.indexOf(letter)];
    if (kind === undefined || server === "") continue;
    if (proxy !== DITTO) above = read(proxy);
    const row = builder.row(above, read(server), kind);
    const columns = kind === "server" ? ofServers : all;
    for (const [at, column] of columns.entries()) builder.set(row, column, digits[at] ?? "");
    size = Math.max(size, row + 1);
  }
  return keptRows(
    builder,
    size,
    ofServers.filter((name) => COUNTER_COLUMNS.includes(name)),
  );
}

/** As it was recorded once: `<pxname>/<svname>/<type>` and the digits of each column. HAProxy's names hold no slash. */
function readRecords(records: unknown): KeptRows {
  const builder = new RowsBuilder();
  let size = 0;
  if (typeof records === "object" && records !== null) {
    for (const [key, counters] of Object.entries(records)) {
      const [proxy = "", server = "", type] = key.split("/");
      const kind = KINDS.find((one) => one === type);
      if (kind === undefined || typeof counters !== "object" || counters === null) continue;
      const row = builder.row(proxy, server, kind);
      for (const [column, digits] of Object.entries(counters)) builder.set(row, column, String(digits));
      size = Math.max(size, row + 1);
    }
  }
  return keptRows(builder, size, COUNTER_COLUMNS);
}

function keptRows(builder: RowsBuilder, size: number, serverColumns: readonly string[]): KeptRows {
  const nobody = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };
  const { table } = builder.build(nobody, 0);
  const rows = Int32Array.from({ length: size }, (_, row) => row);
  return { group: { table, rows }, serverColumns, turn: table.turn };
}
