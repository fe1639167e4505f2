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
  const defaults = {
    repeatIntervalS: settings.repeatIntervalS,
    timeoutS: settings.notifier.timeoutS,
    intervalS: settings.intervalMs / 1000,
    environment,
  };
  const loaded = loadRules([settings.rulesPath], cwd, defaults);
  if (loaded.diagnostics.length > 0) {
    for (const diagnostic of loaded.diagnostics) world.err(`${formatDiagnostic(diagnostic)}\n`);
    world.err(summarize(loaded.diagnostics, loaded.files));
  }
  if (loaded.diagnostics.some(({ severity }) => severity === "error")) return EXIT.findings;

  const log = createLogger({ ...settings.log, isTerminal: world.logsToTerminal });
  const fatal = new AbortController();
  const onFatal = (reason: string) => fatal.abort(reason);
  const ended = AbortSignal.any([signal, fatal.signal]);
  const starting = startApp({ settings, clusters: loaded.clusters, environment, clock: systemClock, log, onFatal });
  const app = await Promise.race([starting, aborted(ended)]);
  // Ended before it had begun: what it holds goes with the process.
  if (!app) return fatal.signal.aborted ? EXIT.bug : EXIT.ok;
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
  await aborted(ended);
  if (fatal.signal.aborted) log.error("the storage is gone", { reason: String(fatal.signal.reason) });
  else log.info("stopping", { signal: String(signal.reason) });
  // Whatever hangs, the process ends in time: what is not recorded by then is settled at the next start.
  const stopped = await Promise.race([app.stop().then(() => true), after(STOP_LIMIT_MS)]);
  log.info(stopped ? "stopped" : "stopped in a hurry");
  return fatal.signal.aborted ? EXIT.bug : EXIT.ok;
}

/** Longest that a stop takes, ms. */
const STOP_LIMIT_MS = 10_000;

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, "abort");
}

function after(delayMs: number): Promise<false> {
  return new Promise((resolve) => systemClock.after(delayMs, () => resolve(false)));
}
