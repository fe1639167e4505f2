/** What no rule file can see alone: one cluster in two files, one row in two clusters. */

import { coversGlob, globsMeet, isGlob } from "../lib/globs.ts";
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
  const at = newcomer.rows.findIndex((row) => holder.rows.some((theirs) => overlap(row, theirs) === "sure"));
  if (at < 0) return undefined;
  const message = `these rows belong to the cluster of ${other} already`;
  return { other, path: ["haproxy", at], code: "E208", message, hint: "a row belongs to one cluster only" };
}

/** Rows of the newcomer of which HAProxy may have one that is the holder's, too: places and what to say of them. */
export function overlapsWith(
  newcomer: Claims,
  holder: Claims,
): readonly { readonly path: readonly (string | number)[]; readonly message: string; readonly hint: string }[] {
  return newcomer.rows.flatMap((row, index) => {
    const theirs = holder.rows.find((one) => overlap(row, one) === "possible");
    if (!theirs) return [];
    const message = `a row may fit ${row.kind} ${row.pattern} and ${theirs.kind} ${theirs.pattern} of ${holder.file}, too`;
    const hint = "the file whose name comes first has it; tocsin collect --once --explain shows which rows there are";
    return [{ path: ["haproxy", index], message, hint }];
  });
}

type Overlap = "none" | "possible" | "sure";

/** Whether two patterns share a row: surely where all that one of them fits the other does, too. */
function overlap(a: RowPattern, b: RowPattern): Overlap {
  if (a.kind !== b.kind && a.kind !== "proxy" && b.kind !== "proxy") return "none";
  const ofPatterns = overlapOfGlobs(a.pattern, b.pattern);
  if (ofPatterns === "none") return "none";
  const ofSources = overlapOfSources(a.source, b.source);
  return ofSources === "sure" ? ofPatterns : ofSources;
}

function overlapOfGlobs(a: string, b: string): Overlap {
  // Files are compared by pairs, and nearly all of them begin otherwise.
  if (beginOtherwise(a, b)) return "none";
  if (coversGlob(a, b) || coversGlob(b, a)) return "sure";
  return globsMeet(a, b) ? "possible" : "none";
}

/** They differ before the first wildcard. */
function beginOtherwise(a: string, b: string): boolean {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const [inA, inB] = [a[at], b[at]];
    if (inA === "*" || inA === "?" || inB === "*" || inB === "?") return false;
    if (inA !== inB) return true;
  }
  return !isGlob(a) && !isGlob(b) && a !== b;
}

/** A source may be named by its entry, or by the whole of `entry:path`. */
function overlapOfSources(a: string | undefined, b: string | undefined): Overlap {
  if (a === undefined || b === undefined || a === b) return "sure";
  const ways = [overlapOfGlobs(a, b), overlapOfGlobs(`${a}:*`, b), overlapOfGlobs(a, `${b}:*`)];
  return ways.find((way) => way === "sure") ?? ways.find((way) => way === "possible") ?? "none";
}
