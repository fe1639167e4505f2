/** Rows of one dump → what they say of each cluster, as parts that add up over sources. */

import type { CounterMeter, MeanMeter, MemberState, RowSet, SumMeter } from "../model/meters.ts";
import { METERS, worseState } from "../model/meters.ts";
import type { Baseline, ClusterSlice, MeanPart, RawCounters } from "../model/tick.ts";
import { counterText, increaseInProcess, wasCarried } from "./counters.ts";
import type { Dump, Row } from "./dump.ts";
import type { ProxyClusters } from "./mapping.ts";
import { stateOfServer } from "./members.ts";
import type { Elapsed, Previous } from "./process.ts";
import { mayCarryCounters } from "./process.ts";

const COUNTERS = METERS.filter((meter): meter is CounterMeter => meter.kind === "counter");
const SUMS = METERS.filter((meter): meter is SumMeter => meter.kind === "sum");
const MEANS = METERS.filter((meter): meter is MeanMeter => meter.kind === "mean");
const COUNTER_COLUMNS = [...new Set(["stot", ...COUNTERS.flatMap((meter) => meter.columns)])];

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
  const slices = [...byCluster].map(([id, rows]) => sliceCluster(id, rows, dump, sinceOf(id), wallAt));
  return { slices, unmapped: [...unmapped] };
}

function sliceCluster(clusterId: string, rows: readonly Row[], dump: Dump, since: Since, at: number): ClusterSlice {
  const sets = rowSets(rows);
  const counters = new Map(rows.map((row) => [row, raw(row)]));
  const grown = new Map([...counters].map(([row, own]) => [row, rowIncreases(row, own, dump, since)]));
  const increases: Record<string, number> = {};
  for (const meter of COUNTERS) add(increases, meter.name, sumCounter(meter, sets, grown));
  const sums: Record<string, number> = {};
  for (const meter of SUMS) add(sums, meter.name, sumColumn(meter, sets));
  const means: Record<string, MeanPart> = {};
  for (const meter of MEANS) {
    const part = meanOf(meter, sets, grown);
    if (part) means[meter.name] = part;
  }
  const traffic = [...sets.traffic];
  const open = traffic.some((row) => Number(row.column("scur")) > 0);
  const now: Baseline = {
    process: dump.process,
    at,
    open,
    rows: Object.fromEntries([...counters].map(([row, own]) => [keyOf(row), own])),
  };
  const keeps = since.previous !== undefined && since.elapsed === undefined;
  return {
    clusterId,
    coveredS: since.gap ? 0 : (since.elapsed?.seconds ?? 0),
    increases,
    sums,
    means,
    members: membersOf(rows),
    reload: since.elapsed?.same === false && since.previous?.baseline.open === true,
    gap: since.gap,
    open,
    moved: traffic.some((row) => (grown.get(row)?.bin ?? 0) > 0 || (grown.get(row)?.bout ?? 0) > 0),
    baseline: keeps && since.previous ? since.previous.baseline : now,
  };
}

function add(into: Record<string, number>, name: string, value: number | undefined): void {
  if (value !== undefined) into[name] = value;
}

/** Never `iid` or `sid`: a reload may number them anew. */
function keyOf(row: Row): string {
  return `${row.proxy}/${row.server}/${row.kind}`;
}

function raw(row: Row): RawCounters {
  const counters: Record<string, string> = {};
  for (const column of COUNTER_COLUMNS) {
    const text = counterText(row.column(column));
    if (text !== undefined) counters[column] = text;
  }
  return counters;
}

type Increases = Readonly<Record<string, number>>;

/**
 * Increase of each counter column of a row since the scrape before; `undefined`: only a baseline.
 * A row that appears inside a living process (a dynamic server) has a past that is not ours to count; one that
 * appears with a new process began at 0.
 */
function rowIncreases(row: Row, now: RawCounters, dump: Dump, since: Since): Increases | undefined {
  if (!since.previous || !since.elapsed) return undefined;
  const before = since.previous.baseline.rows[keyOf(row)];
  if (!before && since.elapsed.same) return undefined;
  const continued =
    since.elapsed.same || (before !== undefined && mayCarryCounters(dump.process) && wasCarried(before, now));
  const increases: Record<string, number> = {};
  for (const [column, value] of Object.entries(now)) {
    const previous = continued ? before?.[column] : "0";
    if (previous !== undefined) increases[column] = increaseInProcess(previous, value);
  }
  return increases;
}

type Sets = Readonly<Record<RowSet, ReadonlySet<Row>>>;

function rowSets(rows: readonly Row[]): Sets {
  const frontends = rows.filter((row) => row.kind === "frontend");
  const backends = rows.filter((row) => row.kind === "backend");
  const servers = rows.filter((row) => row.kind === "server");
  return {
    traffic: new Set(frontends.length > 0 ? frontends : backends),
    backend: new Set(backends),
    server: new Set(servers),
    queue: new Set([...backends, ...servers]),
  };
}

type Grown = ReadonlyMap<Row, Increases | undefined>;

function applies(meter: { readonly httpOnly: boolean }, row: Row): boolean {
  return !meter.httpOnly || row.column("mode") !== "tcp";
}

/** Sum over rows and columns; `undefined` when no row has the column, or none has a baseline. */
function sumCounter(meter: CounterMeter, sets: Sets, grown: Grown): number | undefined {
  let sum: number | undefined;
  for (const row of sets[meter.rows]) {
    const increases = grown.get(row);
    if (!increases || !applies(meter, row)) continue;
    for (const column of meter.columns) {
      const increase = increases[column];
      if (increase !== undefined) sum = (sum ?? 0) + increase;
    }
  }
  return sum;
}

function sumColumn(meter: SumMeter, sets: Sets): number | undefined {
  let sum: number | undefined;
  for (const row of sets[meter.rows]) {
    for (const column of meter.columns) {
      const text = counterText(row.column(column));
      if (text !== undefined) sum = (sum ?? 0) + Number(text);
    }
  }
  return sum;
}

/** HAProxy's averages freeze when traffic stops, so each row weighs as much as it did since the scrape before. */
function meanOf(meter: MeanMeter, sets: Sets, grown: Grown): MeanPart | undefined {
  let sum = 0;
  let weight = 0;
  for (const row of sets[meter.rows]) {
    const text = counterText(row.column(meter.column));
    const sessions = grown.get(row)?.stot ?? 0;
    if (text === undefined || sessions <= 0 || !applies(meter, row)) continue;
    sum += Number(text) * sessions;
    weight += sessions;
  }
  return weight > 0 ? { sum, weight } : undefined;
}

function membersOf(rows: readonly Row[]): Record<string, MemberState> {
  const backends = new Map(rows.filter((row) => row.kind === "backend").map((row) => [row.proxy, row]));
  const members: Record<string, MemberState> = {};
  for (const row of rows) {
    if (row.kind !== "server") continue;
    const state = stateOfServer(row, backends.get(row.proxy));
    members[row.server] = worseState(members[row.server], state);
  }
  return members;
}
