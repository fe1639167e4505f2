/** What no rule file can see alone: one cluster in two files, one row in two clusters. */

import { matchesGlob } from "../lib/globs.ts";
import type { ClusterRules, RowPattern } from "../model/alarm.ts";

/** Why a file cannot be in force beside another, as the diagnostic that it gets. */
export interface Clash {
  /** Name of the other file, as shown to people. */
  readonly other: string;
  readonly path: readonly (string | number)[];
  readonly code: "E207" | "E208";
  readonly message: string;
  readonly hint: string;
}

type Claims = Pick<ClusterRules, "clusterId" | "rows" | "file">;

/** What a newcomer claims of what the holder has; `undefined`: nothing. */
export function clashBetween(newcomer: Claims, holder: Claims): Clash | undefined {
  const other = holder.file;
  if (newcomer.clusterId === holder.clusterId) {
    const message = `cluster ${newcomer.clusterId} is also in ${other}`;
    return { other, path: ["cluster_id"], code: "E207", message, hint: "one file for each cluster" };
  }
  const at = newcomer.rows.findIndex((row) => holder.rows.some((theirs) => overlaps(row, theirs)));
  if (at < 0) return undefined;
  const message = `these rows belong to the cluster of ${other} already`;
  return { other, path: ["haproxy", at], code: "E208", message, hint: "a row belongs to one cluster only" };
}

/** Both patterns surely match a common row: one of them matches the other's text. */
function overlaps(a: RowPattern, b: RowPattern): boolean {
  const kinds = a.kind === b.kind || a.kind === "proxy" || b.kind === "proxy";
  return (
    kinds &&
    (matchesGlob(a.pattern, b.pattern) || matchesGlob(b.pattern, a.pattern)) &&
    (a.source === undefined ||
      b.source === undefined ||
      matchesGlob(a.source, b.source) ||
      matchesGlob(b.source, a.source))
  );
}
