/** The small HTTP interface: what commands ask and tell. On loopback unless configured otherwise. */

import type { FastifyReply } from "fastify";
import { fastify } from "fastify";
import { systemClock } from "../lib/clock.ts";
import { messageOf, systemCode, TocsinError } from "../lib/errors.ts";
import type { ServiceView } from "../serviceView.ts";
import { addCommands } from "./commands.ts";
import { guard } from "./guard.ts";
import { addLedger } from "./ledger.ts";
import { addMetrics } from "./metrics.ts";
import { addReads } from "./reads.ts";
import { codeOf, errorBody, statusOf } from "./refusal.ts";

export interface ApiServer {
  /** As bound: with the port that was chosen for port 0. */
  readonly url: string;
  close(): Promise<void>;
}

export interface ApiOptions {
  /** Wall clock, epoch ms: the time of events that do not say their own. Default: the system's. */
  readonly now?: () => number;
}

/** Largest body that is read, bytes. */
const BODY_LIMIT = 16 * 1024;

/** Listens and serves. Throws `E310` when the address is taken, `E311` when it cannot be had. */
export async function startApi(
  listen: { host: string; port: number },
  version: string,
  view: ServiceView,
  { now = systemClock.now }: ApiOptions = {},
): Promise<ApiServer> {
  const server = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: 10_000,
    connectionTimeout: 10_000,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
    frameworkErrors: refuse,
  });
  server.removeContentTypeParser("text/plain");
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorBody(404, `nothing at ${request.url.slice(0, 200)}`)),
  );
  server.setErrorHandler(refuse);
  server.addHook("onRequest", async (request) => guard(request, listen.host));
  addReads(server, version, view, now);
  addCommands(server, view, now);
  addLedger(server, view);
  addMetrics(server, view, now);

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

function refuse(error: unknown, _request: unknown, reply: Pick<FastifyReply, "code" | "send">): void {
  const status = statusOf(error);
  reply.code(status);
  reply.send(errorBody(status, messageOf(error), codeOf(error)));
}
