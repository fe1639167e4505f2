/**
 * The lab: the whole path on one machine, with nothing faked but the users. A real HAProxy with two servers, the
 * service with a rule pair, load that rises and falls, and a receiver that adds and removes servers of that
 * HAProxy. It ends when a scale-out and a scale-in have been delivered and have taken effect.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { App } from "../app.ts";
import { startApp } from "../app.ts";
import { ruleDefaults } from "../config/ruleDefaults.ts";
import { loadRules } from "../config/rules.ts";
import { loadSettings } from "../config/settings.ts";
import { silentLogger } from "../lib/log.ts";
import { wait } from "../lib/wait.ts";
import type { Decision } from "../model/decision.ts";
import type { Clock } from "../ports.ts";
import { writeLabFiles } from "./files.ts";
import type { Haproxy } from "./haproxy.ts";
import { startHaproxy } from "./haproxy.ts";
import { Load } from "./load.ts";
import { Scaler } from "./scaler.ts";
import { freePort, startBackend } from "./servers.ts";
import { Timeline } from "./timeline.ts";

export interface LabOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly out: (text: string) => void;
  readonly signal: AbortSignal;
  /** Go on after the summary until the signal. */
  readonly keep: boolean;
  /** Folder to keep configuration and data in; `undefined`: a temporary one, removed at the end. */
  readonly folder: string | undefined;
}

/** Load of the whole cluster by phase, B/s: for two servers just right, too much, and for three too little. */
export const LOAD = { steady: 50_000, high: 100_000, low: 36_000 } as const;
const STEADY_MS = 8000;
/** The lab gives up after this. */
const LIMIT_MS = 85_000;

/** What is around the service in every shape. */
export interface Lab extends AsyncDisposable {
  readonly folder: string;
  readonly haproxy: Haproxy;
  readonly scaler: Scaler;
  readonly load: Load;
  readonly timeline: Timeline;
  /** Ends what was started, the newest first. */
  readonly cleanup: AsyncDisposableStack;
}

/** Starts HAProxy, its servers and the receiver. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const { clock, out, environment } = options;
  await using cleanup = new AsyncDisposableStack();
  const folder = options.folder === undefined ? mkdtempSync(join(tmpdir(), "tocsin-lab-")) : resolve(options.folder);
  mkdirSync(folder, { recursive: true });
  if (options.folder === undefined) cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));

  const startedMs = clock.monotonic();
  const timeline = new Timeline(out, () => clock.monotonic() - startedMs);
  const backends = [await startBackend(), await startBackend()];
  const ports = backends.map(({ port }) => port);
  const haproxy = cleanup.use(await startHaproxy(folder, await freePort(), ports, environment, clock));
  const say = (text: string) => timeline.event(text);
  const scaler = cleanup.use(new Scaler({ haproxy, clock, min: 2, max: 6, actionMs: 1500, say }, backends));
  await scaler.listen();
  const load = cleanup.use(new Load(haproxy.port, clock));
  const own = cleanup.move();
  return { folder, haproxy, scaler, load, timeline, cleanup: own, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Runs the lab; true when both actions took effect. */
export async function runLab(options: LabOptions): Promise<boolean> {
  const { clock, out, signal, environment } = options;
  const startedMs = clock.monotonic();
  await using lab = await openLab(options);
  const { folder, haproxy, scaler, load, timeline, cleanup } = lab;
  const config = writeLabFiles(folder, haproxy.socket, { in: scaler.url("in"), out: scaler.url("out") });
  const { settings } = loadSettings(config, folder);
  if (!settings) throw new Error("the lab's own tocsin.yaml is wrong");
  const { clusters } = loadRules([settings.rulesPath], folder, ruleDefaults(settings, environment));
  const watch = new Watch();
  const onDecision = (_clusterId: string, decision: Decision) => {
    timeline.decision(decision);
    watch.take(decision);
  };
  const onFatal = (reason: string) => timeline.event(`the storage is gone: ${reason}`);
  const app = await startApp({ settings, clusters, environment, clock, log: silentLogger, onDecision, onFatal });
  cleanup.defer(() => app.stop());

  out(`A real HAProxy on 127.0.0.1:${haproxy.port} with 2 servers; scale out at 40 kB/s per server, in at 15 kB/s.`);
  timeline.header();
  load.start();
  const done = await play({ app, clock, load, timeline, watch, signal });
  summary(out, watch, load, clock.monotonic() - startedMs);
  if (options.keep && !signal.aborted) {
    out(`Kept running in ${folder}. Look around from another terminal, end with Ctrl-C:`);
    out(`  TOCSIN_URL=${app.apiUrl} npx tocsin alarm list`);
    while (!signal.aborted) await tick(clock, load, app, timeline);
  }
  return done;
}

/** What has happened so far. */
export class Watch {
  readonly effective = { in: 0, out: 0 };
  readonly delivered = { in: 0, out: 0 };
  readonly #direction = new Map<string, "in" | "out" | "unknown">();

  take(decision: Decision): void {
    if (decision.d === "send") this.#direction.set(decision.delivery, decision.direction);
    if (decision.d === "end" && decision.end === "delivered") {
      const direction = this.#direction.get(decision.delivery);
      if (direction === "in" || direction === "out") this.delivered[direction]++;
    }
    if (decision.d === "effect" && decision.effect === "effective" && decision.direction !== "unknown") {
      this.effective[decision.direction]++;
    }
  }
}

interface Play {
  readonly app: App;
  readonly clock: Clock;
  readonly load: Load;
  readonly timeline: Timeline;
  readonly watch: Watch;
  readonly signal: AbortSignal;
}

async function play({ app, clock, load, timeline, watch, signal }: Play): Promise<boolean> {
  const startedMs = clock.monotonic();
  const setLoad = (bytesPerS: number, why: string) => {
    load.bytesPerS = bytesPerS;
    timeline.event(`load: ${bytesPerS / 1000} kB/s, ${why}`);
  };
  const until = async (reached: () => boolean) => {
    while (!reached() && !signal.aborted && clock.monotonic() - startedMs < LIMIT_MS)
      await tick(clock, load, app, timeline);
    return reached();
  };
  setLoad(LOAD.steady, "just right for two servers");
  await until(() => clock.monotonic() - startedMs >= STEADY_MS);
  setLoad(LOAD.high, "too much for two servers");
  if (!(await until(() => watch.effective.out > 0))) return false;
  setLoad(LOAD.low, "too little for three");
  return until(() => watch.effective.in > 0);
}

async function tick(clock: Clock, load: Load, app: App, timeline: Timeline): Promise<void> {
  await wait(clock, 1000);
  await timeline.state(load.bytesPerS, app.view);
}

function summary(out: (text: string) => void, watch: Watch, load: Load, elapsedMs: number): void {
  out("");
  for (const direction of ["out", "in"] as const) {
    out(`scale-${direction}: ${watch.delivered[direction]} delivered, ${watch.effective[direction]} effective`);
  }
  out(`${load.answered} requests answered, ${load.failed} failed, ${Math.round(elapsedMs / 1000)} s`);
}
