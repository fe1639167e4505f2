/** The load generator as a test uses it: it runs in a process of its own, and counts for itself. */

import { fork } from "node:child_process";
import { once } from "node:events";
import type { Exchange, Lane } from "./trafficLog.ts";
import type { Said } from "./trafficWorker.ts";

const WORKER = new URL("./trafficWorker.ts", import.meta.url).pathname;

export interface Traffic extends AsyncDisposable {
  /** Port of the origin, for HAProxy's servers. */
  readonly originPort: number;
  /** Begins to load the HAProxy at that port. */
  go(port: number, lanes: readonly Lane[]): Promise<void>;
  /** From now on another one; exchanges under way end where they began. */
  target(port: number): Promise<void>;
  /** Resolves when everything under way has ended, to what happened since the beginning. */
  stop(): Promise<readonly Exchange[]>;
}

/** Starts the generator and its origin. */
export async function startTraffic(): Promise<Traffic> {
  const child = fork(WORKER, [], { serialization: "advanced", execArgv: [] });
  const ended = once(child, "exit");
  const [originPort] = (await once(child, "message")) as [number];
  const say = async <T>(said: Said): Promise<T> => {
    child.send(said);
    const [answer] = (await once(child, "message")) as [T];
    return answer;
  };
  return {
    originPort,
    go: (port, lanes) => say({ say: "go", port, lanes }),
    target: (port) => say({ say: "target", port }),
    stop: () => say({ say: "stop" }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
