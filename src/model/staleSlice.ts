/** Slices that are no answer about their cluster: the source is known, and what it said is not (rule N4). */

import type { ClusterSlice, ScrapeReport } from "./tick.ts";

/** What is left of a slice that says nothing. */
export function stalely({ clusterId, baseline }: ClusterSlice): ClusterSlice {
  return {
    ...{ clusterId, coveredS: 0, increases: {}, sums: {}, means: {}, members: {} },
    ...{ reload: false, gap: true, open: false, moved: false, baseline, stale: true },
  };
}

/**
 * A report in which clusters whose rows were told by an older revision of the mappings than their newest are no answer:
 * left out, they would look as if the source had no row of theirs. `newest`: by cluster; `undefined`: none is known.
 */
export function withoutStale(report: ScrapeReport, newest: (clusterId: string) => number | undefined): ScrapeReport {
  const { outcome, mapping } = report;
  if (!outcome.ok || mapping === undefined) return report;
  const isStale = ({ clusterId }: ClusterSlice) => mapping < (newest(clusterId) ?? 0);
  if (!outcome.slices.some(isStale)) return report;
  const slices = outcome.slices.map((slice) => (isStale(slice) ? stalely(slice) : slice));
  return { ...report, outcome: { ok: true, slices } };
}
