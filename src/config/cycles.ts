import type { Path } from "./explain.ts";

/** Something that one alarm's words lead to, and where they say so. */
export interface Edge {
  readonly to: string;
  readonly path: Path;
}

/** A way from a name back to itself: `["a", "b", "a"]`, and the place that closes it. */
export interface Cycle {
  readonly names: readonly string[];
  readonly path: Path;
}

/** Circles of a directed graph: one for each edge that leads back to where its search came from. */
export function cyclesOf(graph: ReadonlyMap<string, readonly Edge[]>): readonly Cycle[] {
  const cycles: Cycle[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (name: string): void => {
    if (done.has(name)) return;
    way.push(name);
    for (const { to, path } of graph.get(name) ?? []) {
      const back = way.indexOf(to);
      if (back >= 0) cycles.push({ names: [...way.slice(back), to], path });
      else visit(to);
    }
    way.pop();
    done.add(name);
  };
  for (const name of graph.keys()) visit(name);
  return cycles;
}
