/**
 * What it costs to keep series in a real InfluxDB: encoding, spooling and writing rows through the store, per CPU-second of
 * this process, against posting the same bytes ready-made with undici in the same run; and how long a query takes: 60 s
 * means of an hour of one cluster.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { seriesKey, timeOf } from "../src/backend/influx/lineProtocol.ts";
import { createInfluxReader } from "../src/backend/influx/reader.ts";
import { ROWS, rowLine, rowTags } from "../src/backend/influx/rowPoints.ts";
import { openInfluxStore } from "../src/backend/influx/store.ts";
import { tickLine } from "../src/backend/influx/tickPoints.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { InfluxSettings } from "../src/model/influxSettings.ts";
import type { RowSample, SealedTick } from "../src/model/tick.ts";
import { answerQuery } from "../src/query/answer.ts";
import type { RowRecord, TickRecord } from "../src/seriesPorts.ts";
import { startInflux } from "../test/helpers/influxServer.ts";
import { COUNTERS, GAUGES, LB } from "./keptMeters.ts";

const CLUSTERS = 20;
const ROWS_EACH = 20;
const TICKS = 360;
const INTERVAL_MS = 10_000;
const FIRST = 177_000_000;
const QUERIES = 200;

const named = (names: readonly string[], of: (name: string) => number) =>
  Object.fromEntries(names.map((name) => [`${LB}.${name}`, of(name)]));

function rowsOf(cluster: number, tick: number): RowRecord {
  const rows = Array.from({ length: ROWS_EACH }, (_, n): RowSample => {
    const load = 500 + Math.round(200 * Math.sin((tick + 37 * n) / 60));
    return {
      resource: `svc${cluster}/${n}`,
      kind: "server",
      increases: named(COUNTERS, (name) => load * name.length),
      sums: named(GAUGES, (name) => load - name.length),
      means: { [`${LB}.response.time`]: { sum: load * 12.5, weight: load } },
    };
  });
  const number = FIRST + tick;
  return { clusterId: `svc${cluster}`, source: "big", tick: { number, at: number * INTERVAL_MS }, coveredS: 10, rows };
}

function tickOf(cluster: number, tick: number): TickRecord {
  const load = 500 + Math.round(200 * Math.sin((tick + 37 * cluster) / 60));
  const number = FIRST + tick;
  const sealed: SealedTick = {
    kind: "tick",
    number,
    at: number * INTERVAL_MS,
    values: {
      ...named(COUNTERS, (name) => tick * load * name.length),
      ...Object.fromEntries(COUNTERS.map((name) => [`${LB}.${name}.rate`, load / name.length])),
      ...named(GAUGES, (name) => load - name.length),
    },
    sources: [{ name: "big", coveredS: 10, pid: 1 }],
    members: [],
  };
  return { clusterId: `svc${cluster}`, seq: tick + 1, tick: sealed, baselines: {} };
}

/** CPU-seconds and seconds of a piece of work. */
async function spent(work: () => Promise<void>): Promise<{ readonly cpuS: number; readonly wallS: number }> {
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuS: (user + system) / 1e6, wallS: (performance.now() - begun) / 1000 };
}

export async function benchInflux(): Promise<void> {
  await using influxd = await startInflux();
  const folder = mkdtempSync(join(tmpdir(), "tocsin-influx-bench-"));
  const settings: InfluxSettings = {
    url: influxd.url,
    database: "ours",
    version: "auto",
    spoolBytes: 2 ** 30,
    batchLines: 5000,
    batchDelayMs: 250,
    timeoutMs: 30_000,
  };
  const retention = { clustersS: 1e9, rowsS: 1e9, rollupsS: 1e9, historyS: 1e9 };
  const options = { settings, environment: {}, clock: systemClock };
  const store = await openInfluxStore({ ...options, retention, folder, log: silentLogger });
  const ids = Array.from({ length: CLUSTERS }, (_, n) => n);
  const given = Array.from({ length: TICKS }, (_, tick) => ({
    ticks: ids.map((cluster) => tickOf(cluster, tick)),
    rows: ids.map((cluster) => rowsOf(cluster, tick)),
  }));
  const lines = TICKS * CLUSTERS * (1 + ROWS_EACH);
  const ours = await spent(async () => {
    for (const { ticks, rows } of given) {
      await Promise.all([...ticks.map((record) => store.put(record)), store.putRows(rows)]);
      if (store.spooled().lines > 50_000) await store.flush();
    }
    while (store.spooled().lines > 0) await store.flush();
  });
  const bare = await posted(influxd.url, batchesOf(given, settings.batchLines));
  const perS = ({ cpuS }: { cpuS: number }) => lines / cpuS;
  const mib = bare.bytes / 2 ** 20;
  console.log(
    `influx, writing ${lines} points (${Math.round(bare.bytes / lines)} B each, ${mib.toFixed(0)} MiB) in ${store.counts().requests} requests: ` +
      `ours ${Math.round(perS(ours))} points per CPU-second (${Math.round(lines / ours.wallS)} per second), ` +
      `undici with bytes ready-made ${Math.round(perS(bare))} (${Math.round(lines / bare.wallS)}): ${((100 * perS(ours)) / perS(bare)).toFixed(0)} %`,
  );
  const reader = createInfluxReader(options);
  const took: number[] = [];
  const cpu = await spent(async () => {
    for (let n = 0; n < QUERIES; n++) {
      const to = (FIRST + TICKS - 1) * INTERVAL_MS;
      const query = { meterName: `${LB}.active.connections`, cluster: `svc${n % CLUSTERS}`, from: to - 3_600_000, to };
      const begun = performance.now();
      const found = await answerQuery({ ...query, periodS: 60, statistic: "avg" }, reader, {
        intervalMs: INTERVAL_MS,
        names: new Map(),
      });
      took.push(performance.now() - begun);
      if ((found.series[0]?.points.length ?? 0) < 59) throw new Error("the answer lacks points");
    }
  });
  took.sort((a, b) => a - b);
  const at = (part: number) => (took[Math.floor(part * (took.length - 1))] ?? 0).toFixed(1);
  console.log(
    `influx, 60 s means of an hour of a cluster: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${((1000 * cpu.cpuS) / QUERIES).toFixed(1)} ms of CPU here`,
  );
  await reader.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}

function batchesOf(
  given: readonly { readonly ticks: readonly TickRecord[]; readonly rows: readonly RowRecord[] }[],
  most: number,
): readonly Buffer[] {
  const lines = given.flatMap(({ ticks, rows }) => [
    ...ticks.map(tickLine),
    ...rows.flatMap((record) =>
      record.rows.map((row) =>
        rowLine(
          record,
          row,
          seriesKey(ROWS, rowTags(record.clusterId, row.resource, record.source, row.kind)),
          timeOf(record.tick.at, record.tick.number),
        ),
      ),
    ),
  ]);
  const batches: Buffer[] = [];
  for (let n = 0; n < lines.length; n += most) batches.push(Buffer.from(lines.slice(n, n + most).join("\n")));
  return batches;
}

async function posted(url: string, batches: readonly Buffer[]) {
  const dispatcher = new Agent({ connections: 1 });
  await request(`${url}/query?q=CREATE%20DATABASE%20bare`, { method: "POST", dispatcher });
  const used = await spent(async () => {
    for (const body of batches) {
      const answer = await request(`${url}/write?db=bare&precision=ns`, { method: "POST", body, dispatcher });
      await answer.body.dump();
      if (answer.statusCode !== 204) throw new Error(`InfluxDB answered ${answer.statusCode}`);
    }
  });
  await dispatcher.close();
  return { ...used, bytes: batches.reduce((sum, { length }) => sum + length, 0) };
}
