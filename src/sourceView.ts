/** What people see of a source. */

import type { SourceStatus } from "./collector/status.ts";
import { rfc3339 } from "./lib/clock.ts";
import type { SourceView } from "./serviceView.ts";

export function sourceView(status: SourceStatus): SourceView {
  const { skippedRows, durationMs, hints, pid, uptimeS, since, ...own } = status;
  return {
    ...own,
    pid: pid ?? null,
    uptime_s: uptimeS ?? null,
    process_since: since === undefined ? null : rfc3339(since),
    skipped_rows: skippedRows,
    duration_ms: durationMs,
    hints: hints ?? [],
  };
}
