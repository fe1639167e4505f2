/** How far series are rolled up from here, of which clusters, and what of that must be made again. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BLOCK_MS, blockOf } from "../../model/rollup.ts";
import type { Tick } from "../../model/tick.ts";
import type { Kind } from "./labels.ts";
import { KINDS } from "./labels.ts";

/** Numbers from one note of a cluster to the next. */
const NOTED_EACH = 64;

export class Progress {
  readonly #kind: number;
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #addAgain: StatementSync;
  readonly #again: StatementSync;
  readonly #endAgain: StatementSync;
  readonly #seen: StatementSync;
  readonly #clusters: StatementSync;
  readonly #strangers: StatementSync;
  readonly #adopt: StatementSync;
  readonly #forget: StatementSync;
  #number: number;
  /** What is noted of clusters that came since the start. */
  readonly #noted = new Map<string, number>();

  constructor(database: DatabaseSync, kind: Kind) {
    this.#kind = KINDS[kind];
    this.#get = database.prepare("SELECT number FROM progress WHERE kind = ?");
    this.#set = database.prepare("INSERT OR REPLACE INTO progress VALUES(?, ?)");
    this.#addAgain = database.prepare("INSERT OR IGNORE INTO again VALUES(?, ?, ?)");
    this.#again = database.prepare("SELECT cluster, until FROM again WHERE kind = ? LIMIT 1");
    this.#endAgain = database.prepare("DELETE FROM again WHERE kind = ? AND cluster = ? AND until = ?");
    this.#seen = database.prepare(
      "INSERT INTO cluster VALUES(?, ?, ?, 0) ON CONFLICT DO UPDATE SET number = max(number, excluded.number)",
    );
    this.#clusters = database.prepare("SELECT id FROM cluster WHERE kind = ? AND number >= ? ORDER BY id");
    this.#strangers = database.prepare("SELECT id FROM cluster WHERE kind = ? AND adopted = 0 LIMIT ?");
    this.#adopt = database.prepare("UPDATE cluster SET adopted = 1 WHERE kind = ? AND id = ?");
    this.#forget = database.prepare("DELETE FROM cluster WHERE kind = ? AND number <= ?");
    this.#number = Number(this.#get.get(this.#kind)?.number ?? -1);
  }

  /** Number of the newest tick that all are rolled up to; -1: none is. */
  get number(): number {
    return this.#number;
  }

  set(number: number): void {
    this.#set.run(this.#kind, number);
    this.#number = number;
  }

  /** A tick of a cluster came. */
  seen(clusterId: string, number: number): void {
    const noted = this.#noted.get(clusterId);
    if (noted !== undefined && Math.abs(number - noted) < NOTED_EACH) return;
    this.#noted.set(clusterId, number);
    this.#seen.run(this.#kind, clusterId, number);
  }

  /** A tick that came, or was found, is too late for the blocks that it is in: they are made again. */
  late(clusterId: string, { at }: Tick, spanS: number): void {
    const ends = new Set([blockOf(at - spanS * 1000), blockOf(at), blockOf(at) + BLOCK_MS]);
    for (const until of ends) this.#addAgain.run(this.#kind, clusterId, until);
  }

  /** A block of a cluster that is to be made again; `undefined`: none is. */
  again(): { readonly clusterId: string; readonly until: number } | undefined {
    const row = this.#again.get(this.#kind);
    return row && { clusterId: String(row.cluster), until: Number(row.until) };
  }

  endAgain(clusterId: string, until: number): void {
    this.#endAgain.run(this.#kind, clusterId, until);
  }

  /** Those that have come with a number from that on, by id. */
  clusters(from: number): readonly string[] {
    return this.#clusters.all(this.#kind, from).map(({ id }) => String(id));
  }

  /** Some of those of which nobody has looked yet what others wrote before. */
  strangers(most: number): readonly string[] {
    return this.#strangers.all(this.#kind, most).map(({ id }) => String(id));
  }

  adopted(clusterId: string): void {
    this.#adopt.run(this.#kind, clusterId);
  }

  /** Clusters that have not come since a number are forgotten. */
  forget(upTo: number): void {
    this.#noted.clear();
    this.#forget.run(this.#kind, upTo);
  }
}
