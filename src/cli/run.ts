/** `tocsin run`: the service, until a signal ends it. */

import { once } from "node:events";
import { join } from "node:path";
import type { App } from "../app.ts";
import { formatDiagnostic, summarize } from "../config/diagnostics.ts";
import { copiesIn, wouldOverwrite } from "../config/lastGood.ts";
import { ruleDefaults } from "../config/ruleDefaults.ts";
import type { Settings } from "../config/settings.ts";
import { RuleWatcher } from "../config/watch.ts";
import { systemClock } from "../lib/clock.ts";
import { TocsinError } from "../lib/errors.ts";
import { createLogger } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import type { Logger } from "../ports.ts";
import type { World } from "./context.ts";
import { EXIT, shownTo } from "./context.ts";

export interface RunFlags {
  /** Do not start with a broken rule file, whatever copies there are of a good one. */
  readonly strict?: boolean;
}

export async function run(world: World, settings: Settings, { strict = false }: RunFlags = {}): Promise<number> {
  const { environment } = world;
  const log = createLogger({ ...settings.log, isTerminal: world.logsToTerminal });
  // Rules are the engines'.
  if (!settings.roles.includes("engine"))
    return serve(world, log, (onFatal) => startWithoutRules(world, settings, log, onFatal));
  const watcher = await openRules(world, settings, log);
  const { diagnostics, trouble, clusters } = watcher;
  if (diagnostics.length > 0) {
    for (const diagnostic of diagnostics) world.err(`${formatDiagnostic(shownTo(world, diagnostic))}\n`);
    world.err(summarize(diagnostics, watcher.files));
  }
  if (strict && trouble !== undefined)
    throw new TocsinError("E105", `cannot read the rules at ${settings.rulesPath}: ${trouble}`);
  if (strict && diagnostics.some(({ severity }) => severity === "error")) return EXIT.findings;

  return serve(world, log, async (onFatal) => {
    const about = { settings, environment, clock: systemClock, log, onFatal };
    const facts = {
      version: VERSION,
      config: settings.file ?? "defaults",
      rules: settings.rulesPath,
      clusters: clusters.length,
      alarms: clusters.reduce((sum, { rules }) => sum + rules.alarms.length, 0),
      interval_s: settings.intervalMs / 1000,
      mode: settings.shadow ? "shadow" : "live",
      data: settings.dataPath,
    };
    if (settings.bus.type === "nats") {
      const { startScaledApp } = await import("../scaledApp.ts");
      const app = await startScaledApp({ ...about, rules: { clusters, watcher } });
      log.info("tocsin runs", { ...facts, roles: settings.roles.join(","), id: app.id, ...apiOf(app) });
      return app;
    }
    const { startApp } = await import("../app.ts");
    const app: App = await startApp({ ...about, clusters, watcher });
    log.info("tocsin runs", { ...facts, api: app.apiUrl });
    return app;
  });
}

interface Running {
  stop(): Promise<void>;
}

/** A process that is no engine: an agent, or one that people ask. */
async function startWithoutRules(
  { environment }: World,
  settings: Settings,
  log: Logger,
  onFatal: (reason: string) => void,
): Promise<Running> {
  const about = { settings, environment, clock: systemClock, log, onFatal };
  const facts = { version: VERSION, config: settings.file ?? "defaults", roles: settings.roles.join(",") };
  if (!settings.roles.includes("api")) {
    // An agent is to be small: nothing is loaded that it does not need.
    const { startAgent } = await import("../agent.ts");
    const agent = await startAgent(about);
    log.info("tocsin runs", { ...facts, interval_s: settings.intervalMs / 1000 });
    return agent;
  }
  const { startScaledApp } = await import("../scaledApp.ts");
  const app = await startScaledApp(about);
  log.info("tocsin runs", { ...facts, id: app.id, ...apiOf(app) });
  return app;
}

function apiOf({ apiUrl }: { readonly apiUrl: string | undefined }) {
  return apiUrl === undefined ? {} : { api: apiUrl };
}

/** Runs what is started, until a signal ends it, or it cannot go on. */
async function serve(
  { signal }: World,
  log: Logger,
  start: (onFatal: (reason: string) => void) => Promise<Running>,
): Promise<number> {
  const fatal = new AbortController();
  const ended = AbortSignal.any([signal, fatal.signal]);
  const app = await Promise.race([start((reason) => fatal.abort(reason)), aborted(ended)]);
  // Ended before it had begun: what it holds goes with the process.
  if (!app) return fatal.signal.aborted ? EXIT.bug : EXIT.ok;
  await aborted(ended);
  if (fatal.signal.aborted) log.error("the service cannot go on", { reason: String(fatal.signal.reason) });
  else log.info("stopping", { signal: String(signal.reason) });
  // Whatever hangs, the process ends in time: what is not recorded by then is settled at the next start.
  const stopped = await Promise.race([app.stop().then(() => true), after(STOP_LIMIT_MS)]);
  log.info(stopped ? "stopped" : "stopped in a hurry");
  return fatal.signal.aborted ? EXIT.bug : EXIT.ok;
}

/** The rule files as they are, with the last good copies of those that are broken. */
async function openRules({ environment, cwd }: World, settings: Settings, log: Logger): Promise<RuleWatcher> {
  const { rulesPath: path, dataPath, rulesWatch: watch } = settings;
  const folder = join(dataPath, "rules");
  const isSame = await wouldOverwrite(path, folder);
  if (isSame) log.error("no copies of good rule files are kept: they would overwrite the files", { folder });
  return RuleWatcher.open({
    path,
    cwd,
    clock: systemClock,
    log,
    defaults: ruleDefaults(settings, environment),
    copies: isSame ? undefined : copiesIn(folder),
    watch,
  });
}

/** Longest that a stop takes, ms. */
const STOP_LIMIT_MS = 10_000;

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, "abort");
}

function after(delayMs: number): Promise<false> {
  return new Promise((resolve) => systemClock.after(delayMs, () => resolve(false)));
}
