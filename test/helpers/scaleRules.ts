/** Many clusters, each with four alarms: of two the load decides on scaling, two more are told. */

import { SETTLE_MS } from "./crashRules.ts";

/** Who is called, and who is told, by the kind of a cluster. */
const SHAPES = [
  { grow: ["grow"], shrink: ["shrink"], told: ["ops"], repeats: false },
  { grow: ["grow"], shrink: ["shrink"], told: ["pager"], repeats: true },
  { grow: ["grow", "grow2"], shrink: ["shrink"], told: ["ops"], repeats: false },
  { grow: [], shrink: [], told: ["ops", "pager"], repeats: true },
] as const;

/** An attempt ends after so long, ms. */
export const ATTEMPT_MS = 2000;

/** Alarms of each cluster. */
export const ALARMS = 4;

export function scaleClusters(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c${String(index).padStart(3, "0")}`);
}

/** Its rule file; `port`: where receivers listen. */
export function scaleRules(cluster: string, port: number): string {
  const { grow, shrink, told, repeats } = SHAPES[Number(cluster.slice(1)) % SHAPES.length] ?? SHAPES[0];
  const at = `http://127.0.0.1:${port}/${cluster}`;
  const receiver = (name: string, kind: string) =>
    `  ${name}: {${kind}, alarm_url: "${at}/${name}?k=1", timeout: ${ATTEMPT_MS / 1000}s}`;
  const alarm = (name: string, rule: string, to: readonly string[]) => `
  - name: ${name}
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    ${rule}${repeats ? "\n    repeat_actions: true\n    repeat_interval: 3s" : ""}
    alarm_actions: [${[...to, ...told].map((one) => `"receiver:${one}"`).join(", ")}]
    ok_actions: [${told.map((one) => `"receiver:${one}"`).join(", ")}]`;
  return `version: 1
cluster_id: ${cluster}
haproxy: [{proxy: "${cluster}_*"}]
control: {settle: ${SETTLE_MS / 1000}s, cooldown: {out: 1s, in: 2s}}
receivers:
${[
  ...grow.map((name) => receiver(name, "direction: out")),
  ...shrink.map((name) => receiver(name, "direction: in")),
  ...told.map((name) => receiver(name, "class: notice")),
].join("\n")}
alarms:${[
    alarm("high", "threshold: 60\n    comparison_operator: ge", grow),
    alarm("low", "threshold: 10\n    comparison_operator: le", shrink),
    alarm("crowded", "threshold: 50\n    comparison_operator: gt", []),
    alarm("quiet", "threshold: 20\n    comparison_operator: lt", []),
  ].join("")}
`;
}
