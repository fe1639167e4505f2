/**
 * Sources that lead to one HAProxy process: counted twice it would be twice the traffic, and two processes that are
 * taken for one would be half of it. Names and times only raise the suspicion, which the counters of the frontends then
 * have to bear out: asked between two answers of the one, the other says something between these.
 */

import { fnv1a32 } from "../lib/hash.ts";
import type { Dump } from "./rows.ts";
import { COLUMNS, columnIndex, FRONTEND } from "./rowTable.ts";

/** What an answer tells its process by. */
export interface Sign {
  /** Equal for all answers of one process. */
  readonly key: string;
  /** The other machine that was asked; empty: this one. */
  readonly place: string;
  /** `undefined`: HAProxy does not say (before 2.4). */
  readonly startTimeS: number | undefined;
  /** When it started by our monotonic time and its uptime, ms. */
  readonly bornMs: number | undefined;
  readonly counted: Counted;
}

/** What the frontends had counted at some time between two of ours. */
interface Counted {
  readonly fromMs: number;
  readonly toMs: number;
  readonly sessions: number;
  readonly bytes: number;
}

/** How an answer was asked for: where, and when by our monotonic time. */
interface Asking {
  /** The other machine; `undefined`: this one. */
  readonly host: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Births this far apart may be one: uptimes are whole seconds. */
const BIRTH_MS = 2000;

/** An answer this many ticks ago says nothing of now. */
const RECENT_TICKS = 2;

/** Answers of a source that are remembered: enough for one before and one after each of another's. */
const REMEMBERED = 4;

/** `undefined`: it cannot be told from others; where no pid is known all that start together would look like one. */
export function signOf({ process, node, table }: Dump, { host = "", fromMs, toMs }: Asking): Sign | undefined {
  const { pid, uptimeS, startTimeS, version } = process;
  if (pid === undefined || (startTimeS === undefined && uptimeS === undefined)) return undefined;
  const proxies = fnv1a32([...new Set(table.proxies)].sort().join());
  const bornMs = uptimeS === undefined ? undefined : fromMs - uptimeS * 1000;
  const counted = { fromMs, toMs, sessions: sumOf(table, "stot"), bytes: sumOf(table, "bin") + sumOf(table, "bout") };
  return { key: JSON.stringify([pid, version, node, proxies]), place: host, startTimeS, bornMs, counted };
}

function sumOf({ size, kinds, numbers }: Dump["table"], column: string): number {
  const index = columnIndex(column);
  let sum = 0;
  for (let row = 0; row < size; row++) {
    if (kinds[row] === FRONTEND) sum += numbers[row * COLUMNS.length + index] || 0;
  }
  return sum;
}

/** What people are told of a source that leads where another does. */
export function sameProcess(other: string): string {
  return `it is the same process as source ${other}: remove one of the two`;
}

interface Seen {
  readonly number: number;
  readonly sign: Sign;
  /** Oldest first. */
  readonly history: readonly Counted[];
  /** The source that reports for the process; `undefined`: this one does. */
  readonly of: string | undefined;
}

/** Which source reports for a process that several lead to. It keeps it as long as it answers. */
export class Twins {
  readonly #seen = new Map<string, Seen>();
  /** Pairs of sources whose counters are not those of one process. */
  readonly #apart = new Map<string, Set<string>>();

  /** Takes an answer at a tick; the source that reports for the same process already, `undefined`: none does. */
  otherNameOf(name: string, sign: Sign | undefined, number: number): string | undefined {
    if (!sign) return undefined;
    const before = this.#seen.get(name);
    const goesOn = before !== undefined && mayBeOne(before.sign, sign);
    if (before && !goesOn) this.forget(name);
    const history = [...(goesOn ? before.history : []), sign.counted].slice(-REMEMBERED);
    let of: string | undefined;
    for (const [other, seen] of this.#seen) {
      if (other === name || number - seen.number > RECENT_TICKS || !mayBeOne(seen.sign, sign)) continue;
      if (disagree(seen.history, history)) this.#part(name, other);
      if (!this.#apart.get(name)?.has(other) && seen.of === undefined) of ??= other;
    }
    this.#seen.set(name, { number, sign, history, of });
    return of;
  }

  forget(name: string): void {
    this.#seen.delete(name);
    this.#apart.delete(name);
    for (const others of this.#apart.values()) others.delete(name);
  }

  #part(one: string, other: string): void {
    this.#apart.set(one, (this.#apart.get(one) ?? new Set()).add(other));
    this.#apart.set(other, (this.#apart.get(other) ?? new Set()).add(one));
  }
}

/** Nothing but the counters says that they are two. */
function mayBeOne(a: Sign, b: Sign): boolean {
  if (a.key !== b.key) return false;
  // To the microsecond no two processes of one name and pid start together, wherever they were asked.
  const isExact = a.startTimeS !== undefined && !Number.isInteger(a.startTimeS);
  if (a.place !== b.place && !isExact) return false;
  if (a.startTimeS !== undefined || b.startTimeS !== undefined) return a.startTimeS === b.startTimeS;
  return a.bornMs !== undefined && b.bornMs !== undefined && Math.abs(a.bornMs - b.bornMs) <= BIRTH_MS;
}

/** Whether these cannot be counters of one process. */
function disagree(known: readonly Counted[], current: readonly Counted[]): boolean {
  return isBelow(known, current) || isOutside(known, current) || isOutside(current, known);
}

/** At the first meeting: the one that was asked later has counted less. Afterwards they may have been cleared. */
function isBelow(known: readonly Counted[], current: readonly Counted[]): boolean {
  const [first, second] = current;
  if (!first || second) return false;
  const lower = known.findLast(({ toMs }) => toMs < first.fromMs);
  return lower !== undefined && (first.sessions < lower.sessions || first.bytes < lower.bytes);
}

/** Whether some of `points` is outside of what was counted before and after it; counters that fell say nothing. */
function isOutside(bounds: readonly Counted[], points: readonly Counted[]): boolean {
  return points.some(({ fromMs, toMs, sessions, bytes }) => {
    const low = bounds.findLast((one) => one.toMs < fromMs);
    const high = bounds.find((one) => one.fromMs > toMs);
    if (!low || !high || low.sessions > high.sessions || low.bytes > high.bytes) return false;
    return sessions < low.sessions || sessions > high.sessions || bytes < low.bytes || bytes > high.bytes;
  });
}
