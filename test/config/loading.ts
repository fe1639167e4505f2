import { loadRuleTexts } from "../../src/config/rules.ts";
import type { Alarm, ClusterRules } from "../../src/model/alarm.ts";

export const DEFAULTS = {
  repeatIntervalS: 60,
  timeoutS: 30,
  intervalS: 10,
  environment: { TOKEN: "s3cret" } as Readonly<Record<string, string>>,
};

export const HEAD = "version: 1\ncluster_id: web\ncluster_name: shop\nhaproxy: [{proxy: web}]\n";

/** What is wrong with a rule file of that text, one line each: `line:column code message | hint`. */
export function problems(text: string, environment = DEFAULTS.environment): readonly string[] {
  return loadRuleTexts([{ name: "a.yaml", text }], { ...DEFAULTS, environment }).diagnostics.map(
    ({ line, column, code, message, hint }) => `${line}:${column} ${code} ${message}${hint ? ` | ${hint}` : ""}`,
  );
}

/** The cluster of a rule file without errors. */
export function rulesOf(text: string): ClusterRules {
  const { clusters, diagnostics } = loadRuleTexts([{ name: "a.yaml", text }], DEFAULTS);
  const [cluster] = clusters;
  if (!cluster) throw new Error(`the file has errors: ${diagnostics.map(({ message }) => message).join("; ")}`);
  return cluster.rules;
}

/** The alarms of a file with the usual head, by name. */
export function alarmsOf(text: string): Readonly<Record<string, Alarm>> {
  return Object.fromEntries(rulesOf(`${HEAD}alarms:\n${text}`).alarms.map((alarm) => [alarm.name, alarm]));
}
