/** `scripts/node scripts/meterDocs.ts`: writes docs/meters.md from the meter table. */

import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Meter } from "../src/model/meters.ts";
import { isOfMembers, METERS, meterType } from "../src/model/meters.ts";

const ROWS = {
  traffic: "FRONTEND, else BACKEND",
  frontend: "FRONTEND",
  backend: "BACKEND",
  server: "server",
  queue: "BACKEND and server",
} as const;

function origin(meter: Meter): string {
  switch (meter.kind) {
    case "counter":
      return `increase of \`${meter.columns.join("` + `")}\`${meter.httpOnly ? " (HTTP only)" : ""}`;
    case "rate":
      return `increase of \`${meter.of}\` ÷ seconds`;
    case "sum":
      return `\`${meter.columns.join("` + `")}\``;
    case "mean":
      return `\`${meter.column}\`, each row weighed by its new sessions; none without any${meter.httpOnly ? " (HTTP only)" : ""}`;
    case "ratio":
      return `100 × increase of \`${meter.of.join("`, `")}\` ÷ increase of all responses; none without any`;
    case "share":
      return `100 × \`${meter.column}\` ÷ \`${meter.limit}\`, of the rows that have a \`${meter.limit}\``;
    case "most":
      return `the highest \`${meter.column}\` of rows with new sessions; none without any`;
    case "change":
      return `\`${meter.of}\` less that of the tick before, ÷ seconds; none where a source was silent or reloaded`;
    case "members":
      if (meter.as === "percent") return `100 × servers in state ${meter.states?.join(", ")} ÷ all servers`;
      return meter.states ? `servers in state ${meter.states.join(", ")}` : "servers, each name once";
    case "state":
      return "`status`; with `per: server` only";
    case "own":
      return "Tocsin itself, at every seal";
  }
}

function rows(meter: Meter): string {
  if ("rows" in meter) return ROWS[meter.rows];
  return isOfMembers(meter) ? "server" : "–";
}

/** The page, whole. */
export function meterDocs(): string {
  const lines = METERS.map(
    (meter) =>
      `| \`${meter.name}\` | ${meterType(meter)} | ${meter.unit} | ${rows(meter)} | ${origin(meter)} | ${meter.description} |`,
  );
  return `# Meters

Made from \`src/model/meters.ts\` by \`scripts/node scripts/meterDocs.ts\`: change the table there, not here.

A cluster has one value of each meter at each tick. Rows and sources of a cluster add up, means are weighed by what
they were measured on, servers count once for each name. FRONTEND rows give a cluster's traffic, BACKEND rows where
none is mapped, never both. Cumulative meters are totals that Tocsin keeps: they begin at 0 when it first sees the
cluster and never fall, whatever HAProxy's counters do at a reload.

## When HAProxy counts

HAProxy counts the bytes, the requests' answers and the times of a session when its stream ends, unless the proxy says
\`option contstats\`: then about every five seconds. So a download of ten minutes shows in \`incoming.bytes\` and
\`outgoing.bytes\` all at once, ten minutes late, and what is still open at a reload is never seen; websockets and other
long streams want \`option contstats\`, or rules on \`active.connections\` and \`session.utilization\`, which are of the
moment. Sessions are counted when they begin, requests when they have been read. A reload starts every counter at 0 in a
new process; \`clear counters all\` does so in a living one (\`tocsin.source.resets\`): totals grow on over both.

In HTTP mode a connection that is opened and closed without a word counts as a request, as an error of one and as a 4xx
response (seen on 2.6): the health checks of a balancer in front do that, and port scans. \`option http-ignore-probes\`
keeps them out.

The times are HAProxy's own means over its last 1,024 requests, and stand still without traffic: a row without new
sessions has no part in them. They are no percentiles. \`session.utilization\` is of the frontends that have a limit.

UDP and SCTP listeners of Octavia are no HAProxy: they have no rows, and no meter knows of them.

## Servers

A server is *up* when it takes traffic: \`UP\`, \`UP n/m\` or \`no check\`, with a weight above 0. A backup server is
*standby* (counted in \`members.total\` only) as long as its backend has an active server.

Where some sources of a cluster carry traffic and others do not (an active and a standby balancer) the former say what
state the servers are in, for as long as no other moves a byte, or until they have been silent for four ticks. Where those
differ the worse state counts. \`network.services.lb.member\` is a number for each server: 1 up (standing by, too), 0 down,
2 draining, 3 up without a health check, 6 in maintenance.

With \`per: server\` a meter is made of the server's own rows instead, whatever the column *rows* says, and rows of one
name in several backends add up. Connections are requests there in HTTP mode, \`denied\` are responses only, and
there are no \`request_errors\`: HAProxy counts those before it has chosen a server. HAProxy 2.0 and older
have no \`requests\` of a server.

## The table

\`tocsin.source.*\` meters are made at every tick, whatever the sources say. Those that are cumulative can be read with the
statistic \`increase\`.

| meter | type | unit | rows | from HAProxy's columns | what it says |
| --- | --- | --- | --- | --- | --- |
${lines.join("\n")}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(new URL("../docs/meters.md", import.meta.url), meterDocs());
}
