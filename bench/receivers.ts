import { fork } from "node:child_process";
import { once } from "node:events";

export interface Receivers extends AsyncDisposable {
  /** Origin number n: an address of its own, all of one server. */
  readonly originOf: (index: number) => string;
  /** What came since the last time: `webhook-id` and instant, ms since 1970. */
  readonly arrivals: () => Promise<readonly (readonly [id: string, atMs: number])[]>;
}

/** Starts the receivers' process. */
export async function startReceivers(): Promise<Receivers> {
  const child = fork(new URL("./receiverProcess.ts", import.meta.url));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    originOf: (index) => `http://127.1.${Math.floor(index / 250)}.${1 + (index % 250)}:${port}`,
    async arrivals() {
      const answered = once(child, "message");
      child.send("arrivals");
      const [said] = (await answered) as [{ arrivals: [string, number][] }];
      return said.arrivals;
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    },
  };
}

/** Percentile of milliseconds, rank ⌈n·p/100⌉. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((sorted.length * p) / 100)) - 1] ?? Number.NaN;
}
