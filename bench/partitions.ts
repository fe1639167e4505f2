/**
 * What partitions cost an engine. Evaluators as an engine has them, one for each partition, each with a bus of its own;
 * ticks go with commits, one a minute for each cluster, to a ledger that keeps nothing.
 */

import { createMemoryBus } from "../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../src/backend/memory/ledger.ts";
import { encodeCommit } from "../src/backend/nats/log/codec.ts";
import { Evaluator } from "../src/evaluator/evaluator.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import { partitionOf } from "../src/lib/partition.ts";
import type { ClusterSlice, ScrapeReport } from "../src/model/tick.ts";
import type { Commit, Ledger, SampleBus } from "../src/ports.ts";
import { alarmOf, BYTES, LOADS, median, mib, PERIODS_S, rulesOf, SESSIONS } from "./alarms.ts";

const INTERVAL_MS = 10_000;
/** Of a day in the bus's time. */
const FIRST = 179_000_000;
const ALARMS = 10;
/** Clusters in one source's answer. */
const SOURCE = 500;
const TICKS_PER_COMMIT = 6;
/** Until windows of up to a minute, three of them, have filled. */
const WARM_TICKS = 22;

const PROCESS = { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" };

interface Engine {
  readonly partitions: number;
  /** One tick of all clusters. Resolves with the CPU that it took, seconds. */
  tick(number: number): Promise<number>;
  readonly clusters: number;
  judged(): number;
  /** Told of every commit. */
  onCommit: (commit: Commit) => void;
}

async function startEngine(clusters: number, partitions: number): Promise<Engine> {
  const parts = await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const indexes = Array.from({ length: clusters }, (_, index) => index).filter(
        (index) => partitionOf(idOf(index), partitions) === partition,
      );
      const bus = createMemoryBus();
      const ledger: Ledger = {
        ...createMemoryLedger(),
        commit: async (commit) => engine.onCommit(commit),
      };
      const evaluator = new Evaluator({
        clock: systemClock,
        log: silentLogger,
        bus,
        ledger,
        dispatcher: { dispatch() {}, cancel() {} },
        intervalMs: INTERVAL_MS,
        evaluationDelayMs: 60_000,
        ticksPerCommit: TICKS_PER_COMMIT,
      });
      return { bus, evaluator, indexes };
    }),
  );
  const engine: Engine = {
    partitions,
    clusters,
    onCommit: () => {},
    judged() {
      const all = parts.flatMap(({ evaluator }) => evaluator.clusters());
      return all.reduce((sum, { alarms }) => {
        return (
          sum + [...alarms.values()].filter(({ verdict: { kind } }) => kind !== "unknown" && kind !== "stopped").length
        );
      }, 0);
    },
    async tick(number) {
      // What agents and the wire take is measured elsewhere.
      const reports = parts.map(({ indexes }) => reportsOf(indexes, number));
      const cpu = process.cpuUsage();
      for (const [n, { bus, evaluator }] of parts.entries()) {
        evaluator.openTick({ number, at: number * INTERVAL_MS });
        publish(bus, reports[n] ?? []);
      }
      const isFolded = () => parts.every(({ evaluator }) => evaluator.clusters().at(-1)?.tick === number);
      // The last cluster of each is folded last.
      while (!isFolded()) await new Promise((resolve) => setTimeout(resolve, 5));
      const { user, system } = process.cpuUsage(cpu);
      return (user + system) / 1e6;
    },
  };
  for (const { evaluator, indexes } of parts) {
    const rules = indexes.map((index) =>
      rulesOf(
        index,
        Array.from({ length: ALARMS }, (_, one) => alarmOf(index * ALARMS + one, PERIODS_S.slice(0, 2))),
      ),
    );
    const start = { kind: "start", number: FIRST, at: FIRST * INTERVAL_MS, intervalMs: INTERVAL_MS } as const;
    await evaluator.start(rules, start, () => true);
  }
  return engine;
}

function publish(bus: SampleBus, reports: readonly ScrapeReport[]): void {
  for (const report of reports) bus.publish(report);
}

function idOf(index: number): string {
  return `cluster-${index}`;
}

function reportsOf(indexes: readonly number[], number: number): ScrapeReport[] {
  const at = number * INTERVAL_MS;
  const bySource = Map.groupBy(indexes, (index) => Math.floor(index / SOURCE));
  return [...bySource].map(([source, own]) => ({
    tick: { number, at },
    source: `s${source}`,
    durationMs: 1,
    outcome: { ok: true, slices: own.map((index) => sliceOf(index, number, at)) },
  }));
}

function sliceOf(index: number, number: number, at: number): ClusterSlice {
  const sessions = LOADS[(index * 31 + number) % LOADS.length]?.[SESSIONS] ?? 0;
  return {
    clusterId: idOf(index),
    coveredS: INTERVAL_MS / 1000,
    increases: { [BYTES]: 50_000 },
    sums: { [SESSIONS]: sessions },
    means: {},
    members: {},
    reload: false,
    gap: false,
    open: true,
    moved: true,
    baseline: { process: PROCESS, at, open: true, rows: "" },
  };
}

const ROUNDS = 16;
const FEW = 2000;

/** The cost of an alarm at one, two, four and eight partitions, tick by tick by turns. */
export async function benchPartitions(): Promise<void> {
  const engines: Engine[] = [];
  for (const partitions of [1, 2, 4, 8]) engines.push(await startEngine(FEW, partitions));
  const costs = engines.map(() => [] as number[]);
  for (let tick = 1; tick <= WARM_TICKS + ROUNDS; tick++) {
    for (let turn = 0; turn < engines.length; turn++) {
      // Each comes first as often as any other.
      const n = (turn + tick) % engines.length;
      const cpuS = await engines[n]?.tick(FIRST + tick);
      if (tick > WARM_TICKS && cpuS !== undefined) costs[n]?.push(cpuS);
    }
  }
  const alarms = FEW * ALARMS;
  const ratios = (costs[0] ?? []).map((one, tick) => costs.map((own) => (own[tick] ?? 0) / one));
  console.log(`partitions: ${alarms} alarms in ${FEW} clusters, commits included; medians of ${ROUNDS} ticks by turns`);
  for (const [n, { partitions, judged }] of engines.entries()) {
    const cpuS = median(costs[n] ?? []);
    const ratio = median(ratios.map((own) => own[n] ?? 0));
    console.log(
      `  ${String(partitions).padStart(2)} partitions      ${((cpuS / alarms) * 1e9).toFixed(0)} ns for an alarm, ` +
        `ratio to one ${ratio.toFixed(3)} (aim 0.9 to 1.1), ${judged()} judged`,
    );
  }
}

const MANY = 100_000;

/** A million alarms over 100,000 clusters in one engine of 32 partitions. */
export async function benchEngine(): Promise<void> {
  const partitions = 32;
  const before = process.memoryUsage.rss();
  const engine = await startEngine(MANY, partitions);
  let commits = 0;
  let bytes = 0;
  engine.onCommit = () => void commits++;
  for (let tick = 1; tick <= WARM_TICKS; tick++) await engine.tick(FIRST + tick);
  const plain: number[] = [];
  const encoded: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const number = FIRST + WARM_TICKS + 2 * round;
    engine.onCommit = () => void commits++;
    plain.push(await engine.tick(number - 1));
    commits = 0;
    engine.onCommit = (commit) => {
      commits++;
      bytes += encodeCommit(commit)?.length ?? 0;
    };
    bytes = 0;
    encoded.push(await engine.tick(number));
  }
  const [plainS, encodedS] = [median(plain), median(encoded)];
  const share = (cpuS: number) => `${((100 * cpuS * 1000) / INTERVAL_MS).toFixed(0)} % of a core`;
  console.log(`engine: ${engine.judged()} alarms judged in ${MANY} clusters, ${partitions} partitions, a tick of 10 s`);
  console.log(
    `  CPU of a tick      ${plainS.toFixed(2)} s, ${share(plainS)} (aim 50); ${((plainS / MANY / ALARMS) * 1e9).toFixed(0)} ns for an alarm`,
  );
  console.log(
    `  and encoding       ${encodedS.toFixed(2)} s, ${share(encodedS)}: ${commits} commits of ${Math.round(bytes / commits)} bytes on the wire`,
  );
  console.log(`  RSS                ${mib(process.memoryUsage.rss())} MiB, ${mib(before)} before`);
}
