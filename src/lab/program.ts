/** A program that the lab starts and ends: HAProxy, the servers of NATS and InfluxDB, processes of the service. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { wait } from "../lib/wait.ts";
import { within } from "../lib/within.ts";
import type { Clock } from "../ports.ts";

export interface Program extends AsyncDisposable {
  /** Ends it at once, as by `kill -9`. */
  kill(): Promise<void>;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Of the errors. */
  readonly code: "E501" | "E502" | "E503" | "E504";
  /** Debian's package of it; `undefined`: it comes with us. */
  readonly package?: string;
  /** It works. Asked again and again. */
  readonly isReady: (said: string) => Promise<boolean>;
}

/** Debian puts servers where the PATH of ordinary users does not look. */
const SEARCH = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
const LOOK_MS = 50;
const READY_MS = 15_000;
/** The service takes 10 s to end at the most. */
const END_MS = 12_000;
/** Of what it wrote last, characters. */
const SAID = 2000;

/** Starts it, and waits until it works. Throws a TocsinError of the code given when it is not there, ends or never works. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command, args, environment, clock, code, package: name } = options;
  const child = spawn(command, args, {
    env: { ...environment, PATH: [environment.PATH ?? "", ...SEARCH].join(":") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = `${said}${text}`.slice(-SAID);
  });
  // Where the lab ends at once, at a second Ctrl-C, nothing else would end this.
  const orphaned = () => child.kill("SIGKILL");
  process.once("exit", orphaned);
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve())).then(() => {
    process.off("exit", orphaned);
  });
  const end = async () => {
    if (hasEnded(child)) return;
    child.kill("SIGTERM");
    await within(clock, END_MS, gone);
    if (hasEnded(child)) return;
    child.kill("SIGKILL");
    await gone;
  };
  try {
    await once(child, "spawn");
  } catch (error) {
    const mend = name === undefined ? "" : `; install it:  sudo apt-get install -y ${name}`;
    throw new TocsinError(code, `cannot start ${command}: ${messageOf(error)}${mend}`, { cause: error });
  }
  try {
    await works(child, options, () => said);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    [Symbol.asyncDispose]: end,
  };
}

async function works(
  child: ChildProcess,
  { command, code, clock, isReady }: ProgramOptions,
  said: () => string,
): Promise<void> {
  for (let waited = 0; waited < READY_MS; waited += LOOK_MS) {
    if (hasEnded(child)) throw new TocsinError(code, `${command} ended at once: ${said().trim()}`);
    if (await isReady(said())) return;
    await wait(clock, LOOK_MS);
  }
  throw new TocsinError(code, `${command} does not answer: ${said().trim()}`);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
