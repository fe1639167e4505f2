import type { TocsinError } from "../../src/lib/errors.ts";
import type { Command, EventInput } from "../../src/model/decision.ts";
import type { MetricQuery } from "../../src/model/metricQuery.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "../../src/model/metricView.ts";
import type {
  AlarmView,
  ClusterView,
  DeliveriesAsked,
  DeliveryDetail,
  DeliveryView,
  ReceiverTest,
  ReceiverView,
  ServiceView,
} from "../../src/serviceView.ts";
import { aNotification } from "./posts.ts";

/** A cluster as people see it. */
export function aCluster(id: string, own: Partial<ClusterView> = {}): ClusterView {
  return {
    cluster_id: id,
    cluster_name: id,
    lane: "idle",
    servers: {},
    sources: [],
    paused: {},
    shadow: false,
    timestamp: null,
    ...own,
  };
}

/** An alarm as people see it: of one threshold, unless told otherwise. */
export function anAlarm(id: string, own: Partial<AlarmView> = {}): AlarmView {
  return {
    alarm_id: id,
    name: id,
    description: "",
    cluster_id: "web",
    cluster_name: "web",
    type: "threshold",
    severity: "low",
    enabled: true,
    state: "ok",
    state_reason: "",
    state_timestamp: null,
    transition: 1,
    verdict: "ok",
    verdict_reason: null,
    value: 100,
    unit: "B/s",
    repeat_actions: false,
    repeat_interval: 60,
    alarm_actions: [],
    ok_actions: [],
    insufficient_data_actions: [],
    held_by: null,
    held_reason: null,
    ...own,
  };
}

/** A delivery as people see it: a notice that was delivered, unless told otherwise. */
export function aDelivery(id: string, own: Partial<DeliveryDetail> = {}): DeliveryDetail {
  return {
    delivery_id: id,
    cluster_id: "web",
    alarm_id: "id-busy",
    alarm_name: "busy",
    receiver: "ops",
    class: "notice",
    direction: "unknown",
    previous: "ok",
    current: "alarm",
    transition: 1,
    repeat: 0,
    status: "delivered",
    attention: false,
    attempts: 1,
    reason: "the receiver answered 200",
    created_at: "2026-11-21T00:53:09.000Z",
    notification: aNotification({
      alarmId: "id-busy",
      reason: "Transition to alarm",
      reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 9 },
    }),
    attempt_list: [],
    ...own,
  };
}

/** A receiver as people see it: one that scales out, and is well, unless told otherwise. */
export function aReceiver(name: string, own: Partial<ReceiverView> = {}): ReceiverView {
  return {
    name,
    cluster_id: "a",
    cluster_name: "web",
    class: "control",
    direction: "out",
    target: "https://senlin.example/…",
    shadow: false,
    breaker: "closed",
    failing: null,
    ...own,
  };
}

/** A service without a service: remembers what it was told. */
export class FakeView implements ServiceView {
  readonly commands: [clusterId: string, command: Command][] = [];
  readonly events: EventInput[] = [];
  readonly asked: unknown[][] = [];
  fails: TocsinError | Error | undefined;
  ledger: readonly DeliveryDetail[] = [];
  known: readonly ReceiverView[] = [];
  /** What a test finds, beside the receiver's own. */
  found: Partial<ReceiverTest> = {};
  newest: readonly MetricView[] = [];
  catalog: MetricCatalog = {
    meters: [],
    clusters: [],
    resources: [],
    limit: 1000,
    more: { clusters: 0, resources: 0 },
  };
  answer: MetricSeriesView = {
    meter_name: "tocsin.source.up",
    type: "gauge",
    unit: "source",
    statistic: null,
    period: null,
    from: "2026-11-21T00:00:00.000Z",
    to: "2026-11-21T01:00:00.000Z",
    resolution: "raw",
    series: [],
  };
  readonly #clusters: readonly ClusterView[];
  readonly #alarms: readonly AlarmView[];

  constructor(clusters: readonly ClusterView[] = [], alarms: readonly AlarmView[] = []) {
    this.#clusters = clusters;
    this.#alarms = alarms;
  }

  degraded = () => [];
  alarms = () => this.#alarms;
  metrics = (): readonly MetricView[] => this.newest;
  clusters = () => this.#clusters;
  sources = () => [
    {
      ...{
        name: "lb1",
        kind: "socket",
        address: "/run/lb1.sock",
        ok: true,
        code: "ok",
        reason: "",
        unmapped: ["stray"],
      },
      ...{ pid: 7, uptime_s: 273_900, process_since: "2026-11-17T20:55:00.000Z" },
      ...{ skipped_rows: 0, version: "2.6.12", rows: 14, errors: 0, duration_ms: 2.5, hints: [] },
    },
    {
      ...{ name: "lb2", kind: "tcp", address: "lb2:9999", ok: false, code: "ECONNREFUSED", reason: "nobody listens" },
      ...{ pid: null, uptime_s: null, process_since: null },
      ...{ unmapped: [], skipped_rows: 0, version: "", rows: 0, errors: 3, duration_ms: 1, hints: [] },
    },
  ];
  receivers = () => this.known;

  async metricCatalog(filter: object): Promise<MetricCatalog> {
    if (this.fails) throw this.fails;
    this.asked.push(["catalog", filter]);
    return this.catalog;
  }

  async queryMetrics(query: MetricQuery): Promise<MetricSeriesView> {
    if (this.fails) throw this.fails;
    this.asked.push(["query", query]);
    return this.answer;
  }

  async deliveries(query: DeliveriesAsked): Promise<readonly DeliveryView[]> {
    this.asked.push(["deliveries", query]);
    return this.ledger
      .filter(({ attention }) => attention || !query.attention)
      .slice(0, query.limit)
      .map(({ notification: _, attempt_list: __, ...view }) => view);
  }

  async delivery(id: string) {
    this.asked.push(["delivery", id]);
    return this.ledger.find((one) => one.delivery_id === id);
  }

  async deliver(id: string, what: "retry" | "drop") {
    if (this.fails) throw this.fails;
    this.asked.push([what, id]);
    const found = this.ledger.find((one) => one.delivery_id === id);
    return { ...aDelivery(id), ...found };
  }

  async testReceiver(clusterId: string, receiver: string, send: boolean): Promise<ReceiverTest> {
    this.asked.push(["test", clusterId, receiver, send]);
    if (this.fails && send) throw this.fails;
    const {
      shadow: _,
      breaker: __,
      failing: ___,
      ...own
    } = this.known.find((one) => one.cluster_id === clusterId && one.name === receiver) ?? aReceiver(receiver);
    const none = { headers: {}, body: "", addresses: [], problem: null };
    return { ...own, ...none, ...this.found, outcome: send ? (this.found.outcome ?? null) : null };
  }

  async explain(alarmId: string, at: number | undefined) {
    this.asked.push(["explain", alarmId, at]);
    return undefined;
  }

  async history(alarmId: string, limit: number) {
    this.asked.push(["history", alarmId, limit]);
    return [];
  }

  async command(clusterId: string, command: Command) {
    if (this.fails) throw this.fails;
    this.commands.push([clusterId, command]);
  }

  async event(event: EventInput) {
    if (this.fails) throw this.fails;
    this.events.push(event);
    return 2;
  }
}
