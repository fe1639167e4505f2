/**
 * From a sample's arrival to the POST's: a report on the bus → sealed, judged, committed with fsync to the real
 * ledger, claimed, sent with undici, received. Against a bare undici POST of the same bytes on a fresh connection,
 * measured in the same run, turn and turn about.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Client } from "undici";
import { createMemoryBus } from "../src/backend/memory/bus.ts";
import { openSqlite } from "../src/backend/sqlite/backend.ts";
import { Evaluator } from "../src/evaluator/evaluator.ts";
import { parseHttpDate, systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { ClusterRules } from "../src/model/alarm.ts";
import type { ScrapeReport } from "../src/model/tick.ts";
import { Notifier } from "../src/notifier/notifier.ts";
import { aodhBody } from "../src/notifier/request.ts";

const METER = "network.services.lb.active.connections";
const INTERVAL_MS = 1000;

/** Percentiles of milliseconds, rank ⌈n·p/100⌉. */
function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((sorted.length * p) / 100)) - 1] ?? Number.NaN;
}

function rules(): ClusterRules {
  const actions = [{ receiver: "r", class: "notice", direction: "unknown", maxAgeS: 60 } as const];
  return {
    clusterId: "bench",
    clusterName: "bench",
    file: "bench.yaml",
    rows: [],
    expect: 0,
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms: [
      {
        id: "21ba09aa-8aa0-5e15-9296-664b0087de34",
        name: "busy",
        description: "",
        type: "threshold",
        severity: "low",
        enabled: true,
        rule: {
          kind: "threshold",
          meterName: METER,
          statistic: "avg",
          per: "total",
          periodS: 1,
          evaluationPeriods: 1,
          datapointsToAlarm: 1,
          threshold: 5,
          clearThreshold: 5,
          comparison: "gt",
          treatMissingData: "missing",
          excludeOutliers: false,
        },
        timeConstraints: [],
        suppressedBy: [],
        repeatActions: false,
        repeatIntervalS: 60,
        repeatStates: ["alarm"],
        maxRepeats: undefined,
        actions: { ok: actions, alarm: actions, "insufficient data": [] },
      },
    ],
  };
}

function report(number: number, sessions: number): ScrapeReport {
  const baseline = {
    process: { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" },
    at: 0,
    open: false,
    rows: {},
  };
  const slice = {
    clusterId: "bench",
    coveredS: 1,
    increases: {},
    sums: { [METER]: sessions },
    means: {},
    members: {},
    reload: false,
    gap: false,
    open: true,
    moved: true,
    baseline,
  };
  return {
    tick: { number, at: number * INTERVAL_MS },
    source: "s",
    durationMs: 1,
    outcome: { ok: true, slices: [slice] },
  };
}

/** Runs `turns` of each and prints p50 and p99 of both, and their ratios. */
export async function benchArrival(turns: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-bench-"));
  const worker = new Worker(new URL("./receiverWorker.ts", import.meta.url));
  const arrivals = new Map<string, (arrivedNs: bigint) => void>();
  const port = await new Promise<number>((resolve) => {
    worker.on("message", (message: { port?: number; id?: string; arrivedNs?: bigint }) => {
      if (message.port !== undefined) resolve(message.port);
      else arrivals.get(message.id ?? "")?.(message.arrivedNs ?? 0n);
    });
  });
  const origin = `http://127.0.0.1:${port}`;
  const { ledger, store } = await openSqlite(folder, { lock: true });
  const bus = createMemoryBus();
  const limits = { connectTimeoutMs: 5000, concurrency: 1024, perOrigin: 32 };
  const receivers = { resolve: () => ({ url: `${origin}/hook`, headers: {}, timeoutMs: 5000 }) };
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers,
    version: "bench",
    ...limits,
  });
  let expected: ((id: string) => void) | undefined;
  let finished: (() => void) | undefined;
  const evaluator = new Evaluator({
    clock: systemClock,
    log: silentLogger,
    bus,
    ledger,
    store,
    dispatcher: notifier,
    intervalMs: INTERVAL_MS,
    evaluationDelayMs: 60_000,
    onDecision(_clusterId, decision) {
      if (decision.d === "send") expected?.(decision.delivery);
      if (decision.d === "end") finished?.();
    },
  });
  notifier.connect(evaluator);
  const start = { kind: "start", number: 1000, at: 0, open: false, intervalMs: INTERVAL_MS } as const;
  await evaluator.start([rules()], start, () => true);

  let number = 1000;
  const body = aodhBody({
    alarmName: "busy",
    alarmId: "21ba09aa-8aa0-5e15-9296-664b0087de34",
    severity: "low",
    previous: "ok",
    current: "alarm",
    reason: "Transition to alarm due to 1 samples outside threshold, most recent: 9.0",
    reasonData: { type: "threshold", disposition: "outside", count: 1, mostRecent: 9 },
  });
  const whole = async (): Promise<number> => {
    const ended = new Promise<void>((resolve) => {
      finished = resolve;
    });
    const arrived = new Promise<bigint>((resolve) => {
      expected = (id) => arrivals.set(id, resolve);
    });
    number++;
    const startedNs = process.hrtime.bigint();
    bus.publish(report(number, number % 2 === 0 ? 1 : 9));
    const arrivedNs = await arrived;
    await ended;
    return Number(arrivedNs - startedNs) / 1e6;
  };
  const bare = async (turn: number): Promise<number> => {
    const id = `bare-${turn}`;
    const arrived = new Promise<bigint>((resolve) => arrivals.set(id, resolve));
    const startedNs = process.hrtime.bigint();
    const client = new Client(origin, { pipelining: 0 });
    const answer = await client.request({
      method: "POST",
      path: "/hook",
      headers: { "webhook-id": id },
      body,
      reset: true,
    });
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
  await evaluator.close();
  await store.close();
  await ledger.close();
  await worker.terminate();
  rmSync(folder, { recursive: true, force: true });

  console.log(`sample arrival → POST arrival, durable ledger on (${turns} alarms, one at a time)`);
  for (const p of [50, 99]) {
    const [ours, base] = [percentile(wholeMs, p), percentile(bareMs, p)];
    console.log(
      `  p${p}  ${ours.toFixed(2)} ms   bare undici POST ${base.toFixed(2)} ms   ratio ${(ours / base).toFixed(1)}`,
    );
  }
}
