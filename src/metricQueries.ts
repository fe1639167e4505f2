/** Queries as people ask them: names become ids, and answers get names, units and metadata. */

import type { ClusterState } from "./evaluator/cluster.ts";
import { beginningIn } from "./lib/beginnings.ts";
import { rfc3339 } from "./lib/clock.ts";
import { closest } from "./lib/closest.ts";
import { TocsinError } from "./lib/errors.ts";
import { matchesGlob } from "./lib/globs.ts";
import { metadataOf } from "./model/metadata.ts";
import type { Meter, RowSet } from "./model/meters.ts";
import { METERS, meterNamed, meterType } from "./model/meters.ts";
import type { MetricAnswer, MetricSeries } from "./model/metricQuery.ts";
import type { MetricCatalog, MetricSeriesView } from "./model/metricView.ts";
import { findMeter } from "./query/finding.ts";
import type { Queries } from "./query/queries.ts";
import type { StoredResource } from "./seriesPorts.ts";
import type { ServiceView } from "./serviceView.ts";

/** A cluster that the service knows, with what it has values of. */
type Known = { readonly cluster_id: string; readonly cluster_name: string } & Pick<ClusterState, "values">;

export interface Asking {
  readonly queries: Queries;
  readonly clusters: () => readonly Known[];
}

/** That part of the service's view. */
export function metricQueriesOf({ queries, clusters }: Asking): Pick<ServiceView, "metricCatalog" | "queryMetrics"> {
  return {
    async metricCatalog({ cluster, meter, limit }) {
      const known = clusters();
      const meters = metersLike(meter);
      const [only, ...others] = meters;
      const clusterId = cluster === undefined ? undefined : idOf(cluster, known);
      const stored = await queries.catalog({
        ...(clusterId === undefined ? {} : { clusterId }),
        ...(only && others.length === 0 ? { meterName: only.name } : {}),
        ...(limit === undefined ? {} : { limit }),
      });
      const names = namesOf(known);
      if (clusterId !== undefined && stored.clusters.length === 0 && !names.has(clusterId)) {
        throw unknownCluster(clusterId, names.values());
      }
      const wanted = new Set(meters.map(({ name }) => name));
      const all = clustersOf(known, stored.clusters, clusterId, wanted, meter !== undefined);
      return {
        meters: meters.map((one) => ({
          meter_name: one.name,
          type: meterType(one),
          unit: one.unit,
          description: one.description,
        })),
        clusters: all.slice(0, stored.limit),
        resources: stored.resources.map((one) => resourceOf(one, names.get(one.clusterId), wanted)),
        limit: stored.limit,
        more: { ...stored.more, clusters: stored.more.clusters + Math.max(0, all.length - stored.limit) },
      };
    },
    async queryMetrics(query) {
      const known = clusters();
      const names = namesOf(known);
      const { cluster: asked } = query;
      const cluster = asked === undefined ? undefined : (idBegunBy(asked, known) ?? asked);
      const meant = [...names].filter(([id, name]) => cluster === id || cluster === name);
      const near = cluster === undefined || meant.length > 0 ? undefined : closest(cluster, names.values());
      const wanted = cluster === undefined ? query : { ...query, cluster };
      const answer = await queries.query(wanted, { names: new Map(meant), near });
      return seriesView(answer, names, (one) => reasonOf(answer, one, known));
    },
  };
}

function namesOf(known: readonly Known[]): ReadonlyMap<string, string> {
  return new Map(known.map((one) => [one.cluster_id, one.cluster_name]));
}

/** What is not known may be kept all the same: of a cluster that is gone. */
function idOf(idOrName: string, known: readonly Known[]): string {
  if (known.some((one) => one.cluster_id === idOrName)) return idOrName;
  const named = known.filter((one) => one.cluster_name === idOrName);
  const [only, ...others] = named;
  if (others.length === 0) return only?.cluster_id ?? idBegunBy(idOrName, known) ?? idOrName;
  const ids = named.map((one) => one.cluster_id).join(", ");
  throw new TocsinError("E411", `${named.length} clusters are named ${idOrName}; say which by its id: ${ids}`);
}

/** Tables cut ids: what begins an id or a name of one cluster alone, 8 digits at least, is that cluster. */
function idBegunBy(asked: string, known: readonly Known[]): string | undefined {
  const begin = beginningIn(asked);
  if (begin === undefined || known.some((one) => one.cluster_id === asked || one.cluster_name === asked))
    return undefined;
  const begun = known.filter((one) => one.cluster_id.startsWith(begin) || one.cluster_name.startsWith(begin));
  return begun.length === 1 ? begun[0]?.cluster_id : undefined;
}

/** Why there is nothing at all of a series; `undefined`: nobody knows. */
function reasonOf({ meterName }: MetricAnswer, one: MetricSeries, known: readonly Known[]): string | undefined {
  if (one.points.some(({ value }) => value !== null)) return undefined;
  const meter = meterNamed(meterName);
  const now = known.find((own) => own.cluster_id === one.clusterId)?.values;
  if (!meter || one.resource !== undefined) return undefined;
  if (meter.kind === "state") return "it is of each server by itself: say --resource proxy/server";
  if (now === undefined || now[meterName] !== undefined) return undefined;
  const rows = rowsOf(meter);
  return rows === undefined ? undefined : `the cluster has no value of it now: it is made of ${rows}`;
}

/** What a meter is made of, in words; `undefined`: not of rows alone. */
function rowsOf(meter: Meter): string | undefined {
  const own = meter.kind === "rate" ? meterNamed(meter.of) : meter;
  if (!own || !("rows" in own)) return undefined;
  const only = "httpOnly" in own && own.httpOnly ? ", in HTTP mode alone" : "";
  return `${ROWS[own.rows]}${only}`;
}

const ROWS: Readonly<Record<RowSet, string>> = {
  traffic: "frontends, or of backends where it has no frontend",
  frontend: "frontends",
  backend: "backends",
  server: "servers",
  queue: "backends and servers",
};

function unknownCluster(cluster: string, names: Iterable<string>): TocsinError {
  const near = closest(cluster, names);
  const hint = near === undefined ? '"tocsin cluster list" names them' : `did you mean "${near}"?`;
  return new TocsinError("E411", `there is no cluster ${cluster}: ${hint}`);
}

/** All meters, those of a glob, or the one of a name. */
function metersLike(pattern: string | undefined) {
  if (pattern === undefined) return METERS;
  const like = METERS.filter(
    ({ name }) => matchesGlob(name, pattern) || matchesGlob(name, `network.services.lb.${pattern}`),
  );
  return like.length > 0 ? like : [findMeter(pattern)];
}

function clustersOf(
  known: readonly Known[],
  stored: readonly { readonly clusterId: string; readonly firstAt: number; readonly lastAt: number }[],
  clusterId: string | undefined,
  wanted: ReadonlySet<string>,
  isOfMeters: boolean,
): MetricCatalog["clusters"] {
  const kept = new Map(stored.map((one) => [one.clusterId, one]));
  const now = new Map(known.map((one) => [one.cluster_id, one]));
  const ids = clusterId === undefined ? [...new Set([...now.keys(), ...kept.keys()])].sort() : [clusterId];
  return ids.flatMap((id) => {
    const own = now.get(id);
    const bounds = kept.get(id);
    const meters = Object.keys(own?.values ?? {}).filter((name) => wanted.has(name));
    // Of a cluster that is gone nobody knows which it had.
    if (isOfMeters && own && meters.length === 0) return [];
    return [
      {
        cluster_id: id,
        cluster_name: own?.cluster_name ?? id,
        first_sample_timestamp: bounds ? rfc3339(bounds.firstAt) : null,
        last_sample_timestamp: bounds ? rfc3339(bounds.lastAt) : null,
        meters,
      },
    ];
  });
}

function resourceOf(one: StoredResource, clusterName: string | undefined, wanted: ReadonlySet<string>) {
  const { clusterId, source, resource, kind, firstAt, lastAt, meters = [] } = one;
  return {
    resource_id: resource,
    cluster_id: clusterId,
    source,
    metadata: metadataOf({ clusterId, clusterName, source, ...partsOf(resource, kind), kind }),
    first_sample_timestamp: rfc3339(firstAt),
    last_sample_timestamp: rfc3339(lastAt),
    meters: meters.filter((name) => wanted.has(name)),
  };
}

/** `<pxname>/<svname>`: HAProxy allows no slash in either. */
function partsOf(resource: string, kind: StoredResource["kind"] | undefined) {
  const [proxy = "", server = ""] = resource.split("/", 2);
  return kind === "server" || kind === "listener" ? { proxy, server } : { proxy };
}

function seriesView(
  answer: MetricAnswer,
  names: ReadonlyMap<string, string>,
  why: (series: MetricSeries) => string | undefined,
): MetricSeriesView {
  const { meterName, type, unit, statistic, periodS, from, to, resolution, series } = answer;
  return {
    meter_name: meterName,
    type,
    unit,
    statistic: statistic ?? null,
    period: periodS ?? null,
    from: rfc3339(from),
    to: rfc3339(to),
    resolution,
    series: series.map((one) => ({
      cluster_id: one.clusterId,
      cluster_name: names.get(one.clusterId) ?? one.clusterId,
      resource_id: one.resource ?? one.clusterId,
      metadata: metadataOfSeries(one, names.get(one.clusterId)),
      points: one.points.map(({ at, value }) => [rfc3339(at), value] as const),
      complete: one.points.map(({ complete }) => complete),
      ...reasoned(why(one)),
    })),
  };
}

function reasoned(reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason };
}

function metadataOfSeries({ clusterId, resource, kind, sources = [] }: MetricSeries, clusterName: string | undefined) {
  if (resource === undefined) return metadataOf({ clusterId, clusterName });
  // Of several sources none is its own.
  const source = sources.length === 1 ? sources[0] : undefined;
  return metadataOf({ clusterId, clusterName, source, ...partsOf(resource, kind), kind });
}
