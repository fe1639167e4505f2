import type { ScrapeReport } from "../model/tick.ts";

/** A report without what only kept series need: what waits to be judged may be much. */
export function withoutKept(report: ScrapeReport): ScrapeReport {
  const { outcome } = report;
  if (!outcome.ok) return report;
  const slices = outcome.slices.map(({ kept: _, ...slice }) => slice);
  return { ...report, outcome: { ...outcome, slices } };
}
