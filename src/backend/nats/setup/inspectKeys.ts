/** What stands in a bucket, read from its leader. */

import { apiErrorCode } from "../link/errors.ts";
import type { NatsLink } from "../link/link.ts";
import { retrying } from "../link/retry.ts";

export interface BucketEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

/** Keys asked for at a time. */
const AT_ONCE = 32;

/** Everything in a bucket, by key in order. Empty: nothing, or no such bucket. */
export async function bucketEntries(link: NatsLink, bucket: string): Promise<readonly BucketEntry[]> {
  const prefix = `$KV.${bucket}.`;
  const subjects = await retrying(link, () => subjectsOf(link, `KV_${bucket}`, `${prefix}>`));
  const entries: BucketEntry[] = [];
  for (let from = 0; from < subjects.length; from += AT_ONCE) {
    const some = subjects.slice(from, from + AT_ONCE);
    const read = await Promise.all(some.map((subject) => entryOf(link, bucket, subject)));
    for (const [index, found] of read.entries())
      if (found) entries.push({ ...found, key: (some[index] ?? "").slice(prefix.length) });
  }
  return entries;
}

/** How many subjects of a stream fit a filter. Reads their names: for filters that few fit. */
export async function countSubjects(link: NatsLink, stream: string, filter: string): Promise<number> {
  return (await retrying(link, () => subjectsOf(link, stream, filter))).length;
}

async function subjectsOf(link: NatsLink, stream: string, filter: string): Promise<readonly string[]> {
  try {
    const { state } = await link.jsm.streams.info(stream, { subjects_filter: filter });
    return Object.keys(state.subjects ?? {}).toSorted();
  } catch (error) {
    if (apiErrorCode(error) === NO_SUCH_STREAM) return [];
    throw error;
  }
}

/** `undefined`: it was deleted. */
async function entryOf(link: NatsLink, bucket: string, subject: string): Promise<Omit<BucketEntry, "key"> | undefined> {
  try {
    const query = { last_by_subj: subject };
    const stored = await retrying(link, () => link.jsm.streams.getMessage(`KV_${bucket}`, query));
    if ((stored.header?.get("KV-Operation") ?? "") !== "") return undefined;
    return { value: stored.data, revision: stored.seq };
  } catch (error) {
    if (apiErrorCode(error) === NO_MESSAGE) return undefined;
    throw error;
  }
}

const NO_SUCH_STREAM = 10_059;
const NO_MESSAGE = 10_037;
