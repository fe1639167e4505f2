import { isGlob, matchesGlob } from "../lib/globs.ts";
import type { RowPattern } from "../model/alarm.ts";
import type { Reads } from "./reads.ts";

/** A cluster and which rows are its own. */
export interface ClusterRows {
  readonly clusterId: string;
  readonly rows: readonly RowPattern[];
  /** What its rules read; `undefined`: nothing beyond the cluster's values. */
  readonly reads?: Reads;
}

/** Where the rows of one proxy go. */
export interface ProxyClusters {
  readonly frontend: string | undefined;
  /** Of the BACKEND row and its servers. */
  readonly backend: string | undefined;
}

/** `amphorae` for `amphorae:/var/lib/octavia/x.sock`: the entry of tocsin.yaml that a source came from. */
export function entryOf(source: string): string {
  return source.split(":", 1)[0] ?? source;
}

/** Whether a source is one that this entry of `tocsin.yaml` leads to: by its name, or a path that its glob matches. */
export function isFromEntry(source: string, entry: { readonly name: string; readonly socket: string }): boolean {
  if (!isGlob(entry.socket)) return source === entry.name;
  const prefix = `${entry.name}:`;
  return source.startsWith(prefix) && matchesGlob(source.slice(prefix.length), entry.socket);
}

/** Which cluster the rows of a proxy belong to: the first whose pattern matches, in the order given. */
export function clustersOfProxy(clusters: readonly ClusterRows[], source: string, proxy: string): ProxyClusters {
  const find = (kind: "frontend" | "backend") =>
    clusters.find(({ rows }) =>
      rows.some(
        (row) =>
          (row.kind === kind || row.kind === "proxy") &&
          matchesGlob(proxy, row.pattern) &&
          (row.source === undefined || matchesGlob(entryOf(source), row.source) || matchesGlob(source, row.source)),
      ),
    )?.clusterId;
  return { frontend: find("frontend"), backend: find("backend") };
}
