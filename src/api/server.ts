/** The small HTTP interface: what the reading commands ask. On loopback unless configured otherwise. */

import { fastify } from "fastify";
import { systemCode, TocsinError } from "../lib/errors.ts";
import type { ServiceView } from "../ports.ts";

export interface ApiServer {
  /** As bound: with the port that was chosen for port 0. */
  readonly url: string;
  close(): Promise<void>;
}

/** Largest request that is read, bytes: nothing that is served takes a body. */
const BODY_LIMIT = 16 * 1024;

/** Listens and serves. Throws `E310` when the address is taken, `E311` when it cannot be had. */
export async function startApi(
  listen: { host: string; port: number },
  version: string,
  view: ServiceView,
): Promise<ApiServer> {
  const server = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: 10_000,
    connectionTimeout: 10_000,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorBody(`nothing at ${request.url.slice(0, 200)}`)),
  );
  server.setErrorHandler((error: { statusCode?: number; message: string }, _request, reply) =>
    reply.code(error.statusCode ?? 500).send(errorBody(error.message)),
  );

  server.get("/healthz", (_request, reply) => {
    const reasons = view.degraded();
    return reply
      .code(reasons.length > 0 ? 503 : 200)
      .send({ status: reasons.length > 0 ? "degraded" : "ok", reasons, version });
  });
  server.get("/api/v1/alarms", () => view.alarms());
  server.get<{ Params: { id: string } }>("/api/v1/alarms/:id", (request, reply) => {
    const { id } = request.params;
    const found = view.alarms().filter((alarm) => alarm.alarm_id === id || alarm.name === id);
    const [alarm] = found;
    if (found.length === 1 && alarm) return alarm;
    if (!alarm) return reply.code(404).send(errorBody(`there is no alarm ${id}`));
    const where = found.map((one) => `${one.alarm_id} (${one.cluster_name})`).join(", ");
    return reply.code(409).send(errorBody(`${found.length} alarms are named ${id}; say which by its id: ${where}`));
  });
  server.get("/api/v1/metrics", () => view.metrics());
  server.get("/api/v1/clusters", () => view.clusters());
  server.get("/api/v1/sources", () => view.sources());
  server.get<{ Querystring: { limit?: string } }>("/api/v1/deliveries", (request, reply) => {
    const limit = Number(request.query.limit ?? 100);
    if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return view.deliveries(limit);
    return reply.code(400).send(errorBody("limit must be a whole number from 1 to 1000"));
  });

  try {
    const url = await server.listen({ host: listen.host, port: listen.port });
    return { url, close: () => server.close() };
  } catch (error) {
    await server.close();
    const where = `${listen.host}:${listen.port}`;
    if (systemCode(error) === "EADDRINUSE") {
      throw new TocsinError("E310", `${where} is in use: stop what listens there, or set api.listen in tocsin.yaml`, {
        cause: error,
      });
    }
    throw new TocsinError("E311", `cannot listen on ${where}: ${(error as Error).message}`, { cause: error });
  }
}

/** Errors as Aodh words them, so that one client code reads both. */
function errorBody(message: string): object {
  return { error_message: { faultcode: "Client", faultstring: message, debuginfo: null } };
}
