import type { MemberState } from "../model/meters.ts";
import type { Row } from "./rows.ts";
import type { RowTable } from "./rowTable.ts";
import { COLUMNS, columnIndex } from "./rowTable.ts";

const [WEIGHT, ACT, BCK] = [columnIndex("weight"), columnIndex("act"), columnIndex("bck")];

/** State of a server from its status text, weight aside: HAProxy's words up to the first space or bracket. */
export function stateOfStatus(status: string): MemberState {
  if (status === "UP" || status === "no check") return "up";
  switch (status.split(/[ (]/, 1)[0]) {
    case "UP":
      return "up";
    case "DOWN":
      return "down";
    case "NOLB": // 404 with disable-on-404: only sessions that stick to it
    case "DRAIN":
      return "draining";
    case "MAINT":
      return "maint";
    default:
      return "unknown";
  }
}

/**
 * State of a server row. Weight 0 is a drain that HAProxy shows as UP; a backup server stands by as long as its
 * backend has an active server.
 */
export function stateOfServer(row: Row, backend: Row | undefined): MemberState {
  const [weight, act, bck] = [row.value(WEIGHT), row.value(ACT), row.value(BCK)];
  return stateOf(row.status, weight, bck === 1 && act === 0, (backend?.value(ACT) ?? 0) > 0);
}

/** State of the server in a row of a table, of a backend with an active server or without one. */
export function stateOfRow(table: RowTable, row: number, hasActive = false): MemberState {
  const base = row * COLUMNS.length;
  const isBackup = table.numbers[base + BCK] === 1 && table.numbers[base + ACT] === 0;
  return stateOf(table.texts.status[row] ?? "", table.numbers[base + WEIGHT] ?? Number.NaN, isBackup, hasActive);
}

/** Whether two rows have the same weight, and are active or backup alike. */
export function isSameStanding(table: RowTable, row: number, other: RowTable, was: number): boolean {
  const [base, before] = [row * COLUMNS.length, was * COLUMNS.length];
  return (
    Object.is(table.numbers[base + WEIGHT], other.numbers[before + WEIGHT]) &&
    Object.is(table.numbers[base + ACT], other.numbers[before + ACT]) &&
    Object.is(table.numbers[base + BCK], other.numbers[before + BCK])
  );
}

/** Whether a BACKEND row has an active server. */
export function hasActiveServer(table: RowTable, row: number): boolean {
  return (table.numbers[row * COLUMNS.length + ACT] ?? 0) > 0;
}

function stateOf(status: string, weight: number, isBackup: boolean, hasActive: boolean): MemberState {
  const state = stateOfStatus(status);
  if (state !== "up") return state;
  if (weight === 0) return "draining";
  return isBackup && hasActive ? "standby" : "up";
}
