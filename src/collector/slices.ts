/** Rows of one dump → what they say of each cluster, as parts that add up over sources. */

import type { RowSet } from "../model/meters.ts";
import type { Baseline, ClusterSlice, RawCounters } from "../model/tick.ts";
import { counterText, increaseInProcess, wasCarried } from "./counters.ts";
import type { Dump, Row } from "./dump.ts";
import type { ProxyClusters } from "./mapping.ts";
import type { CountedRow, Increases } from "./parts.ts";
import { metersBehind, PART_METERS, partsOf, rawOf } from "./parts.ts";
import type { Elapsed, Previous } from "./process.ts";
import { mayCarryCounters } from "./process.ts";
import type { Reads } from "./reads.ts";
import { membersOf, proxiesOf, serverParts } from "./servers.ts";

const COUNTER_COLUMNS = [
  ...new Set(["stot", ...PART_METERS.flatMap((meter) => (meter.kind === "counter" ? meter.columns : []))]),
];

/** The scrape before, of one cluster's rows, and what passed since. */
export interface Since {
  /** `undefined`: there was none. */
  readonly previous: Previous | undefined;
  /** `undefined`: nothing can be counted yet; the baseline stays the one before, where there is one. */
  readonly elapsed: Elapsed | undefined;
  /** The increases may be counted in totals but are too old for a rate. */
  readonly gap: boolean;
}

export interface SlicedDump {
  readonly slices: readonly ClusterSlice[];
  /** Proxies of which no row belongs to a cluster. */
  readonly unmapped: readonly string[];
}

/** What a dump says of each cluster. `wallAt` stamps the baseline, for a later run of ours. */
export function sliceDump(
  dump: Dump,
  wallAt: number,
  clustersOf: (proxy: string) => ProxyClusters,
  sinceOf: (clusterId: string) => Since,
  readsOf: (clusterId: string) => Reads | undefined = () => undefined,
): SlicedDump {
  const byCluster = new Map<string, Row[]>();
  const unmapped = new Set<string>();
  for (const row of dump.rows) {
    if (row.kind === "listener") continue;
    const { frontend, backend } = clustersOf(row.proxy);
    if (frontend === undefined && backend === undefined) unmapped.add(row.proxy);
    const clusterId = row.kind === "frontend" ? frontend : backend;
    if (clusterId === undefined) continue;
    const rows = byCluster.get(clusterId);
    if (rows) rows.push(row);
    else byCluster.set(clusterId, [row]);
  }
  const slices = [...byCluster].map(([id, rows]) => sliceCluster(id, rows, dump, sinceOf(id), readsOf(id), wallAt));
  return { slices, unmapped: [...unmapped] };
}

function sliceCluster(
  clusterId: string,
  rows: readonly Row[],
  dump: Dump,
  since: Since,
  reads: Reads | undefined,
  at: number,
): ClusterSlice {
  const counted = rows.map((row): CountedRow => {
    const raw = rawCounters(row);
    return { row, raw, increases: rowIncreases(row, raw, dump, since) };
  });
  const sets = rowSets(counted);
  const open = sets.traffic.some(({ row }) => Number(row.column("scur")) > 0);
  const now: Baseline = {
    process: dump.process,
    at,
    open,
    rows: Object.fromEntries(counted.map(({ row, raw }) => [keyOf(row), raw])),
  };
  const keeps = since.previous !== undefined && since.elapsed === undefined;
  const gap = since.gap || rows.some((row) => row.kind !== "server" && hasPast(row, since));
  return {
    clusterId,
    coveredS: gap ? 0 : coveredS(counted, dump, since),
    ...partsOf(PART_METERS, (meter) => sets[meter.rows]),
    members: membersOf(rows),
    proxies: proxiesOf(rows),
    ...readParts(reads, sets),
    fresh: since.elapsed?.same === false,
    reload: since.elapsed?.same === false && since.previous?.baseline.open === true,
    gap,
    open,
    moved: sets.traffic.some(({ increases }) => (increases?.bin ?? 0) > 0 || (increases?.bout ?? 0) > 0),
    baseline: keeps && since.previous ? since.previous.baseline : now,
  };
}

/**
 * Seconds that the increases span. What a process counted that is gone now nobody knows: of one that took its place
 * they span its own life at the most, unless it carried the counters on.
 */
function coveredS(counted: readonly CountedRow[], dump: Dump, since: Since): number {
  const { elapsed } = since;
  if (!elapsed) return 0;
  const whole = elapsed.same || counted.some(({ row, raw }) => isCarried(row, raw, dump, since));
  return whole ? elapsed.seconds : Math.min(elapsed.seconds, dump.process.uptimeS);
}

/** What only some rules read, and only where they do. */
function readParts(reads: Reads | undefined, sets: Sets): Pick<ClusterSlice, "servers" | "raw"> {
  const perServer = [...new Set((reads?.perServer ?? []).flatMap(metersBehind))];
  const sums = new Map<string, number>();
  for (const meter of (reads?.counters ?? []).flatMap(metersBehind)) {
    const sum = meter.kind === "counter" ? rawOf(meter, sets[meter.rows]) : undefined;
    if (sum !== undefined) sums.set(meter.name, sum);
  }
  return {
    ...(perServer.length > 0 ? { servers: serverParts(perServer, sets.server) } : {}),
    ...(sums.size > 0 ? { raw: Object.fromEntries(sums) } : {}),
  };
}

/** Never `iid` or `sid`: a reload may number them anew. */
function keyOf(row: Row): string {
  return `${row.proxy}/${row.server}/${row.kind}`;
}

/** A baseline's rows that are still the cluster's; `undefined`: none is. HAProxy's names hold no slash. */
export function stillMapped(
  clusterId: string,
  baseline: Baseline,
  clustersOf: (proxy: string) => ProxyClusters,
): Baseline | undefined {
  const rows = Object.entries(baseline.rows).filter(([key]) => {
    const { frontend, backend } = clustersOf(key.slice(0, key.indexOf("/")));
    return (key.endsWith("/frontend") ? frontend : backend) === clusterId;
  });
  return rows.length > 0 ? { ...baseline, rows: Object.fromEntries(rows) } : undefined;
}

function rawCounters(row: Row): RawCounters {
  const counters: Record<string, string> = {};
  for (const column of COUNTER_COLUMNS) {
    const text = counterText(row.column(column));
    if (text !== undefined) counters[column] = text;
  }
  return counters;
}

/** A new process began with the row's counters of the one before it. */
function isCarried(row: Row, now: RawCounters, dump: Dump, { previous }: Since): boolean {
  const before = previous?.baseline.rows[keyOf(row)];
  return before !== undefined && mayCarryCounters(dump.process) && wasCarried(before, now);
}

/**
 * Increase of each counter column of a row since the scrape before; `undefined`: only a baseline. A row that
 * appears with a new process began at 0.
 */
function rowIncreases(row: Row, now: RawCounters, dump: Dump, since: Since): Increases {
  if (!since.previous || !since.elapsed || hasPast(row, since)) return undefined;
  const before = since.previous.baseline.rows[keyOf(row)];
  const continued = since.elapsed.same || isCarried(row, now, dump, since);
  const increases: Record<string, number> = {};
  for (const [column, value] of Object.entries(now)) {
    const previous = continued ? before?.[column] : "0";
    if (previous !== undefined) increases[column] = increaseInProcess(previous, value);
  }
  return increases;
}

/**
 * Whether a row has counted what is not ours: it appears inside a living process, or other rules have just made
 * it this cluster's. A server may appear by itself. A proxy does not: it was given to the cluster, whose traffic
 * since the scrape before is then known in part only and makes no rate.
 */
function hasPast(row: Row, { previous, elapsed }: Since): boolean {
  if (!previous || !elapsed || previous.baseline.rows[keyOf(row)]) return false;
  return elapsed.same || previous.remapped === true;
}

type Sets = Readonly<Record<RowSet, readonly CountedRow[]>>;

function rowSets(counted: readonly CountedRow[]): Sets {
  const frontends = counted.filter(({ row }) => row.kind === "frontend");
  const backends = counted.filter(({ row }) => row.kind === "backend");
  const servers = counted.filter(({ row }) => row.kind === "server");
  return {
    traffic: frontends.length > 0 ? frontends : backends,
    backend: backends,
    server: servers,
    queue: [...backends, ...servers],
  };
}
