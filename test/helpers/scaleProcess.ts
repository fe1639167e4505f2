/** One process of the service, with a way to NATS of its own that can be cut. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BuiltProgram } from "./builtProgram.ts";
import type { CutLine } from "./cutLine.ts";
import { cutLine } from "./cutLine.ts";

export interface ProcessOptions {
  readonly name: string;
  readonly role: "engine" | "collector" | "api";
  /** A folder of its own is made in it. */
  readonly folder: string;
  readonly build: BuiltProgram;
  /** Ports of the NATS servers. */
  readonly natsPorts: readonly number[];
  /** The settings; `servers`: where NATS is for this process. */
  readonly settings: (servers: readonly string[]) => string;
}

/** One that fell is started again after so long, ms. */
const AGAIN_MS = 1000;

export class ScaleProcess implements AsyncDisposable {
  readonly name: string;
  readonly role: string;
  readonly folder: string;
  readonly #options: ProcessOptions;
  readonly #lines: readonly CutLine[];
  /** What it said when it ended without being asked to; it is started again. */
  readonly fell: string[] = [];
  #child: ChildProcess | undefined;
  #isAsked = false;
  #ended: Promise<unknown> = Promise.resolve();
  /** So much was in its log when this life began. */
  #logged = 0;

  private constructor(options: ProcessOptions, lines: readonly CutLine[]) {
    this.#options = options;
    this.#lines = lines;
    this.name = options.name;
    this.role = options.role;
    this.folder = join(options.folder, options.name);
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(join(this.folder, "tocsin.yaml"), options.settings(lines.map(({ url }) => url)));
  }

  static async create(options: ProcessOptions): Promise<ScaleProcess> {
    return new ScaleProcess(options, await Promise.all(options.natsPorts.map((port) => cutLine(port))));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** All that it has logged, in all its lives. */
  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  start(): void {
    const { build, role } = this.#options;
    const logFile = openSync(join(this.folder, "log"), "a");
    this.#logged = this.log.length;
    const child = spawn(
      process.execPath,
      [build.entry, "--config", join(this.folder, "tocsin.yaml"), "run", "--role", role],
      {
        cwd: this.folder,
        stdio: ["ignore", logFile, logFile],
        env: { ...process.env, NODE_COMPILE_CACHE: build.compiled, TOCSIN_AGENT: this.name },
      },
    );
    closeSync(logFile);
    this.#child = child;
    this.#isAsked = false;
    this.#ended = once(child, "close").then(async ([code]) => {
      if (this.#child === child) this.#child = undefined;
      if (this.#isAsked) return;
      // As a service manager does: one that starts while NATS is away may end of itself.
      this.fell.push(`${this.name} ended with ${code}: ${this.log.slice(-200)}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (!this.#isAsked) this.start();
    });
  }

  saysThatItRuns(): boolean {
    return this.log.slice(this.#logged).includes('"tocsin runs"');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#isAsked = true;
    this.signal(signal);
    await this.#ended;
  }

  /** Nothing gets through to NATS, nor back; `hang`: connections stay up. */
  isolate(how: "cut" | "hang"): void {
    for (const line of this.#lines) {
      if (how === "cut") line.cut();
      else line.hang("both");
    }
  }

  /** What hung gets through late, unless `isLost`. */
  reconnect(isLost: boolean): void {
    for (const line of this.#lines) line.mend(isLost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    await this.end("SIGKILL");
    await Promise.all(this.#lines.map((line) => line[Symbol.asyncDispose]()));
  }
}
