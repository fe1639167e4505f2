/** What stands in the buckets of members and owners. Whatever else is found there is nobody's. */

import type { Member } from "../../../scalePorts.ts";
import { idOf, keyOf } from "../names.ts";

/** Longer values are not looked at, bytes. */
const LONGEST = 8192;
const LONGEST_WORD = 255;
const MOST_ROLES = 8;
const MOST_CANNOT = 1024;

/** A member's key and value. `beat` tells its heartbeats apart; `cannot`: partitions that it has failed to work on. */
export function memberRecord(
  member: Member,
  beat: number,
  cannot: readonly number[] = [],
): { readonly key: string; readonly value: Uint8Array } {
  const { isReady, roles, host, version } = member;
  const failing = cannot.length > 0 ? { cannot: cannot.slice(0, MOST_CANNOT) } : {};
  return { key: keyOf(member.id), value: encode({ v: 1, beat, ready: isReady, roles, host, version, ...failing }) };
}

/** `undefined`: not a member. */
export function readMember(
  key: string,
  value: Uint8Array,
): { readonly member: Member; readonly beat: number; readonly cannot: readonly number[] } | undefined {
  const id = idOf(key);
  const doc = decode(value);
  if (id === undefined || !isWord(id) || id === "" || doc === undefined) return undefined;
  const { beat, ready, roles, host, version, cannot = [] } = doc;
  if (typeof beat !== "number" || !Number.isSafeInteger(beat) || typeof ready !== "boolean") return undefined;
  if (!isWord(host) || !isWord(version)) return undefined;
  if (!Array.isArray(roles) || roles.length > MOST_ROLES || !roles.every(isWord)) return undefined;
  if (!Array.isArray(cannot) || cannot.length > MOST_CANNOT || !cannot.every(Number.isSafeInteger)) return undefined;
  return { member: { id, isReady: ready, roles, host, version }, beat, cannot };
}

/** The key of a partition's owner. */
export function ownerKey(partition: number): string {
  return `p${partition}`;
}

/** `undefined`: the key is of no partition. */
export function partitionOfKey(key: string, partitions: number): number | undefined {
  const digits = /^p(0|[1-9]\d{0,5})$/.exec(key)?.[1];
  if (digits === undefined || Number(digits) >= partitions) return undefined;
  return Number(digits);
}

/** `undefined`: nobody's. */
export function ownerRecord(owner: string | undefined): Uint8Array {
  return encode({ v: 1, owner: owner ?? "" });
}

/** The owner that a value names; `undefined`: nobody, also when it cannot be read: it is there to be taken. */
export function readOwner(value: Uint8Array): string | undefined {
  const owner = decode(value)?.owner;
  return isWord(owner) && owner !== "" ? owner : undefined;
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value.length <= LONGEST_WORD;
}

function encode(doc: object): Uint8Array {
  return Buffer.from(JSON.stringify(doc), "utf8");
}

function decode(value: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (value.byteLength > LONGEST) return undefined;
  try {
    const doc: unknown = JSON.parse(Buffer.from(value).toString("utf8"));
    if (typeof doc !== "object" || doc === null || Array.isArray(doc)) return undefined;
    const fields: Readonly<Record<string, unknown>> = { ...doc };
    return fields.v === 1 ? fields : undefined;
  } catch {
    return undefined;
  }
}
