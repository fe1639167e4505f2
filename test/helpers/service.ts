import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the program to its end. */
export async function tocsin(
  args: readonly string[],
  options: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Finished> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: options.cwd, env: { ...process.env, ...options.env } });
  return finished(child);
}

async function finished(child: ChildProcess): Promise<Finished> {
  const said = { out: "", err: "" };
  child.stdout?.on("data", (chunk) => {
    said.out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    said.err += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

export interface Service extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Log lines so far. */
  readonly log: () => string;
  kill(signal: NodeJS.Signals): Promise<Finished>;
}

/** Starts `tocsin run` in a folder that has a tocsin.yaml, and waits until it runs. */
export async function startService(cwd: string, main = MAIN): Promise<Service> {
  const child = spawn(process.execPath, [main, "run"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const done = finished(child);
  let log = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk) => {
      log += chunk;
      const started = /"api":"([^"]+)"/.exec(log);
      if (started?.[1]) resolve(started[1]);
    });
    void done.then(({ code, err }) => reject(new Error(`the service ended with ${code}: ${err}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    log: () => log,
    async kill(signal) {
      child.kill(signal);
      return done;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await done;
    },
  };
}

/** What the service's interface answers. */
export async function getJson<T>(service: { readonly url: string }, path: string): Promise<T> {
  const answer = await fetch(`${service.url}${path}`);
  return (await answer.json()) as T;
}

/** Writes tocsin.yaml and rule files into a folder. */
export function writeSetUp(folder: string, config: string, rules: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, "rules"), { recursive: true });
  writeFileSync(join(folder, "tocsin.yaml"), config);
  for (const [name, text] of Object.entries(rules)) writeFileSync(join(folder, "rules", name), text);
}
