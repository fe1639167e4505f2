/** What a query names: meters, clusters and resources, or what was most likely meant. */

import { closest } from "../lib/closest.ts";
import { TocsinError } from "../lib/errors.ts";
import { isGlob, matchesGlob } from "../lib/globs.ts";
import type { Statistic } from "../model/alarm.ts";
import { NAMED_STATISTICS, percentOf } from "../model/alarm.ts";
import type { Meter } from "../model/meters.ts";
import { METERS, meterNamed } from "../model/meters.ts";
import type { RowKind } from "../model/tick.ts";
import type { SampleReader } from "../seriesPorts.ts";
import type { Target } from "./recorded.ts";

/** What most names begin with, and may be left out. */
const COMMON = "network.services.lb.";

/** The meter of that name, or of that name without its common beginning. Throws `E411` when there is none. */
export function findMeter(name: string): Meter {
  const meter = meterNamed(name) ?? meterNamed(`${COMMON}${name}`);
  if (meter) return meter;
  const names = METERS.map((one) => one.name);
  const short = names.filter((one) => one.startsWith(COMMON)).map((one) => one.slice(COMMON.length));
  const near = closest(name, name.startsWith(COMMON.slice(0, 8)) ? names : [...short, ...names]);
  throw unknown("meter", name, near, '"tocsin metric list" names them');
}

/** Throws `E412` where the meter has no such statistic. */
export function checkStatistic(meter: Meter, statistic: Statistic): void {
  const named: readonly string[] = NAMED_STATISTICS;
  if (!named.includes(statistic) && percentOf(statistic) === undefined) {
    const all = `${named.join(", ")}, or a percentile from p0.001 to p99.999`;
    throw new TocsinError("E412", `there is no statistic ${statistic}: it is one of ${all}`);
  }
  const grows = meter.kind === "counter" || meter.kind === "rate";
  const counts = grows || (meter.kind === "own" && meter.cumulative);
  if ((statistic === "rate" && !grows) || (statistic === "increase" && !counts)) {
    throw new TocsinError(
      "E412",
      `${statistic} needs a cumulative meter or its .rate, and ${meter.name} is neither: ask for avg, max or last`,
    );
  }
}

export interface Named {
  /** Name by id: those of the clusters that have one, or of those that the query may mean. */
  readonly names: ReadonlyMap<string, string>;
  /** What was most likely meant, where the cluster is unknown; `undefined`: look among the ids. */
  readonly near?: string | undefined;
}

/** A cluster, and the labels between which there can be anything of it, as far as they are known. */
interface FoundCluster {
  readonly clusterId: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** The clusters that are meant. Throws `E411` when there is none, or several are named so. */
export async function findClusters(
  idOrName: string | undefined,
  { names, near }: Named,
  reader: SampleReader,
): Promise<readonly FoundCluster[]> {
  if (idOrName === undefined) return reader.clusters();
  const ids = names.has(idOrName) ? [idOrName] : idsNamed(idOrName, names);
  const [only, ...more] = ids;
  if (more.length > 0) {
    const which = `say which by its id: ${ids.join(", ")}`;
    throw new TocsinError("E411", `${ids.length} clusters are named ${idOrName}; ${which}`);
  }
  if (only !== undefined) return [{ clusterId: only, firstAt: -Infinity, lastAt: Infinity }];
  // To look at all that are kept would cost more than the rest of the query.
  const byId = await reader.clusters(idOrName);
  if (byId.length > 0) return byId;
  const stored = await reader.clusters();
  const known = [...stored.map(({ clusterId }) => clusterId), ...names.values()];
  throw unknown("cluster", idOrName, near ?? closest(idOrName, known), '"tocsin cluster list" names them');
}

function idsNamed(wanted: string, names: ReadonlyMap<string, string>): readonly string[] {
  return [...names].filter(([, name]) => name === wanted).map(([id]) => id);
}

/** A series to come, and the labels between which there can be anything of it, as far as they are known. */
export interface Found extends Target {
  readonly firstAt: number;
  readonly lastAt: number;
  /** Of a resource. */
  readonly kind?: RowKind;
  readonly sources?: readonly string[];
  /** And from when to when each of them is known to have had it, epoch ms. */
  readonly spans?: readonly { readonly source: string; readonly firstAt: number; readonly lastAt: number }[];
}

/** Rows by name or glob. Throws `E411` when there is none. */
export async function findResources(
  clusters: readonly { readonly clusterId: string }[],
  pattern: string,
  reader: SampleReader,
): Promise<readonly Found[]> {
  const [only, ...more] = clusters;
  const own = more.length === 0 ? only?.clusterId : undefined;
  const exact = own === undefined || isGlob(pattern) ? [] : await reader.resources(own, pattern);
  const all = exact.length > 0 ? exact : await reader.resources(own);
  const ids = new Set(clusters.map(({ clusterId }) => clusterId));
  const found = new Map<string, Found>();
  for (const { clusterId, resource, firstAt, lastAt, kind, source } of all) {
    if (!ids.has(clusterId) || !(resource === pattern || matchesGlob(resource, pattern))) continue;
    const key = `${clusterId}\0${resource}`;
    const known = found.get(key);
    found.set(key, {
      clusterId,
      resource,
      firstAt: Math.min(firstAt, known?.firstAt ?? Infinity),
      // That of one that is gone is noted now and then only.
      lastAt: Infinity,
      kind,
      sources: [...(known?.sources ?? []), source],
      spans: [...(known?.spans ?? []), { source, firstAt, lastAt }],
    });
  }
  if (found.size > 0) return [...found.values()];
  const names = new Set(all.filter(({ clusterId }) => ids.has(clusterId)).map(({ resource }) => resource));
  const cure =
    names.size === 0
      ? 'nothing is kept of single rows of it; store.detail says of which, and "tocsin metric list --resources" which there are'
      : '"tocsin metric list --resources" names them';
  const near = isGlob(pattern) ? undefined : closest(pattern, names);
  const [, server = ""] = pattern.split("/", 2);
  const isOfServer = server !== "" && !isGlob(pattern) && closest(server, ["FRONTEND", "BACKEND"]) === undefined;
  if (isOfServer && names.size > 0 && !all.some(({ kind }) => kind === "server")) {
    const detail = "rows of single servers are kept with store.detail: members alone";
    throw unknown("resource", pattern, undefined, `${detail}; ${cure}`);
  }
  throw unknown("resource", pattern, near, cure);
}

function unknown(what: string, name: string, near: string | undefined, cure: string): TocsinError {
  return new TocsinError(
    "E411",
    `there is no ${what} ${name}: ${near === undefined ? cure : `did you mean "${near}"?`}`,
  );
}
