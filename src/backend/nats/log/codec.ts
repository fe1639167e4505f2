/** A commit as bytes on the bus, and back. What comes from the bus is bounded and looked at before it is believed. */

import { deflateSync, inflateSync } from "node:zlib";
import { TocsinError } from "../../../lib/errors.ts";
import type { Commit } from "../../../ports.ts";
import { isCommit } from "./codecShape.ts";

/** Largest commit before it is deflated, bytes: more is refused by both sides. */
export const MAX_COMMIT_BYTES = 64 * 1024 * 1024;
/** Below, deflating saves less than it costs, bytes. */
const DEFLATED_FROM = 512;
/** First byte of a zlib stream; that of JSON is `{`. */
const ZLIB = 0x78;
const BRACE = 0x7b;

/**
 * JSON, deflated where that is worth it. `undefined`: it is too large. Throws `E623` for what nobody could read back: once
 * it is in the log, whoever takes the cluster over would go on from the state before it.
 */
export function encodeCommit(commit: Commit): Uint8Array | undefined {
  if (!isCommit(commit)) {
    const { clusterId } = commit;
    throw new TocsinError("E623", `a record of cluster ${clusterId} is not appended: it could not be read back`);
  }
  const json = Buffer.from(JSON.stringify(commit), "utf8");
  if (json.length > MAX_COMMIT_BYTES) return undefined;
  return json.length < DEFLATED_FROM ? json : deflateSync(json, { level: 1 });
}

/** `undefined`: these bytes are no commit. */
export function decodeCommit(bytes: Uint8Array): Commit | undefined {
  try {
    const [first] = bytes;
    if (first !== ZLIB && first !== BRACE) return undefined;
    const json = first === ZLIB ? inflateSync(bytes, { maxOutputLength: MAX_COMMIT_BYTES }) : Buffer.from(bytes);
    const commit: unknown = JSON.parse(json.toString("utf8"));
    return isCommit(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}
