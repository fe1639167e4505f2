/**
 * Keeps series as they should be, one slice of work at a time: takes over clusters that others wrote before, rolls up blocks
 * that can change no more, deletes what is old. Nothing is done while lines wait that the store does not take: what would be
 * rolled up is not there yet.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../ports.ts";
import type { Kept, Retention } from "../../seriesPorts.ts";
import { Adoption } from "./adoption.ts";
import type { Baselines } from "./baselines.ts";
import type { Kind, Labels } from "./labels.ts";
import type { Progress } from "./progress.ts";
import { Roller } from "./roller.ts";
import type { InfluxServer } from "./server.ts";
import type { Spool } from "./spool.ts";
import { Sweeper } from "./sweeper.ts";
import type { Writer } from "./writer.ts";

export interface UpkeepParts {
  readonly database: DatabaseSync;
  readonly server: InfluxServer;
  readonly spool: Spool;
  readonly writer: Writer;
  readonly retention: Retention;
  readonly clock: Clock;
  readonly baselines: Baselines;
  readonly labels: Readonly<Record<Kind, Labels>>;
  readonly progress: Readonly<Record<Kind, Progress>>;
}

const BOTH: readonly Kind[] = ["clusters", "rows"];

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #rollers: Readonly<Record<Kind, Roller>>;
  readonly #adoption: Adoption;
  readonly #sweeper: Sweeper;
  #running: Promise<Kept> | undefined;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#rollers = { clusters: new Roller(parts, "clusters"), rows: new Roller(parts, "rows") };
    this.#adoption = new Adoption(parts);
    this.#sweeper = new Sweeper(parts);
  }

  /** What comes with a number up to that comes late. */
  begun(kind: Kind): number {
    return this.#rollers[kind].begun;
  }

  /** One slice; two never overlap. */
  async slice(at: number, needed: number): Promise<Kept> {
    await this.#running?.catch(() => {});
    this.#running = this.#slice(at, needed);
    return this.#running;
  }

  async close(): Promise<void> {
    await this.#running?.catch(() => {});
  }

  async #slice(at: number, needed: number): Promise<Kept> {
    const { spool, writer } = this.#parts;
    const kept = (more: boolean, deleted = 0, rolledUp = 0): Kept => {
      return { more, bytes: spool.spooled.bytes, deleted, rolledUp };
    };
    if (spool.shrink()) return kept(true);
    if (!(await writer.flush())) return kept(false);
    for (const kind of BOTH) if (await this.#adoption.slice(kind)) return kept(true);
    for (const kind of BOTH) {
      const rolledUp = await this.#rollers[kind].slice(at);
      if (rolledUp !== undefined) return kept(true, 0, rolledUp);
    }
    for (const kind of BOTH) {
      const deleted = await this.#sweeper.sweepRaw(kind, at, kind === "clusters" ? needed : 0);
      if (deleted > 0) return kept(true, deleted);
    }
    return kept(false, await this.#sweeper.sweepRest(at));
  }
}
