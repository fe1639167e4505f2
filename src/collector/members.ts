import type { MemberState } from "../model/meters.ts";
import type { Row } from "./dump.ts";

/** State of a server from its status text, weight aside: HAProxy's words up to the first space or bracket. */
export function stateOfStatus(status: string): MemberState {
  if (status === "no check") return "up";
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
  const state = stateOfStatus(row.column("status"));
  if (state !== "up") return state;
  if (row.column("weight") === "0") return "draining";
  const isBackup = row.column("bck") === "1" && row.column("act") === "0";
  return isBackup && Number(backend?.column("act") ?? 0) > 0 ? "standby" : "up";
}
