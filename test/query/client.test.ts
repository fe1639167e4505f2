import { threadId } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { Ticker } from "../../src/lib/ticker.ts";
import type { MetricQuery } from "../../src/model/metricQuery.ts";
import { answerQuery } from "../../src/query/answer.ts";
import { QueryClient } from "../../src/query/client.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { BYTES, SESSIONS } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { aPast, INTERVAL_MS, recorded } from "./past.ts";
import { ArrayReader } from "./reader.ts";

const NAMED = { names: new Map([["web", "web"]]) };
const named = (meterName: string): MetricQuery => ({ meterName, from: 0, to: 1 });

describe("in a thread of its own", () => {
  const clock = new FakeClock();
  let client: QueryClient;
  beforeEach(() => {
    const worker = new URL("./stuckWorker.ts", import.meta.url);
    client = new QueryClient({ folder: "/nowhere", intervalMs: INTERVAL_MS, clock, worker });
  });
  afterEach(() => client.close());
  const threadOf = async (meterName: string) => (await client.query(named(meterName), NAMED)) as unknown as number;

  it("begins with the first query, is used again, and ends when nobody has asked for a minute", async () => {
    expect(client.isAwake).toBe(false);
    const first = await threadOf("one");
    expect(first).not.toBe(threadId);
    expect(await threadOf("two")).toBe(first);
    clock.advance(59_999);
    expect(client.isAwake).toBe(true);
    expect(await threadOf("three")).toBe(first);
    clock.advance(60_000);
    expect(client.isAwake).toBe(false);
    expect(await threadOf("four")).not.toBe(first);
  });

  it("is ended when it hangs, and the queries that waited are answered by another", async () => {
    const first = await threadOf("one");
    const hangs = client.query(named("hang"), NAMED);
    const waits = threadOf("two");
    clock.advance(10_499);
    clock.advance(1);
    await expect(hangs).rejects.toMatchObject({
      code: "E410",
      message: expect.stringMatching(/no answer within 10 s/),
    });
    expect(await waits).not.toBe(first);
  });

  it("what it breaks of is that query's error alone", async () => {
    await expect(client.catalog({})).rejects.toThrow("it broke");
    expect(await threadOf("one")).toBeGreaterThan(0);
  });

  it("lets 16 wait, and refuses more", async () => {
    const hangs = client.query(named("silence"), NAMED);
    const waiting = Array.from({ length: 16 }, (_, n) => threadOf(`q${n}`));
    await expect(client.query(named("more"), NAMED)).rejects.toMatchObject({ code: "E413" });
    clock.advance(10_500);
    await expect(hangs).rejects.toMatchObject({ code: "E410" });
    expect(new Set(await Promise.all(waiting)).size).toBe(1);
  });

  it("refuses what waits when the service stops, and whatever comes then", async () => {
    const all = [client.query(named("silence"), NAMED), client.query(named("x"), NAMED)];
    const ended = Promise.allSettled(all);
    await client.close();
    for (const one of await ended) expect(one).toMatchObject({ status: "rejected", reason: { code: "E413" } });
    await expect(client.query(named("late"), NAMED)).rejects.toMatchObject({ code: "E413" });
    expect(client.isAwake).toBe(false);
  });
});

describe("over the embedded store", () => {
  const ticks = recorded(aPast(1, 2, { min: 400, max: 400 }, 10), 2_520_000);
  const [first, last] = [ticks[0]?.at ?? 0, ticks.at(-1)?.at ?? 0];
  const query: MetricQuery = {
    meterName: BYTES,
    cluster: "web",
    from: first,
    to: last,
    periodS: 60,
    statistic: "rate",
  };

  async function stored(folder: string) {
    const backend = await openSqlite(folder);
    await Promise.all(ticks.map((tick, seq) => backend.store.put({ clusterId: "web", seq, tick, baselines: {} })));
    return backend;
  }

  it("answers what the ticks in memory answer, while they are written, and tells its errors", async () => {
    using folder = temporaryFolder();
    const { store, ledger } = await stored(folder.path);
    const client = new QueryClient({ folder: folder.path, intervalMs: INTERVAL_MS, clock: new FakeClock() });
    const memory = new ArrayReader({ ticks: { web: ticks } });
    for (const statistic of ["rate", "max", "p95"] as const) {
      const one = { ...query, statistic };
      const wanted = await answerQuery(one, memory, { ...NAMED, intervalMs: INTERVAL_MS });
      expect(wanted.series[0]?.points.filter(({ value }) => value !== null).length).toBeGreaterThan(30);
      expect(await client.query(one, NAMED)).toEqual(wanted);
    }
    expect(await client.catalog({})).toMatchObject({ clusters: [{ clusterId: "web", lastAt: last }], resources: [] });
    await expect(client.query({ ...query, meterName: "cpu" }, NAMED)).rejects.toMatchObject({ code: "E411" });
    await store.put({
      clusterId: "web",
      seq: ticks.length,
      tick: { kind: "tick", number: 9_999_999, at: last + 60_000, values: { [SESSIONS]: 7 }, sources: [], members: [] },
      baselines: {},
    });
    const newer = { meterName: SESSIONS, cluster: "web", from: last, to: last + 60_000 };
    expect((await client.query(newer, NAMED)).series[0]?.points).toMatchObject([{ at: last + 60_000, value: 7 }]);
    await client.close();
    await Promise.all([store.close(), ledger.close()]);
  });

  it("ticks go on while a long query is answered", async () => {
    using folder = temporaryFolder();
    const { store, ledger } = await stored(folder.path);
    const clock = new FakeClock();
    const client = new QueryClient({ folder: folder.path, intervalMs: INTERVAL_MS, clock });
    let made = 0;
    const onTick = () => {
      made++;
    };
    const ticker = new Ticker({ clock, intervalMs: 100, after: undefined, onTick, onStep: () => {} });
    ticker.start();
    let answered = false;
    const long = client.query({ ...query, from: first - 40_000_000, to: last, periodS: 10 }, NAMED).finally(() => {
      answered = true;
    });
    let turns = 0;
    for (; !answered && turns < 1_000_000; turns++) {
      // No more of the fake time than a query may take.
      if (turns < 50) clock.advance(100);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect((await long).series[0]?.points.length).toBeGreaterThan(400);
    // It was answered elsewhere: this loop turned, and every tick that fell due was made.
    expect(made).toBe(50);
    expect(turns).toBeGreaterThan(50);
    ticker.stop();
    await client.close();
    await Promise.all([store.close(), ledger.close()]);
  });

  it("what cannot be opened is the error of who asks", async () => {
    using folder = temporaryFolder();
    const client = new QueryClient({ folder: folder.path, intervalMs: INTERVAL_MS, clock: new FakeClock() });
    await expect(client.query(query, NAMED)).rejects.toMatchObject({ code: "E302" });
    const { store, ledger } = await stored(folder.path);
    expect((await client.query(query, NAMED)).series).toHaveLength(1);
    await client.close();
    await Promise.all([store.close(), ledger.close()]);
  });
});
