/** What keeps `metrics.db` as large as it should be, one slice of work at a time. */

import { messageOf } from "../../lib/errors.ts";
import type { Kept } from "../../seriesPorts.ts";
import { NEEDED_TICKS } from "../blocks.ts";
import type { Quota } from "./quota.ts";
import type { Roller } from "./roller.ts";
import type { Sweeper } from "./sweeper.ts";

export interface UpkeepParts {
  readonly quota: Quota;
  readonly roller: Roller;
  readonly sweeper: Sweeper;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const GOING = "The oldest go to make some";
const STUCK =
  "What is left is what a restart begins with: set store.quota higher, or make room on the disk, or keep fewer clusters";

/** What a slice did, but for what is known anyway. */
interface Slice {
  readonly more: boolean;
  readonly deleted?: number;
  readonly rolledUp?: number;
  readonly early?: number;
}

export class Upkeep {
  readonly #parts: UpkeepParts;
  /** Why the newest write was refused. */
  #full: string | undefined;
  /** There was nothing left that may make room. */
  #isStuck = false;
  /** Numbers of the newest ticks that a restart begins with. */
  #needed = NEEDED_TICKS;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** A write succeeded. */
  stored(): void {
    this.#full = undefined;
    this.#isStuck = false;
  }

  /** A write found no room: the oldest makes some. */
  refused(error: unknown, at: number): void {
    this.#full = messageOf(error);
    this.#makeRoom(at);
  }

  /** `needed`: so many of the newest ticks stay whatever happens. */
  slice(at: number, needed: number = this.#needed): Kept {
    this.#needed = needed;
    return this.#kept(this.#work(at));
  }

  /** What a slice that found no room itself did: nothing. */
  failed(error: unknown): Kept {
    this.#full = messageOf(error);
    return this.#kept({ more: false });
  }

  #kept({ more, deleted = 0, rolledUp = 0, early }: Slice): Kept {
    const told = {
      ...(early === undefined ? {} : { early }),
      ...(this.#full === undefined ? {} : { full: `${this.#full}. ${this.#isStuck ? STUCK : GOING}` }),
    };
    const { quota, sweeper } = this.#parts;
    const dayBytes = more ? undefined : sweeper.bytesOfDay(quota.usedBytes);
    const small = dayBytes !== undefined && dayBytes > quota.most ? { dayBytes } : {};
    return { more, bytes: quota.bytes, deleted, rolledUp, ...told, ...small };
  }

  #work(at: number): Slice {
    const { quota, roller, sweeper } = this.#parts;
    if (this.#full !== undefined || quota.isNear(1)) {
      const early = this.#makeRoom(at);
      if (early > 0) return { more: quota.isNear(2), deleted: early, early };
      this.#isStuck = this.#full !== undefined;
    }
    for (const kind of ["clusters", "rows"] as const) {
      const rolledUp = roller.slice(kind, at);
      if (rolledUp !== undefined) return { more: true, rolledUp };
    }
    for (const kind of ["clusters", "rows"] as const) {
      const deleted = sweeper.sweepRaw(kind, at, roller.rolledTo(kind), this.#needed);
      if (deleted > 0) return { more: true, deleted };
    }
    const deleted = sweeper.sweepRollups(at);
    return deleted === undefined ? { more: false } : { more: true, deleted };
  }

  /**
   * The oldest raw rows go first, then the oldest rollups of rows, then raw ticks but for those of a day, then the oldest
   * rollups of clusters, and at last all raw ticks that no restart needs. How many rows that were; 0: nothing may go.
   */
  #makeRoom(at: number): number {
    const { roller, sweeper } = this.#parts;
    return (
      sweeper.dropEarly("rows", roller.rolledTo("rows"), 0) ||
      sweeper.dropRollups("rows", at - HOUR_MS) ||
      sweeper.dropEarly("clusters", roller.rolledTo("clusters"), Math.max(this.#needed, sweeper.ticksOfDay())) ||
      sweeper.dropRollups("clusters", at - DAY_MS) ||
      sweeper.dropEarly("clusters", roller.rolledTo("clusters"), this.#needed)
    );
  }
}
