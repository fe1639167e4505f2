/** `scripts/node scripts/meterDocs.ts`: writes docs/meters.md from the meter table. */

import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Meter } from "../src/model/meters.ts";
import { METERS, meterType } from "../src/model/meters.ts";

const ROWS = {
  traffic: "FRONTEND, else BACKEND",
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
    case "members":
      return meter.states ? `servers in state ${meter.states.join(", ")}` : "servers, each name once";
    case "own":
      return "Tocsin itself, at every seal";
  }
}

function rows(meter: Meter): string {
  if ("rows" in meter) return ROWS[meter.rows];
  return meter.kind === "members" ? "server" : "–";
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

A server is *up* when it takes traffic: \`UP\`, \`UP n/m\` or \`no check\`, with a weight above 0. A backup server is
*standby* (counted in \`members.total\` only) as long as its backend has an active server.

With \`per: server\` a meter is made of the server's own rows instead, whatever the column *rows* says, and rows of one
name in several backends add up. Connections are requests there in HTTP mode, \`denied\` are responses only, and
there are no \`request_errors\`: HAProxy counts those before it has chosen a server. HAProxy 2.0 and older
have no \`requests\` of a server.

| meter | type | unit | rows | from HAProxy's columns | what it says |
| --- | --- | --- | --- | --- | --- |
${lines.join("\n")}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(new URL("../docs/meters.md", import.meta.url), meterDocs());
}
