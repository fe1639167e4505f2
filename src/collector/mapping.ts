/** Which cluster the rows of a proxy belong to: rule files first, then families of names, then what is said of the rest. */

import { isGlob, literalPrefix, matchesGlob } from "../lib/globs.ts";
import type { TemplatePart } from "../lib/templates.ts";
import { fillTemplate, matchTemplate, parseTemplate } from "../lib/templates.ts";
import type { RowPattern } from "../model/alarm.ts";
import type { ClusterRows } from "../model/clusterRows.ts";
import type { Family } from "../model/family.ts";
import type { Reads } from "./reads.ts";

export type { ClusterRows } from "../model/clusterRows.ts";

/** Where the rows of one proxy go. */
export interface ProxyClusters {
  readonly frontend: string | undefined;
  /** Of the BACKEND row and its servers. */
  readonly backend: string | undefined;
  /** Which rule says so, in words: `rules/web.yaml: proxy web*`. Absent where nothing does. */
  readonly by?: { readonly frontend?: string; readonly backend?: string };
  /** Other rule files that claim rows of it, too, in vain. Absent: none does. */
  readonly twice?: readonly string[];
}

/** Where rows go, by the rules of now. */
export interface Mapping {
  clustersOf(source: string, proxy: string): ProxyClusters;
  /** It belongs to nobody on purpose, whatever else is said. */
  isIgnored(proxy: string): boolean;
  /** What the rules of a cluster read beyond its values; `undefined`: nothing. */
  readsOf(clusterId: string): Reads | undefined;
  /** Equal texts are equal mappings. */
  readonly text: string;
  /** Of the mappings that were published, where these were (rule N4). */
  readonly revision?: number;
  /** Proxies that belong to nobody are to be told of. */
  readonly warnsOfUnmapped: boolean;
}

/** A row that two rule files claim: the first has it. */
export interface Claimed {
  readonly source: string;
  readonly proxy: string;
  readonly file: string;
  readonly others: readonly string[];
}

export interface MappingOptions {
  /** Of rule files, in order: of two that claim a row the first has it. */
  readonly clusters: readonly ClusterRows[];
  readonly families: readonly Family[];
  /** Names and globs of proxies that belong to nobody on purpose. */
  readonly ignore: readonly string[];
  /** `proxy`: each proxy that belongs to nobody is a cluster of its own name. */
  readonly unmapped: "warn" | "ignore" | "proxy";
  /** Told when a proxy is first seen that two rule files claim. */
  readonly onTwice?: (claimed: Claimed) => void;
  /** Told the name that a family gives a cluster, when its rows are first seen. */
  readonly onName?: (clusterId: string, name: string) => void;
  readonly revision?: number;
}

const NOBODY: ProxyClusters = { frontend: undefined, backend: undefined };

/** Proxies that are remembered at the most: sources and proxies come and go over the years. */
const MOST_REMEMBERED = 200_000;

/** The mapping that rule files and settings make. What it was asked for once it remembers. */
export function createMapping(options: MappingOptions): Mapping {
  const { clusters, ignore, unmapped, onTwice, onName, revision } = options;
  const isIgnored = (proxy: string) => ignore.some((pattern) => matchesGlob(proxy, pattern));
  const claims = indexOf(clusters);
  const families = options.families.map(readFamily);
  const reads = new Map(clusters.map((cluster) => [cluster.clusterId, cluster.reads]));
  // Where no rule speaks of sources, all of them share what is remembered.
  const bySource = [...clusters.flatMap(({ rows }) => rows), ...options.families].some(({ source }) => source);
  const remembered = new Map<string, Map<string, ProxyClusters>>();
  let size = 0;

  const find = (source: string, proxy: string): ProxyClusters => {
    if (isIgnored(proxy)) return NOBODY;
    const claiming = claims(source, proxy);
    const found = (kind: RowKind): Found | undefined => {
      const [first, ...others] = [...new Map(claiming[kind].map((one) => [one.clusterId, one])).values()];
      if (first) return { ...first, others };
      for (const family of families) {
        const made = clusterOfFamily(family, kind, source, proxy);
        if (!made) continue;
        if (made.name !== undefined) onName?.(made.clusterId, made.name);
        return { ...made, others: [] };
      }
      return undefined;
    };
    const [frontend, backend] = [found("frontend"), found("backend")];
    if (!frontend && !backend) return unmapped === "proxy" ? wholeProxy(proxy) : NOBODY;
    const twice = [...new Set([frontend, backend].flatMap((one) => one?.others ?? []).map(({ file }) => file))];
    const by = { ...(frontend ? { frontend: frontend.by } : {}), ...(backend ? { backend: backend.by } : {}) };
    const file = (frontend?.others.length ? frontend : backend)?.file ?? "";
    if (twice.length > 0) onTwice?.({ source, proxy, file, others: twice });
    const goesTo = { frontend: frontend?.clusterId, backend: backend?.clusterId, by };
    return twice.length > 0 ? { ...goesTo, twice } : goesTo;
  };

  return {
    clustersOf(source, proxy) {
      const key = bySource ? source : "";
      const known = remembered.get(key)?.get(proxy);
      if (known) return known;
      const found = find(source, proxy);
      if (size >= MOST_REMEMBERED) {
        remembered.clear();
        size = 0;
      }
      const own = remembered.get(key) ?? new Map<string, ProxyClusters>();
      remembered.set(key, own.set(proxy, found));
      size++;
      return found;
    },
    isIgnored,
    readsOf: (clusterId) => reads.get(clusterId),
    text: JSON.stringify([
      clusters.map(({ clusterId, rows }) => [clusterId, rows]),
      options.families,
      ignore,
      unmapped,
    ]),
    warnsOfUnmapped: unmapped === "warn",
    ...(revision === undefined ? {} : { revision }),
  };
}

type RowKind = "frontend" | "backend";

/** A cluster that claims a row, and by which words. */
interface Claim {
  readonly clusterId: string;
  readonly file: string;
  readonly by: string;
}

interface Found extends Claim {
  readonly others: readonly Claim[];
}

interface IndexedRow extends Claim {
  readonly row: RowPattern;
  readonly order: number;
}

type Claims = Readonly<Record<RowKind, readonly Claim[]>>;

/**
 * Finds who claims the rows of a proxy, in order. Patterns are filed under the text that they begin with, so that
 * only those are tried which may match: thousands of ids with a `*` behind them cost no more than one.
 */
function indexOf(clusters: readonly ClusterRows[]): (source: string, proxy: string) => Claims {
  const exact = new Map<string, IndexedRow[]>();
  const globs = new Map<number, Map<string, IndexedRow[]>>();
  clusters.forEach((cluster, order) => {
    const { clusterId, file = clusterId } = cluster;
    for (const row of cluster.rows) {
      const one: IndexedRow = { clusterId, file, by: `${file}: ${wordsOf(row)}`, row, order };
      const prefix = literalPrefix(row.pattern);
      if (!isGlob(row.pattern)) fileUnder(exact, row.pattern, one);
      else {
        const ofLength = globs.get(prefix.length) ?? new Map<string, IndexedRow[]>();
        globs.set(prefix.length, ofLength);
        fileUnder(ofLength, prefix, one);
      }
    }
  });
  return (source, proxy) => {
    const candidates = [...(exact.get(proxy) ?? [])];
    for (const [length, ofLength] of globs) {
      for (const one of ofLength.get(proxy.slice(0, length)) ?? [])
        if (matchesGlob(proxy, one.row.pattern)) candidates.push(one);
    }
    const fitting = candidates.filter(({ row }) => isOfSource(source, row.source)).sort((a, b) => a.order - b.order);
    const of = (kind: RowKind) => fitting.filter(({ row }) => row.kind === kind || row.kind === "proxy");
    return { frontend: of("frontend"), backend: of("backend") };
  };
}

function fileUnder(index: Map<string, IndexedRow[]>, key: string, one: IndexedRow): void {
  const there = index.get(key);
  if (there) there.push(one);
  else index.set(key, [one]);
}

function wordsOf({ kind, pattern, source }: Pick<Family, "kind" | "pattern" | "source">): string {
  return `${kind} ${pattern}${source === undefined ? "" : ` of source ${source}`}`;
}

function isOfSource(source: string, pattern: string | undefined): boolean {
  return pattern === undefined || matchesGlob(entryOf(source), pattern) || matchesGlob(source, pattern);
}

interface ReadFamily extends Family {
  readonly by: string;
  readonly parts: readonly TemplatePart[];
  readonly id: readonly TemplatePart[];
  readonly name: readonly TemplatePart[] | undefined;
}

function readFamily(family: Family, index: number): ReadFamily {
  const { pattern, clusterId, clusterName } = family;
  const read = (template: string) => parseTemplate(template) ?? [{ kind: "text", text: template } as const];
  return {
    ...family,
    by: `families[${index}]: ${wordsOf(family)}`,
    parts: read(pattern),
    id: read(clusterId),
    name: clusterName === undefined ? undefined : read(clusterName),
  };
}

function clusterOfFamily(
  family: ReadFamily,
  kind: RowKind,
  source: string,
  proxy: string,
): (Claim & { readonly name: string | undefined }) | undefined {
  if (family.kind !== kind && family.kind !== "proxy") return undefined;
  const values = matchTemplate(family.parts, proxy);
  if (!values || !isOfSource(source, family.source)) return undefined;
  const clusterId = fillTemplate(family.id, values);
  return { clusterId, file: family.by, by: family.by, name: family.name && fillTemplate(family.name, values) };
}

function wholeProxy(proxy: string): ProxyClusters {
  const by = "unmapped: proxy";
  return { frontend: proxy, backend: proxy, by: { frontend: by, backend: by } };
}

/** `amphorae` for `amphorae:/var/lib/octavia/x.sock`: the entry of tocsin.yaml that a source came from. */
export function entryOf(source: string): string {
  return source.split(":", 1)[0] ?? source;
}

/** Whether a source is one that this entry of `tocsin.yaml` leads to: by its name, or a path that its glob matches. */
export function isFromEntry(source: string, entry: { readonly name: string; readonly socket?: string }): boolean {
  if (entry.socket === undefined || !isGlob(entry.socket)) return source === entry.name;
  const prefix = `${entry.name}:`;
  return source.startsWith(prefix) && matchesGlob(source.slice(prefix.length), entry.socket);
}
