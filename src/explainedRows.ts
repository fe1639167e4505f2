/** What each source said, which row went where, and by which rule. */

import type { RowTarget, SourceLook } from "./collector/look.ts";
import type { Claimed } from "./collector/mapping.ts";
import { familiesFor, patternsFor } from "./unmapped.ts";

/** Rows of one proxy that go the same way. */
export interface ExplainedProxy {
  readonly proxy: string;
  readonly rows: readonly ("frontend" | "backend")[];
  /** `undefined`: it has no backend. */
  readonly servers: number | undefined;
  readonly cluster_id: string | undefined;
  readonly cluster_name: string | undefined;
  /** The rule in words. */
  readonly by: string | undefined;
}

export interface ExplainedSource extends Omit<SourceLook, "rowsByTarget" | "durationMs" | "process"> {
  readonly duration_ms: number;
  /** `undefined`: it does not say. */
  readonly uptime_s: number | undefined;
  readonly proxies: readonly ExplainedProxy[];
  readonly ignored: readonly string[];
}

export interface Explanation {
  readonly sources: readonly ExplainedSource[];
  readonly claimed_twice: readonly Claimed[];
  readonly unmapped: {
    readonly proxies: readonly string[];
    /** Lines for the `haproxy:` of a rule file. */
    readonly haproxy: readonly string[];
    /** Lines for the `families:` of `tocsin.yaml`. */
    readonly families: readonly string[];
  };
}

/** What the looks say. `names`: of clusters by id. */
export function explanationOf(
  looks: readonly SourceLook[],
  names: ReadonlyMap<string, string>,
  claims: readonly Claimed[],
): Explanation {
  const sources = looks.map((look): ExplainedSource => {
    const { rowsByTarget, durationMs, process, ...said } = look;
    return {
      ...said,
      duration_ms: Math.round(durationMs * 10) / 10,
      uptime_s: process?.uptimeS,
      proxies: byProxy(rowsByTarget).flatMap(([proxy, rows]) => explained(proxy, rows, names)),
      ignored: [...new Set(rowsByTarget.filter(({ ignored }) => ignored).map(({ proxy }) => proxy))],
    };
  });
  const all = sources.flatMap(({ name, proxies }) => proxies.map((proxy) => ({ source: name, ...proxy })));
  const keyOf = ({ source, proxy }: { source: string; proxy: string }) => `${source} ${proxy}`;
  const mapped = new Set(all.filter(({ cluster_id: id }) => id !== undefined).map(keyOf));
  const strays = all.filter((one) => !mapped.has(keyOf(one)));
  return {
    sources,
    claimed_twice: claims,
    unmapped: {
      proxies: [...new Set(strays.map(({ proxy }) => proxy))],
      haproxy: patternsFor(strays),
      families: familiesFor(strays),
    },
  };
}

function byProxy(rows: readonly RowTarget[]): readonly (readonly [string, readonly RowTarget[]])[] {
  const found = new Map<string, RowTarget[]>();
  for (const row of rows) {
    if (row.ignored) continue;
    const own = found.get(row.proxy);
    if (own) own.push(row);
    else found.set(row.proxy, [row]);
  }
  return [...found];
}

/** One entry where all rows of the proxy go the same way, else one for the frontend and one for the rest. */
function explained(
  proxy: string,
  rows: readonly RowTarget[],
  names: ReadonlyMap<string, string>,
): readonly ExplainedProxy[] {
  const front = rows.filter(({ kind }) => kind === "frontend");
  const back = rows.filter(({ kind }) => kind !== "frontend");
  const [one, other] = [front[0], back[0]];
  const isOne = !one || !other || (one.clusterId === other.clusterId && one.by === other.by);
  return (isOne ? [rows] : [front, back]).map((part) => {
    const { clusterId, by } = part[0] ?? {};
    const kinds = (["frontend", "backend"] as const).filter((kind) =>
      part.some((row) => row.kind === kind || (kind === "backend" && row.kind === "server")),
    );
    return {
      proxy,
      rows: kinds,
      servers: kinds.includes("backend") ? part.filter(({ kind }) => kind === "server").length : undefined,
      cluster_id: clusterId,
      cluster_name: clusterId === undefined ? undefined : (names.get(clusterId) ?? clusterId),
      by,
    };
  });
}
