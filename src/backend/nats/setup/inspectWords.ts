/** What is wrong with a bus, in words. */

import { conflictOf } from "./agreement.ts";
import type { BusFindings } from "./inspect.ts";
import type { ReportedMember, ReportedPartition, ReportedStream } from "./inspectReport.ts";

/** A log that is fuller refuses what is decided before long. */
const FULL = 0.9;

/** One sentence for each thing that somebody should look at. Empty: all is well. */
export function findingsOf(
  { streams, setup }: BusFindings,
  reported: readonly ReportedStream[],
  members: readonly ReportedMember[],
  partitions: readonly ReportedPartition[],
): readonly string[] {
  const found: string[] = [];
  const missing = streams.filter(({ status }) => status === "missing").map(({ wanted }) => wanted.name);
  if (missing.length > 0) found.push(`missing: ${missing.join(", ")}: run "tocsin bus setup"`);
  else if (setup.status === "missing") found.push('what it is set up for is not recorded: run "tocsin bus setup"');
  for (const { name, differences } of reported)
    if (differences.length > 0) found.push(`${name}: ${differences.join("; ")}`);
  const conflict = conflictOf(setup, ["engine"]);
  if (conflict) found.push(conflict.message);
  for (const { name, copies, copies_behind: behind } of reported)
    if (behind > 0) found.push(`${name}: ${behind} of ${copies} copies are away, or have not everything yet`);
  for (const [index, { name, bytes, max_bytes: most }] of reported.entries())
    if (most !== null && bytes > FULL * most && streams[index]?.wanted.config.discard === "new")
      found.push(`${name} is nearly full: raise its max_bytes, or keep less of it`);
  const workers = members.filter(({ alive, ready, roles }) => alive && ready && roles.includes("engine"));
  const idle = partitions.filter(({ alive }) => !alive).map(({ partition }) => partition);
  if (workers.length > 0 && idle.length > 0)
    found.push(`nobody works on ${idle.length === 1 ? "partition" : "partitions"} ${listed(idle)}`);
  return found;
}

function listed(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 10).join(", ");
  return numbers.length > 10 ? `${shown} and ${numbers.length - 10} others` : shown;
}
