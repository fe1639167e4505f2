/**
 * Many deliveries at once: how many POSTs a second of CPU makes, against bare undici on fresh connections in the same
 * run; whether what one origin answers slowly drains; whether receivers that hang delay the others; what a slow disk
 * does.
 */

import { Agent, Client } from "undici";
import type { Ledger } from "../src/ports.ts";
import type { Receivers } from "./receivers.ts";
import { percentile, startReceivers } from "./receivers.ts";
import type { Rig } from "./rig.ts";
import { startRig } from "./rig.ts";

const wallMs = () => performance.timeOrigin + performance.now();

/** Counts ended deliveries, and resolves when there are enough. */
class Ends {
  #ends = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #resolve = () => {};
  readonly byEnd = new Map<string, number>();

  count(end: string): void {
    this.#ends++;
    this.byEnd.set(end, (this.byEnd.get(end) ?? 0) + 1);
    if (this.#ends >= this.#wanted) this.#resolve();
  }

  reach(count: number): Promise<void> {
    this.#wanted = count;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (this.#ends >= count) resolve();
    });
  }
}

interface Flip {
  /** From the tick's report to each arrival, ms. */
  readonly arrivedMs: readonly number[];
  readonly cpuS: number;
  readonly takenMs: number;
  readonly ends: ReadonlyMap<string, number>;
  readonly received: number;
  readonly distinct: number;
}

interface FlipOptions {
  readonly clusters: number;
  readonly urlOf: (index: number) => string;
  /** Deliveries to wait for. */
  readonly expected: number;
  /** Clusters whose arrivals count. */
  readonly counts?: (index: number) => boolean;
  /** More ticks follow: what did not get its turn is claimed anew at one. */
  readonly goesOn?: boolean;
}

/** All clusters' alarms go to alarm at one tick. */
async function flip(receivers: Receivers, options: FlipOptions): Promise<Flip> {
  const { clusters, urlOf, expected, counts = () => true, goesOn = false } = options;
  const ends = new Ends();
  const counted = new Set<string>();
  const rig: Rig = await startRig({
    clusters,
    urlOf: (clusterId) => urlOf(Number(clusterId.slice("cluster-".length))),
    isControl: true,
    onDecision(clusterId, decision) {
      if (decision.d === "end") ends.count(decision.end);
      if (decision.d === "send" && counts(Number(clusterId.slice("cluster-".length)))) counted.add(decision.delivery);
    },
  });
  rig.tick(1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const done = ends.reach(expected);
  const cpu = process.cpuUsage();
  const startedMs = wallMs();
  rig.tick(9);
  const ticking = setInterval(() => (goesOn ? rig.tick(9) : undefined), 1000);
  await done;
  clearInterval(ticking);
  const takenMs = wallMs() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const arrivals = await receivers.arrivals();
  await rig[Symbol.asyncDispose]();
  return {
    arrivedMs: arrivals.filter(([id]) => counted.has(id)).map(([, atMs]) => atMs - startedMs),
    cpuS: (user + system) / 1e6,
    takenMs,
    ends: ends.byEnd,
    received: arrivals.length,
    distinct: new Set(arrivals.map(([id]) => id)).size,
  };
}

/** How undici is used: by a client for each request, which is the quickest way, or as most do, through an agent. */
type Way = "client" | "agent";

/** As many POSTs of the same size by undici alone, each on a fresh connection. Returns seconds of CPU. */
async function bare(receivers: Receivers, way: Way, count: number, origins: number): Promise<number> {
  const body = Buffer.alloc(318, "x");
  const agent = new Agent({ allowH2: false });
  const cpu = process.cpuUsage();
  let next = 0;
  const work = async () => {
    for (let n = next++; n < count; n = next++) {
      const origin = receivers.originOf(n % origins);
      const headers = { "webhook-id": `bare-${n}`, "content-type": "application/json" };
      const dispatcher = way === "agent" ? agent : new Client(origin, { pipelining: 0, allowH2: false });
      const answer = await dispatcher.request({ origin, method: "POST", path: "/hook", headers, body, reset: true });
      await answer.body.dump();
    }
  };
  await Promise.all(Array.from({ length: 1024 }, work));
  const { user, system } = process.cpuUsage(cpu);
  await receivers.arrivals();
  await agent.close();
  return (user + system) / 1e6;
}

const line = (ms: readonly number[]) =>
  `p50 ${percentile(ms, 50).toFixed(0)} ms, p99 ${percentile(ms, 99).toFixed(0)} ms`;
const shown = (ends: ReadonlyMap<string, number>) => [...ends].map(([end, count]) => `${end} ${count}`).join(", ");

/** Alarms of 2,000 clusters flip at one tick, over 500 origins. */
export async function benchFlip(): Promise<void> {
  await using receivers = await startReceivers();
  const [clusters, origins] = [2000, 500];
  const urlOf = (index: number) => `${receivers.originOf(index % origins)}/hook`;
  // Once to warm up, for both.
  await flip(receivers, { clusters: 500, urlOf, expected: 500 });
  await bare(receivers, "client", 500, origins);
  await bare(receivers, "agent", 500, origins);
  const ratios: number[] = [];
  console.log(`${clusters} alarms of ${clusters} clusters flip in one tick, ${origins} origins, durable ledger on`);
  for (let turn = 0; turn < 3; turn++) {
    const ours = await flip(receivers, { clusters, urlOf, expected: clusters });
    const rate = clusters / ours.cpuS;
    const byClient = clusters / (await bare(receivers, "client", clusters, origins));
    const byAgent = clusters / (await bare(receivers, "agent", clusters, origins));
    ratios.push(rate / byClient);
    console.log(
      `  received ${ours.received}, distinct ${ours.distinct} (${shown(ours.ends)})   tick → arrival ${line(ours.arrivedMs)}   ` +
        `${rate.toFixed(0)} POST/CPU-s   bare undici: clients ${byClient.toFixed(0)}, ratio ${(rate / byClient).toFixed(2)}; ` +
        `an agent ${byAgent.toFixed(0)}, ratio ${(rate / byAgent).toFixed(2)}`,
    );
  }
  console.log(`  median ratio to clients ${percentile(ratios, 50).toFixed(2)} (aim: 0.60)`);
}

/** One origin that answers after a second, for 1,000 clusters. */
export async function benchShared(): Promise<void> {
  await using receivers = await startReceivers();
  const urlOf = () => `${receivers.originOf(0)}/slow/1000`;
  const shared = await flip(receivers, { clusters: 1000, urlOf, expected: 1000, goesOn: true });
  console.log("one origin for 1000 clusters, 1 s for each answer");
  console.log(
    `  received ${shared.received}, distinct ${shared.distinct} (${shown(shared.ends)}) in ${(shared.takenMs / 1000).toFixed(1)} s; ` +
      `${(1000 / 32).toFixed(1)} s is the least for 32 at a time`,
  );
}

/** A hundred receivers hang among a thousand. */
export async function benchHung(): Promise<void> {
  await using receivers = await startReceivers();
  const hangs = (index: number) => index % 10 === 0;
  const urlOf = (index: number) => `${receivers.originOf(index)}/hook`;
  const hungUrl = (index: number) => `${receivers.originOf(index)}/${hangs(index) ? "hang" : "hook"}`;
  const counts = (index: number) => !hangs(index);
  await flip(receivers, { clusters: 1000, urlOf, expected: 1000 });
  console.log("100 hung receivers among 1000: arrival at the other 900");
  for (let turn = 0; turn < 3; turn++) {
    const well = await flip(receivers, { clusters: 1000, urlOf, expected: 1000, counts });
    const hung = await flip(receivers, { clusters: 1000, urlOf: hungUrl, expected: 900, counts });
    const ratio = percentile(hung.arrivedMs, 99) / percentile(well.arrivedMs, 99);
    console.log(
      `  none hung: ${line(well.arrivedMs)}   100 hung: ${line(hung.arrivedMs)} (${hung.arrivedMs.length} arrived)   ` +
        `ratio of p99 ${ratio.toFixed(2)} (aim: 1.2)`,
    );
  }
}

/** Every commit takes half a second longer: nothing may arrive before its commit is durable. */
export async function benchSlowDisk(): Promise<void> {
  await using receivers = await startReceivers();
  const clusters = 100;
  const durableMs = new Map<string, number>();
  const wrapLedger = (ledger: Ledger): Ledger => ({
    ...ledger,
    async commit(commit) {
      await ledger.commit(commit);
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (const decision of commit.decisions) if (decision.d === "send") durableMs.set(decision.delivery, wallMs());
    },
  });
  const rig = await startRig({
    clusters,
    urlOf: (id) => `${receivers.originOf(Number(id.slice("cluster-".length)))}/hook`,
    isControl: false,
    wrapLedger,
  });
  const lateMs: number[] = [];
  const startedMs = performance.now();
  for (let tick = 0; tick < 10; tick++) {
    const dueMs = startedMs + 1000 * tick;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    lateMs.push(performance.now() - dueMs);
    rig.tick(tick % 2 === 0 ? 1 : 9);
  }
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const arrivals = await receivers.arrivals();
  const early = arrivals.filter(([id, atMs]) => atMs < (durableMs.get(id) ?? Number.POSITIVE_INFINITY)).length;
  await rig[Symbol.asyncDispose]();
  console.log(`every commit 500 ms longer, ${clusters} clusters that flip every second for 10 s`);
  console.log(`  received ${arrivals.length}, sent before durable ${early}; ticks late by ${line(lateMs)}`);
}
