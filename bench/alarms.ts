/**
 * How many alarms are judged in a second of CPU: 50,000 mixed alarms over 50,000 clusters, ticks of 10 s. Baseline of
 * the same run: the same ticks folded into the same clusters without any alarm. What is charged to the alarms is all
 * that the alarms add, rings and windows included; only alarms that were really judged are counted.
 */

import type { ClusterState } from "../src/evaluator/cluster.ts";
import { emptyCluster } from "../src/evaluator/cluster.ts";
import { fold } from "../src/evaluator/fold.ts";
import type { Alarm, ClusterRules, Comparison, Statistic, ThresholdRule } from "../src/model/alarm.ts";
import type { SealedTick } from "../src/model/tick.ts";

const CLUSTERS = 50_000;
const INTERVAL_S = 10;
/** Ticks until the longest windows have filled. */
const WARM_TICKS = 95;
const TICKS = 30;
/** Longest stretch between two looks at the event loop, as the service itself keeps it. */
const TURN_MS = 4;

export const SESSIONS = "network.services.lb.active.connections";
const RATE = "network.services.lb.incoming.bytes.rate";
export const BYTES = "network.services.lb.incoming.bytes";
export const PERIODS_S = [30, 60, 120, 180, 300, 600, 900] as const;
const STATISTICS: readonly Statistic[] = ["avg", "max", "min", "sum", "count", "p95"];
const COMPARISONS: readonly Comparison[] = ["lt", "le", "eq", "ne", "ge", "gt"];

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

function ruleOf(index: number, periodsS: readonly number[]): ThresholdRule {
  const periodS = pick(periodsS, index);
  const evaluationPeriods = periodS > 300 ? 1 : 1 + (index % 3);
  const threshold = 400 + (index % 200);
  return {
    kind: "threshold",
    meterName: index % 4 === 0 ? RATE : SESSIONS,
    statistic: pick(STATISTICS, Math.floor(index / 7)),
    per: "total",
    periodS,
    evaluationPeriods,
    datapointsToAlarm: evaluationPeriods,
    threshold,
    clearThreshold: threshold,
    comparison: pick(COMPARISONS, Math.floor(index / 42)),
    treatMissingData: "missing",
    excludeOutliers: false,
  };
}

export function alarmOf(index: number, periodsS: readonly number[] = PERIODS_S): Alarm {
  // One in twenty is a composite of two.
  const composite = index % 20 === 0;
  const leaf = (seed: number) => ({ op: "rule" as const, rule: ruleOf(seed, periodsS), written: {} });
  return {
    id: `alarm-${index}`,
    name: `alarm-${index}`,
    description: "",
    type: composite ? "composite" : "threshold",
    severity: "low",
    enabled: true,
    rule: composite
      ? { kind: "composite", expression: { op: "and", parts: [leaf(index), leaf(index + 1)] } }
      : ruleOf(index, periodsS),
    timeConstraints: [],
    suppressedBy: [],
    repeatActions: false,
    repeatIntervalS: 60,
    repeatStates: ["alarm"],
    maxRepeats: undefined,
    actions: { ok: [], alarm: [], "insufficient data": [] },
  };
}

export function rulesOf(cluster: number, alarms: readonly Alarm[]): ClusterRules {
  return {
    clusterId: `cluster-${cluster}`,
    clusterName: `cluster-${cluster}`,
    file: "bench.yaml",
    rows: [],
    expect: 0,
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms,
  };
}

function clustersWith(alarmsOf: (cluster: number) => readonly Alarm[], count: number): ClusterState[] {
  return Array.from({ length: count }, (_, index) => {
    const cluster = emptyCluster(`cluster-${index}`);
    fold(cluster, { kind: "command", command: "rules", rules: rulesOf(index, alarmsOf(index)) });
    return cluster;
  });
}

/** Loads that rise and fall over a quarter of an hour and more, as loads do: an alarm changes its state now and then. */
export const LOADS = Array.from({ length: 360 }, (_, step) => ({
  [SESSIONS]: 500 + Math.round(200 * Math.sin((2 * Math.PI * step) / 360)),
  [RATE]: 500 + 200 * Math.sin((2 * Math.PI * step) / 360),
}));
const SOURCES = [{ name: "s", coveredS: INTERVAL_S, moved: true as const, pid: 1 }];

function tickOf(cluster: number, number: number): SealedTick {
  const load = LOADS[(cluster * 31 + number) % LOADS.length] ?? {};
  const values = { ...load, [BYTES]: number * 5000 };
  return { kind: "tick", number, at: number * INTERVAL_S * 1000, values, sources: SOURCES, members: [] };
}

interface Pass {
  readonly cpuS: number;
  readonly wallMs: number;
  /** Longest stretch without a look at the event loop. */
  readonly longestMs: number;
  readonly transitions: number;
}

/** One tick of all clusters, in turns as the service takes them. */
async function pass(clusters: readonly ClusterState[], number: number): Promise<Pass> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let longestMs = 0;
  let transitions = 0;
  let turn = performance.now();
  for (let index = 0; index < clusters.length; index++) {
    const cluster = clusters[index];
    if (cluster) transitions += fold(cluster, tickOf(index, number)).decisions.length;
    const held = performance.now() - turn;
    if (held < TURN_MS) continue;
    longestMs = Math.max(longestMs, held);
    await new Promise<void>((resolve) => setImmediate(resolve));
    turn = performance.now();
  }
  const { user, system } = process.cpuUsage(cpu);
  return { cpuS: (user + system) / 1e6, wallMs: performance.now() - begun, longestMs, transitions };
}

function judgedIn(clusters: readonly ClusterState[]): number {
  let judged = 0;
  for (const { alarms } of clusters) {
    for (const { verdict } of alarms.values()) if (verdict.kind !== "unknown" && verdict.kind !== "stopped") judged++;
  }
  return judged;
}

export const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
export const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
const ms = (seconds: number) => (seconds * 1000).toFixed(1);

/** Folds until the longest windows have filled. */
async function warm(clusters: readonly ClusterState[], ticks: number): Promise<void> {
  for (let number = 1; number <= ticks; number++) await pass(clusters, number);
}

/** 50,000 mixed alarms, one for each cluster. */
export async function benchAlarms(): Promise<void> {
  const before = process.memoryUsage.rss();
  const full = clustersWith((index) => [alarmOf(index)], CLUSTERS);
  await warm(full, WARM_TICKS);
  const rss = process.memoryUsage.rss();
  const { heapUsed, external } = process.memoryUsage();
  const bare = clustersWith(() => [], CLUSTERS);
  await warm(bare, WARM_TICKS);
  const passes: { bare: Pass; full: Pass; judged: number }[] = [];
  for (let number = WARM_TICKS + 1; number <= WARM_TICKS + TICKS; number++) {
    // By turns, so that a busy machine is unkind to both.
    passes.push({ bare: await pass(bare, number), full: await pass(full, number), judged: judgedIn(full) });
  }
  const judged = median(passes.map((one) => one.judged));
  const bareS = median(passes.map((one) => one.bare.cpuS));
  const fullS = median(passes.map((one) => one.full.cpuS));
  const addedS = fullS - bareS;
  const turns = passes.map((one) => one.full.longestMs);
  console.log(`alarms: ${CLUSTERS} in ${CLUSTERS} clusters, ${judged} judged in each pass; medians of ${TICKS} passes`);
  console.log(`  transitions        ${median(passes.map((one) => one.full.transitions))} in each pass`);
  console.log(
    `  CPU of a pass      ${ms(fullS)} ms, without alarms ${ms(bareS)} ms, ratio ${(fullS / bareS).toFixed(2)}`,
  );
  console.log(
    `  alarms per CPU-s   ${(judged / addedS / 1e6).toFixed(2)} M (aim 2), ${((addedS / judged) * 1e9).toFixed(0)} ns each`,
  );
  console.log(`  the alarms' part   ${ms(addedS)} ms of a pass (aim 25)`);
  console.log(
    `  longest turn       median ${median(turns).toFixed(1)} ms, most ${Math.max(...turns).toFixed(1)} ms (aim 10)`,
  );
  console.log(
    `  RSS                ${mib(rss)} MiB with series (aim 300), ${mib(before)} before them; ` +
      `of it in use ${mib(heapUsed + external)}`,
  );
  await benchInCache();
}

/** What an alarm adds where all clusters fit into the processor's cache: what the arithmetic takes, without the memory. */
async function benchInCache(): Promise<void> {
  const few = 500;
  const full = clustersWith((index) => [alarmOf(index)], few);
  const bare = clustersWith(() => [], few);
  const rounds = 400;
  let [fullS, bareS] = [0, 0];
  for (let number = 1; number <= WARM_TICKS + rounds; number++) {
    const [one, other] = [await pass(full, number), await pass(bare, number)];
    if (number <= WARM_TICKS) continue;
    fullS += one.cpuS;
    bareS += other.cpuS;
  }
  const rate = (few * rounds) / (fullS - bareS);
  console.log(
    `  of ${few} clusters   ${(rate / 1e6).toFixed(2)} M alarms per CPU-s: these fit into the processor's cache`,
  );
}

/** A million alarms: twenty for each cluster, over periods of up to two minutes, so that they have filled soon. */
export async function benchMillion(): Promise<void> {
  const perCluster = 20;
  const warmTicks = 40;
  const clusters = clustersWith(
    (index) => Array.from({ length: perCluster }, (_, one) => alarmOf(index * perCluster + one, PERIODS_S.slice(0, 3))),
    CLUSTERS,
  );
  await warm(clusters, warmTicks);
  const passes: Pass[] = [];
  for (let number = warmTicks + 1; number <= warmTicks + 5; number++) passes.push(await pass(clusters, number));
  const cpuS = median(passes.map((one) => one.cpuS));
  console.log(`alarms: ${judgedIn(clusters)} in ${CLUSTERS} clusters, a tick of ${INTERVAL_S} s; median of 5 passes`);
  console.log(
    `  CPU of a pass      ${cpuS.toFixed(2)} s, ${((100 * cpuS) / INTERVAL_S).toFixed(0)} % of a core (aim 50)`,
  );
  console.log(`  RSS                ${mib(process.memoryUsage.rss())} MiB`);
}
