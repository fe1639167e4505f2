/**
 * Receivers in a process of their own, so that what they cost is not counted as ours. One server on every loopback
 * address: `127.x.y.z:port` is an origin for each. Paths say how it answers: `/slow/MS` after so long, `/hang` never.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Arrivals since the last time that they were asked for: `webhook-id` and instant, ms since 1970 with a fraction. */
let arrivals: [id: string, atMs: number][] = [];

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    arrivals.push([String(request.headers["webhook-id"]), performance.timeOrigin + performance.now()]);
    const [, kind, ms] = (request.url ?? "").split("/");
    if (kind === "slow") setTimeout(() => response.end(), Number(ms));
    else if (kind !== "hang") response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen({ host: "0.0.0.0", port: 0, backlog: 4096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
);

process.on("message", () => {
  process.send?.({ arrivals });
  arrivals = [];
});
process.on("disconnect", () => process.exit());
