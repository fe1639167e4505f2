/** `tocsin collect`: asks the sources itself, without a service; what it sees is shown, and neither stored nor sent. */

import { existsSync } from "node:fs";
import type { CollectOptions, FailedSource } from "../collectNow.ts";
import { collectOn, collectOnce, explainNow } from "../collectNow.ts";
import { ruleDefaults } from "../config/ruleDefaults.ts";
import { loadRules } from "../config/rules.ts";
import type { Settings } from "../config/settings.ts";
import { formatDuration } from "../lib/durations.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Clock } from "../ports.ts";
import { gaugeTable, rateHeader, rateLines } from "./collectTables.ts";
import type { World } from "./context.ts";
import { EXIT, Exit } from "./context.ts";
import { explanationText } from "./explainRows.ts";
import { printable } from "./printable.ts";

export interface CollectFlags {
  readonly once?: boolean;
  readonly explain?: boolean;
  readonly output?: string;
}

/** Resolves to the exit code: 1 when a source fails, or is not found, that is configured, and when rows are claimed twice. */
export async function collect(world: World, settings: Settings, flags: CollectFlags, clock: Clock): Promise<number> {
  const { once = false, explain = false, output = "table" } = flags;
  if (output !== "table" && output !== "json") refuse(world, `-o takes table or json, not ${output}`);
  if (explain && !once) refuse(world, "--explain goes with --once");
  const isJson = output === "json";
  const say = (text: string) => world.out(printable(text));
  const complain = (text: string) => world.err(printable(`tocsin: ${text}`));
  const options: CollectOptions = { settings, rules: rulesOf(world, settings), environment: world.environment, clock };
  if (explain) {
    const onSecondLook = (ms: number) => world.err(`looking again in ${formatDuration(ms)} …`);
    const explanation = await explainNow({ ...options, onSecondLook });
    say(isJson ? JSON.stringify(explanation, null, 2) : explanationText(explanation));
    const hasFailed = explanation.sources.some(({ ok, quiet }) => !ok && !quiet);
    return hasFailed || explanation.claimed_twice.length > 0 ? EXIT.findings : EXIT.ok;
  }
  if (once) {
    const { clusters, failed } = await collectOnce(options);
    say(isJson ? JSON.stringify(clusters, null, 2) : gaugeTable(clusters));
    for (const { name, code, reason } of failed) complain(`source ${name} failed (${code}): ${reason}`);
    return codeOf(failed);
  }
  const lineOf = rateLines();
  if (!isJson) say(rateHeader());
  const failed = await collectOn({
    ...options,
    signal: world.signal,
    onCluster: (cluster) => say(isJson ? JSON.stringify(cluster) : lineOf(cluster)),
    onTrouble: (message, source, reason) =>
      complain([message, source, reason].filter((part) => part !== "").join(": ")),
  });
  return codeOf(failed);
}

function codeOf(failed: readonly FailedSource[]): number {
  return failed.length > 0 ? EXIT.findings : EXIT.ok;
}

function refuse(world: World, message: string): never {
  world.err(`tocsin: ${message}`);
  throw new Exit(EXIT.usage);
}

/** Rules of the files that can be used; of those that cannot it is said which. */
function rulesOf({ cwd, environment, err }: World, settings: Settings): readonly ClusterRules[] {
  if (!existsSync(settings.rulesPath)) return [];
  const { clusters, diagnostics } = loadRules([settings.rulesPath], cwd, ruleDefaults(settings, environment));
  const broken = new Set(diagnostics.filter(({ severity }) => severity === "error").map(({ file }) => file));
  if (broken.size > 0)
    err(`tocsin: errors in ${[...broken].join(", ")}: "tocsin check" tells them; what they claim may be missing here`);
  return clusters.map(({ rules }) => rules);
}
