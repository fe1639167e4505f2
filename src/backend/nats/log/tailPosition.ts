/** How far the index has followed the log, in a file beside it: a start goes on from there. */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A cluster's newest message in the log, and the newest sequence of its commits that is in the index. */
export interface Head {
  readonly streamSeq: number;
  readonly seq: number;
  /** That message is a record that cannot be read here: what the index has of the cluster is older than the record is. */
  readonly isUnread?: true;
}

export interface Position {
  /** When the stream was made, as the server says: tells it from others of its name. */
  readonly stream: string;
  /** Sequence of the last message that is applied, and its append, `""` where it is of none. */
  readonly seq: number;
  readonly appendId: string;
  readonly heads: ReadonlyMap<string, Head>;
}

const FILE = "log.position";
const VERSION = 1;

/** `undefined`: there is none that can be read. */
export function readPosition(folder: string): Position | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(join(folder, FILE), "utf8"));
    if (!Array.isArray(read) || read[0] !== VERSION) return undefined;
    const [, stream, seq, appendId, heads] = read;
    if (typeof stream !== "string" || !isCount(seq) || typeof appendId !== "string" || !Array.isArray(heads)) return;
    const known = new Map<string, Head>();
    for (const [clusterId, streamSeq, own] of heads) {
      if (typeof clusterId !== "string" || !isCount(streamSeq) || !isCount(own)) return undefined;
      known.set(clusterId, { streamSeq, seq: own });
    }
    return { stream, seq, appendId, heads: known };
  } catch {
    return undefined;
  }
}

/** A whole new file takes the place of the old. Throws what the system says. */
export function writePosition(folder: string, { stream, seq, appendId, heads }: Position): void {
  const rows = [...heads].map(([clusterId, head]) => [clusterId, head.streamSeq, head.seq]);
  const path = join(folder, FILE);
  writeFileSync(`${path}.new`, JSON.stringify([VERSION, stream, seq, appendId, rows]), { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

export function removePosition(folder: string): void {
  rmSync(join(folder, FILE), { force: true });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
