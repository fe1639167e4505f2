/** The clusters of the crash tests: each alarms when its load is high and when it is low, and tells when it is not. */

const one = (name: string, kind: "out" | "in" | "notice", at: string) =>
  `  ${name}: {${kind === "notice" ? "class: notice" : `direction: ${kind}`}, alarm_url: "${at}/${name}?k=\${env:CRASH_KEY}", timeout: 2s}`;

const alarm = (name: string, rule: string, to: readonly string[], told: readonly string[], more: string) => `
  - name: ${name}
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    ${rule}
    ${more}
    alarm_actions: [${[...to, ...told].map((receiver) => `"receiver:${receiver}"`).join(", ")}]
    ok_actions: [${told.map((receiver) => `"receiver:${receiver}"`).join(", ")}]`;

interface Shape {
  readonly grow: readonly string[];
  readonly shrink: readonly string[];
  readonly told: readonly string[];
  readonly repeats: boolean;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  plain: { grow: ["grow"], shrink: ["shrink"], told: ["ops"], repeats: false },
  again: { grow: ["grow"], shrink: ["shrink"], told: ["pager"], repeats: true },
  pair: { grow: ["grow", "grow2"], shrink: ["shrink"], told: ["ops"], repeats: false },
  notes: { grow: [], shrink: [], told: ["ops", "pager"], repeats: true },
};

export const CLUSTERS: readonly string[] = Object.keys(SHAPES);
/** How long an action's effect is waited for, ms. */
export const SETTLE_MS = 4000;

/** A cluster's rule file; each `edit` is another revision of it. */
export function crashRules(cluster: string, port: number, edit: number): string {
  const { grow, shrink, told, repeats } = SHAPES[cluster] ?? { grow: [], shrink: [], told: [], repeats: false };
  const at = `http://127.0.0.1:${port}/${cluster}`;
  const receivers = [
    ...grow.map((name) => one(name, "out", at)),
    ...shrink.map((name) => one(name, "in", at)),
    ...told.map((name) => one(name, "notice", at)),
  ];
  const more = `${repeats ? "repeat_actions: true\n    repeat_interval: 3s\n    " : ""}description: revision ${edit}`;
  return `version: 1
cluster_id: ${cluster}
haproxy: [{proxy: "${cluster}_*"}]
control: {settle: ${SETTLE_MS / 1000}s, cooldown: {out: 1s, in: 2s}}
receivers:
${receivers.join("\n")}
alarms:${alarm("high", "threshold: 60\n    comparison_operator: ge", grow, told, more)}${alarm("low", "threshold: 10\n    comparison_operator: le", shrink, told, more)}
`;
}
