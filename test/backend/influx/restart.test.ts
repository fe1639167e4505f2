import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { openInfluxStore } from "../../../src/backend/influx/store.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { silentLogger } from "../../../src/lib/log.ts";
import { QueryClient } from "../../../src/query/client.ts";
import type { TickRecord } from "../../../src/seriesPorts.ts";
import { runOutage } from "../../helpers/influxOutage.ts";
import { startInflux } from "../../helpers/influxServer.ts";
import { influxSettings, openInflux, RETENTION } from "../../helpers/influxStore.ts";
import { eventually, temporaryFolder } from "../../helpers/sockets.ts";

it("InfluxDB is killed under load and comes back: nothing is lost, and the fold beside goes on", async () => {
  await using influxd = await startInflux();
  const plan = { everyMs: 20, ticks: 80, killAt: 20, startAt: 60, clusters: 20, rowsEach: 5 };
  const { lost, put, spooled, decisions } = await runOutage(influxd, plan);
  expect({ lost, put }).toEqual({ lost: 0, put: 80 * 20 * 6 });
  expect(spooled).toBeGreaterThanOrEqual(40 * 20 * 6);
  expect(decisions).toBeGreaterThan(2);
});

it("a store that is away at the start stops nobody, and gets everything when it comes", async () => {
  await using influxd = await startInflux();
  await influxd.kill();
  await using opened = await openInflux(influxd.url);
  const record: TickRecord = {
    clusterId: "web",
    seq: 1,
    tick: { kind: "tick", number: 177_000_001, at: 1_770_000_010_000, values: {}, sources: [], members: [] },
    baselines: {},
  };
  await opened.store.put(record);
  expect(await opened.store.flush()).toBe(false);
  expect(opened.store.degraded()).toEqual([
    "the store of series cannot be written to: nobody listens there; 1 lines wait here",
  ]);
  expect(await opened.store.keep(1_770_000_300_000)).toMatchObject({ more: false, rolledUp: 0 });
  await influxd.start();
  await eventually("it is written", () => opened.store.spooled().lines === 0);
  expect(await opened.store.ticks("web", 0)).toEqual([record]);
});

it("a cluster that another process wrote before is rolled up over the change, as if one had written it", async () => {
  await using influxd = await startInflux();
  await using first = await openInflux(influxd.url);
  await using second = await openInflux(influxd.url, { database: first.settings.database });
  const BYTES = "network.services.lb.incoming.bytes";
  const start = 1_770_000_000_000;
  const put = (opened: typeof first, n: number) =>
    opened.store.put({
      clusterId: "web",
      seq: n,
      tick: {
        kind: "tick",
        number: start / 10_000 + n,
        at: start + n * 10_000,
        values: { [BYTES]: n, [`${BYTES}.rate`]: 0.1 },
        sources: [{ name: "s", coveredS: 10 }],
        members: [],
      },
      baselines: {},
    });
  for (let n = 0; n <= 45; n++) await put(first, n);
  expect(await first.store.flush()).toBe(true);
  // In the midst of the second block.
  for (let n = 46; n <= 100; n++) await put(second, n);
  const keepAll = async (opened: typeof first) => {
    for (let slice = 0; slice < 200 && (await opened.store.keep(start + 1_000_000)).more; ) slice++;
  };
  await keepAll(second);
  const reader = second.reader();
  const blocks = async () =>
    (await reader.rollups("web", undefined, BYTES, start, Infinity)).map(({ at, count, increase, whole }) => {
      return [(at - start) / 300_000, count, Math.round(increase ?? 0), whole];
    });
  const all = [1, 2, 3].map((block) => [block, 30, 30, 30]).slice(0, 2);
  expect(await blocks()).toEqual(all);
  // The one before has what it wrote still to roll up, and makes of it what is there.
  await keepAll(first);
  expect(await first.store.flush()).toBe(true);
  expect(await blocks()).toEqual(all);
  await reader.close();
});

it("kill -9 in the midst of it: what was promised is there, once", async () => {
  await using influxd = await startInflux();
  using folder = temporaryFolder();
  const settings = influxSettings(influxd.url);
  const file = fileURLToPath(new URL("../../helpers/influxChild.ts", import.meta.url));
  let promised = -1;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [file, influxd.url, settings.database, folder.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told = "";
    child.stdout.on("data", (text: Buffer) => {
      told += text.toString("latin1");
    });
    await eventually("some are promised", () => told.split("\n").length > 50 * (round + 1), 25_000);
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    promised = Math.max(promised, Number(told.split("\n").at(-2)));
  }
  const own = { settings, retention: RETENTION, environment: {}, folder: folder.path };
  const store = await openInfluxStore({ ...own, clock: systemClock, log: silentLogger });
  expect(await store.flush()).toBe(true);
  const seqs = (await store.ticks("web", 0)).map(({ seq }) => seq);
  expect(seqs.length).toBeGreaterThanOrEqual(promised + 1);
  expect(seqs).toEqual(Array.from(seqs, (_, n) => n));
  await store.close();
});

it("queries are answered in their thread, and say so where the store is away", async () => {
  await using influxd = await startInflux();
  await using opened = await openInflux(influxd.url);
  const meterName = "network.services.lb.active.connections";
  for (let n = 0; n < 30; n++) {
    const number = 177_000_000 + n;
    await opened.store.put({
      clusterId: "web",
      seq: n,
      tick: {
        kind: "tick",
        number,
        at: number * 10_000,
        values: { [meterName]: n },
        sources: [{ name: "s", coveredS: 10 }],
        members: [],
      },
      baselines: {},
    });
  }
  expect(await opened.store.flush()).toBe(true);
  const { folder, settings: influx } = opened;
  const queries = new QueryClient({ folder, intervalMs: 10_000, clock: systemClock, influx });
  const from = 1_770_000_000_000;
  const query = { meterName, cluster: "web", from, to: from + 240_000, periodS: 60, statistic: "max" as const };
  const named = { names: new Map<string, string>() };
  const { series } = await queries.query(query, named);
  expect(series[0]?.points.map(({ value }) => value)).toEqual([6, 12, 18, 24]);
  expect((await queries.catalog({})).clusters).toEqual([{ clusterId: "web", firstAt: from, lastAt: from + 290_000 }]);
  await influxd.kill();
  await expect(queries.query(query, named)).rejects.toMatchObject({ code: "E670" });
  await queries.close();
});
