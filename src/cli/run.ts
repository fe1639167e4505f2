/** `tocsin run`: the service, until a signal ends it. */

import { once } from "node:events";
import { startApp } from "../app.ts";
import { formatDiagnostic, summarize } from "../config/diagnostics.ts";
import { loadRules } from "../config/rules.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../lib/clock.ts";
import { createLogger } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import type { World } from "./context.ts";
import { EXIT } from "./context.ts";

export async function run(world: World, settings: Settings): Promise<number> {
  const { environment, cwd, signal } = world;
  const defaults = { repeatIntervalS: settings.repeatIntervalS, timeoutS: settings.notifier.timeoutS, environment };
  const loaded = loadRules([settings.rulesPath], cwd, defaults);
  if (loaded.diagnostics.length > 0) {
    for (const diagnostic of loaded.diagnostics) world.err(`${formatDiagnostic(diagnostic)}\n`);
    world.err(summarize(loaded.diagnostics, loaded.files));
  }
  if (loaded.diagnostics.some(({ severity }) => severity === "error")) return EXIT.findings;

  const log = createLogger({ ...settings.log, isTerminal: world.logsToTerminal });
  const app = await startApp({ settings, clusters: loaded.clusters, environment, clock: systemClock, log });
  const alarms = loaded.clusters.reduce((sum, { rules }) => sum + rules.alarms.length, 0);
  log.info("tocsin runs", {
    version: VERSION,
    config: settings.file ?? "defaults",
    rules: settings.rulesPath,
    clusters: loaded.clusters.length,
    alarms,
    interval_s: settings.intervalMs / 1000,
    data: settings.dataPath,
    api: app.apiUrl,
  });
  if (!signal.aborted) await once(signal, "abort");
  log.info("stopping", { signal: String(signal.reason) });
  await app.stop();
  log.info("stopped");
  return EXIT.ok;
}
