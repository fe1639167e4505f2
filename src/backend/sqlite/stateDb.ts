/** `state.db`: inputs, decisions, alarms, deliveries. Runs in its worker; every call is synchronous. */

import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { messageOf } from "../../lib/errors.ts";
import type { ClusterRules } from "../../model/alarm.ts";
import type { Decision, Delivery, Input, RecordedInput } from "../../model/decision.ts";
import type {
  AttemptRow,
  Checkpoint,
  Commit,
  DecisionQuery,
  DeliveryQuery,
  DeliveryRecord,
  LedgerCluster,
  Trimmed,
} from "../../ports.ts";
import type { StoredBaseline } from "../../seriesPorts.ts";
import { aboutOf } from "../about.ts";
import { deliveryIn } from "../forget.ts";
import { asInteger, inTransaction, openDatabase, storedBaseline } from "./database.ts";
import { MarkWriter } from "./mark.ts";
import { commitsIn, ensureSchema } from "./schema.ts";
import type { StateTable } from "./stateSchema.ts";
import { STATE_SCHEMA } from "./stateSchema.ts";
import type { Sums, Value } from "./sums.ts";
import { damagedRead, damageIn } from "./sums.ts";
import { Trimmer } from "./trimmer.ts";

export class StateDb {
  /** Which file it is. */
  readonly id: string;
  readonly #db: DatabaseSync;
  readonly #sums: Sums<StateTable>;
  readonly #mark: MarkWriter;
  readonly #onDamage: () => void;
  readonly #put: Readonly<Record<StateTable, StatementSync>>;
  readonly #deliveryOf: StatementSync;
  readonly #trimmer: Trimmer;
  #commits: number;

  /**
   * `onDamage`: a commit met damaged data; a read that does throws `E306`. `isIndex`: what it holds is kept elsewhere,
   * too: after a loss of power it may lack the newest of it.
   */
  constructor(folder: string, onDamage: () => void = () => {}, isIndex = false) {
    this.#onDamage = onDamage;
    const file = join(folder, "state.db");
    this.#db = openDatabase(file, [
      "journal_mode=WAL",
      `synchronous=${isIndex ? "NORMAL" : "FULL"}`,
      "foreign_keys=ON",
      "journal_size_limit=16777216",
    ]);
    const { id, sums } = ensureSchema(this.#db, file, STATE_SCHEMA);
    this.id = id;
    this.#sums = sums;
    this.#commits = commitsIn(this.#db, STATE_SCHEMA);
    this.#mark = new MarkWriter(folder, id, this.#commits);
    this.#deliveryOf = this.#db.prepare("SELECT * FROM delivery WHERE id = ?");
    const put = (table: StateTable, conflict = "", insert = "INSERT OR REPLACE") => {
      const names = [...STATE_SCHEMA.columns[table], "sum"];
      return this.#db.prepare(`${insert} INTO ${table}(${names}) VALUES(${names.map(() => "?")}) ${conflict}`);
    };
    this.#put = {
      // A commit that failed may have been written all the same: writing it again must give the same.
      cluster: put("cluster", updating("cluster", "id"), "INSERT"),
      input: put("input", "", "INSERT OR IGNORE"),
      decision: put("decision"),
      delivery: put("delivery", updating("delivery", "id"), "INSERT"),
      baseline: put("baseline", NEWER_BASELINE, "INSERT"),
      attempt: put("attempt"),
      checkpoint: put("checkpoint"),
      alarm_decision: put("alarm_decision"),
      touched: put("touched"),
    };
    this.#trimmer = new Trimmer(this.#db, this.#sums, (clusterId, seq) => this.rulesAt(clusterId, seq));
  }

  /** How many commits the file holds. */
  get commits(): number {
    return this.#commits;
  }

  /** Group commit: all of them in one transaction, or one by one when that fails. An error's text for each that failed. */
  commit(commits: readonly Commit[]): (string | null)[] {
    const before = this.#commits;
    try {
      inTransaction(this.#db, () => {
        for (const commit of commits) this.#write(commit);
      });
    } catch (error) {
      this.#commits = before;
      const [only] = commits;
      if (commits.length === 1 && only) {
        const damage = damageIn(error);
        if (damage) this.#onDamage();
        return [messageOf(damage ?? error)];
      }
      return commits.flatMap((commit) => this.commit([commit]));
    }
    this.#mark.write(this.#commits);
    return commits.map(() => null);
  }

  #write(commit: Commit): void {
    const { clusterId, inputs, decisions, snapshot, deliveries, attempts, baselines, checkpoint } = commit;
    for (const { seq, input } of inputs) {
      const number = input.kind === "tick" ? input.number : null;
      this.#insert("input", clusterId, seq, input.kind, number, JSON.stringify(input));
    }
    this.#insert("cluster", clusterId, snapshot.seq, snapshot.doc, ++this.#commits);
    for (const delivery of deliveries) {
      this.#insert("delivery", delivery.id, clusterId, delivery.createdAt, delivery.status, JSON.stringify(delivery));
    }
    const said = [...deliveries.map(({ id }) => id), ...decisions.flatMap((one) => deliveryIn(one) ?? [])];
    for (const id of new Set(said)) this.#insert("touched", clusterId, id, snapshot.seq);
    // What is decided about a delivery has nearly always changed it.
    const alarmOf = (id: string) => (deliveries.find((one) => one.id === id) ?? this.#delivery(id))?.alarmId;
    decisions.forEach((decision, n) => {
      this.#insert("decision", clusterId, snapshot.seq, n, JSON.stringify(decision));
      const alarmId = aboutOf(decision, alarmOf);
      if (alarmId !== undefined) this.#insert("alarm_decision", clusterId, alarmId, snapshot.seq, n);
    });
    if (checkpoint) {
      const { seq, number, at, doc } = checkpoint;
      this.#insert("checkpoint", clusterId, seq, number, at, doc);
    }
    for (const { source, seq, baseline } of baselines) {
      this.#insert("baseline", clusterId, source, seq, JSON.stringify(baseline));
    }
    for (const attempt of attempts) {
      this.#insert("attempt", attempt.deliveryId, attempt.attempt, JSON.stringify(attempt));
    }
  }

  #insert(table: StateTable, ...values: Value[]): void {
    this.#put[table].run(...this.#sums.sealed(table, ...values));
  }

  /** Verified rows: `rest` is what follows `SELECT … FROM`, of the table alone. */
  #rows(table: StateTable, rest: string, ...values: Value[]) {
    return this.#sums.all(table, this.#db.prepare(`SELECT ${table}.* FROM ${rest}`), ...values);
  }

  #delivery(id: string): Delivery | undefined {
    const row = this.#sums.get("delivery", this.#deliveryOf, id);
    if (row && row.id !== id) throw damagedRead("a delivery is found under another id");
    return row && (JSON.parse(String(row.doc)) as Delivery);
  }

  /** Of these clusters, or of all. */
  load(clusterIds?: readonly string[]): LedgerCluster[] {
    const rest = clusterIds ? `cluster WHERE id IN ${LISTED} ORDER BY id` : "cluster ORDER BY id";
    return this.#rows("cluster", rest, ...(clusterIds ? [JSON.stringify(clusterIds)] : [])).map((row) => {
      const clusterId = String(row.id);
      const snapshot = { clusterId, seq: Number(row.seq), doc: String(row.doc) };
      return { snapshot, rules: this.rulesAt(clusterId, Number.MAX_SAFE_INTEGER) };
    });
  }

  /** The newest sequence of each cluster. */
  seqs(): (readonly [clusterId: string, seq: number])[] {
    return this.#db
      .prepare("SELECT id, seq FROM cluster")
      .all()
      .map(({ id, seq }) => [String(id), Number(seq)]);
  }

  rulesAt(clusterId: string, seq: number): ClusterRules | undefined {
    const rest = `input WHERE cluster_id = ? AND kind = 'command' AND doc LIKE '%"command":"rules"%'
      AND seq <= ? ORDER BY seq DESC LIMIT 1`;
    const [row] = this.#rows("input", rest, clusterId, asInteger(seq));
    const input = row && recordedInput(row).input;
    return input?.kind === "command" && input.command === "rules" ? input.rules : undefined;
  }

  ticks(clusterId: string, afterNumber: number, limit = Infinity): RecordedInput[] {
    const rest = "input WHERE cluster_id = ? AND number > ? ORDER BY number LIMIT ?";
    return this.#rows("input", rest, clusterId, asInteger(afterNumber), asInteger(limit)).map(recordedInput);
  }

  inputs(clusterId: string, afterSeq = -Infinity, upToSeq = Infinity): RecordedInput[] {
    const rest = "input WHERE cluster_id = ? AND seq > ? AND seq <= ? ORDER BY seq";
    return this.#rows("input", rest, clusterId, asInteger(afterSeq), asInteger(upToSeq)).map(recordedInput);
  }

  checkpoint(clusterId: string, at: number, beforeSeq: number): Checkpoint | undefined {
    const rest = "checkpoint WHERE cluster_id = ? AND seq < ? AND at <= ? ORDER BY seq DESC LIMIT 1";
    const [row] = this.#rows("checkpoint", rest, clusterId, asInteger(beforeSeq), asInteger(at));
    if (!row) return undefined;
    return { clusterId, seq: Number(row.seq), number: Number(row.number), at: Number(row.at), doc: String(row.doc) };
  }

  decisions(clusterId: string, { alarmId, limit, upToSeq = Infinity }: DecisionQuery): Decision[] {
    const rest = `alarm_decision JOIN decision USING(cluster_id, seq, n)
      WHERE cluster_id = ? AND alarm_id = ? AND seq <= ? ORDER BY seq DESC, n DESC LIMIT ?`;
    return this.#rows("decision", rest, clusterId, alarmId, asInteger(upToSeq), asInteger(limit)).map((row) => {
      const decision = JSON.parse(String(row.doc)) as Decision;
      const about = aboutOf(decision, (id) => this.#delivery(id)?.alarmId);
      if (about !== alarmId) throw damagedRead("a decision is listed under another alarm");
      return decision;
    });
  }

  /** Of these clusters, or of all. */
  baselines(clusterIds?: readonly string[]): StoredBaseline[] {
    const rest = clusterIds ? `baseline WHERE cluster_id IN ${LISTED}` : "baseline";
    return this.#rows("baseline", rest, ...(clusterIds ? [JSON.stringify(clusterIds)] : [])).map(storedBaseline);
  }

  decisionLog(clusterId: string): string[] {
    return this.#rows("decision", "decision WHERE cluster_id = ? ORDER BY seq, n", clusterId).map(({ doc }) =>
      String(doc),
    );
  }

  deliveries({ clusterId, statuses, idPrefix, limit }: DeliveryQuery): Delivery[] {
    const conditions: string[] = [];
    const values: string[] = [];
    const only = (condition: string, ...wanted: readonly string[]) => {
      conditions.push(condition);
      values.push(...wanted);
    };
    if (clusterId !== undefined) only("cluster_id = ?", clusterId);
    if (statuses !== undefined) only(`status IN (${statuses.map(() => "?").join(", ")})`, ...statuses);
    if (idPrefix !== undefined) only("id >= ? AND id < ?", idPrefix, `${idPrefix}\u{10ffff}`);
    const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
    const rest = `delivery ${where} ORDER BY created_at DESC, id LIMIT ?`;
    return this.#rows("delivery", rest, ...values, asInteger(limit)).map(
      ({ doc }) => JSON.parse(String(doc)) as Delivery,
    );
  }

  delivery(id: string): DeliveryRecord | undefined {
    const delivery = this.#delivery(id);
    if (!delivery) return undefined;
    const attempts = this.#rows("attempt", "attempt WHERE delivery_id = ? ORDER BY attempt", id);
    return { delivery, attempts: attempts.map(({ doc }) => JSON.parse(String(doc)) as AttemptRow) };
  }

  /** One slice of forgetting what is older than `before`. */
  trim(before: number): Trimmed {
    return inTransaction(this.#db, () => this.#trimmer.slice(before));
  }

  close(): void {
    this.#db.close();
    this.#mark.close();
  }
}

/** What is in a list, given as JSON. */
const LISTED = "(SELECT value FROM json_each(?))";

/** Changes a row that is there: only those of its indexes are touched that it makes a difference to. */
function updating(table: StateTable, key: string): string {
  const others = [...STATE_SCHEMA.columns[table], "sum"].filter((name) => name !== key);
  return `ON CONFLICT(${key}) DO UPDATE SET ${others.map((name) => `${name} = excluded.${name}`).join(", ")}`;
}

/** A record that was tried again must not take the place of a newer one. */
const NEWER_BASELINE = `ON CONFLICT DO UPDATE SET seq = excluded.seq, doc = excluded.doc, sum = excluded.sum
  WHERE excluded.seq > baseline.seq`;

function recordedInput(row: Readonly<Record<string, unknown>>): RecordedInput {
  return { seq: Number(row.seq), input: JSON.parse(String(row.doc)) as Input };
}
