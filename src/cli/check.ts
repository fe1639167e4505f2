/** `tocsin check [PATH…]`: every mistake of every rule file, with its place. */

import { resolve } from "node:path";
import { formatDiagnostic, summarize } from "../config/diagnostics.ts";
import { ruleDefaults } from "../config/ruleDefaults.ts";
import { loadRules } from "../config/rules.ts";
import type { Settings } from "../config/settings.ts";
import type { World } from "./context.ts";
import { EXIT } from "./context.ts";

export function check(world: World, settings: Settings, paths: readonly string[]): number {
  const places = paths.length > 0 ? paths.map((path) => resolve(world.cwd, path)) : [settings.rulesPath];
  const loaded = loadRules(places, world.cwd, ruleDefaults(settings, world.environment));
  for (const diagnostic of loaded.diagnostics) world.out(`${formatDiagnostic(diagnostic)}\n`);
  const alarms = loaded.clusters.reduce((sum, { rules }) => sum + rules.alarms.length, 0);
  world.out(`${summarize(loaded.diagnostics, loaded.files)} (${loaded.clusters.length} clusters, ${alarms} alarms)`);
  return loaded.diagnostics.some(({ severity }) => severity === "error") ? EXIT.findings : EXIT.ok;
}
