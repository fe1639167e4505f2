/** What people ask of the service. */

import type { FastifyInstance } from "fastify";
import { rfc3339 } from "../lib/clock.ts";
import type { BusView, ServiceView } from "../serviceView.ts";
import { readInstant, readLimit } from "./bodies.ts";
import { findAlarm } from "./finding.ts";
import { Refusal } from "./refusal.ts";

interface OfAlarm {
  readonly Params: { readonly id: string };
  readonly Querystring: { readonly at?: unknown; readonly limit?: unknown };
}

/** Adds the routes that change nothing. `now` is the wall clock, epoch ms. */
export function addReads(server: FastifyInstance, version: string, view: ServiceView, now: () => number): void {
  server.get("/healthz", async (_request, reply) => {
    const reasons = await view.degraded();
    return reply
      .code(reasons.length > 0 ? 503 : 200)
      .send({ status: reasons.length > 0 ? "degraded" : "ok", reasons, version, ...busOf(view) });
  });

  // Whether this process can answer at all: degraded it can, and whoever spreads requests over several asks this.
  server.get("/readyz", async (_request, reply) => {
    const isReady = view.bus?.().connected ?? true;
    const reasons = isReady ? [] : ["the bus is not connected"];
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ready" : "not ready", reasons, version });
  });

  server.get("/api/v1/alarms", async () => view.alarms());
  server.get<OfAlarm>("/api/v1/alarms/:id", ({ params }) => findAlarm(view, params.id));
  server.get<OfAlarm>("/api/v1/alarms/:id/explain", async ({ params, query }) => {
    const at = readInstant(query.at);
    if (at !== undefined && at > now()) throw new Refusal(400, `at is in the future: ${rfc3339(at)}`);
    const { alarm_id: id, name } = await findAlarm(view, params.id);
    const explanation = await view.explain(id, at);
    if (explanation) return explanation;
    throw new Refusal(404, `nothing is recorded of alarm ${name}${at === undefined ? "" : ` up to ${rfc3339(at)}`}`);
  });
  server.get<OfAlarm>("/api/v1/alarms/:id/history", async ({ params, query }) => {
    const limit = readLimit(query.limit);
    return view.history((await findAlarm(view, params.id)).alarm_id, limit);
  });

  server.get("/api/v1/clusters", async () => view.clusters());
  server.get("/api/v1/sources", async () => {
    const [clusters, sources] = await Promise.all([view.clusters(), view.sources()]);
    return sources.map((source) => ({
      ...source,
      clusters: clusters
        .filter(({ sources }) => sources.includes(source.name))
        .map(({ cluster_id, cluster_name }) => ({ cluster_id, cluster_name })),
    }));
  });
}

function busOf(view: ServiceView): { readonly bus?: BusView } {
  const bus = view.bus?.();
  return bus === undefined ? {} : { bus };
}
