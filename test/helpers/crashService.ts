/**
 * The service as `tocsin run` starts it, in a process that is made to be killed: with a faster clock, and with a step
 * at which it kills itself. What it tells the test goes to standard output, one line of JSON each.
 */

import { writeSync } from "node:fs";
import { join } from "node:path";
import { startApp } from "../../src/app.ts";
import { copiesIn } from "../../src/config/lastGood.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { RuleWatcher } from "../../src/config/watch.ts";
import { createLogger } from "../../src/lib/log.ts";
import type { Logger } from "../../src/ports.ts";
import type { Pace } from "./crashClock.ts";
import { fastClock } from "./crashClock.ts";
import { faultyOpen } from "./crashFaults.ts";

export interface Plan extends Pace {
  readonly folder: string;
  /** Where it kills itself; `undefined`: nowhere. */
  readonly step: string | undefined;
}

/** What the process says. */
export type Said =
  /** `cpuMs`: what it has worked until then, on any processor. */
  | { readonly said: "runs"; readonly cpuMs: number }
  | { readonly said: "reached"; readonly step: string }
  | {
      readonly said: "standing";
      /** Deliveries that have not ended, actions that are owed, lanes in which something is awaited. */
      readonly undone: number;
      readonly states: readonly string[];
    }
  | { readonly said: "stopped"; readonly inTime: boolean; readonly claimed: number };

/** As of `tocsin run`, ms. */
const STOP_LIMIT_MS = 10_000;

const plan = JSON.parse(process.argv[2] ?? "") as Plan;
const clock = fastClock(plan);
// In one call, so that it is out before anything that follows.
const say = (what: Said) => writeSync(1, `${JSON.stringify(what)}\n`);

function reach(step: string): void {
  if (step !== plan.step) return;
  say({ said: "reached", step });
  process.kill(process.pid, "SIGKILL");
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const signalled = new AbortController();
process.on("SIGTERM", () => signalled.abort());
// The test is gone: so is this.
process.on("disconnect", () => process.exit(1));

const quiet = createLogger({ level: "info", format: "json", isTerminal: false });
const log: Logger = {
  ...quiet,
  info(text, fields) {
    // The notifier tells the log of an outcome after it told the evaluator.
    if (text === "webhook") reach("outcome handed back");
    quiet.info(text, fields);
  },
};
const environment = new Proxy<Record<string, string>>(
  { CRASH_KEY: "k" },
  {
    get(variables, name) {
      // A receiver's URL is put together for a request.
      reach("receiver resolved");
      return variables[String(name)];
    },
  },
);

const file = join(plan.folder, "tocsin.yaml");
const { settings, diagnostics } = loadSettings(file, plan.folder);
if (!settings) throw new Error(JSON.stringify(diagnostics));
const watcher = await RuleWatcher.open({
  path: settings.rulesPath,
  cwd: plan.folder,
  clock,
  log,
  defaults: {
    repeatIntervalS: settings.repeatIntervalS,
    timeoutS: settings.notifier.timeoutS,
    intervalS: settings.intervalMs / 1000,
    environment: { CRASH_KEY: "k" },
  },
  copies: copiesIn(join(settings.dataPath, "rules")),
  watch: true,
});
if (watcher.diagnostics.some(({ severity }) => severity === "error"))
  throw new Error(JSON.stringify(watcher.diagnostics));
const starting = startApp({
  settings,
  clusters: watcher.clusters,
  watcher,
  environment,
  clock,
  log,
  open: faultyOpen(reach),
  onDecision(_, decision) {
    if (decision.d === "send") reach("send durable, not handed over");
  },
  onFatal(reason) {
    throw new Error(reason);
  },
});
const ended = new Promise<undefined>((resolve) => {
  // The signal may have come while the rules were read.
  if (signalled.signal.aborted) resolve(undefined);
  else signalled.signal.addEventListener("abort", () => resolve(undefined));
});
const app = await Promise.race([starting, ended]);
// Ended before it had begun.
if (!app) process.exit(0);
const { user, system } = process.cpuUsage();
say({ said: "runs", cpuMs: (user + system) / 1000 });
process.on("message", () => {
  const clusters = app.clusters();
  const alarms = clusters.flatMap((cluster) => [...cluster.alarms.values()]);
  const open = clusters.reduce((sum, { deliveries }) => sum + deliveries.size, 0);
  const owed = alarms.filter((alarm) => alarm.owed !== undefined).length;
  const awaited = clusters.filter(({ lane }) => lane.phase === "in flight" || lane.phase === "settling").length;
  say({ said: "standing", undone: open + owed + awaited, states: alarms.map(({ state }) => state) });
});
await ended;
const late = new Promise<false>((resolve) => void clock.after(STOP_LIMIT_MS, () => resolve(false)));
const inTime = await Promise.race([app.stop().then(() => true), late]);
const open = app.clusters().flatMap(({ deliveries }) => [...deliveries.values()]);
say({ said: "stopped", inTime, claimed: open.filter(({ status }) => status === "claimed").length });
process.exit(0);
