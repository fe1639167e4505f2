/** Reports that came in pieces, put together: half of one would look as if the other half of its clusters had no rows. */

import type { ClusterSlice, ServerParts } from "../../../model/tick.ts";
import type { WireReport } from "./wire.ts";

/** Reports of which pieces are awaited, at the most. */
const MOST_OPEN = 64;

/**
 * How much all that is awaited may hold, and how much of it is taken: in values, each of some 25 bytes of memory. What
 * fits in little more than a message when it is deflated may be hundreds of megabytes here.
 */
export interface Room {
  readonly each: number;
  readonly all: number;
  taken: number;
}

/** For a process: a report of 60,000 servers of twenty meters each, and four of them at a time. */
export function roomForPieces(): Room {
  return { each: 2_000_000, all: 8_000_000, taken: 0 };
}

/** What each takes beside its values, in values. */
const OF_SLICE = 20;
const OF_ROW = 10;
const CHARACTERS_OF_VALUE = 25;

interface Open {
  readonly run: string;
  readonly number: number;
  readonly slices: ClusterSlice[];
  next: number;
  values: number;
}

export class Pieces {
  readonly #open = new Map<string, Open>();
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
  }

  /**
   * The report, when it is whole; what of one is missing makes all of it missing. `large`: there is no room for it; said
   * once of each, and the rest of it is skipped.
   */
  join(run: string, number: number, report: WireReport): WireReport | "large" | undefined {
    const { piece, outcome, source } = report;
    if (!piece || !outcome.ok) return report;
    const [index, count] = piece;
    const known = this.#open.get(source);
    const isNext = known?.run === run && known.number === number && known.next === index;
    const open: Open = isNext && index > 0 ? known : { run, number, slices: [], next: 0, values: 0 };
    this.#drop(source);
    if (index > 0 && !isNext) return undefined;
    for (const slice of outcome.slices) {
      open.slices.push(slice);
      open.values += valuesOf(slice);
    }
    open.next++;
    if (open.values > this.#room.each) return "large";
    if (open.next === count) return { ...report, outcome: { ok: true, slices: open.slices } };
    return this.#keep(source, open) ? undefined : "large";
  }

  /** Nothing is awaited any more. */
  clear(): void {
    for (const source of [...this.#open.keys()]) this.#drop(source);
  }

  /** The oldest make room for it, as far as they are ours. */
  #keep(source: string, open: Open): boolean {
    const room = this.#room;
    const isFull = () => this.#open.size >= MOST_OPEN || room.taken + open.values > room.all;
    for (const oldest of [...this.#open.keys()]) {
      if (!isFull()) break;
      this.#drop(oldest);
    }
    if (isFull()) return false;
    this.#open.set(source, open);
    room.taken += open.values;
    return true;
  }

  #drop(source: string): void {
    this.#room.taken -= this.#open.get(source)?.values ?? 0;
    this.#open.delete(source);
  }
}

function valuesOf(slice: ClusterSlice): number {
  const { clusterId, members, proxies = {}, raw = {}, servers = {}, kept = [], baseline } = slice;
  let values = OF_SLICE + valuesIn(slice) + size(members) + size(proxies) + size(raw);
  values += (clusterId.length + baseline.process.version.length) / CHARACTERS_OF_VALUE;
  for (const name in servers) values += OF_ROW + name.length / CHARACTERS_OF_VALUE + valuesIn(servers[name]);
  for (const row of kept) values += OF_ROW + row.resource.length / CHARACTERS_OF_VALUE + valuesIn(row);
  return Math.ceil(values);
}

function valuesIn(parts: ServerParts | undefined): number {
  return parts ? size(parts.increases) + size(parts.sums) + 3 * size(parts.means) : 0;
}

/** Names may be long; those of servers are told once, and counted wherever they are. */
function size(own: Readonly<Record<string, unknown>>): number {
  let values = 0;
  for (const name in own) values += 1 + Math.floor(name.length / CHARACTERS_OF_VALUE);
  return values;
}
