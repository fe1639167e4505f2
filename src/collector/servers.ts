/**
 * What a dump says of each server by itself. A server row stands for all rows of a cluster, whatever rows the
 * meter is made of there. HAProxy (1.8 to 3.4, seen in real dumps) fills of the meters' columns on a server row:
 *
 * - always `scur stot bin bout dresp econ eresp wretr wredis qcur` and `qtime ctime rtime ttime`. `stot` counts
 *   requests there in HTTP mode, where a FRONTEND's counts sessions; `bin` and `bout` are what went through to it;
 * - in HTTP mode alone `hrsp_*` (of its own answers) and `req_tot` (2.6 has it, 2.0 not yet); in TCP mode they are empty;
 * - `chkfail` and `chkdown` where it has a health check;
 * - never `ereq dreq dcon dses`: they end before a server is chosen. A server has no `request_errors`, and its
 *   `denied` are responses.
 */

import type { MemberState } from "../model/meters.ts";
import { worseState } from "../model/meters.ts";
import type { ServerParts } from "../model/tick.ts";
import type { CountedRows } from "./increases.ts";
import { hasActiveServer, isSameStanding, stateOfRow } from "./members.ts";
import type { PartMeter, Places } from "./parts.ts";
import { partsOf } from "./parts.ts";
import type { RowGroup } from "./rowGroup.ts";
import { isSameRow } from "./rowGroup.ts";
import { BACKEND, SERVER } from "./rowTable.ts";

/** Servers of a cluster, each name once. */
export interface Servers {
  /** State of each server name; of one that is in several backends the worst. */
  readonly members: Readonly<Record<string, MemberState>>;
  /** Proxy of each server name: the first that has one of that name. */
  readonly proxies: Readonly<Record<string, string>>;
  /** State of each row that is a server, by its place in the group. */
  readonly states: readonly (MemberState | undefined)[];
}

/** Servers of these rows. */
export function serversOf({ table, rows }: RowGroup): Servers {
  const active = new Set<string>();
  for (const row of rows) {
    if (table.kinds[row] === BACKEND && hasActiveServer(table, row)) active.add(table.proxies[row] ?? "");
  }
  const states: (MemberState | undefined)[] = [];
  let proxy: string | undefined;
  let hasActive = false;
  for (const row of rows) {
    // Rows of a proxy come together.
    if (table.proxies[row] !== proxy) {
      proxy = table.proxies[row] ?? "";
      hasActive = active.has(proxy);
    }
    states.push(table.kinds[row] === SERVER ? stateOfRow(table, row, hasActive) : undefined);
  }
  const members = new Map<string, MemberState>();
  const proxies = new Map<string, string>();
  states.forEach((state, at) => {
    if (state === undefined) return;
    const row = rows[at] ?? 0;
    const name = table.servers[row] ?? "";
    members.set(name, worseState(members.get(name), state));
    if (!proxies.has(name)) proxies.set(name, table.proxies[row] ?? "");
  });
  return { members: Object.fromEntries(members), proxies: Object.fromEntries(proxies), states };
}

/** Whether these are the same rows in the same order, and all that tells the state of servers is the same: nearly always. */
export function areSameServers(now: RowGroup, before: RowGroup): boolean {
  const [{ table, rows }, { table: other, rows: others }] = [now, before];
  if (rows.length !== others.length) return false;
  for (let at = 0; at < rows.length; at++) {
    const [row, was] = [rows[at] ?? 0, others[at] ?? 0];
    if (!isSameRow(table, row, other, was) || table.texts.status[row] !== other.texts.status[was]) return false;
    if (!isSameStanding(table, row, other, was)) return false;
  }
  return true;
}

/** Parts of each server name, of these meters; rows of one name in several backends add up. */
export function serverParts(
  meters: readonly PartMeter[],
  counted: CountedRows,
  servers: Places,
): Record<string, ServerParts> {
  const { table, rows } = counted.group;
  const byName = new Map<string, number[]>();
  for (const at of servers) {
    const name = table.servers[rows[at] ?? 0] ?? "";
    const places = byName.get(name);
    if (places) places.push(at);
    else byName.set(name, [at]);
  }
  return Object.fromEntries([...byName].map(([name, places]) => [name, partsOf(meters, counted, () => places)]));
}
