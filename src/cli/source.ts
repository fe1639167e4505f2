/** `tocsin source list|forget`: HAProxy's sockets as the running service sees them. */

import type { SourceView } from "../serviceView.ts";
import { formatTable } from "./table.ts";

interface ClusterName {
  readonly cluster_id: string;
  readonly cluster_name: string;
}

/** A source, with the clusters that know it. */
export interface SourceRow extends SourceView {
  readonly clusters: readonly ClusterName[];
}

/** What was forgotten, and by whom. */
export interface Forgotten {
  readonly source: string;
  readonly clusters: readonly ClusterName[];
}

/** One line for each source. */
export function sourceTable(sources: readonly SourceRow[]): string {
  const rows = sources.map(({ name, ok, code, clusters, unmapped, reason }) => [
    name,
    ok ? "ok" : code,
    namesOf(clusters) || "-",
    String(unmapped.length),
    reason,
  ]);
  return formatTable(["SOURCE", "STATE", "CLUSTERS", "UNMAPPED", "REASON"], rows);
}

/** What forgetting came to, as a sentence. */
export function forgottenText({ source, clusters }: Forgotten): string {
  return `${namesOf(clusters)} no longer ${clusters.length === 1 ? "waits" : "wait"} for ${source}: it is known again when it answers`;
}

function namesOf(clusters: readonly ClusterName[]): string {
  return clusters.map(({ cluster_name: name }) => name).join(", ");
}
