/**
 * Reports in few words, since there are very many of them: names of meters once for each message, values in their order,
 * and the servers of a cluster, which seldom change, on a line of their own that whoever sees it again need not read again.
 */

import { MEMBER_STATES } from "../../../model/memberState.ts";
import type { ClusterSlice, RowSample, ServerParts } from "../../../model/tick.ts";
import type { WireReport } from "./wire.ts";

/** Names of increases, sums and means, in the order of the values. */
export type Shape = readonly [increases: readonly string[], sums: readonly string[], means: readonly string[]];

export interface Packed {
  readonly shapes: readonly Shape[];
  readonly reports: readonly unknown[];
  /** JSON of the servers of clusters, one for each different text. */
  readonly lines: readonly string[];
}

/** Flags of a slice. Those of the second half may be absent. */
export const FLAG = { reload: 1, gap: 2, open: 4, moved: 8, stale: 16, fresh: 32, notFresh: 64 } as const;

export function pack(reports: readonly WireReport[]): Packed {
  const packer = new Packer();
  return { reports: reports.map((report) => packer.report(report)), shapes: packer.shapes, lines: packer.lines };
}

/** Lines by what they were made of: of rows that did not change the collector gives the same objects again. */
const known = new WeakMap<
  ClusterSlice["members"],
  { readonly proxies: ClusterSlice["proxies"]; readonly line: string }
>();

class Packer {
  readonly shapes: Shape[] = [];
  readonly lines: string[] = [];
  readonly #indexOfLine = new Map<string, number>();

  report({ source, durationMs, outcome, piece }: WireReport): unknown {
    const said = outcome.ok ? outcome.slices.map((slice) => this.#slice(slice)) : outcome;
    return piece ? [source, durationMs, said, piece] : [source, durationMs, said];
  }

  #slice(slice: ClusterSlice): unknown {
    const { process, at, open } = slice.baseline;
    return [
      slice.clusterId,
      slice.coveredS,
      flagsOf(slice),
      this.#parts(slice),
      this.#line(slice),
      [process.pid ?? null, process.uptimeS ?? null, process.startTimeS ?? null, process.version, at, open],
      [slice.rowCount ?? null, slice.resets ?? null, slice.skipped ?? null],
      slice.raw ?? null,
      slice.servers ? Object.entries(slice.servers).map(([name, parts]) => [name, this.#parts(parts)]) : null,
      slice.kept ? slice.kept.map((row) => this.#row(row)) : null,
    ];
  }

  #row(row: RowSample): unknown {
    const { resource, kind, state } = row;
    return state === undefined ? [resource, kind, this.#parts(row)] : [resource, kind, this.#parts(row), state];
  }

  /** The index of the shape, and the values; `null` where there is no number that JSON knows. */
  #parts(parts: ServerParts): number[] {
    for (let index = this.shapes.length - 1; index >= 0; index--) {
      const values = valuesBy(this.shapes[index], index, parts);
      if (values) return values;
    }
    const shape: Shape = [Object.keys(parts.increases), Object.keys(parts.sums), Object.keys(parts.means)];
    return valuesBy(shape, this.shapes.push(shape) - 1, parts) ?? [];
  }

  #line(slice: ClusterSlice): number {
    const line = lineOf(slice);
    const index = this.#indexOfLine.get(line);
    if (index !== undefined) return index;
    this.#indexOfLine.set(line, this.lines.length);
    return this.lines.push(line) - 1;
  }
}

/** The values in the order of a shape; `undefined`: these parts are of another. */
function valuesBy(
  shape: Shape | undefined,
  index: number,
  { increases, sums, means }: ServerParts,
): number[] | undefined {
  if (!shape) return undefined;
  const [ofIncreases, ofSums, ofMeans] = shape;
  const values = [index];
  let at = 0;
  for (const name in increases) {
    if (ofIncreases[at++] !== name) return undefined;
    values.push(increases[name] ?? Number.NaN);
  }
  if (at !== ofIncreases.length) return undefined;
  at = 0;
  for (const name in sums) {
    if (ofSums[at++] !== name) return undefined;
    values.push(sums[name] ?? Number.NaN);
  }
  if (at !== ofSums.length) return undefined;
  at = 0;
  for (const name in means) {
    if (ofMeans[at++] !== name) return undefined;
    const { sum, weight } = means[name] ?? { sum: Number.NaN, weight: Number.NaN };
    values.push(sum, weight);
  }
  return at === ofMeans.length ? values : undefined;
}

function lineOf({ members, proxies }: ClusterSlice): string {
  const before = known.get(members);
  if (before && before.proxies === proxies) return before.line;
  const names = Object.keys(members);
  const states = names.map((name) => MEMBER_STATES.indexOf(members[name] ?? "unknown")).join("");
  const line = JSON.stringify([names, states, proxies ? runsOf(names, proxies) : null]);
  known.set(members, { proxies, line });
  return line;
}

/** Proxies of names in order, as `[proxy, how many]`; `[null, how many]`: those have none. */
function runsOf(names: readonly string[], proxies: NonNullable<ClusterSlice["proxies"]>): unknown {
  const runs: [string | null, number][] = [];
  for (const name of names) {
    const proxy = Object.hasOwn(proxies, name) ? (proxies[name] ?? null) : null;
    const last = runs.at(-1);
    if (last && last[0] === proxy) last[1]++;
    else runs.push([proxy, 1]);
  }
  return runs;
}

function flagsOf({ reload, gap, open, moved, stale, fresh }: ClusterSlice): number {
  return (
    (reload ? FLAG.reload : 0) +
    (gap ? FLAG.gap : 0) +
    (open ? FLAG.open : 0) +
    (moved ? FLAG.moved : 0) +
    (stale ? FLAG.stale : 0) +
    (fresh === undefined ? 0 : fresh ? FLAG.fresh : FLAG.notFresh)
  );
}
