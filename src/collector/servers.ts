/**
 * What a dump says of each server by itself. A server row stands for all rows of a cluster, whatever rows the
 * meter is made of there. HAProxy (1.8 to 3.4, seen in real dumps) fills of the meters' columns on a server row:
 *
 * - always `scur stot bin bout dresp econ eresp wretr wredis qcur` and `qtime ctime rtime ttime`. `stot` counts
 *   requests there in HTTP mode, where a FRONTEND's counts sessions; `bin` and `bout` are what went through to it;
 * - in HTTP mode alone `hrsp_*` (of its own answers) and `req_tot` (2.6 has it, 2.0 not yet); in TCP mode they are empty;
 * - `chkfail` where it has a health check;
 * - never `ereq dreq dcon dses`: they end before a server is chosen. A server has no `request_errors`, and its
 *   `denied` are responses.
 */

import type { MemberState } from "../model/meters.ts";
import { worseState } from "../model/meters.ts";
import type { ServerParts } from "../model/tick.ts";
import type { Row } from "./dump.ts";
import { stateOfServer } from "./members.ts";
import type { CountedRow, PartMeter } from "./parts.ts";
import { partsOf } from "./parts.ts";

/** State of each server name; of one that is in several backends the worst. */
export function membersOf(rows: readonly Row[]): Record<string, MemberState> {
  const backends = new Map(rows.filter((row) => row.kind === "backend").map((row) => [row.proxy, row]));
  const members = new Map<string, MemberState>();
  for (const row of rows) {
    if (row.kind !== "server") continue;
    const state = stateOfServer(row, backends.get(row.proxy));
    members.set(row.server, worseState(members.get(row.server), state));
  }
  return Object.fromEntries(members);
}

/** Proxy of each server name: the first that has one of that name. */
export function proxiesOf(rows: readonly Row[]): Record<string, string> {
  const proxies = new Map<string, string>();
  for (const row of rows) {
    if (row.kind === "server" && !proxies.has(row.server)) proxies.set(row.server, row.proxy);
  }
  return Object.fromEntries(proxies);
}

/** Parts of each server name, of these meters; rows of one name in several backends add up. */
export function serverParts(meters: readonly PartMeter[], servers: readonly CountedRow[]): Record<string, ServerParts> {
  const byName = Map.groupBy(servers, ({ row }) => row.server);
  return Object.fromEntries([...byName].map(([name, rows]) => [name, partsOf(meters, () => rows)]));
}
