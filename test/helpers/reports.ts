import type { MemberState } from "../../src/model/meters.ts";
import type { ClusterSlice, ScrapeReport, Tick } from "../../src/model/tick.ts";
import { BYTES, SESSIONS } from "./rules.ts";

export function aSlice(fields: Partial<ClusterSlice> = {}): ClusterSlice {
  return {
    clusterId: "web",
    coveredS: 10,
    increases: {},
    sums: {},
    means: {},
    members: {},
    reload: false,
    gap: false,
    open: false,
    moved: true,
    baseline: { process: { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" }, at: 0, open: false, rows: "" },
    ...fields,
  };
}

/** What a healthy source says of cluster `web`. */
export function aReport(
  tick: Tick,
  sessions: number,
  members: Readonly<Record<string, MemberState>> = {},
  source = "s",
): ScrapeReport {
  const slice = aSlice({ sums: { [SESSIONS]: sessions }, increases: { [BYTES]: sessions * 1000 }, members });
  return { tick, source, durationMs: 1, outcome: { ok: true, slices: [slice] } };
}

/** A scrape that failed. */
export function aFailure(tick: Tick, source = "s"): ScrapeReport {
  return { tick, source, durationMs: 1, outcome: { ok: false, code: "refused", reason: "nobody listens" } };
}
