/**
 * Whether the counters of an answer go on where those of the scrape before ended. It is told by the FRONTEND and BACKEND
 * rows of all clusters together, once for the whole process: servers may be taken out and put in again by themselves.
 */

import type { Baseline } from "../model/tick.ts";
import { letGo, rowsOf, withRows } from "./baseline.ts";
import { hasCounted, isProxySetBack, wasCarried } from "./increases.ts";
import type { Elapsed, Since } from "./process.ts";
import { mayCarryCounters } from "./process.ts";
import type { RowGroup } from "./rowGroup.ts";
import { matched } from "./rowGroup.ts";
import type { Dump } from "./rows.ts";
import { BACKEND, COLUMNS, COUNTER_COLUMNS, columnIndex, FRONTEND, SERVER } from "./rowTable.ts";

/**
 * What the counters began with: one process goes on (`before`), a new one went on with what the one before it had counted
 * (`carried`), or began at 0 (`zero`). `unknown`: nothing can be counted.
 */
type Began = "before" | "carried" | "zero" | "unknown";

/** What passed since the scrape before, and what the counters began with. */
export interface Continued extends Since {
  readonly began: Began;
}

/** Counters of proxies, by cluster, of a process in whose place another one answered. */
export type Former = ReadonlyMap<string, Baseline>;

/** What passed for each cluster. */
interface Continuity {
  readonly byCluster: ReadonlyMap<string, Continued>;
  /** Nothing is said of the process, and the counters say that it is another one. */
  readonly isOther: boolean;
}

interface Part {
  readonly id: string;
  readonly group: RowGroup;
  readonly since: Since;
  readonly before: RowGroup;
  readonly elapsed: Elapsed;
}

/** What passed for each cluster of an answer. */
export function continuityOf(
  dump: Dump,
  groups: ReadonlyMap<string, RowGroup>,
  sinceOf: (clusterId: string) => Since,
  formers: readonly Former[],
): Continuity {
  const byCluster = new Map<string, Continued>();
  const [unsure, fresh]: [Part[], Part[]] = [[], []];
  for (const [id, group] of groups) {
    const since = sinceOf(id);
    const { previous, elapsed } = since;
    const isOne = elapsed?.same === true;
    byCluster.set(id, { ...since, began: isOne ? "before" : "unknown" });
    if (!previous || !elapsed || isOne || elapsed.older) continue;
    const part = { id, group, since, before: rowsOf(previous.baseline), elapsed };
    (elapsed.same === false ? fresh : unsure).push(part);
  }
  const isOther =
    unsure.some(({ group, before }) => isProxySetBack(group, before)) ||
    (unsure.length > 0 && formers.some((former) => isReached(former, unsure)));
  // What another process has counted, and since when, nobody knows: any of it may be older than the scrape before.
  for (const { id, since, elapsed } of unsure) {
    const began = isOther ? "unknown" : "before";
    byCluster.set(id, { ...since, elapsed: { ...elapsed, same: !isOther }, gap: since.gap || isOther, began });
  }
  const began = beganWith(dump, fresh);
  for (const { id, since } of fresh) byCluster.set(id, { ...since, gap: since.gap || began === "unknown", began });
  return { byCluster, isOther };
}

/**
 * What a new process began with. Before 3.0 that is 0. Since then it may load counters from a file: where all of
 * them are what they were or more, these; where one is less, the file may be an old one, unless the process has counted
 * all of it itself.
 */
function beganWith(dump: Dump, parts: readonly Part[]): Began {
  if (!mayCarryCounters(dump.process)) return "zero";
  if (areCarried(parts) ?? areCarried(parts, () => true)) return "carried";
  return isOwnCount(dump) ? "zero" : "unknown";
}

/** All proxies that had counted anything went on; where none had, all servers. `undefined`: there was nothing to go on with. */
function areCarried(parts: readonly Part[], isTelling = isOfProxy): boolean | undefined {
  let isTold = false;
  for (const { group, before } of parts) {
    const places = matched(group, before);
    for (let at = 0; at < places.length; at++) {
      const [row, place] = [group.rows[at] ?? 0, places[at] ?? -1];
      if (place < 0 || !isTelling(group, row) || !hasCounted(before.table, place)) continue;
      if (!wasCarried(before.table, place, group.table, row)) return false;
      isTold = true;
    }
  }
  return isTold || undefined;
}

const SESSIONS = columnIndex("stot");

/**
 * HAProxy counts every session of its life for the process as a whole, and never loads that number: where the frontends
 * have more, some of theirs were loaded. It says nothing of a file without sessions, or with fewer than came over the
 * process's own sockets, which are in it too.
 */
function isOwnCount({ connections, table }: Dump): boolean {
  if (connections === undefined) return false;
  let sessions = 0;
  for (let row = 0; row < table.size; row++) {
    if (table.kinds[row] === FRONTEND) sessions += table.numbers[row * COLUMNS.length + SESSIONS] || 0;
  }
  return sessions <= connections;
}

/** Processes that answered before, as many as are remembered: any of them may be back one day. */
const REMEMBERED = 8;

/** Remembers what was counted when another process took over. Only text is held, and no row of a server. */
export function withFormer(
  formers: readonly Former[],
  baselines: Iterable<readonly [clusterId: string, baseline: Baseline]>,
): readonly Former[] {
  const former = new Map<string, Baseline>();
  for (const [id, baseline] of baselines) {
    const ofProxies = withRows(baseline, (_, kind) => kind !== "server");
    if (!ofProxies) continue;
    letGo(ofProxies);
    former.set(id, ofProxies);
  }
  return [...formers.slice(1 - REMEMBERED), former];
}

/**
 * All rows have counted as much as the former process had, and at the scrape before they had not: it is that one again
 * (an address that moved back), or the one that took its place has counted as much by now. The two look alike, and
 * the first would be a spike as high as all that the other had not counted.
 */
function isReached(former: Former, parts: readonly Part[]): boolean {
  const known = parts.flatMap((part) => {
    const baseline = former.get(part.id);
    return baseline ? [{ ...part, was: rowsOf(baseline) }] : [];
  });
  if (!known.some(({ before, was }) => isBelow(before, was))) return false;
  return !known.some(({ group, was }) => isBelow(group, was));
}

/** Whether a row of a proxy has counted less than it had. */
function isBelow(group: RowGroup, was: RowGroup): boolean {
  const places = matched(group, was);
  for (let at = 0; at < places.length; at++) {
    const [row, place] = [group.rows[at] ?? 0, places[at] ?? -1];
    if (place < 0 || !isOfProxy(group, row)) continue;
    for (let column = 0; column < COUNTER_COLUMNS.length; column++) {
      const now = group.table.numbers[row * COLUMNS.length + column] ?? Number.NaN;
      if (now < (was.table.numbers[place * COLUMNS.length + column] ?? Number.NaN)) return true;
    }
  }
  return false;
}

function isOfProxy({ table }: RowGroup, row: number): boolean {
  return (table.kinds[row] ?? SERVER) <= BACKEND;
}
