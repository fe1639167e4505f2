/** Which meters HAProxy keeps for each server by itself. */

import type { Meter } from "../model/meters.ts";
import { meterNamed } from "../model/meters.ts";

/**
 * Columns that server rows fill, of those that meters are made of (HAProxy management guide, 9.1, the S of each).
 * What clients did wrong (`ereq`, `dreq`, `dcon`, `dses`) happens before a server is chosen.
 */
const SERVER_COLUMNS: ReadonlySet<string> = new Set([
  ...["bin", "bout", "stot", "req_tot", "scur", "qcur"],
  ...["1xx", "2xx", "3xx", "4xx", "5xx", "other"].map((code) => `hrsp_${code}`),
  ...["econ", "eresp", "wretr", "wredis", "chkfail", "chkdown"],
  ...["qtime", "ctime", "rtime", "ttime"],
]);

/** Whether a server row has all that the meter is made of, so that a rule may read it `per: server` (rule J7). */
export function hasServerRows(meterName: string): boolean {
  const meter = meterNamed(meterName);
  return meter !== undefined && isOfServers(meter);
}

/** Whether there is a value of each server alone, and none of a cluster. */
export function isOnlyOfServers(meterName: string): boolean {
  return meterNamed(meterName)?.kind === "state";
}

function isOfServers(meter: Meter): boolean {
  switch (meter.kind) {
    case "counter":
    case "sum":
      return meter.columns.every((column) => SERVER_COLUMNS.has(column));
    case "mean":
    case "share":
    case "most":
      return SERVER_COLUMNS.has(meter.column);
    case "rate":
      return hasServerRows(meter.of);
    case "ratio":
      return [...meter.of, ...meter.over].every(hasServerRows);
    case "state":
      return true;
    case "change":
    case "members":
    case "own":
      return false;
  }
}
