/** What `tocsin collect` shows of clusters: a table of gauges, or a line of rates at each tick. */

import type { Gauged } from "../collectNow.ts";
import { meterNamed } from "../model/meters.ts";
import { printableLine } from "./printable.ts";
import { shortIds, shortMiddle } from "./shortened.ts";
import { formatQuantity, formatTable } from "./table.ts";

const LB = "network.services.lb";

/** Longest list of sources, characters. */
const MOST_OF_SOURCES = 40;

/** Newest gauges of each cluster. */
export function gaugeTable(clusters: readonly Gauged[]): string {
  if (clusters.length === 0)
    return "No row belongs to a cluster: tocsin collect --once --explain shows which there are.";
  const header = ["CLUSTER", "CONNECTIONS", "QUEUE", "SERVERS UP", "SOURCES"];
  const rows = clusters.map((cluster) => [
    shortIds(cluster.cluster_name),
    shown(cluster, `${LB}.active.connections`),
    shown(cluster, `${LB}.queue.current`),
    serversUp(cluster),
    shortMiddle(cluster.sources.map(shortIds).join(", "), MOST_OF_SOURCES),
  ]);
  return formatTable(header, rows);
}

const WIDTHS = [8, 24, 11, 11, 10, 11, 10];

export function rateHeader(): string {
  return line(["TIME", "CLUSTER", "IN", "OUT", "REQUESTS", "CONNECTIONS", "SERVERS UP"]);
}

/** Lines of clusters' main rates, as they come: the time of a tick stands at its first. */
export function rateLines(): (cluster: Gauged) => string {
  let before = "";
  return (cluster) => {
    const isFirst = cluster.timestamp !== before;
    before = cluster.timestamp;
    return rateLine(cluster, isFirst);
  };
}

/** At its first tick there are none yet. */
function rateLine(cluster: Gauged, isFirst: boolean): string {
  return line([
    isFirst ? cluster.timestamp.slice(11, 19) : "",
    shortMiddle(shortIds(cluster.cluster_name), WIDTHS[1] ?? 0),
    shown(cluster, `${LB}.incoming.bytes.rate`),
    shown(cluster, `${LB}.outgoing.bytes.rate`),
    shown(cluster, `${LB}.requests.rate`),
    shown(cluster, `${LB}.active.connections`),
    serversUp(cluster),
  ]);
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, column) => printableLine(cell).padEnd(WIDTHS[column] ?? 0))
    .join("  ")
    .trimEnd();
}

function shown({ values }: Gauged, meterName: string): string {
  const value = values[meterName];
  if (value === undefined) return "-";
  return formatQuantity(value, meterNamed(meterName)?.unit ?? "")
    .replace(/ ?(request|connection)s?/, "")
    .replace(/^(\S+)\/s$/, "$1 /s");
}

function serversUp({ servers }: Gauged): string {
  const states = Object.values(servers);
  return states.length === 0 ? "-" : `${states.filter((state) => state === "up").length} of ${states.length}`;
}
