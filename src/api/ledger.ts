/** Deliveries and receivers: what went out, what became of it, and what a person does about it. */

import type { FastifyInstance } from "fastify";
import type { ServiceView } from "../serviceView.ts";
import { emptyBody, read, readFlag, readLimit, testBody } from "./bodies.ts";
import { findCluster, findReceiver } from "./finding.ts";
import { Refusal } from "./refusal.ts";

interface Asked {
  readonly Querystring: { readonly limit?: unknown; readonly cluster?: unknown; readonly attention?: unknown };
}

interface OfDelivery {
  readonly Params: { readonly id: string };
}

/** Adds the routes. */
export function addLedger(server: FastifyInstance, view: ServiceView): void {
  server.get<Asked>("/api/v1/deliveries", async ({ query }) => {
    const { cluster } = query;
    const attention = readFlag("attention", query.attention);
    return view.deliveries({
      limit: readLimit(query.limit),
      ...(cluster === undefined ? {} : { clusterId: (await findCluster(view, String(cluster))).cluster_id }),
      ...(attention === undefined ? {} : { attention }),
    });
  });

  server.get<OfDelivery>("/api/v1/deliveries/:id", async ({ params }) => {
    const found = await view.delivery(params.id);
    if (found) return found;
    throw new Refusal(404, `there is no delivery ${params.id}: "tocsin delivery list" has them`, "E406");
  });

  for (const what of ["retry", "drop"] as const) {
    server.post<OfDelivery>(`/api/v1/deliveries/:id/${what}`, async ({ params, body }) => {
      read(emptyBody, body);
      return view.deliver(params.id, what);
    });
  }

  server.get("/api/v1/receivers", async () => view.receivers());

  server.post("/api/v1/receivers/test", async (request) => {
    const { receiver, cluster, send = false } = read(testBody, request.body);
    const { cluster_id: clusterId, name } = await findReceiver(view, receiver, cluster);
    // The receiver may take longer than a silent connection is kept: its own time-out ends the test.
    request.raw.socket.setTimeout(0);
    return view.testReceiver(clusterId, name, send);
  });
}
