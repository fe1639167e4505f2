/** The log of many clusters as it grows, and what it says of them: the truth of a chaos run. */

import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import type { LogRecord } from "../../src/backend/nats/log/records.ts";
import { commitOf } from "../../src/backend/nats/log/records.ts";
import { nextRecord } from "../../src/backend/nats/log/recordsGet.ts";
import type { ClusterRules, State } from "../../src/model/alarm.ts";
import type { Decision, Delivery, RecordedInput } from "../../src/model/decision.ts";
import type { Journal } from "./crashCheck.ts";

/** So many clusters are read at a time. */
const READERS = 16;

export class ScaleLog {
  readonly clusters: readonly string[];
  readonly #link: NatsLink;
  readonly #records: ReadonlyMap<string, LogRecord[]>;

  constructor(link: NatsLink, clusters: readonly string[]) {
    this.#link = link;
    this.clusters = clusters;
    this.#records = new Map(clusters.map((cluster) => [cluster, []]));
  }

  /** Reads on. Fails when NATS does not answer, or has something that is no record. */
  async update(): Promise<void> {
    const waiting = [...this.clusters];
    const read = async () => {
      for (let cluster = waiting.pop(); cluster !== undefined; cluster = waiting.pop()) await this.#readOn(cluster);
    };
    await Promise.all(Array.from({ length: READERS }, read));
  }

  async #readOn(cluster: string): Promise<void> {
    const own = this.of(cluster) as LogRecord[];
    for (;;) {
      const message = await nextRecord(this.#link, cluster, (own.at(-1)?.seq ?? 0) + 1);
      if (!message) return;
      const commit = await commitOf(this.#link, cluster, message);
      if (!commit || commit === "missing")
        throw new Error(`${cluster}: what has sequence ${message.seq} in the log is no record`);
      const { seq, follows, appendId, at } = message;
      own.push({ seq, follows, appendId, at, commit });
    }
  }

  of(cluster: string): readonly LogRecord[] {
    return this.#records.get(cluster) ?? [];
  }

  inputs(cluster: string): RecordedInput[] {
    return this.of(cluster).flatMap(({ commit }) => commit.inputs);
  }

  decisions(cluster: string): Decision[] {
    return this.of(cluster).flatMap(({ commit }) => commit.decisions);
  }

  deliveries(cluster: string): Map<string, Delivery> {
    return new Map(this.of(cluster).flatMap(({ commit }) => commit.deliveries.map((one) => [one.id, one] as const)));
  }

  /** States of its alarms by their names. */
  states(cluster: string): Map<string, State> {
    return new Map(this.decisions(cluster).flatMap((one) => (one.d === "transition" ? [[one.name, one.to]] : [])));
  }

  journal(cluster: string): Journal {
    const inputs = this.inputs(cluster);
    const rules = inputs.reduce<ClusterRules | undefined>(
      (newest, { input }) => (input.kind === "command" && input.command === "rules" ? input.rules : newest),
      undefined,
    );
    const alarms = new Map((rules?.alarms ?? []).map((alarm) => [alarm.id, alarm]));
    return {
      clusterId: cluster,
      log: this.decisions(cluster),
      deliveries: this.deliveries(cluster),
      outcomes: new Map(
        inputs.flatMap(({ input }) =>
          input.kind === "outcome" ? [[`${input.deliveryId}/${input.attempt}`, input] as const] : [],
        ),
      ),
      called: (alarmId, state) => alarms.get(alarmId)?.actions[state] ?? [],
    };
  }
}
