/** Changes of the owners' bucket: each names what it was before, so that of two at a time one is refused. */

import { NatsError } from "nats";
import { messageOf } from "../../../lib/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { ownerKey, ownerRecord, readOwner } from "./membersRecord.ts";
import type { Claimed } from "./owners.ts";

/** It stands there with this revision; it was changed by somebody else before; nobody knows. */
export type Written = number | "refused" | "unknown";

/** The server's code for an expected sequence that is not the last one. */
const WRONG_LAST_SEQUENCE = 10071;

/** Writes the owner (`undefined`: nobody) of a partition whose key had that revision (0: no key). Never rejects. */
export async function writeOwner(
  link: NatsLink,
  partition: number,
  owner: string | undefined,
  revision: number,
  timeoutMs: number,
): Promise<Written> {
  try {
    const { seq } = await link.js.publish(`$KV.${link.names.owners}.${ownerKey(partition)}`, ownerRecord(owner), {
      timeout: timeoutMs,
      expect: { lastSubjectSequence: revision },
    });
    return seq;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE) return "refused";
    link.log.debug("owner not written", { partition, error: messageOf(error) });
    return "unknown";
  }
}

/** What the bucket's leader has of a partition; `undefined`: it does not answer. Never rejects. */
export async function readClaim(link: NatsLink, partition: number): Promise<Claimed | undefined> {
  try {
    const { seq, data, header } = await link.jsm.streams.getMessage(`KV_${link.names.owners}`, {
      last_by_subj: `$KV.${link.names.owners}.${ownerKey(partition)}`,
    });
    const isGone = header.has("KV-Operation");
    return { owner: isGone ? undefined : readOwner(data), revision: seq };
  } catch (error) {
    if (error instanceof NatsError && error.code === "404") return { owner: undefined, revision: 0 };
    link.log.debug("owner not read", { partition, error: messageOf(error) });
    return undefined;
  }
}
