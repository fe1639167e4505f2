/** Metrics: which series there are, their newest values, and queries over what is kept. */

import type { FastifyInstance } from "fastify";
import { rfc3339 } from "../lib/clock.ts";
import type { MetricQuery } from "../model/metricQuery.ts";
import type { ServiceView } from "../serviceView.ts";
import { findCluster } from "./finding.ts";
import type { Instant } from "./parameters.ts";
import {
  countIn,
  nameIn,
  neededName,
  oneOf,
  parametersIn,
  periodIn,
  refused,
  statisticIn,
  timeIn,
} from "./parameters.ts";

const HOUR_MS = 3_600_000;

/** Longest name of a row, characters: of two names and what stands between. */
const LONGEST_ROW = 600;

/** Most clusters and rows that are listed. */
const MOST_LISTED = 10_000;

const FILTERS = ["cluster", "meter"] as const;
const LISTS = [...FILTERS, "limit"] as const;
const ASKED = ["meter", "cluster", "resource", "from", "to", "period", "statistic", "group_by"] as const;

/** Adds the routes. `now` is the wall clock, epoch ms. */
export function addMetrics(server: FastifyInstance, view: ServiceView, now: () => number): void {
  server.get("/api/v1/metrics", async ({ query, raw }) => {
    const { cluster, meter } = filterIn(query, LISTS);
    const limit = countIn("limit", parametersIn(query, LISTS)("limit"), MOST_LISTED);
    raw.socket.setTimeout(0);
    return view.metricCatalog({
      ...(limit === undefined ? {} : { limit }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(meter === undefined ? {} : { meter }),
    });
  });

  server.get("/api/v1/metrics/newest", async ({ query }) => {
    const { cluster, meter } = filterIn(query);
    const id = cluster === undefined ? undefined : (await findCluster(view, cluster)).cluster_id;
    return (await view.metrics())
      .filter((one) => id === undefined || one.cluster_id === id)
      .filter(
        (one) => meter === undefined || one.meter_name === meter || one.meter_name === `network.services.lb.${meter}`,
      );
  });

  server.get("/api/v1/metrics/query", async ({ query, raw }) => {
    const wanted = queryOf(query, now());
    // It may wait for others: queries end by a time of their own.
    raw.socket.setTimeout(0);
    return view.queryMetrics(wanted);
  });
}

function filterIn(
  query: unknown,
  names: readonly (typeof LISTS)[number][] = FILTERS,
): { readonly cluster: string | undefined; readonly meter: string | undefined } {
  const said = parametersIn(query, names);
  return { cluster: nameIn("cluster", said("cluster"), "web"), meter: nameIn("meter", said("meter"), "requests.rate") };
}

function queryOf(query: unknown, now: number): MetricQuery {
  const said = parametersIn(query, ASKED);
  const meterName = neededName("meter", said("meter"), "requests.rate");
  const cluster = nameIn("cluster", said("cluster"), "web");
  const row = nameIn("resource", said("resource"), "web/FRONTEND", LONGEST_ROW);
  const periodS = periodIn("period", said("period"));
  const statistic = statisticIn("statistic", said("statistic"));
  const groupBy = oneOf("group_by", said("group_by"), ["cluster", "resource"]);
  const at = (instant: Instant) => (typeof instant === "number" ? instant : now - instant.agoMs);
  const to = at(timeIn("to", said("to")) ?? now);
  const begin = timeIn("from", said("from"));
  const from = begin === undefined ? to - HOUR_MS : at(begin);
  if (from >= to) throw refused(`from must be before to: from is ${rfc3339(from)}, to is ${rfc3339(to)}`);
  if (statistic !== undefined && periodS === undefined) {
    throw refused("a statistic is of windows: say how long they are, e.g. period=60s");
  }
  if (groupBy === "cluster" && row !== undefined) {
    throw refused("group_by=cluster takes no resource: leave one of them out");
  }
  const resource = row ?? (groupBy === "resource" ? "*" : undefined);
  return {
    meterName,
    from,
    to,
    ...(cluster === undefined ? {} : { cluster }),
    ...(resource === undefined ? {} : { resource }),
    ...(periodS === undefined ? {} : { periodS, statistic: statistic ?? "avg" }),
  };
}
