/** The servers of a cluster as its sources see them, each name once. */

import type { MemberState } from "../model/memberState.ts";
import { worseState } from "../model/memberState.ts";
import type { MembersMeter } from "../model/meterKinds.ts";
import type { ClusterSlice, SealedTick } from "../model/tick.ts";
import type { Seal } from "./sealing.ts";
import { LOST_TICKS } from "./sources.ts";

export type Members = ReadonlyMap<string, MemberState>;

/** Which sources spoke for the servers so far. */
export interface Spoken {
  /** Sources that moved bytes at the last tick at which any did. */
  readonly carriers: readonly string[];
  /** For how many ticks each source has not answered. */
  readonly failing: ReadonlyMap<string, number>;
}

/** Who says at a tick which servers there are, and in what state. */
export interface Witnesses {
  /** What they say holds. */
  readonly asked: readonly ClusterSlice[];
  /** Their word is for servers of which none of the former says anything. */
  readonly others: readonly ClusterSlice[];
  /** Those that would be asked are silent for so short a time that what they said of servers still holds. */
  readonly awaited: boolean;
}

/**
 * Where some sources carry traffic and others do not (an active and a standby balancer) only the former are asked for the
 * state of a server that both have, and they stay the ones while nothing moves: else the other's view would come and go
 * with the traffic. One that misses a few polls is waited for, and its view stands until then. A server that only the
 * others have (of balancers with pools of their own) is there all the same, whoever carries traffic at the moment.
 */
export function witnessesOf({ sources }: Seal, { carriers, failing }: Spoken): Witnesses {
  const all: ClusterSlice[] = [];
  const busy: ClusterSlice[] = [];
  const last: ClusterSlice[] = [];
  for (const [name, says] of sources) {
    if (!says.ok || !says.slice) continue;
    all.push(says.slice);
    if (says.slice.moved) busy.push(says.slice);
    if (carriers.includes(name)) last.push(says.slice);
  }
  const asked = busy.length > 0 ? busy : last;
  if (asked.length > 0) return { asked, others: all.filter((slice) => !asked.includes(slice)), awaited: false };
  const awaited = carriers.some((name) => sources.get(name)?.ok === false && (failing.get(name) ?? 0) + 1 < LOST_TICKS);
  return awaited ? { asked: [], others: all, awaited } : { asked: all, others: [], awaited };
}

/**
 * Each server name once, with the worse state where those asked differ; the very map of before where nothing changed. A
 * name vanishes only when every known source has reported, and none has it.
 */
export function mergeMembers(witnesses: Witnesses, before: Members, complete: boolean): Members {
  if (isAsBefore(witnesses, before, complete)) return before;
  const { asked, others, awaited } = witnesses;
  const merged = worstOf(asked);
  for (const [name, state] of worstOf(others)) {
    if (!merged.has(name)) merged.set(name, (awaited ? before.get(name) : undefined) ?? state);
  }
  if (!complete) for (const [name, state] of before) if (!merged.has(name)) merged.set(name, state);
  return merged;
}

function worstOf(slices: readonly ClusterSlice[]): Map<string, MemberState> {
  const worst = new Map<string, MemberState>();
  for (const { members } of slices) {
    for (const name in members) {
      const state = members[name];
      if (state !== undefined) worst.set(name, worseState(worst.get(name), state));
    }
  }
  return worst;
}

/** Whether all say of each server what was known. With thousands of servers this is all that most ticks cost. */
function isAsBefore({ asked, others, awaited }: Witnesses, before: Members, complete: boolean): boolean {
  let most = 0;
  const isKnown = (name: string) => before.has(name) && (awaited || asked.some((slice) => hasServer(slice, name)));
  for (const slice of [...asked, ...others]) {
    const { members } = slice;
    const isOther = others.length > 0 && others.includes(slice);
    let many = 0;
    for (const name in members) {
      if (before.get(name) !== members[name] && !(isOther && isKnown(name))) return false;
      many++;
    }
    most = Math.max(most, many);
  }
  return !complete || most === before.size || namesIn([...asked, ...others]) === before.size;
}

/** Anything may be the name of a server, also what every object has. */
function hasServer({ members }: ClusterSlice, name: string): boolean {
  return Object.hasOwn(members, name);
}

function namesIn(slices: readonly ClusterSlice[]): number {
  return new Set(slices.flatMap(({ members }) => Object.keys(members))).size;
}

/** How many servers are in each state. */
export function tallyOf(members: Members): ReadonlyMap<MemberState, number> {
  const tally = new Map<MemberState, number>();
  for (const state of members.values()) tally.set(state, (tally.get(state) ?? 0) + 1);
  return tally;
}

/** A count of servers, or a share of them; `undefined`: there are none. */
export function countOf(
  { states, as }: MembersMeter,
  tally: ReadonlyMap<MemberState, number>,
  total: number,
): number | undefined {
  if (total === 0) return undefined;
  const many = states ? states.reduce((sum, state) => sum + (tally.get(state) ?? 0), 0) : total;
  return as === "count" ? many : (100 * many) / total;
}

/** Servers whose state is another than before, in order of name. */
export function memberChanges(before: Members, after: Members, slices: readonly ClusterSlice[]): SealedTick["members"] {
  if (before === after) return [];
  const changed: string[] = [];
  for (const [name, state] of after) if (before.get(name) !== state) changed.push(name);
  for (const name of before.keys()) if (!after.has(name)) changed.push(name);
  return changed.sort().map((name) => {
    const proxy = slices.flatMap(
      ({ proxies = {} }) => (Object.hasOwn(proxies, name) ? proxies[name] : undefined) ?? [],
    )[0];
    const state = after.get(name) ?? null;
    return proxy === undefined ? ([name, state] as const) : ([name, state, proxy] as const);
  });
}
