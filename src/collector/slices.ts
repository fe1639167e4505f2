/** Rows of one dump → what they say of each cluster, as parts that add up over sources. */

import type { RowSet } from "../model/meters.ts";
import type { Baseline, ClusterSlice, RowSample } from "../model/tick.ts";
import { baselineOf, letGo, rowsOf, withRows } from "./baseline.ts";
import type { Continued, Former } from "./continuity.ts";
import { continuityOf } from "./continuity.ts";
import type { CountedRows } from "./increases.ts";
import { countRows, nothingCounted, roomFor } from "./increases.ts";
import type { ProxyClusters } from "./mapping.ts";
import type { Places } from "./parts.ts";
import { CLUSTER_METERS, metersBehind, PART_METERS, partsOf, rawOf } from "./parts.ts";
import type { Since } from "./process.ts";
import type { Reads } from "./reads.ts";
import type { RowGroup } from "./rowGroup.ts";
import type { Dump } from "./rows.ts";
import { BACKEND, COLUMNS, COUNTER_COLUMNS, columnIndex, FRONTEND, KINDS, LISTENER, SERVER } from "./rowTable.ts";
import type { Servers } from "./servers.ts";
import { areSameServers, serverParts, serversOf } from "./servers.ts";

export type { Since } from "./process.ts";

/** Rows of which series of their own are kept: none, frontends and backends, or servers as well. */
export type Detail = "clusters" | "proxies" | "members";

export interface SlicedDump {
  readonly slices: readonly ClusterSlice[];
  /** Proxies of which no row belongs to a cluster. */
  readonly unmapped: readonly string[];
  /** Of a source that says nothing of its process: another one answered. */
  readonly isOther: boolean;
}

/** What of the rows is asked for. */
export interface Slicing {
  readonly dump: Dump;
  /** Stamps the baseline, for a later run of ours. */
  readonly wallAt: number;
  readonly clustersOf: (proxy: string) => ProxyClusters;
  readonly sinceOf: (clusterId: string) => Since;
  readonly readsOf: (clusterId: string) => Reads | undefined;
  readonly detail: Detail;
  /** Processes that answered before, of a source that says nothing of them. */
  readonly formers?: readonly Former[];
}

/** So many rows are sliced in a millisecond or two. */
const ROWS_AT_ONCE = 1000;

/** What a dump says of each cluster. */
export function sliceDump(
  dump: Dump,
  wallAt: number,
  clustersOf: (proxy: string) => ProxyClusters,
  sinceOf: (clusterId: string) => Since,
  readsOf: (clusterId: string) => Reads | undefined = () => undefined,
  detail: Detail = "proxies",
  formers: readonly Former[] = [],
): SlicedDump {
  const steps = slicing({ dump, wallAt, clustersOf, sinceOf, readsOf, detail, formers });
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps of a few milliseconds, so that a large dump does not hold up everything else. */
export function* slicing(asked: Slicing): Generator<void, SlicedDump> {
  const { groups, unmapped } = groupsOf(asked.dump, asked.clustersOf);
  yield;
  const { byCluster, isOther } = continuityOf(asked.dump, groups, asked.sinceOf, asked.formers ?? []);
  const slices: ClusterSlice[] = [];
  const room = roomFor(Math.max(0, ...[...groups.values()].map(({ rows }) => rows.length)));
  let done = 0;
  for (const [clusterId, group] of groups) {
    const since = byCluster.get(clusterId);
    if (!since) continue;
    slices.push(yield* sliceCluster(clusterId, group, since, asked, room));
    done += group.rows.length;
    if (done < ROWS_AT_ONCE) continue;
    done = 0;
    yield;
  }
  return { slices, unmapped, isOther };
}

interface Groups {
  readonly groups: ReadonlyMap<string, RowGroup>;
  readonly unmapped: readonly string[];
}

function groupsOf({ table }: Dump, clustersOf: (proxy: string) => ProxyClusters): Groups {
  const byCluster = new Map<string, number[]>();
  const unmapped = new Set<string>();
  let proxy: string | undefined;
  let clusters: ProxyClusters = { frontend: undefined, backend: undefined };
  let [ofId, ofRows]: [string | undefined, number[]] = [undefined, []];
  for (let row = 0; row < table.size; row++) {
    const kind = table.kinds[row];
    if (kind === LISTENER) continue;
    // Rows of a proxy come together.
    if (table.proxies[row] !== proxy) {
      proxy = table.proxies[row] ?? "";
      clusters = clustersOf(proxy);
    }
    if (clusters.frontend === undefined && clusters.backend === undefined) unmapped.add(proxy ?? "");
    const clusterId = kind === FRONTEND ? clusters.frontend : clusters.backend;
    if (clusterId === undefined) continue;
    if (clusterId !== ofId) {
      [ofId, ofRows] = [clusterId, byCluster.get(clusterId) ?? []];
      byCluster.set(clusterId, ofRows);
    }
    ofRows.push(row);
  }
  const groups = new Map([...byCluster].map(([id, rows]) => [id, { table, rows: new Int32Array(rows) }]));
  return { groups, unmapped: [...unmapped] };
}

/** What is the same as long as the rows are, whatever they count. */
interface Standing {
  readonly group: RowGroup;
  readonly sets: Sets;
  readonly servers: Servers;
}

/** What a baseline was made with. */
const standings = new WeakMap<Baseline, Standing>();

/** That of the scrape before is given again where nothing changed: who asks what changed sees it at a glance. */
function standingOf(group: RowGroup, baseline: Baseline | undefined, before: RowGroup | undefined): Standing {
  const known = baseline && standings.get(baseline);
  // A baseline that was read from its text has no states.
  const isKnown = known !== undefined && known.group === before && areSameServers(group, before);
  return isKnown ? { ...known, group } : { group, sets: rowSets(group), servers: serversOf(group) };
}

function* sliceCluster(
  clusterId: string,
  group: RowGroup,
  since: Continued,
  { dump, wallAt, readsOf, detail }: Slicing,
  room: Float64Array,
): Generator<void, ClusterSlice> {
  const isLarge = group.rows.length > ROWS_AT_ONCE;
  const { previous, elapsed } = since;
  const before = previous && rowsOf(previous.baseline);
  const counted = before ? countRows(group, before, since, room) : nothingCounted(group, room);
  if (isLarge) yield;
  const standing = standingOf(group, previous?.baseline, before);
  const { sets, servers } = standing;
  if (isLarge) yield;
  const reads = readsOf(clusterId);
  const parts = partsOf(CLUSTER_METERS, counted, (meter) => sets[meter.rows]);
  const open = sets.traffic.some((at) => sessionsOf(group, at) > 0);
  if (isLarge) yield;
  const keeps = previous !== undefined && elapsed === undefined;
  const baseline = keeps
    ? previous.baseline
    : baselineOf({ process: dump.process, at: wallAt, open }, group, serverColumnsOf(reads, detail));
  if (!keeps) standings.set(baseline, standing);
  if (isLarge) yield;
  const gap = since.gap || counted.isPartial;
  const fresh = elapsed?.same === false;
  return {
    clusterId,
    coveredS: gap ? 0 : coveredS(dump, since),
    ...parts,
    members: servers.members,
    proxies: servers.proxies,
    ...readParts(reads, counted, sets),
    rowCount: group.rows.length,
    resets: counted.resets,
    skipped: dump.skipped,
    ...(detail === "clusters" ? {} : { kept: keptOf(counted, servers, detail) }),
    fresh,
    reload: fresh && previous?.baseline.open === true,
    gap,
    open,
    moved: sets.traffic.some((at) => movedOf(counted, at) > 0),
    baseline,
  };
}

/**
 * Seconds that the increases span. What a process counted that is gone now nobody knows: of one that took its place
 * they span its own life at the most, unless it carried the counters on.
 */
function coveredS({ process }: Dump, { elapsed, began }: Continued): number {
  if (!elapsed || began === "unknown") return 0;
  return began !== "zero" || process.uptimeS === undefined
    ? elapsed.seconds
    : Math.min(elapsed.seconds, process.uptimeS);
}

/** What only some rules read, and only where they do. */
function readParts(reads: Reads | undefined, counted: CountedRows, sets: Sets): Pick<ClusterSlice, "servers" | "raw"> {
  const perServer = [...new Set((reads?.perServer ?? []).flatMap(metersBehind))];
  const sums = new Map<string, number>();
  for (const meter of (reads?.counters ?? []).flatMap(metersBehind)) {
    const sum = meter.kind === "counter" ? rawOf(meter, counted, sets[meter.rows]) : undefined;
    if (sum !== undefined) sums.set(meter.name, sum);
  }
  return {
    ...(perServer.length > 0 ? { servers: serverParts(perServer, counted, sets.server) } : {}),
    ...(sums.size > 0 ? { raw: Object.fromEntries(sums) } : {}),
  };
}

/** Counters of server rows that somebody reads after a restart. */
function serverColumnsOf(reads: Reads | undefined, detail: Detail): readonly string[] {
  if (detail === "members") return COUNTER_COLUMNS;
  const meters = (reads?.perServer ?? []).flatMap(metersBehind);
  if (meters.length === 0) return SERVER_COLUMNS;
  return [...new Set([...SERVER_COLUMNS, ...meters.flatMap((one) => (one.kind === "counter" ? one.columns : []))])];
}

const SERVER_COLUMNS: readonly string[] = [
  ...new Set([
    "stot",
    ...CLUSTER_METERS.flatMap((one) => (one.kind === "counter" && one.rows === "server" ? one.columns : [])),
  ]),
];

/** Each row by itself. */
function keptOf(counted: CountedRows, servers: Servers, detail: Detail): readonly RowSample[] {
  const { table, rows } = counted.group;
  const kept: RowSample[] = [];
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    const kind = KINDS[table.kinds[row] ?? LISTENER] ?? "listener";
    if (kind === "server" && detail !== "members") continue;
    const meters = kind === "server" ? PART_METERS : CLUSTER_METERS;
    const parts = partsOf<(typeof meters)[number]>(meters, counted, () => [at]);
    const state = servers.states[at];
    const resource = `${table.proxies[row]}/${table.servers[row]}`;
    kept.push({ resource, kind, ...parts, ...(state === undefined ? {} : { state }) });
  }
  return kept;
}

/** Lets the rows of a baseline go: its text tells them, when they are asked for again. */
export function letRowsGo(baseline: Baseline): void {
  letGo(baseline);
  standings.delete(baseline);
}

/** A baseline's rows that are still the cluster's; `undefined`: none is. */
export function stillMapped(
  clusterId: string,
  baseline: Baseline,
  clustersOf: (proxy: string) => ProxyClusters,
): Baseline | undefined {
  return withRows(baseline, (proxy, kind) => {
    const { frontend, backend } = clustersOf(proxy);
    return (kind === "frontend" ? frontend : backend) === clusterId;
  });
}

type Sets = Readonly<Record<RowSet, Places>>;

function rowSets({ table, rows }: RowGroup): Sets {
  const [frontend, backend, server, queue]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let at = 0; at < rows.length; at++) {
    const kind = table.kinds[rows[at] ?? 0];
    if (kind === FRONTEND) frontend.push(at);
    else queue.push(at);
    if (kind === BACKEND) backend.push(at);
    else if (kind === SERVER) server.push(at);
  }
  return { traffic: frontend.length > 0 ? frontend : backend, frontend, backend, server, queue };
}

const [SCUR, BIN, BOUT] = [columnIndex("scur"), columnIndex("bin"), columnIndex("bout")];

function sessionsOf({ table, rows }: RowGroup, at: number): number {
  return table.numbers[(rows[at] ?? 0) * COLUMNS.length + SCUR] ?? 0;
}

function movedOf({ increases }: CountedRows, at: number): number {
  const base = at * COUNTER_COLUMNS.length;
  return Math.max(increases[base + BIN] || 0, increases[base + BOUT] || 0);
}
