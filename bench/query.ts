/**
 * What a query over kept series costs: 3,000 series of rows and those of their clusters over 24 h at 10 s in the embedded
 * store, random series asked one after the other. Baseline of the same run: the statements alone that find the same
 * stored rows, nothing of them unpacked.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSqlite } from "../src/backend/sqlite/backend.ts";
import { openSqliteReader } from "../src/backend/sqlite/reader.ts";
import type { MetricQuery } from "../src/model/metricQuery.ts";
import type { RowSample, SealedTick } from "../src/model/tick.ts";
import { answerQuery } from "../src/query/answer.ts";
import type { RowRecord, SampleStore, TickRecord } from "../src/seriesPorts.ts";
import { COUNTERS, GAUGES, LB } from "./keptMeters.ts";

const CLUSTERS = 10;
const ROWS_EACH = 20;
const INTERVAL_MS = 10_000;
const TICKS = 8640;
const TICKS_AT_ONCE = 60;
/** Filling ends after so long, however far it is. */
const FILL_MS = 40_000;
/** To look at the clock of the CPU costs as much as some statements: it is looked at once for so many queries. */
const EACH = 10;
const GROUPS = 40;
const FIRST_NUMBER = 180_000_000;

/** Six counters with their rates, two gauges and a mean. */
const METERS = [...COUNTERS.flatMap((name) => [name, `${name}.rate`]), ...GAUGES, "response.time"];

const clusterOf = (index: number) => `svc${index}`;
const resourceOf = (cluster: number, row: number) =>
  `svc${cluster}_${row >> 1}/${row % 2 === 0 ? "FRONTEND" : "BACKEND"}`;
const pick = (count: number) => Math.floor(Math.random() * count);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const named = <T>(names: readonly string[], of: (name: string) => T) =>
  Object.fromEntries(names.map((name) => [`${LB}.${name}`, of(name)]));

function rowOf(cluster: number, row: number, tick: number): RowSample {
  const load = 500 + Math.round(200 * Math.sin((tick + 37 * row) / 60)) + pick(20);
  return {
    resource: resourceOf(cluster, row),
    kind: row % 2 === 0 ? "frontend" : "backend",
    increases: named(COUNTERS, (name) => load * name.length),
    sums: named(GAUGES, (name) => load - name.length),
    means: named(["response.time"], () => ({ sum: load * 12.5, weight: load })),
  };
}

function recordsOf(
  cluster: number,
  tick: number,
  totals: Record<string, number>,
): { rows: RowRecord; ticks: TickRecord } {
  const clusterId = clusterOf(cluster);
  const number = FIRST_NUMBER + tick;
  const at = number * INTERVAL_MS;
  const rows = Array.from({ length: ROWS_EACH }, (_, row) => rowOf(cluster, row, tick));
  const coveredS = INTERVAL_MS / 1000;
  const values: Record<string, number> = {};
  for (const name of COUNTERS.map((one) => `${LB}.${one}`)) {
    const grown = rows.reduce((sum, row) => sum + (row.increases[name] ?? 0), 0);
    totals[name] = (totals[name] ?? 0) + grown;
    values[name] = totals[name];
    values[`${name}.rate`] = grown / coveredS;
  }
  for (const name of GAUGES.map((one) => `${LB}.${one}`))
    values[name] = rows.reduce((sum, row) => sum + (row.sums[name] ?? 0), 0);
  values[`${LB}.response.time`] = 12.5;
  const sealed: SealedTick = {
    kind: "tick",
    number,
    at,
    values,
    sources: [{ name: "big", coveredS, pid: 1 }],
    members: [],
  };
  return {
    rows: { clusterId, source: "big", tick: { number, at }, coveredS, rows },
    ticks: { clusterId, seq: tick + 1, tick: sealed, baselines: {} },
  };
}

/** Fills the store in large batches and keeps it up. Returns the number of the last tick. */
async function fill(store: SampleStore): Promise<number> {
  const begun = performance.now();
  const totals = Array.from({ length: CLUSTERS }, () => ({}));
  let tick = 0;
  while (tick < TICKS && performance.now() - begun < FILL_MS) {
    const batch = Array.from({ length: TICKS_AT_ONCE }, (_, index) =>
      totals.map((own, cluster) => recordsOf(cluster, tick + index, own)),
    ).flat();
    await Promise.all([store.putRows(batch.map(({ rows }) => rows)), ...batch.map(({ ticks }) => store.put(ticks))]);
    tick += TICKS_AT_ONCE;
  }
  const filledMs = performance.now() - begun;
  const last = FIRST_NUMBER + tick - 1;
  let bytes = 0;
  for (let more = true; more; ) ({ more, bytes } = await store.keep(last * INTERVAL_MS));
  const keptS = (performance.now() - begun - filledMs) / 1000;
  console.log(
    `query: ${CLUSTERS * ROWS_EACH * METERS.length} series of rows and ${CLUSTERS * METERS.length} of clusters, ` +
      `${((tick * INTERVAL_MS) / 3_600_000).toFixed(1)} h at ${INTERVAL_MS / 1000} s; filled in ${(filledMs / 1000).toFixed(0)} s, ` +
      `kept up in ${keptS.toFixed(0)} s, ${Math.round(bytes / 1024 / 1024)} MiB`,
  );
  return last;
}

interface Question {
  readonly name: string;
  readonly aimMs: number;
  readonly spanMs: number;
  readonly periodS: number;
  readonly statistic: "avg" | "max";
  readonly windows: number;
}

const QUESTIONS: readonly Question[] = [
  { name: "60 s means of 10 min", aimMs: 1, spanMs: 600_000, periodS: 60, statistic: "avg", windows: 10 },
  { name: "max over 1 h for 24 h", aimMs: 5, spanMs: 86_400_000, periodS: 3600, statistic: "max", windows: 24 },
];

interface Asked {
  readonly cluster: number;
  readonly resource: string | undefined;
  readonly to: number;
}

/** CPU of one piece of work, ms. */
async function cpuMs(work: () => unknown): Promise<number> {
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1000;
}

/** Only what finds the stored rows. */
function bareStatements(folder: string): (question: Question, asked: Asked, isRolledUp: boolean) => number {
  const database = new DatabaseSync(join(folder, "metrics.db"), { readOnly: true });
  const tick = database.prepare("SELECT * FROM tick WHERE number = ? AND cluster = ?");
  const answer = database.prepare("SELECT * FROM answer WHERE number = ? AND cluster = ?");
  const rollups = {
    cluster: database.prepare("SELECT id, doc FROM cluster_rollup WHERE id BETWEEN ? AND ?"),
    row: database.prepare("SELECT id, doc FROM row_rollup WHERE id BETWEEN ? AND ?"),
  };
  for (const one of [tick, answer, rollups.cluster, rollups.row]) one.setReturnArrays(true);
  const idOf = database.prepare("SELECT id FROM cluster WHERE cluster_id = ?");
  const seriesOf = database.prepare("SELECT series FROM resource WHERE cluster = ? AND name = ?");
  return ({ spanMs }, { cluster, resource, to }, isRolledUp) => {
    const id = Number(idOf.get(clusterOf(cluster))?.id);
    const from = to - spanMs;
    if (isRolledUp) {
      const series = resource === undefined ? id : Number(seriesOf.get(id, resource)?.series);
      const base = series * 2 ** 24;
      return rollups[resource === undefined ? "cluster" : "row"].all(base + from / 300_000 + 1, base + to / 300_000)
        .length;
    }
    let found = 0;
    for (let number = from / INTERVAL_MS + 1; number <= to / INTERVAL_MS; number++) {
      found += (resource === undefined ? tick : answer).all(number, id).length;
    }
    return found;
  };
}

export async function benchQuery(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-query-"));
  const { store, ledger } = await openSqlite(folder);
  const last = await fill(store);
  const reader = openSqliteReader(folder);
  const bare = bareStatements(folder);
  const end = Math.floor((last * INTERVAL_MS) / 3_600_000) * 3_600_000;
  // How far back a query of ten minutes may end.
  const minutes = Math.min(600, (end - FIRST_NUMBER * INTERVAL_MS) / 60_000 - 20);
  for (const question of QUESTIONS) {
    for (const what of ["row", "cluster"] as const) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      let [resolution, found] = ["", 0];
      for (let group = 0; group < GROUPS + 3; group++) {
        const asked = Array.from({ length: EACH }, (): Asked => {
          const cluster = pick(CLUSTERS);
          const resource = what === "row" ? resourceOf(cluster, pick(ROWS_EACH)) : undefined;
          return {
            cluster,
            resource,
            to: question.spanMs > 3_600_000 ? end : end - 60_000 * pick(Math.max(1, minutes)),
          };
        });
        const spent = await cpuMs(async () => {
          for (const { cluster, resource, to } of asked) {
            const { periodS, statistic } = question;
            const own: MetricQuery = {
              meterName: `${LB}.${METERS[pick(METERS.length)]}`,
              cluster: clusterOf(cluster),
              from: to - question.spanMs,
              to,
              periodS,
              statistic,
              ...(resource === undefined ? {} : { resource }),
            };
            const answer = await answerQuery(own, reader, { intervalMs: INTERVAL_MS, names: new Map() });
            resolution = answer.resolution;
            const points = answer.series[0]?.points ?? [];
            const valued = points.filter(({ value }) => value !== null).length;
            if (answer.series.length !== 1 || points.length !== question.windows || valued === 0)
              throw new Error(`${answer.series.length} series, ${points.length} windows, ${valued} with a value`);
          }
        });
        const bareSpent = await cpuMs(() => {
          for (const one of asked) found = bare(question, one, resolution === "rollup");
        });
        if (group < 3) continue;
        ours.push(spent / EACH);
        theirs.push(bareSpent / EACH);
      }
      const mean = ours.reduce((sum, one) => sum + one, 0) / ours.length;
      const ratio = median(ours.map((one, index) => one / (theirs[index] ?? 1)));
      console.log(
        `  ${`${question.name}, a ${what}`.padEnd(32)} ${median(ours).toFixed(2)} CPU-ms (aim ${question.aimMs}), mean ${mean.toFixed(2)}, ` +
          `bare SQL of ${found} stored rows ${median(theirs).toFixed(2)}, ratio ${ratio.toFixed(1)}; from ${resolution}s`,
      );
      const figures = {
        queries: GROUPS * EACH,
        cpuMs: median(ours),
        meanMs: mean,
        bareMs: median(theirs),
        ratio,
        resolution,
      };
      console.log(JSON.stringify({ bench: "query", question: question.name, what, ...figures }));
    }
  }
  await reader.close();
  await store.close();
  await ledger.close();
  rmSync(folder, { recursive: true, force: true });
}
