import type { Direction } from "../model/alarm.ts";
import type { MemberState } from "../model/meters.ts";

/** What moved in the cluster since an action was sent (rule L4). */
export interface Change {
  readonly kind: "effective" | "unclear" | "none";
  /** Names of the servers that make it so. */
  readonly servers: readonly string[];
}

type Members = ReadonlyMap<string, MemberState>;

/**
 * Whether the servers now show the effect of an action in that direction. `out`: one that was absent or in MAINT
 * is active. `in`: an active one is gone or draining. A return from DOWN is nobody's doing and never counts;
 * whatever else moved is `unclear`.
 */
export function changeSince(before: Members, now: Members, direction: Direction): Change {
  const came = [...now].filter(([name, state]) => state === "up" && isAbsent(before.get(name))).map(([name]) => name);
  const went = [...before].filter(([name, state]) => state === "up" && isLeaving(now.get(name))).map(([name]) => name);
  const asked = direction === "out" ? came : direction === "in" ? went : [...came, ...went];
  if (asked.length > 0) return { kind: "effective", servers: asked.sort() };
  const moved = [...new Set([...before.keys(), ...now.keys()])].filter((name) => {
    const [was, is] = [before.get(name), now.get(name)];
    return was !== is && !isSickness(was, is);
  });
  return moved.length > 0 ? { kind: "unclear", servers: moved.sort() } : { kind: "none", servers: [] };
}

function isAbsent(state: MemberState | undefined): boolean {
  return state === undefined || state === "maint";
}

function isLeaving(state: MemberState | undefined): boolean {
  return state === undefined || state === "draining";
}

/** Falling ill and getting well again. */
function isSickness(was: MemberState | undefined, is: MemberState | undefined): boolean {
  const ill = new Set<MemberState | undefined>(["up", "down", "unknown", "standby"]);
  return ill.has(was) && ill.has(is);
}
