import type { StoredBaseline } from "../../seriesPorts.ts";

/** Of each source of each cluster the newest. */
export function newestBaselines(all: readonly StoredBaseline[]): StoredBaseline[] {
  const newest = new Map<string, StoredBaseline>();
  for (const one of all) {
    const key = `${one.clusterId}\n${one.source}`;
    if ((newest.get(key)?.seq ?? -1) < one.seq) newest.set(key, one);
  }
  return [...newest.values()];
}
