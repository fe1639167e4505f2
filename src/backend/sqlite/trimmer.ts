/**
 * Forgets what is old in `state.db`, a few rows at a time: commits wait for it. Of each cluster everything goes that came
 * before its newest checkpoint of that age, but for what a later explanation still looks at.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ClusterRules } from "../../model/alarm.ts";
import type { Decision, Delivery } from "../../model/decision.ts";
import type { Checkpoint, Trimmed } from "../../ports.ts";
import { alarmIdsOf, DECISIONS_BEFORE, deliveryIn, FORGOTTEN_AT_ONCE, isOpen, reachOf } from "../forget.ts";
import { asInteger } from "./database.ts";
import type { StateTable } from "./stateSchema.ts";
import type { Sums, Value } from "./sums.ts";

/** How many clusters are looked at in one slice. */
const CLUSTERS_AT_ONCE = 200;
/** Raw counters are looked at once in so long a stretch of `before`. */
const BASELINES_EVERY_MS = 3_600_000;

interface NeededDecision {
  readonly seq: number;
  readonly n: number;
  readonly decision: Decision;
}

export class Trimmer {
  readonly #database: DatabaseSync;
  readonly #sums: Sums<StateTable>;
  readonly #rulesAt: (clusterId: string, seq: number) => ClusterRules | undefined;
  /** By cluster: the checkpoint that it is trimmed up to. */
  readonly #trimmed = new Map<string, number>();
  readonly #statements = new Map<string, StatementSync>();
  /** Of the cluster that was looked at last: slices of one follow one another. */
  #needed:
    | { readonly clusterId: string; readonly seq: number; readonly decisions: readonly NeededDecision[] }
    | undefined;
  #cursor = "";
  #baselinesAt = -Infinity;

  constructor(
    database: DatabaseSync,
    sums: Sums<StateTable>,
    rulesAt: (clusterId: string, seq: number) => ClusterRules | undefined,
  ) {
    this.#database = database;
    this.#sums = sums;
    this.#rulesAt = rulesAt;
  }

  /** Deletes at most about `FORGOTTEN_AT_ONCE` rows. The caller makes it one transaction. */
  slice(before: number): Trimmed {
    if (Math.floor(before / BASELINES_EVERY_MS) !== Math.floor(this.#baselinesAt / BASELINES_EVERY_MS)) {
      this.#baselinesAt = before;
      return { deleted: this.#run("DELETE FROM baseline WHERE json_extract(doc, '$.at') < ?", before), more: true };
    }
    let deleted = 0;
    const ids = this.#all("SELECT id FROM cluster WHERE id > ? ORDER BY id LIMIT ?", this.#cursor, CLUSTERS_AT_ONCE);
    for (const { id } of ids) {
      const clusterId = String(id);
      deleted += this.#trimCluster(clusterId, before, FORGOTTEN_AT_ONCE - deleted);
      if (deleted >= FORGOTTEN_AT_ONCE) return { deleted, more: true };
      this.#cursor = clusterId;
    }
    const more = ids.length === CLUSTERS_AT_ONCE;
    if (!more) this.#cursor = "";
    return { deleted, more };
  }

  #trimCluster(clusterId: string, before: number, limit: number): number {
    const [row] = this.#sums.all(
      "checkpoint",
      // One that a host without a clock labelled long ago does not make all before it old.
      this.#prepared(
        `SELECT * FROM checkpoint WHERE cluster_id = ?1 AND at < ?2
          AND seq < coalesce((SELECT min(seq) FROM checkpoint WHERE cluster_id = ?1 AND at >= ?2), 9223372036854775807)
          ORDER BY seq DESC LIMIT 1`,
      ),
      clusterId,
      asInteger(before),
    );
    if (!row || this.#trimmed.get(clusterId) === row.seq) return 0;
    const [seq, number, at] = [Number(row.seq), Number(row.number), Number(row.at)];
    const oldest: Checkpoint = { clusterId, seq, number, at, doc: String(row.doc) };
    let deleted = 0;
    // Deliveries last: they are known by what is decided about them.
    for (const forget of [this.#inputs, this.#decisions, this.#deliveries, this.#checkpoints]) {
      if (deleted < limit) deleted += forget.call(this, oldest, limit - deleted);
    }
    if (deleted < limit) this.#trimmed.set(clusterId, seq);
    return deleted;
  }

  /** All but the rules in force at the checkpoint, and ticks that its windows are filled from. */
  #inputs({ clusterId, seq, number, doc }: Checkpoint, limit: number): number {
    const rules = `SELECT max(seq) FROM input WHERE cluster_id = ?1 AND kind = 'command'
      AND doc LIKE '%"command":"rules"%' AND seq <= ?2`;
    const reach = reachOf(doc);
    return this.#run(
      `DELETE FROM input WHERE (cluster_id, seq) IN (
        SELECT cluster_id, seq FROM input WHERE cluster_id = ?1 AND seq <= ?2 AND (number IS NULL OR number <= ?3)
          AND seq IS NOT (${rules}) ORDER BY seq LIMIT ?4)`,
      clusterId,
      seq,
      reach === undefined ? Number.MIN_SAFE_INTEGER : number - reach,
      limit,
    );
  }

  /** All but those about each alarm since its newest transition. */
  #decisions({ clusterId, seq }: Checkpoint, limit: number): number {
    const needed = this.#neededDecisions(clusterId, seq).map(({ seq: own, n }) => [own, n]);
    return (
      this.#run(
        `DELETE FROM decision WHERE (cluster_id, seq, n) IN (
        SELECT cluster_id, seq, n FROM decision WHERE cluster_id = ?1 AND seq <= ?2
          AND (seq, n) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3)) ORDER BY seq, n LIMIT ?4)`,
        clusterId,
        seq,
        JSON.stringify(needed),
        limit,
      ) +
      this.#run(
        `DELETE FROM alarm_decision WHERE (cluster_id, alarm_id, seq, n) IN (
        SELECT cluster_id, alarm_id, seq, n FROM alarm_decision WHERE cluster_id = ?1 AND seq <= ?2
          AND (seq, n) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3)) LIMIT ?4)`,
        clusterId,
        seq,
        JSON.stringify(needed),
        limit,
      )
    );
  }

  #neededDecisions(clusterId: string, seq: number): readonly NeededDecision[] {
    const known = this.#needed;
    if (known?.clusterId === clusterId && known.seq === seq) return known.decisions;
    const decisions = this.#findNeeded(clusterId, seq);
    this.#needed = { clusterId, seq, decisions };
    return decisions;
  }

  #findNeeded(clusterId: string, seq: number): readonly NeededDecision[] {
    const revisions = this.#all(
      `SELECT seq FROM input WHERE cluster_id = ? AND kind = 'command' AND doc LIKE '%"command":"rules"%' AND seq > ?`,
      clusterId,
      seq,
    ).map((row) => this.#rulesAt(clusterId, Number(row.seq)));
    const alarms = alarmIdsOf([this.#rulesAt(clusterId, seq), ...revisions]);
    return [...alarms].flatMap((alarmId) => {
      const about = `alarm_decision JOIN decision USING(cluster_id, seq, n)
        WHERE alarm_decision.cluster_id = ? AND alarm_id = ? AND seq <= ?`;
      const [newest] = this.#all(
        `SELECT seq FROM ${about} AND doc LIKE '{"d":"transition"%' ORDER BY seq DESC LIMIT 1`,
        clusterId,
        alarmId,
        seq,
      );
      if (!newest) return [];
      return this.#all(
        `SELECT seq, n, doc FROM ${about} AND seq >= ? ORDER BY seq DESC, n DESC LIMIT ?`,
        clusterId,
        alarmId,
        seq,
        Number(newest.seq),
        DECISIONS_BEFORE,
      ).map((row) => ({ seq: Number(row.seq), n: Number(row.n), decision: JSON.parse(String(row.doc)) as Decision }));
    });
  }

  /** All that have ended, and that nothing which is kept says anything of; with their attempts. */
  #deliveries({ clusterId, seq }: Checkpoint, limit: number): number {
    const named = new Set(this.#neededDecisions(clusterId, seq).map(({ decision }) => deliveryIn(decision)));
    const [cluster] = this.#all("SELECT doc FROM cluster WHERE id = ?", clusterId);
    const snapshot = String(cluster?.doc);
    const rows = this.#all(
      `SELECT delivery_id, status FROM touched LEFT JOIN delivery ON delivery.id = delivery_id
        WHERE touched.cluster_id = ? AND seq <= ?`,
      clusterId,
      seq,
    );
    let deleted = 0;
    for (const { delivery_id, status } of rows) {
      const id = String(delivery_id);
      if (status !== null && isOpen({ status: String(status) as Delivery["status"] })) continue;
      if (named.has(id) || snapshot.includes(id)) continue;
      deleted += this.#run("DELETE FROM attempt WHERE delivery_id = ?", id);
      deleted += this.#run("DELETE FROM delivery WHERE id = ?", id);
      this.#run("DELETE FROM touched WHERE cluster_id = ? AND delivery_id = ?", clusterId, id);
      if (deleted >= limit) break;
    }
    return deleted;
  }

  #checkpoints({ clusterId, seq }: Checkpoint): number {
    return this.#run("DELETE FROM checkpoint WHERE cluster_id = ? AND seq < ?", clusterId, seq);
  }

  #prepared(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #all(sql: string, ...values: Value[]) {
    return this.#prepared(sql).all(...values);
  }

  #run(sql: string, ...values: Value[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }
}
