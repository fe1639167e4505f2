/**
 * Samples over NATS, batched as agents batch them: reports of a real HAProxy, published and read by the product. Baseline
 * of the same run: NATS's own client that publishes as many messages of as many bytes, each awaited, and reads them.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "../src/backend/nats/link/link.ts";
import { createPublisher } from "../src/backend/nats/samples/publisher.ts";
import { natsSamples } from "../src/backend/nats/samples/samples.ts";
import { setupBus } from "../src/backend/nats/setup/setup.ts";
import type { NatsSettings } from "../src/config/busSettings.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import { wait } from "../src/lib/wait.ts";
import type { ClusterSlice, ScrapeReport, ServerParts } from "../src/model/tick.ts";
import { SERVERS_EACH, startBigHaproxy } from "./bigHaproxy.ts";
import { bigCollector } from "./collectRig.ts";

const INTERVAL_MS = 1000;
const BACKENDS = 10;
const TICKS = 300;
const ROUNDS = 3;

/** A server of NATS in a process of its own, so that its CPU is not ours. */
export async function startServer(): Promise<{ readonly settings: NatsSettings } & AsyncDisposable> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  const folder = mkdtempSync(join(tmpdir(), "tocsin-nats-"));
  const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/usr/local/bin` };
  const child = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder], {
    ...{ env, stdio: "ignore" },
  });
  const settings: NatsSettings = {
    servers: [`nats://127.0.0.1:${port}`],
    ...{ prefix: "bench", partitions: 1, replicas: 1, heartbeatMs: 500, ttlMs: 2000 },
    ...{ samplesAgeS: 600, samplesBytes: 2 ** 28, logAgeS: 86_400, logBytes: 2 ** 28 },
  };
  return {
    settings,
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What an agent says of ten clusters with traffic. */
async function aRealReport(): Promise<readonly ClusterSlice[]> {
  await using haproxy = await startBigHaproxy(BACKENDS);
  let take: (report: ScrapeReport) => void = () => {};
  const bus = { publish: (report: ScrapeReport) => take(report), subscribe: () => () => {} };
  const collector = bigCollector(haproxy.socket, bus, INTERVAL_MS);
  let slices: readonly ClusterSlice[] = [];
  const isWhole = () => slices.length === BACKENDS && slices.every(({ coveredS }) => coveredS > 0);
  // A HAProxy that has just begun makes no rates, and its reports are small.
  for (let number = 1; number <= 3 || !isWhole(); number++) {
    if (number > 50) throw new Error("no report with increases came");
    const came = new Promise<ScrapeReport>((resolve) => {
      take = resolve;
    });
    await collector.tick({ number, at: number * INTERVAL_MS });
    const { outcome } = await came;
    if (!outcome.ok) throw new Error(outcome.reason);
    slices = outcome.slices;
    await haproxy.traffic();
    await wait(systemClock, 100);
  }
  collector.stop();
  return slices;
}

function samplesIn(slices: readonly ClusterSlice[]): number {
  const count = ({ increases, sums, means }: ServerParts) =>
    [increases, sums, means].reduce((sum, one) => sum + Object.keys(one).length, 0);
  return slices.reduce(
    (sum, slice) => sum + count(slice) + (slice.kept ?? []).reduce((all, row) => all + count(row), 0),
    0,
  );
}

export async function benchBus(): Promise<void> {
  const slices = await aRealReport();
  const samples = samplesIn(slices);
  await using server = await startServer();
  const world = { clock: systemClock, log: silentLogger };
  const link = await connectNats({ ...world, settings: server.settings, name: "bench", environment: {} });
  await setupBus(link, server.settings, INTERVAL_MS);
  const subject = link.names.samplesSubject(0);
  const firstTick = Math.floor(systemClock.now() / INTERVAL_MS) - ROUNDS * TICKS;
  const latencies: number[] = [];
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const reader = natsSamples({ ...world, link, intervalMs: INTERVAL_MS });
    let [came, resolve] = [0, () => {}];
    const stop = await reader.subscribe(0, systemClock.now(), () => {
      came++;
      resolve();
    });
    const publisher = createPublisher({ ...world, link, partitions: 1, intervalMs: INTERVAL_MS, agentId: `a${round}` });
    const used = process.cpuUsage();
    for (let index = 0; index < TICKS; index++) {
      const number = firstTick + round * TICKS + index;
      const here = new Promise<void>((done) => {
        resolve = done;
      });
      const atMs = systemClock.monotonic();
      const tick = { number, at: number * INTERVAL_MS };
      publisher.publish({ tick, source: "big", durationMs: 1, outcome: { ok: true, slices } });
      await here;
      latencies.push(systemClock.monotonic() - atMs);
    }
    ours.push((TICKS * samples) / cpuS(used));
    if (came !== TICKS) throw new Error(`of ${TICKS} reports ${came} came`);
    await publisher.stop();
    stop();
    const stored = await link.jsm.streams.getMessage(link.names.samples, { last_by_subj: subject });
    theirs.push((TICKS * samples) / (await bare(link, stored.data)));
  }
  const best = Math.max(...ours);
  const bareBest = Math.max(...theirs);
  const text = (value: number) => `${(value / 1e6).toFixed(2)}M`;
  console.log(
    `bus: ${BACKENDS * (SERVERS_EACH + 2)} rows, ${samples} samples a message: ${text(best)} samples per CPU-second published and read; ` +
      `NATS's own loop of equal bytes ${text(bareBest)}: ratio ${(best / bareBest).toFixed(2)}`,
  );
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(share * latencies.length)] ?? 0).toFixed(1);
  console.log(`bus: scrape to engine p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, of which 10 ms are for gathering`);
  await link.close();
}

/** CPU-seconds for as many messages of these bytes, published and read with nothing done to them. */
async function bare(link: Awaited<ReturnType<typeof connectNats>>, bytes: Uint8Array): Promise<number> {
  let resolve = () => {};
  const subscription = link.nc.subscribe(link.names.samplesSubject(0), { callback: () => resolve() });
  await link.nc.flush();
  const used = process.cpuUsage();
  for (let index = 0; index < TICKS; index++) {
    const here = new Promise<void>((done) => {
      resolve = done;
    });
    await link.js.publish(link.names.samplesSubject(0), bytes, { msgID: `${Math.random()}` });
    await here;
  }
  const seconds = cpuS(used);
  subscription.unsubscribe();
  return seconds;
}

function cpuS(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}
