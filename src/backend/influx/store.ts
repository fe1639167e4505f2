/** Series in InfluxDB: what is written goes to this disk first, and from there to the server, whenever that takes it. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { messageOf, TocsinError } from "../../lib/errors.ts";
import { wait } from "../../lib/wait.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { Kept, Retention, RowRecord, SampleStore, StoredBaseline, TickRecord } from "../../seriesPorts.ts";
import { NEEDED_TICKS } from "../blocks.ts";
import { inTransaction } from "../sqlite/database.ts";
import { Baselines } from "./baselines.ts";
import type { Kind } from "./labels.ts";
import { Labels } from "./labels.ts";
import { timeOf } from "./lineProtocol.ts";
import { openLocal } from "./localDb.ts";
import { Progress } from "./progress.ts";
import { KnownRows, noteOf } from "./resourcePoints.ts";
import { rowLine } from "./rowPoints.ts";
import type { ServerOptions } from "./server.ts";
import { InfluxServer } from "./server.ts";
import type { Spooled } from "./spool.ts";
import { Spool } from "./spool.ts";
import { tickLine } from "./tickPoints.ts";
import { ticksAfter } from "./ticksAfter.ts";
import { Upkeep } from "./upkeep.ts";
import type { WriterCounts } from "./writer.ts";
import { Writer } from "./writer.ts";

export interface InfluxStoreOptions extends ServerOptions {
  readonly retention: Retention;
  /** Where what waits is kept. */
  readonly folder: string;
  readonly log: Logger;
}

export interface InfluxStore extends SampleStore {
  /** Sentences while something is wrong with it; empty: all is well. */
  degraded(): readonly string[];
  /** What waits on this disk. */
  spooled(): Spooled;
  /** What was written since the start. */
  counts(): WriterCounts;
  /** Whether all that waits now could be written. */
  flush(): Promise<boolean>;
}

/** Rows that are made lines of before others have a turn. */
const ROWS_AT_ONCE = 250;
/** At the end, so long for what waits, ms. */
const CLOSE_MS = 2000;

/**
 * Opens what is kept here. Whether the server is there does not matter: what it does not take waits. Throws `E301` where
 * the folder cannot be used, `E676` where its file cannot.
 */
export async function openInfluxStore(options: InfluxStoreOptions): Promise<InfluxStore> {
  const { folder, log, clock, settings, retention } = options;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new TocsinError("E301", `cannot write to the data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const database = openLocal(join(folder, "influx.db"), log);
  const server = new InfluxServer(options);
  const spool = new Spool(database, settings.spoolBytes);
  const writer = new Writer({ server, spool, clock, log });
  const local = { ...partsOf(database), baselines: new Baselines(database) };
  const upkeep = new Upkeep({ ...local, database, server, spool, writer, retention, clock });
  if (spool.spooled.lines > 0) writer.wake();
  return new Store({ ...local, clock, database, server, spool, writer, upkeep });
}

type ByKind<T> = Readonly<Record<Kind, T>>;

function partsOf(database: DatabaseSync) {
  return {
    labels: { clusters: new Labels(database, "clusters"), rows: new Labels(database, "rows") },
    progress: { clusters: new Progress(database, "clusters"), rows: new Progress(database, "rows") },
  };
}

interface StoreParts {
  readonly clock: Clock;
  readonly database: DatabaseSync;
  readonly server: InfluxServer;
  readonly spool: Spool;
  readonly writer: Writer;
  readonly upkeep: Upkeep;
  readonly baselines: Baselines;
  readonly labels: ByKind<Labels>;
  readonly progress: ByKind<Progress>;
}

/** What is to be written in one transaction. */
interface Work {
  readonly run: () => void;
  readonly lines: readonly string[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Store implements InfluxStore {
  readonly #parts: StoreParts;
  readonly #rows = new KnownRows();
  #pending: Work[] = [];
  #closed = false;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  degraded(): readonly string[] {
    return this.#parts.writer.degraded();
  }

  spooled(): Spooled {
    return this.#parts.spool.spooled;
  }

  counts(): WriterCounts {
    return this.#parts.writer.counts;
  }

  flush(): Promise<boolean> {
    return this.#parts.writer.flush();
  }

  put(record: TickRecord): Promise<void> {
    const { clusterId, seq, tick } = record;
    const spanS = tick.sources.reduce((longest, { coveredS }) => Math.max(longest, coveredS), 0);
    return this.#do([tickLine(record)], () => {
      this.#came("clusters", clusterId, tick, spanS);
      this.#parts.baselines.put(clusterId, seq, record.baselines);
    });
  }

  async putRows(records: readonly RowRecord[]): Promise<void> {
    const lines: string[] = [];
    let sinceTurn = 0;
    for (const answer of records) {
      const time = timeOf(answer.tick.at, answer.tick.number);
      for (const row of answer.rows) {
        const known = this.#rows.of(answer, row);
        const note = noteOf(answer, row, known, time);
        if (note !== undefined) lines.push(note);
        lines.push(rowLine(answer, row, known.key, time));
        if (++sinceTurn % ROWS_AT_ONCE === 0) await this.#turn();
      }
    }
    await this.#do(lines, () => {
      for (const { clusterId, tick, coveredS } of records) this.#came("rows", clusterId, tick, coveredS);
    });
  }

  keep(at: number, neededTicks: number = NEEDED_TICKS): Promise<Kept> {
    return this.#parts.upkeep.slice(at, neededTicks);
  }

  async ticks(clusterId: string, afterNumber: number, limit?: number): Promise<readonly TickRecord[]> {
    await this.flush();
    return ticksAfter(this.#parts.server, clusterId, afterNumber, limit);
  }

  async baselines(): Promise<readonly StoredBaseline[]> {
    return this.#parts.baselines.all();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    await this.#parts.writer.close(CLOSE_MS);
    await this.#parts.server.close();
    await this.#parts.upkeep.close();
    this.#parts.database.close();
  }

  #came(kind: Kind, clusterId: string, tick: { readonly number: number; readonly at: number }, spanS: number): void {
    const { labels, progress } = this.#parts;
    labels[kind].put(tick);
    progress[kind].seen(clusterId, tick.number);
    if (tick.number <= this.#parts.upkeep.begun(kind)) progress[kind].late(clusterId, tick, spanS);
  }

  #turn(): Promise<void> {
    return wait(this.#parts.clock, 0);
  }

  /** Whatever comes in one turn is one transaction. */
  #do(lines: readonly string[], run: () => void): Promise<void> {
    if (this.#closed) return Promise.reject(new TocsinError("E670", "the store of series is closed"));
    return new Promise((resolve, reject) => {
      this.#pending.push({ lines, run, resolve, reject });
      if (this.#pending.length === 1) queueMicrotask(() => this.#commit());
    });
  }

  #commit(): void {
    const work = this.#pending;
    this.#pending = [];
    if (work.length === 0) return;
    const { database, spool, writer } = this.#parts;
    let dropped = 0;
    try {
      inTransaction(database, () => {
        for (const { run } of work) run();
        dropped = spool.add(
          work.flatMap(({ lines }) => lines),
          writer.underWay,
        );
      });
    } catch (error) {
      for (const { reject } of work) reject(new TocsinError("E677", `cannot keep what waits: ${messageOf(error)}`));
      try {
        spool.recount();
      } catch {
        // A file that cannot even be read is told by whoever reads it next.
      }
      return;
    }
    for (const { resolve } of work) resolve();
    writer.dropped(dropped);
    writer.wake();
  }
}
