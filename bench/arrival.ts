/**
 * From a sample's arrival to the POST's: a report on the bus → sealed, judged, committed with fsync to the real
 * ledger, claimed, sent with undici, received. Against a bare undici POST of the same size on a fresh connection,
 * measured in the same run, turn and turn about.
 */

import { Worker } from "node:worker_threads";
import { Client } from "undici";
import { percentile } from "./receivers.ts";
import { startRig } from "./rig.ts";

/** Runs `turns` of each and prints p50 and p99 of both, and their ratios. */
export async function benchArrival(turns: number): Promise<void> {
  const worker = new Worker(new URL("./receiverWorker.ts", import.meta.url));
  const arrivals = new Map<string, (arrivedNs: bigint) => void>();
  const port = await new Promise<number>((resolve) => {
    worker.on("message", (message: { port?: number; id?: string; arrivedNs?: bigint }) => {
      if (message.port !== undefined) resolve(message.port);
      else arrivals.get(message.id ?? "")?.(message.arrivedNs ?? 0n);
    });
  });
  const origin = `http://127.0.0.1:${port}`;
  let expected: ((id: string) => void) | undefined;
  let finished: (() => void) | undefined;
  const rig = await startRig({
    clusters: 1,
    urlOf: () => `${origin}/hook`,
    isControl: false,
    timeoutMs: 5000,
    onDecision(_clusterId, decision) {
      if (decision.d === "send") expected?.(decision.delivery);
      if (decision.d === "end") finished?.();
    },
  });

  let isAlarm = false;
  const whole = async (): Promise<number> => {
    const ended = new Promise<void>((resolve) => {
      finished = resolve;
    });
    const arrived = new Promise<bigint>((resolve) => {
      expected = (id) => arrivals.set(id, resolve);
    });
    isAlarm = !isAlarm;
    const startedNs = process.hrtime.bigint();
    rig.tick(isAlarm ? 9 : 1);
    const arrivedNs = await arrived;
    await ended;
    return Number(arrivedNs - startedNs) / 1e6;
  };
  const body = Buffer.alloc(318, "x");
  const bare = async (turn: number): Promise<number> => {
    const id = `bare-${turn}`;
    const arrived = new Promise<bigint>((resolve) => arrivals.set(id, resolve));
    const startedNs = process.hrtime.bigint();
    const client = new Client(origin, { pipelining: 0 });
    const headers = { "webhook-id": id };
    const answer = await client.request({ method: "POST", path: "/hook", headers, body, reset: true });
    await answer.body.dump();
    await client.destroy();
    return Number((await arrived) - startedNs) / 1e6;
  };
  for (let turn = 0; turn < 50; turn++) {
    await whole();
    await bare(-turn - 1);
  }
  const [wholeMs, bareMs]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    wholeMs.push(await whole());
    bareMs.push(await bare(turn));
  }
  await rig[Symbol.asyncDispose]();
  await worker.terminate();

  console.log(`sample arrival → POST arrival, durable ledger on (${turns} alarms, one at a time)`);
  for (const p of [50, 99]) {
    const [ours, base] = [percentile(wholeMs, p), percentile(bareMs, p)];
    console.log(
      `  p${p}  ${ours.toFixed(2)} ms   bare undici POST ${base.toFixed(2)} ms   ratio ${(ours / base).toFixed(1)}`,
    );
  }
}
