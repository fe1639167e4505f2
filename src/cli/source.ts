/** `tocsin source list|forget`: the sources as the running service sees them. */

import { formatDuration } from "../lib/durations.ts";
import type { SourceView } from "../serviceView.ts";
import { printableLine } from "./printable.ts";
import { shortIds, shortMiddle } from "./shortened.ts";
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

/** Longest name of a source, and longest list of clusters, characters: the whole fits into 100 columns. */
const MOST_OF_NAME = 23;
const MOST_OF_CLUSTERS = 20;
/** Clusters that are named. */
const MOST_NAMED = 2;

/** One line for each source, and below it what is wrong with it. */
export function sourceTable(sources: readonly SourceRow[]): string {
  const names = sources.map(({ name }) => shortMiddle(shortIds(name), MOST_OF_NAME));
  const rows = sources.map(({ ok, code, version, rows: count, errors, clusters, unmapped, ...own }, index) => [
    names[index] ?? "",
    code || (ok ? "ok" : "failed"),
    shortVersion(version) || "-",
    ok && own.uptime_s !== null ? formatDuration(own.uptime_s * 1000) : "-",
    String(count),
    String(errors),
    String(unmapped.length),
    fewOf(clusters.map(({ cluster_name: name }) => shortIds(name))) || "-",
  ]);
  const header = ["SOURCE", "STATE", "VERSION", "UPTIME", "ROWS", "ERRORS", "UNMAPPED", "CLUSTERS"];
  const [head = "", ...lines] = formatTable(header, rows).split("\n");
  const reasons = sources.map(({ reason }) => (reason === "" ? [] : [`  ${printableLine(reason)}`]));
  const isCut = sources.some(({ name }, index) => name !== names[index]);
  const note = isCut ? ["names are shortened: -o json has them whole"] : [];
  return [head, ...lines.flatMap((line, index) => [line, ...(reasons[index] ?? [])]), ...note].join("\n");
}

/** Without what distributions add to it. */
function shortVersion(version: string): string {
  return /^\d+(\.\d+)*(-dev\d+)?/.exec(version)?.[0] ?? shortMiddle(version, 9);
}

/** The first names, as many as fit, and how many there are besides. */
function fewOf(names: readonly string[]): string {
  for (let named = Math.min(MOST_NAMED, names.length); named > 0; named--) {
    const more = names.length === named ? "" : ` +${names.length - named}`;
    const text = names.slice(0, named).join(", ") + more;
    if (text.length <= MOST_OF_CLUSTERS) return text;
    if (named === 1) return shortMiddle(names[0] ?? "", MOST_OF_CLUSTERS - more.length) + more;
  }
  return "";
}

/** What forgetting came to, as a sentence. */
export function forgottenText({ source, clusters }: Forgotten): string {
  return `${namesOf(clusters)} no longer ${clusters.length === 1 ? "waits" : "wait"} for ${source}: it is known again when it answers`;
}

function namesOf(clusters: readonly ClusterName[]): string {
  return clusters.map(({ cluster_name: name }) => name).join(", ");
}
