import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY } from "./haproxy.ts";

/** Bounds of the load of one server, B/s: above, another is wanted; below, one is too many. */
export const BAND = { out: 40_000, in: 15_000 } as const;

/** Writes the lab's `tocsin.yaml` and rule file: the starting pair, with periods of seconds and a value per server. */
export function writeLabFiles(
  folder: string,
  socket: string,
  urls: { readonly in: string; readonly out: string },
): string {
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
