/**
 * What an append to the log takes of an engine's processor, and of its time: commits of a usual size through a claim,
 * followed into the index, against the client's own publishing of messages of the same size to the same stream.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeCommit } from "../src/backend/nats/log/codec.ts";
import { openSharedLog } from "../src/backend/nats/log/sharedLog.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { Commit } from "../src/ports.ts";
import { linkTo, setUpLog } from "../test/helpers/natsBus.ts";
import { startNats } from "../test/helpers/natsServer.ts";
import { median } from "./alarms.ts";

const APPENDS = 1500;
const ROUNDS = 5;
const CLUSTERS = 500;
const AT_ONCE = 128;

/** A minute of ticks of one cluster, and its state of a few alarms. */
function commitOf(clusterId: string, seq: number): Commit {
  const values = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`network.services.lb.meter.${n}`, seq * n]));
  const inputs = Array.from({ length: 6 }, (_, n) => ({
    seq: seq * 6 + n,
    input: { kind: "tick" as const, number: seq * 6 + n, at: seq, values, sources: [], members: [] },
  }));
  const doc = JSON.stringify(
    Array.from({ length: 10 }, (_, n) => ({ id: `alarm-${n}`, state: "ok", since: seq, values })),
  );
  const snapshot = { clusterId, seq: seq * 6 + 5, doc };
  return { clusterId, inputs, decisions: [], snapshot, deliveries: [], attempts: [], baselines: [] };
}

interface Pass {
  readonly cpuS: number;
  readonly wallS: number;
  readonly latencies: readonly number[];
}

async function pass(work: (n: number) => Promise<void>): Promise<Pass> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const latencies: number[] = [];
  let next = 0;
  const line = async () => {
    while (next < APPENDS) {
      const sentAt = performance.now();
      await work(next++);
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, line));
  const { user, system } = process.cpuUsage(cpu);
  return { cpuS: (user + system) / 1e6, wallS: (performance.now() - begun) / 1000, latencies };
}

export async function benchLog(): Promise<void> {
  await using node = await startNats();
  const folder = mkdtempSync(join(tmpdir(), "tocsin-bench-"));
  const link = await linkTo(node.url, "bench");
  await setUpLog(link);
  const options = { link, partitions: 1, logAgeS: 0, clock: systemClock, log: silentLogger };
  const shared = await openSharedLog({ ...options, folder });
  const claim = await shared.partition(0, () => {});
  await claim.load();
  const seqs = new Map<number, number>();
  const commits = () =>
    Array.from({ length: APPENDS }, (_, n) => {
      const cluster = n % CLUSTERS;
      const seq = (seqs.get(cluster) ?? 0) + 1;
      seqs.set(cluster, seq);
      return commitOf(`cluster-${cluster}`, seq);
    });
  const payload = encodeCommit(commitOf("cluster-1", 1000)) ?? new Uint8Array();
  const passes: { appends: Pass; encode: number; publishes: Pass }[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const own = commits();
    const before = process.cpuUsage();
    for (const one of own) encodeCommit(one);
    const { user, system } = process.cpuUsage(before);
    const appends = await pass((n) => claim.commit(own[n] as Commit));
    // What the index still has to take is not the publisher's.
    await claim.load();
    const publishes = await pass(async (n) => {
      await link.js.publish(`bench.log.bare-${n % CLUSTERS}`, payload);
    });
    await claim.load();
    if (round > 0) passes.push({ appends, encode: (user + system) / 1e6, publishes });
  }
  const of = (figure: (one: (typeof passes)[number]) => number) => median(passes.map(figure));
  const rate = (cpuS: number) => Math.round(APPENDS / cpuS);
  const late = (own: readonly number[], share: number) =>
    (own.toSorted((a, b) => a - b)[Math.floor(own.length * share)] ?? 0).toFixed(1);
  const all = passes.flatMap(({ appends }) => appends.latencies);
  console.log(
    `log: ${APPENDS} appends of ${payload.length} bytes, ${AT_ONCE} at once, ${CLUSTERS} clusters; medians of ${ROUNDS} rounds`,
  );
  console.log(
    `  appends per CPU-s  ${rate(of(({ appends }) => appends.cpuS))}, index included; ` +
      `the client's own publishing ${rate(of(({ publishes }) => publishes.cpuS))}, ` +
      `ratio of CPU ${of(({ appends, publishes }) => appends.cpuS / publishes.cpuS).toFixed(2)}`,
  );
  console.log(`  of it encoding     ${((1e6 * of(({ encode }) => encode)) / APPENDS).toFixed(0)} µs for an append`);
  console.log(
    `  appends per s      ${rate(of(({ appends }) => appends.wallS))}, p50 ${late(all, 0.5)} ms, p99 ${late(all, 0.99)} ms`,
  );
  await shared.close();
  await link.close();
  rmSync(folder, { recursive: true, force: true });
}
