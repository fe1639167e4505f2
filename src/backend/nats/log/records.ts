/** All that a cluster's log holds: for replays and checks, not for the way of an append. */

import type { Commit } from "../../../ports.ts";
import type { NatsLink } from "../link/link.ts";
import { decodeCommit } from "./codec.ts";
import type { LogMessage } from "./recordsGet.ts";
import { nextRecord, wholePayload } from "./recordsGet.ts";

/** One accepted append. */
export interface LogRecord {
  /** In the stream. */
  readonly seq: number;
  /** Sequence in the stream of the record that it came behind; 0: it is the first. */
  readonly follows: number | undefined;
  readonly appendId: string;
  /** Time of the server, epoch ms. */
  readonly at: number;
  readonly commit: Commit;
}

/** Every commit of a cluster that the log holds, in order; what is no commit of it is left out. Throws what the client throws. */
export async function readRecords(link: NatsLink, clusterId: string): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  for (let next = await nextRecord(link, clusterId, 1); next; next = await nextRecord(link, clusterId, next.seq + 1)) {
    const commit = await commitOf(link, clusterId, next);
    const { seq, follows, appendId, at } = next;
    if (commit && commit !== "missing") records.push({ seq, follows, appendId, at, commit });
  }
  return records;
}

/**
 * The commit in a message of a cluster's log; `undefined`: there is none of that cluster in it; `"missing"`: a piece of it
 * is not there.
 */
export async function commitOf(
  link: NatsLink,
  clusterId: string,
  message: LogMessage,
): Promise<Commit | "missing" | undefined> {
  const payload = await wholePayload(link, message);
  if (payload === "missing") return payload;
  const commit = payload && decodeCommit(payload);
  return commit?.clusterId === clusterId ? commit : undefined;
}
