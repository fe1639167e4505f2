import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY } from "./haproxy.ts";

/** Bounds of the load of one server, B/s: above, another is wanted; below, one is too many. */
export const BAND = { out: 40_000, in: 15_000 } as const;

/** Where the receiver listens, by direction. */
export interface Urls {
  readonly in: string;
  readonly out: string;
}

/** Writes the lab's rule file: the starting pair, with periods of seconds and a value per server. */
function writeRules(folder: string, urls: Urls): void {
  mkdirSync(join(folder, "rules"), { recursive: true });
  writeFileSync(
    join(folder, "rules", "lab.yaml"),
    `version: 1
cluster_id: lab
cluster_name: lab
haproxy:
  - frontend: ${PROXY.frontend}
  - backend: ${PROXY.backend}
control: {settle: 8s}
receivers:
  scale_in: {type: senlin, direction: in, alarm_url: "${urls.in}"}
  scale_out: {type: senlin, direction: out, alarm_url: "${urls.out}"}
alarms:
  - name: scale_in_alarm
    description: the servers have little to do
    meter_name: network.services.lb.incoming.bytes.rate
    statistic: avg
    per: active_server
    period: 6
    evaluation_periods: 1
    threshold: ${BAND.in}
    comparison_operator: le
    repeat_actions: true
    repeat_interval: 10
    alarm_actions: [receiver:scale_in]
  - name: scale_out_alarm
    description: the servers have too much to do
    meter_name: network.services.lb.incoming.bytes.rate
    statistic: avg
    per: active_server
    period: 4
    evaluation_periods: 1
    threshold: ${BAND.out}
    comparison_operator: ge
    repeat_actions: true
    repeat_interval: 10
    alarm_actions: [receiver:scale_out]
`,
  );
}

/** Writes the files of the service in one process; returns its `tocsin.yaml`. */
export function writeLabFiles(folder: string, socket: string, urls: Urls): string {
  writeRules(folder, urls);
  const config = join(folder, "tocsin.yaml");
  writeFileSync(
    config,
    `collector:
  interval: 1s
  sources: [{name: lab, socket: ${socket}}]
api: {listen: "127.0.0.1:0"}
`,
  );
  return config;
}

/** Which processes there are past one machine. */
export const ENGINES = ["engine-1", "engine-2"] as const;
export const AGENT = "agent";
export type EngineName = (typeof ENGINES)[number];

/** What the processes share, and on which port the interface of each engine is. */
export interface Shared {
  readonly nats: string;
  readonly influx: string;
  readonly ports: Readonly<Record<EngineName, number>>;
}

/** Writes the files of two engines and an agent: rules, and `<name>.yaml` for each process. */
export function writeScaleOutFiles(folder: string, socket: string, urls: Urls, { nats, influx, ports }: Shared): void {
  writeRules(folder, urls);
  const bus = `bus:
  type: nats
  nats:
    servers: ["${nats}"]
    samples: {max_bytes: 64MiB}
    log: {max_bytes: 64MiB}
log: {format: json}
`;
  for (const name of ENGINES) {
    writeFileSync(
      join(folder, `${name}.yaml`),
      `roles: [engine, api]
collector: {interval: 1s, sources: []}
store: {type: influx, path: ${name}, influx: {url: "${influx}"}}
api: {listen: "127.0.0.1:${ports[name]}"}
${bus}`,
    );
  }
  writeFileSync(
    join(folder, `${AGENT}.yaml`),
    `roles: [collector]
collector:
  interval: 1s
  sources: [{name: lab, socket: ${socket}}]
${bus}`,
  );
}
