/** Who is to work on which partition: the same for all who see the same, without asking anybody. */

import { fnv1a32 } from "./hash.ts";

export interface Holding {
  /** How many partitions there are, 1 or more: 0 … partitions - 1. */
  readonly partitions: number;
  /** Those that may own partitions, in any order, each once. */
  readonly members: readonly string[];
  /** Who has a partition now; `undefined`: nobody, or somebody who is gone. */
  readonly ownerOf: (partition: number) => string | undefined;
  /** Partitions that a member has said it cannot work on; nothing by default. */
  readonly cannot?: (member: string) => readonly number[];
}

/**
 * The member for each partition; `undefined` everywhere when there are no members.
 *
 * Nobody gets more than ceil(partitions / members). Who has a partition keeps it, unless that is too many: then it
 * gives up those for which it weighs least. What is free goes to the member that weighs most for it (rendezvous) and
 * has room. Each partition is looked at by its number in order, so that the answer stays the same while members
 * take, one by one, what it gave them: they need not agree on a moment.
 *
 * What a member cannot work on is another's, beyond its share where it must be, unless nobody else is left: then all are
 * asked as if they could. One that cannot work on something gets nothing that somebody works on: it may fail there, too.
 */
export function assign({ partitions, members, ownerOf, cannot = () => [] }: Holding): readonly (string | undefined)[] {
  const assigned = Array.from<string | undefined>({ length: partitions });
  const all = [...new Set(members)].sort();
  if (all.length === 0) return assigned;
  const capacity = Math.ceil(partitions / all.length);
  const failing = new Map(all.map((member) => [member, new Set(cannot(member))]));
  const sound = all.filter((member) => failing.get(member)?.size === 0);
  const ableTo = (partition: number) => {
    const able = sound.length === all.length ? all : all.filter((member) => !failing.get(member)?.has(partition));
    return able.length > 0 ? able : all;
  };
  const kept = new Map<string, number[]>(all.map((member) => [member, []]));
  for (let partition = 0; partition < partitions; partition++) {
    const owner = ownerOf(partition);
    if (owner !== undefined && ableTo(partition).includes(owner)) kept.get(owner)?.push(partition);
  }
  for (const [member, own] of kept) {
    if (own.length > capacity)
      own.sort((a, b) => weight(member, b) - weight(member, a) || a - b).splice(capacity, own.length);
    for (const partition of own) assigned[partition] = member;
  }
  const counts = new Map([...kept].map(([member, own]) => [member, own.length]));
  for (let partition = 0; partition < partitions; partition++) {
    if (assigned[partition] !== undefined) continue;
    const able = ableTo(partition);
    const withRoom = able.filter((one) => (counts.get(one) ?? 0) < capacity);
    const owner = ownerOf(partition);
    const member =
      heaviest(sound.length > 0 ? withRoom.filter((one) => failing.get(one)?.size === 0) : withRoom, partition) ??
      // Beyond its share: better than nobody.
      (owner !== undefined && able.includes(owner) ? owner : undefined) ??
      heaviest(withRoom, partition) ??
      heaviest(leastLaden(able, counts), partition);
    if (member === undefined) continue;
    assigned[partition] = member;
    counts.set(member, (counts.get(member) ?? 0) + 1);
  }
  return assigned;
}

function leastLaden(members: readonly string[], counts: ReadonlyMap<string, number>): readonly string[] {
  const least = Math.min(...members.map((one) => counts.get(one) ?? 0));
  return members.filter((one) => (counts.get(one) ?? 0) === least);
}

/** The first by id of those that weigh most. */
function heaviest(members: readonly string[], partition: number): string | undefined {
  let best: string | undefined;
  let most = -1;
  for (const member of members) {
    const own = weight(member, partition);
    if (own > most) {
      best = member;
      most = own;
    }
  }
  return best;
}

/** How much a member weighs for a partition: evenly spread over 32 bits. */
function weight(member: string, partition: number): number {
  // The last bytes of FNV-1a change its upper bits hardly at all: the finalizer of MurmurHash3 spreads them.
  let hash = fnv1a32(`${partition}/${member}`);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
