/** What the bus says of itself: into how many parts it is divided, and how long a tick is. Every process must agree. */

import { apiErrorCode } from "../link/errors.ts";
import type { NatsLink } from "../link/link.ts";

/** Of the layout of subjects, keys and messages: raised when an older process could not read them. */
export const LAYOUT = 1;

/** The key of the setup bucket. */
const KEY = "bus";

export interface SetupRecord {
  readonly version: number;
  readonly partitions: number;
  readonly intervalMs: number;
}

/** What is recorded, with its revision; `undefined`: nothing yet. `"garbled"`: nobody can read it. */
export async function readSetup(
  link: NatsLink,
): Promise<{ readonly record: SetupRecord; readonly revision: number } | "garbled" | undefined> {
  const { setup } = link.names;
  try {
    // From the leader: a copy may lag behind.
    const stored = await link.jsm.streams.getMessage(`KV_${setup}`, { last_by_subj: `$KV.${setup}.${KEY}` });
    const operation = stored.header?.get("KV-Operation") ?? "";
    if (operation !== "") return undefined;
    const record = parsed(stored.string());
    return record === undefined ? "garbled" : { record, revision: stored.seq };
  } catch (error) {
    // No message of that subject, or no such stream.
    if (apiErrorCode(error) === 10_037 || apiErrorCode(error) === 10_059) return undefined;
    throw error;
  }
}

/** Writes it over the revision that was read (0: nothing). Resolves to whether it stands: somebody may have been faster. */
export async function writeSetup(link: NatsLink, record: SetupRecord, revision: number): Promise<boolean> {
  const subject = `$KV.${link.names.setup}.${KEY}`;
  try {
    await link.js.publish(subject, JSON.stringify(record), { expect: { lastSubjectSequence: revision } });
    return true;
  } catch (error) {
    if (apiErrorCode(error) === 10_071) return false;
    throw error;
  }
}

function parsed(text: string): SetupRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.slice(0, 10_000));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { version, partitions, intervalMs } = value as Readonly<Record<string, unknown>>;
  const isCount = (one: unknown): one is number => typeof one === "number" && Number.isSafeInteger(one) && one >= 1;
  return isCount(version) && isCount(partitions) && partitions <= 1024 && isCount(intervalMs)
    ? { version, partitions, intervalMs }
    : undefined;
}
