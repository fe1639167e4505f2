/** What people tell the service: pauses, sources to forget, events. */

import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { rfc3339 } from "../lib/clock.ts";
import { messageOf, TocsinError } from "../lib/errors.ts";
import type { Command } from "../model/decision.ts";
import type { ServiceView } from "../serviceView.ts";
import { eventBody, forgetBody, pauseBody, read, resumeBody } from "./bodies.ts";
import { findCluster, refuseUnlessWhole } from "./finding.ts";
import { Refusal } from "./refusal.ts";

interface OfCluster {
  readonly Params: { readonly cluster: string };
}

/** Adds the routes that change something. `now` is the wall clock, epoch ms. */
export function addCommands(server: FastifyInstance, view: ServiceView, now: () => number): void {
  server.addHook("preHandler", async ({ raw }) => {
    // What has been told, once it is read, may take longer than a silent connection is kept: whoever folds it ends it.
    if (raw.method === "POST") raw.socket.setTimeout(0);
  });

  /** Folds a command, and answers what the cluster is then. */
  const tell = async (idOrName: string, command: Command) => {
    const { cluster_id: id } = await findCluster(view, idOrName);
    await view.command(id, command);
    try {
      return await findCluster(view, id);
    } catch (error) {
      const why = `the ${command.command} is recorded, and how the cluster is now cannot be told: ${messageOf(error)}`;
      throw new TocsinError("E661", why, { cause: error });
    }
  };

  server.post<OfCluster>("/api/v1/clusters/:cluster/pause", async ({ params, body }) => {
    const { direction, for: forS } = read(pauseBody, body);
    return tell(params.cluster, {
      kind: "command",
      command: "pause",
      ...(direction === undefined ? {} : { direction }),
      ...(forS === undefined ? {} : { forS }),
    });
  });

  server.post<OfCluster>("/api/v1/clusters/:cluster/resume", async ({ params, body }) => {
    const { direction } = read(resumeBody, body);
    return tell(params.cluster, {
      kind: "command",
      command: "resume",
      ...(direction === undefined ? {} : { direction }),
    });
  });

  server.post("/api/v1/sources/forget", async ({ body }) => {
    const { source, cluster } = read(forgetBody, body);
    const asked = cluster === undefined ? await view.clusters() : [await findCluster(view, cluster)];
    // To forget it in some clusters only would be found out by nobody.
    if (cluster === undefined) await refuseUnlessWhole(view, `all that know source ${source}`);
    const knowing = asked.filter(({ sources }) => sources.includes(source));
    const who = cluster === undefined ? "any cluster" : `cluster ${cluster}`;
    if (knowing.length === 0) throw new Refusal(404, `${source} is not a source of ${who}`);
    await Promise.all(
      knowing.map(({ cluster_id: id }) => view.command(id, { kind: "command", command: "forget", source })),
    );
    return { source, clusters: knowing.map(({ cluster_id, cluster_name }) => ({ cluster_id, cluster_name })) };
  });

  server.post("/api/v1/events", async ({ body }, reply) => {
    const said = read(eventBody, body);
    const messageId = said.message_id ?? randomUUID();
    const clusters = await view.event({
      kind: "event",
      messageId,
      eventType: said.event_type,
      generated: said.generated ?? rfc3339(now()),
      traits: said.traits ?? {},
    });
    return reply.code(202).send({ message_id: messageId, clusters });
  });
}
