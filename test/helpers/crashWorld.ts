/** One data folder, and the world around the service that works on it: lives begin and end, the world goes on. */

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../src/ports.ts";
import type { BuiltProgram } from "./builtProgram.ts";
import type { Pace } from "./crashClock.ts";
import { fastClock } from "./crashClock.ts";
import type { Behaviour, ReceiverStep } from "./crashReceiver.ts";
import { drawBehaviour, RecordingReceiver } from "./crashReceiver.ts";
import { CLUSTERS, crashRules } from "./crashRules.ts";
import type { Plan, Said } from "./crashService.ts";
import { ScriptedHaproxy } from "./crashSource.ts";
import { writeSetUp } from "./service.ts";
import { eventually, temporaryFolder } from "./sockets.ts";

/** How much faster than real the service's time goes. */
const SPEED = 10;
/** Of the times that a receiver which scales ran, in so many there is something to be seen of it. */
const EFFECT_SHARE = 0.5;
const EFFECT_AFTER_MS = 1000;

/** Mulberry32: numbers in [0, 1), the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How long a start took. */
export interface Restart {
  readonly ms: number;
  /** Of all threads: what it would take on an idle machine, or more. */
  readonly cpuMs: number;
}

/** One process of the service. */
export interface Life {
  /** What it has said so far. */
  readonly said: readonly Said[];
  /** Resolves when it runs, or has ended before. */
  readonly runs: Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): void;
  /** Has it say how it stands. */
  ask(): void;
}

export class CrashWorld implements AsyncDisposable {
  readonly seed: number;
  readonly random: () => number;
  readonly clock: Clock;
  readonly receiver: RecordingReceiver;
  readonly haproxy: ScriptedHaproxy;
  /** From the spawn of each life to the word that it runs, and what of it was work, ms. */
  readonly restarts: Restart[] = [];
  /** A step of a receiver or of the source at which the process is killed, and whether it was. */
  armed: string | undefined;
  reached: string | undefined;
  /** What receivers do with every request; `undefined`: what is drawn. */
  mood: Behaviour | undefined;
  readonly #stack = new AsyncDisposableStack();
  readonly #folder = temporaryFolder();
  readonly #build: BuiltProgram;
  readonly #pace: Pace;
  #life = 0;
  #current: ChildProcess | undefined;
  #port = 0;
  #edits = 0;

  constructor(seed: number, build: BuiltProgram, speed = SPEED) {
    this.seed = seed;
    this.#pace = { speed, epochMs: Date.now() };
    this.#build = build;
    this.random = randomFrom(seed);
    this.clock = fastClock(this.#pace);
    this.haproxy = new ScriptedHaproxy(CLUSTERS, seed, this.clock);
    this.receiver = new RecordingReceiver(this.clock, {
      life: () => this.#life,
      behaviour: (control) => this.#behaviour(control),
      onStep: (step, control) => this.#receiverStep(step, control),
      onAction: ({ cluster, receiver }) => {
        if (this.random() >= EFFECT_SHARE) return;
        const direction = receiver === "shrink" ? "in" : "out";
        this.clock.after(EFFECT_AFTER_MS, () => this.haproxy.scale(cluster, direction));
      },
    });
    this.#stack.use(this.#folder);
  }

  get dataPath(): string {
    return join(this.#folder.path, "data");
  }

  /** The service's own log: for whom a test fails. */
  get log(): string {
    return readFileSync(join(this.#folder.path, "log"), "utf8");
  }

  async open(): Promise<void> {
    this.#port = await this.receiver.listen();
    this.#stack.use(this.receiver);
    const socket = join(this.#folder.path, "haproxy.sock");
    this.#stack.use(await this.haproxy.listen(socket, (step) => this.#step(`source: ${step}`)));
    writeSetUp(
      this.#folder.path,
      `collector: {interval: 1s, timeout: 750ms, sources: [{name: scripted, socket: ${socket}}]}\napi: {listen: "127.0.0.1:0"}\n`,
      {},
    );
    this.edit();
  }

  /** Changes every rule file in a way that changes no decision. */
  edit(): void {
    this.#edits++;
    for (const cluster of CLUSTERS) {
      const text = crashRules(cluster, this.#port, this.#edits);
      writeFileSync(join(this.#folder.path, "rules", `${cluster}.yaml`), text);
    }
  }

  /** Begins a life; `step`: it kills itself there. */
  begin(step?: string): Life {
    this.#life++;
    const plan: Plan = { ...this.#pace, folder: this.#folder.path, step };
    const logFile = openSync(join(this.#folder.path, "log"), "a");
    const spawnedAt = performance.now();
    const child = fork(this.#build.entry, [JSON.stringify(plan)], {
      stdio: ["ignore", "pipe", logFile, "ipc"],
      env: { ...process.env, NODE_COMPILE_CACHE: this.#build.compiled },
    });
    closeSync(logFile);
    this.#current = child;
    const said: Said[] = [];
    const exited = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    const runs = new Promise<void>((resolve) => {
      let text = "";
      child.stdout?.on("data", (chunk) => {
        const lines = `${text}${chunk}`.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          said.push(JSON.parse(line) as Said);
          const now = said.at(-1);
          if (now?.said !== "runs") continue;
          this.restarts.push({ ms: performance.now() - spawnedAt, cpuMs: now.cpuMs });
          resolve();
        }
      });
      exited.then(() => resolve(), resolve);
    });
    const ended = exited.then(async ([code, signal]) => {
      this.#current = undefined;
      await this.receiver.drained();
      return { code, signal };
    });
    return { said, runs, ended, kill: (signal) => child.kill(signal), ask: () => child.connected && child.send("?") };
  }

  /** The weather clears: what is owed is done, in a high load and in none, and the service ends of itself. */
  async settle(): Promise<void> {
    this.mood = "accept";
    this.armed = undefined;
    const life = this.begin();
    await life.runs;
    for (const weather of ["many", "some"] as const) {
      this.haproxy.weather = weather;
      await eventually(
        `everything done while there are ${weather} sessions`,
        () => {
          life.ask();
          const standing = life.said.findLast((one) => one.said === "standing");
          const wanted = weather === "many" ? ["alarm", "ok"] : ["ok", "ok"];
          return (
            (standing?.undone === 0 && standing.states.every((state, index) => state === wanted[index % 2])) ||
            undefined
          );
        },
        60_000,
      );
    }
    life.kill("SIGTERM");
    const { code } = await life.ended;
    if (code !== 0) throw new Error(`the last life ended with ${code}: ${this.log.slice(-2000)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#current;
    if (child) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    await this.#stack.disposeAsync();
  }

  #behaviour(control: boolean): Behaviour {
    // To a notice 409 is a refusal for good.
    if (this.mood === "busy" && !control) return "accept";
    return this.mood ?? drawBehaviour(control, this.random);
  }

  #receiverStep(step: ReceiverStep, control: boolean | undefined): void {
    this.#step(control === undefined ? step : `${control ? "control" : "notice"}: ${step}`);
  }

  #step(step: string): void {
    if (step !== this.armed || this.reached === step || !this.#current) return;
    this.reached = step;
    this.#current.kill("SIGKILL");
  }
}
