/**
 * The lab past one machine: NATS, InfluxDB, two engines and an agent as processes of their own, around the same HAProxy,
 * load and receiver. The engine that works is killed when the load has risen and its scale-out is not yet due: the
 * other one takes over, and asks for it, once.
 */

import { parseRfc3339 } from "../lib/clock.ts";
import { TocsinError } from "../lib/errors.ts";
import { wait } from "../lib/wait.ts";
import type { Decision } from "../model/decision.ts";
import type { Clock } from "../ports.ts";
import { startInflux, startNats } from "./databases.ts";
import type { EngineName } from "./files.ts";
import { AGENT, ENGINES, writeScaleOutFiles } from "./files.ts";
import type { Lab, LabOptions } from "./lab.ts";
import { LOAD, openLab, Watch } from "./lab.ts";
import { Interface, startProcess } from "./processes.ts";
import type { Program } from "./program.ts";
import { freePort } from "./servers.ts";

const METER = "network.services.lb.incoming.bytes.rate";
/** Bytes a second and server that the alarm reads when the load has risen for a tick; it is due two ticks later. */
const RISEN = 28_000;
const LOOK_MS = 100;
/** The lab gives up after this. */
const LIMIT_MS = 110_000;

interface Engine {
  readonly name: EngineName;
  readonly program: Program;
  readonly api: Interface;
}

/** What the summary says. */
interface Told {
  takeoverMs?: number;
  /** Scale-outs that reached the receiver before the engine was killed. */
  early: number;
  killedAt?: number;
}

/** Runs it; true when all went as it must. */
export async function runScaleOut(options: LabOptions): Promise<boolean> {
  const { clock, out, signal, environment } = options;
  await using lab = await openLab(options);
  const { folder, haproxy, scaler, load, timeline, cleanup } = lab;
  const nats = cleanup.use(await startNats(folder, environment, clock));
  const influx = cleanup.use(await startInflux(folder, environment, clock));
  const ports = { "engine-1": await freePort(), "engine-2": await freePort() };
  const urls = { in: scaler.url("in"), out: scaler.url("out") };
  writeScaleOutFiles(folder, haproxy.socket, urls, { nats: nats.url, influx: influx.url, ports });
  const engines: Engine[] = [];
  for (const name of ENGINES) {
    const url = `http://127.0.0.1:${ports[name]}`;
    const program = cleanup.use(await startProcess({ folder, name, environment, clock, url }));
    engines.push({ name, program, api: new Interface(url) });
  }
  cleanup.use(await startProcess({ folder, name: AGENT, environment, clock }));
  out(`A real HAProxy on 127.0.0.1:${haproxy.port} with 2 servers; scale out at 40 kB/s per server, in at 15 kB/s.`);
  out(`NATS at ${nats.url}, InfluxDB at ${influx.url}; processes: ${ENGINES.join(", ")}, ${AGENT}.`);
  timeline.header();
  load.start();
  const play = new Play(lab, clock, signal, engines);
  const done = await play.run();
  const kept = await play.kept();
  play.summary(out, kept);
  if (options.keep && !signal.aborted) {
    out(`Kept running in ${folder}. Look around from another terminal, end with Ctrl-C:`);
    for (const { name } of play.alive) out(`  TOCSIN_URL=http://127.0.0.1:${ports[name]} npx tocsin alarm list`);
    await play.until(() => false, Number.POSITIVE_INFINITY);
  }
  return done && kept.before > 0 && kept.after > 0;
}

class Play {
  alive: readonly Engine[];
  readonly #lab: Lab;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #startedMs: number;
  readonly #watch = new Watch();
  readonly #told: Told = { early: 0 };
  readonly #known = new Set<string>();

  constructor(lab: Lab, clock: Clock, signal: AbortSignal, engines: readonly Engine[]) {
    this.#lab = lab;
    this.#clock = clock;
    this.#signal = signal;
    this.alive = engines;
    this.#startedMs = clock.monotonic();
  }

  async run(): Promise<boolean> {
    const { scaler } = this.#lab;
    this.#setLoad(LOAD.steady, "just right for two servers");
    if (!(await this.until(() => this.#isCalm()))) return false;
    this.#setLoad(LOAD.high, "too much for two servers");
    if (!(await this.#killWorking())) return false;
    if (!(await this.until(() => this.#watch.effective.out > 0))) return false;
    const outs = scaler.accepted.out;
    this.#setLoad(LOAD.low, "too little for three");
    if (!(await this.until(() => this.#watch.effective.in > 0))) return false;
    return this.#told.early === 0 && outs === 1 && scaler.accepted.out === outs;
  }

  /** Shows what happens, a line a second, until that is so. */
  async until(reached: () => boolean | Promise<boolean>, limitMs = LIMIT_MS): Promise<boolean> {
    for (let look = 0; !this.#isOver(limitMs); look++) {
      if (look % (1000 / LOOK_MS) === 0) await this.#show();
      if (await this.#asked(reached, false)) return true;
      await this.#pause(LOOK_MS);
    }
    return false;
  }

  /** How much the store has of the cluster, from before the takeover and from after it. */
  async kept(): Promise<{ readonly before: number; readonly after: number }> {
    const { killedAt = 0 } = this.#told;
    const labels = await this.#asked(async () => (await this.#api()?.kept(METER)) ?? [], []);
    const before = labels.filter((label) => parseRfc3339(label) < killedAt).length;
    return { before, after: labels.length - before };
  }

  summary(out: (text: string) => void, kept: { readonly before: number; readonly after: number }): void {
    const { scaler, load } = this.#lab;
    const { takeoverMs, early } = this.#told;
    out("");
    for (const direction of ["out", "in"] as const) {
      const { delivered, effective } = this.#watch;
      out(
        `scale-${direction}: ${scaler.accepted[direction]} at the receiver, ${delivered[direction]} delivered, ${effective[direction]} effective`,
      );
    }
    out(
      takeoverMs === undefined
        ? "takeover: none"
        : `takeover: ${(takeoverMs / 1000).toFixed(1)} s after kill -9, ${early} scale-outs before it`,
    );
    out(`series in InfluxDB: ${kept.before} ticks from before the takeover, ${kept.after} from after it`);
    const seconds = Math.round((this.#clock.monotonic() - this.#startedMs) / 1000);
    out(`${load.answered} requests answered, ${load.failed} failed, ${seconds} s`);
  }

  /** Kills the engine that works as soon as the alarm sees the load, and waits for the other one to work. */
  async #killWorking(): Promise<boolean> {
    const { timeline, scaler } = this.#lab;
    if (!(await this.until(() => this.#hasRisen()))) return false;
    const working = await this.#working();
    if (!working) throw new TocsinError("E504", "no engine says that it works on the cluster");
    this.#told.early = scaler.accepted.out;
    this.#told.killedAt = this.#clock.now();
    const killedMs = this.#clock.monotonic();
    await working.program.kill();
    timeline.event(`kill -9 of ${working.name}, which works on the cluster`);
    this.alive = this.alive.filter((one) => one !== working);
    let next: Engine | undefined;
    const isTaken = async () => {
      next = await this.#working();
      return next !== undefined;
    };
    if (!(await this.until(isTaken)) || !next) return false;
    this.#told.takeoverMs = this.#clock.monotonic() - killedMs;
    timeline.event(`${next.name} has taken over`);
    return true;
  }

  async #isCalm(): Promise<boolean> {
    const alarms = (await this.#api()?.alarms()) ?? [];
    return alarms.length > 0 && alarms.every(({ state }) => state === "ok") && (await this.#working()) !== undefined;
  }

  async #hasRisen(): Promise<boolean> {
    const alarm = (await this.#api()?.alarms())?.find(({ name }) => name === "scale_out_alarm");
    return alarm !== undefined && alarm.value !== null && alarm.value >= RISEN;
  }

  async #working(): Promise<Engine | undefined> {
    for (const engine of this.alive) if ((await engine.api.bus())?.owned.includes(0)) return engine;
    return undefined;
  }

  async #show(): Promise<void> {
    const { timeline, load } = this.#lab;
    const api = this.#api();
    if (!api) return;
    await this.#asked(async () => this.#tell(await decisionsOf(api)), undefined);
    await this.#asked(() => timeline.state(load.bytesPerS, api), undefined);
  }

  #tell(decisions: readonly Decision[]): void {
    for (const decision of decisions) {
      const key = JSON.stringify(decision);
      if (this.#known.has(key)) continue;
      this.#known.add(key);
      this.#lab.timeline.decision(decision);
      this.#watch.take(decision);
    }
  }

  /** While the bus finds out who is there, answers may fail. */
  async #asked<T>(ask: () => T | Promise<T>, otherwise: T): Promise<T> {
    try {
      return await ask();
    } catch {
      return otherwise;
    }
  }

  #api(): Interface | undefined {
    return this.alive[0]?.api;
  }

  #setLoad(bytesPerS: number, why: string): void {
    this.#lab.load.bytesPerS = bytesPerS;
    this.#lab.timeline.event(`load: ${bytesPerS / 1000} kB/s, ${why}`);
  }

  #isOver(limitMs: number): boolean {
    return this.#signal.aborted || this.#clock.monotonic() - this.#startedMs >= limitMs;
  }

  #pause(delayMs: number): Promise<void> {
    return wait(this.#clock, delayMs);
  }
}

/** What was decided of late, in order. */
async function decisionsOf(api: Interface): Promise<readonly Decision[]> {
  const alarms = await api.alarms();
  const histories = await Promise.all(alarms.map(({ alarm_id: id }) => api.history(id)));
  return histories.flatMap((history) => history.toReversed()).toSorted((a, b) => a.at - b.at);
}
