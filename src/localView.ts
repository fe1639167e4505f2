/** What people see of the clusters that this process works on, and may tell them. */

import { randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import type { ReceiverBook } from "./config/receiverBook.ts";
import { deliveriesOf } from "./deliveries.ts";
import type { ClusterState } from "./evaluator/cluster.ts";
import type { AddressPolicy } from "./lib/addressPolicy.ts";
import { wait } from "./lib/wait.ts";
import { metricQueriesOf } from "./metricQueries.ts";
import type { Command, EventInput } from "./model/decision.ts";
import type { Notifier } from "./notifier/notifier.ts";
import type { Clock, Ledger } from "./ports.ts";
import type { Queries } from "./query/queries.ts";
import { receiversOf } from "./receiverTests.ts";
import { explain } from "./replay/explain.ts";
import type { Past } from "./replay/past.ts";
import type { Mappings } from "./ruleChanges.ts";
import type { OwnView, SourceView } from "./serviceView.ts";
import { alarmView, clusterView, metricViews } from "./views.ts";

/** Who works on the clusters: the evaluator, or an engine of several. */
export interface Working {
  clusters(): readonly ClusterState[];
  command(clusterId: string, command: Command): Promise<void>;
  event(event: EventInput): Promise<number>;
}

export interface LocalViewOptions {
  readonly clock: Clock;
  readonly working: Working;
  readonly ledger: Pick<Ledger, "deliveries" | "delivery"> & Past["ledger"];
  /** Where the ticks are that the ledger has not. */
  readonly store: Past["store"];
  readonly queries: Queries;
  readonly receivers: ReceiverBook;
  readonly notifier: Notifier;
  readonly policy: AddressPolicy;
  readonly named: Mappings["named"];
  readonly sources: () => readonly SourceView[];
  readonly degraded: () => readonly string[];
}

export function localView(options: LocalViewOptions): OwnView {
  const { clock, working, ledger, store, queries, receivers, notifier, policy, named } = options;
  const past = { ledger, store, pause: () => wait(clock, 0) };
  const clusterOf = (alarmId: string) => working.clusters().find(({ alarms }) => alarms.has(alarmId))?.clusterId;
  const clusters = () => working.clusters().map(clusterView).map(named);
  return {
    degraded: options.degraded,
    alarms: () =>
      working.clusters().flatMap((cluster) => [...cluster.alarms.values()].map((alarm) => alarmView(cluster, alarm))),
    metrics: () => working.clusters().flatMap(metricViews).map(named),
    clusters,
    sources: options.sources,
    ...metricQueriesOf({
      queries,
      clusters: () =>
        working.clusters().map(({ clusterId, rules: own, values }) => {
          const name = own?.clusterName ?? clusterId;
          return named({ cluster_id: clusterId, cluster_name: name, values });
        }),
    }),
    ...deliveriesOf({
      ledger,
      clusters: () => working.clusters(),
      command: (id, said) => working.command(id, said),
    }),
    ...receiversOf({
      directory: receivers,
      notifier,
      policy,
      lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      cluster: (id) => clusters().find(({ cluster_id }) => cluster_id === id),
      clock,
      newId: randomUUID,
    }),
    async explain(alarmId, at) {
      const clusterId = clusterOf(alarmId);
      return clusterId === undefined ? undefined : explain(clusterId, alarmId, at, past);
    },
    async history(alarmId, limit) {
      const clusterId = clusterOf(alarmId);
      return clusterId === undefined ? [] : ledger.decisions(clusterId, { alarmId, limit });
    },
    command: (clusterId, command) => working.command(clusterId, command),
    event: (event) => working.event(event),
  };
}
