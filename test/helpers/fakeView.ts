import type { TocsinError } from "../../src/lib/errors.ts";
import type { Command, EventInput } from "../../src/model/decision.ts";
import type { AlarmView, ClusterView, ServiceView } from "../../src/ports.ts";

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

/** A service without a service: remembers what it was told. */
export class FakeView implements ServiceView {
  readonly commands: [clusterId: string, command: Command][] = [];
  readonly events: EventInput[] = [];
  readonly asked: unknown[][] = [];
  fails: TocsinError | Error | undefined;
  readonly #clusters: readonly ClusterView[];
  readonly #alarms: readonly AlarmView[];

  constructor(clusters: readonly ClusterView[] = [], alarms: readonly AlarmView[] = []) {
    this.#clusters = clusters;
    this.#alarms = alarms;
  }

  degraded = () => [];
  alarms = () => this.#alarms;
  metrics = () => [];
  clusters = () => this.#clusters;
  sources = () => [
    { name: "lb1", ok: true, code: "ok", reason: "", unmapped: ["stray"], skipped_rows: 0 },
    { name: "lb2", ok: false, code: "ECONNREFUSED", reason: "nobody listens", unmapped: [], skipped_rows: 0 },
  ];
  deliveries = async () => [];

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
