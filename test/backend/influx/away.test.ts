import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { InfluxStore } from "../../../src/backend/influx/store.ts";
import { openInfluxStore } from "../../../src/backend/influx/store.ts";
import type { SealedTick } from "../../../src/model/tick.ts";
import type { Logger } from "../../../src/ports.ts";
import type { RowRecord, TickRecord } from "../../../src/seriesPorts.ts";
import { FakeClock } from "../../helpers/fakeClock.ts";
import type { Behaviour, FakeInflux } from "../../helpers/influxFake.ts";
import { fakeInflux } from "../../helpers/influxFake.ts";
import type { OpenedInflux } from "../../helpers/influxStore.ts";
import { openInflux, RETENTION } from "../../helpers/influxStore.ts";
import { eventually } from "../../helpers/sockets.ts";

const SESSIONS = "network.services.lb.active.connections";
const BYTES = "network.services.lb.incoming.bytes";

function aRecord(number: number, clusterId = "web"): TickRecord {
  const values = { [SESSIONS]: number % 7, [BYTES]: number * 10, [`${BYTES}.rate`]: 1 };
  const sources = [{ name: "s", coveredS: 10 }];
  const tick: SealedTick = { kind: "tick", number, at: number * 10_000, values, sources, members: [] };
  return { clusterId, seq: number, tick, baselines: {} };
}

function someRows(number: number, clusterId: string, count: number): RowRecord {
  const rows = Array.from({ length: count }, (_, n) => ({
    resource: `web/${n}`,
    kind: "server" as const,
    increases: { [BYTES]: number },
    sums: { [SESSIONS]: n },
    means: {},
  }));
  return { clusterId, source: "s", tick: { number, at: number * 10_000 }, coveredS: 10, rows };
}

/** Log lines as they were written. */
function listening(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
  return { lines, debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** Whatever is under way has come to an end, or will not before time goes on. */
async function settled({ store }: OpenedInflux, fake: FakeInflux): Promise<void> {
  const turn = () => new Promise((then) => setImmediate(then));
  const isDone = () => {
    const { requests, ended } = store.counts();
    return requests === ended || fake.hanging > 0;
  };
  await turn();
  for (let turns = 0; turns < 100 && !isDone(); turns++) await turn();
  await eventually("requests end", isDone);
  await turn();
}

/** As after kill -9: what is on the disk is found as it is. */
function anotherProcess({ settings, folder }: OpenedInflux): Promise<InfluxStore> {
  const own = { settings, folder, retention: RETENTION, environment: {} };
  return openInfluxStore({ ...own, clock: new FakeClock(), log: listening() });
}

const always =
  (answer: ReturnType<Behaviour>): Behaviour =>
  (request) =>
    request.path === "/ping" ? { status: 204 } : answer;

describe("a store that does not take what is written", () => {
  it("an hour away in every way: nothing is lost, nothing waits for it, and memory does not grow with it", async () => {
    await using fake = await fakeInflux("1.8.10", false);
    const clock = new FakeClock();
    const log = listening();
    await using opened = await openInflux(fake.url, { batchLines: 2000, timeoutMs: 40_000 }, { clock, log });
    const { store } = opened;
    const [clusters, rowsEach] = [20, 10];
    let put = 0;
    let mostSpooled = 0;
    const phases: readonly (readonly [minute: number, begin: () => Promise<void> | void])[] = [
      [0, () => fake.behave(always({ status: 204, take: true }))],
      [5, () => fake.stop()],
      [15, () => fake.start()],
      [15, () => fake.behave(always({ status: 500, body: '{"error":"timeout"}' }))],
      [25, () => fake.behave(always({ status: 429, headers: { "retry-after": "1" } }))],
      [35, () => fake.behave(always("hang"))],
      [45, () => fake.behave(always({ status: 200, take: true, body: "<html>welcome</html>" }))],
      [55, () => fake.behave(always(undefined))],
      [65, () => fake.behave(always({ status: 204, take: true }))],
    ];
    globalThis.gc?.();
    const rssBefore = process.memoryUsage.rss();
    let rssMost = rssBefore;
    const perMinute = 2;
    for (let number = 0; number < 70 * perMinute; number++) {
      for (const [minute, begin] of phases) if (minute * perMinute === number) await begin();
      const ids = Array.from({ length: clusters }, (_, n) => `c${n}`);
      await Promise.all(ids.map((id) => store.put(aRecord(number, id))));
      await store.putRows(ids.map((id) => someRows(number, id, rowsEach)));
      put += clusters * (1 + rowsEach) + (number === 0 ? clusters * rowsEach : 0);
      clock.advance(60_000 / perMinute);
      await settled(opened, fake);
      mostSpooled = Math.max(mostSpooled, store.spooled().lines);
      rssMost = Math.max(rssMost, process.memoryUsage.rss());
    }
    for (let tries = 0; tries < 20 && store.spooled().lines > 0; tries++) {
      clock.advance(30_000);
      await settled(opened, fake);
    }
    const { requests, dropped, aside } = store.counts();
    const lost = put - fake.points.size;
    const grownMiB = (rssMost - rssBefore) / 2 ** 20;
    console.log(
      `an hour away: put=${put} spooled=${mostSpooled} replayed=${fake.taken} lost=${lost} requests=${requests}, RSS + ${grownMiB.toFixed(0)} MiB`,
    );
    expect({ lost, dropped, aside, left: store.spooled().lines }).toEqual({ lost: 0, dropped: 0, aside: 0, left: 0 });
    expect(mostSpooled).toBeGreaterThan(60 * perMinute * clusters * rowsEach * 0.9);
    // Twice in the worst case what one request takes, and never more often than each 22 s when it stays away.
    expect(requests).toBeLessThan(500);
    expect(grownMiB).toBeLessThan(200);
    expect(store.degraded()).toEqual([]);
    // One line for each way, and one when it is over.
    const warnings = log.lines.filter((line) => line.startsWith("warn series cannot be written"));
    expect(warnings.length).toBeLessThanOrEqual(12);
    expect(log.lines.filter((line) => line.startsWith("info series are written again"))).toHaveLength(1);
  }, 60_000);

  it.each([
    ["in seconds", "7", 7000],
    ["as a date", "DATE", 7000],
    ["as nonsense", "soon", 300],
    ["for ever", "99999999", 300_000],
  ])("Retry-After %s is waited for", async (_, header, leastMs) => {
    await using fake = await fakeInflux("1.8.10");
    const clock = new FakeClock();
    await using opened = await openInflux(fake.url, {}, { clock });
    const retryAfter = header === "DATE" ? new Date(clock.now() + 7000).toUTCString() : header;
    fake.behave(always({ status: 503, headers: { "retry-after": retryAfter } }));
    await opened.store.put(aRecord(1));
    expect(await opened.store.flush()).toBe(false);
    await settled(opened, fake);
    const before = opened.store.counts().requests;
    clock.advance(leastMs - 1000);
    await settled(opened, fake);
    expect(opened.store.counts().requests).toBe(before);
    fake.behave(always({ status: 204, take: true }));
    clock.advance(2000);
    await eventually("it is written", () => fake.points.size === 1);
  });

  it("bad lines are found, set aside and told once; the others are stored", async () => {
    await using fake = await fakeInflux("1.8.10");
    const log = listening();
    await using opened = await openInflux(fake.url, {}, { log });
    const isBad = (line: string) => line.includes("cluster_id=bad");
    fake.behave((request) => {
      if (request.path === "/ping") return { status: 204 };
      if (!request.body.split("\n").some(isBad)) return { status: 204, take: true };
      return { status: 400, body: `{"error":"partial write: field type conflict: 'x' dropped=1"}` };
    });
    const ids = Array.from({ length: 500 }, (_, n) => (n === 17 || n === 400 ? `bad${n}` : `c${n}`));
    await Promise.all(ids.map((id) => opened.store.put(aRecord(1, id))));
    expect(await opened.store.flush()).toBe(true);
    expect(fake.points.size).toBe(498);
    expect(opened.store.counts()).toMatchObject({ aside: 2, lines: 500 });
    expect(opened.store.counts().requests).toBeLessThan(50);
    expect(log.lines).toEqual(["error the store refuses some lines: they are set aside"]);
    expect(opened.store.spooled()).toEqual({ lines: 0, bytes: 0 });
    const file = new DatabaseSync(join(opened.folder, "influx.db"), { readOnly: true });
    const aside = file.prepare("SELECT line, reason FROM aside ORDER BY id").all();
    file.close();
    expect(aside.map(({ line }) => String(line).slice(0, 30))).toEqual(
      ["bad17", "bad400"].map((id) => `tocsin_ticks,cluster_id=${id} seq`.slice(0, 30)),
    );
    expect(String(aside[0]?.reason)).toContain("field type conflict");
  });

  it("where every line is bad, few requests are spent on it", async () => {
    await using fake = await fakeInflux("1.8.10");
    await using opened = await openInflux(fake.url);
    fake.behave(always({ status: 400, body: '{"error":"all bad"}' }));
    await Promise.all(Array.from({ length: 3000 }, (_, n) => opened.store.put(aRecord(1, `c${n}`))));
    expect(await opened.store.flush()).toBe(true);
    expect(opened.store.counts().aside).toBe(3000);
    expect(opened.store.counts().requests).toBeLessThan(300);
  });

  it("a request that is too large becomes smaller ones, and so do those after it", async () => {
    await using fake = await fakeInflux("1.8.10");
    await using opened = await openInflux(fake.url);
    fake.behave((request) => {
      if (request.path === "/ping") return { status: 204 };
      return request.body.length > 10_000 ? { status: 413 } : { status: 204, take: true };
    });
    await Promise.all(Array.from({ length: 300 }, (_, n) => opened.store.put(aRecord(1, `c${n}`))));
    expect(await opened.store.flush()).toBe(true);
    expect(fake.points.size).toBe(300);
    expect(opened.store.counts().aside).toBe(0);
  });

  it("the oldest go when too many wait, and are counted; the newest are written when it is back", async () => {
    await using fake = await fakeInflux("1.8.10");
    const log = listening();
    const clock = new FakeClock();
    await using opened = await openInflux(fake.url, { spoolBytes: 100_000 }, { log, clock });
    fake.behave(always({ status: 503 }));
    for (let n = 0; n < 2000; n++) await opened.store.put(aRecord(n));
    await opened.store.flush();
    for (let n = 2000; n < 2100; n++) await opened.store.put(aRecord(n));
    const { dropped } = opened.store.counts();
    expect(opened.store.spooled().bytes).toBeLessThanOrEqual(100_000);
    expect(dropped + opened.store.spooled().lines).toBe(2100);
    expect(log.lines.filter((line) => line.includes("dropped"))).toEqual([
      "error series are dropped: too many wait for the store",
    ]);
    expect(opened.store.degraded().join()).toContain("store.influx.spool is full");
    fake.behave(always({ status: 204, take: true }));
    clock.advance(60_000);
    await eventually("all is written", () => opened.store.spooled().lines === 0);
    expect(fake.points.size).toBe(2100 - dropped);
    expect([...fake.points.keys()].some((key) => key.endsWith(" 20990000002099"))).toBe(true);
  });

  it("what waits outlives the process, and what was under way comes once more", async () => {
    await using fake = await fakeInflux("1.8.10");
    await using opened = await openInflux(fake.url);
    fake.behave(always({ status: 503 }));
    for (let n = 0; n < 50; n++) await opened.store.put(aRecord(n));
    expect(await opened.store.flush()).toBe(false);
    // Nothing is closed: as after kill -9, another process finds the file as it is.
    fake.behave(always({ status: 204, take: true }));
    const again = await anotherProcess(opened);
    expect(again.spooled().lines).toBe(50);
    expect(await again.flush()).toBe(true);
    expect(fake.points.size).toBe(50);
    await again.close();
  });

  it("the end does not wait for a store that hangs, and what it was given waits for the next start", async () => {
    await using fake = await fakeInflux("1.8.10");
    const clock = new FakeClock();
    await using opened = await openInflux(fake.url, { timeoutMs: 1_000_000 }, { clock });
    fake.behave(always("hang"));
    await opened.store.put(aRecord(1));
    const flushed = opened.store.flush();
    const kept = opened.store.keep(1_770_000_000_000);
    await eventually("it hangs", () => fake.hanging > 0);
    const closed = opened.store.close();
    clock.advance(2000);
    await closed;
    expect(await flushed).toBe(false);
    expect(await kept).toMatchObject({ more: false });
    await expect(opened.store.put(aRecord(2))).rejects.toMatchObject({ code: "E670" });
    const again = await anotherProcess(opened);
    expect(again.spooled().lines).toBe(1);
    fake.behave(always({ status: 204, take: true }));
    expect(await again.flush()).toBe(true);
    await again.close();
  });

  it("a disk that fails is told, and ends nothing", async () => {
    await using fake = await fakeInflux("1.8.10");
    await using opened = await openInflux(fake.url);
    fake.behave(always({ status: 503 }));
    for (let n = 0; n < 20; n++) await opened.store.put(aRecord(n));
    expect(await opened.store.flush()).toBe(false);
    const file = new DatabaseSync(join(opened.folder, "influx.db"));
    file.exec("DROP TABLE spool");
    file.close();
    await expect(opened.store.put(aRecord(20))).rejects.toMatchObject({ code: "E677" });
    await eventually("it is told", () => opened.store.degraded().join().includes("what waits cannot be read"));
  });

  it("a file that is damaged is set aside, and a new one begun", async () => {
    await using fake = await fakeInflux("1.8.10");
    await using opened = await openInflux(fake.url);
    const { settings, folder } = opened;
    await opened.store.put(aRecord(1));
    await opened.store.close();
    const { writeFileSync, existsSync } = await import("node:fs");
    writeFileSync(join(folder, "influx.db"), "this is no database, and was never one; ".repeat(200));
    const log = listening();
    const own = { settings, retention: RETENTION, environment: {}, folder, clock: new FakeClock(), log };
    const again = await openInfluxStore(own);
    expect(log.lines).toEqual(["error what waited for the store of series cannot be read: it was set aside"]);
    expect(existsSync(join(folder, "influx.db.aside"))).toBe(true);
    await again.put(aRecord(2));
    expect(await again.flush()).toBe(true);
    await again.close();
  });

  it("a database that is missing is made, and a store that we may not make it in says so", async () => {
    await using fake = await fakeInflux("1.8.10");
    let isMade = false;
    const answers =
      (mayMake: boolean): Behaviour =>
      (request) => {
        if (request.path === "/ping") return { status: 204 };
        if (request.path === "/query") {
          isMade = mayMake && new URLSearchParams(request.body).get("q") === 'CREATE DATABASE "it\\"s"';
          return mayMake
            ? { status: 200, body: '{"results":[{"statement_id":0}]}' }
            : { status: 403, body: '{"error":"no"}' };
        }
        return isMade ? { status: 204, take: true } : { status: 404, body: '{"error":"database not found: \\"it\\""}' };
      };
    fake.behave(answers(false));
    const clock = new FakeClock();
    await using opened = await openInflux(fake.url, { database: 'it"s' }, { clock });
    await opened.store.put(aRecord(1));
    expect(await opened.store.flush()).toBe(false);
    expect(opened.store.degraded().join()).toContain("has no such database");
    await using other = await openInflux(fake.url, { database: 'it"s' });
    fake.behave(answers(true));
    await other.store.put(aRecord(2));
    expect(await other.store.flush()).toBe(true);
    expect(fake.points.size).toBe(1);
  });

  it.each([
    ["while it makes the database", (makings: number) => (makings === 1 ? undefined : "made")],
    ["before it has kept the database that it made", (makings: number) => (makings === 1 ? "lost" : "made")],
  ] as const)("one that dies %s is asked for it again", async (_, making) => {
    await using fake = await fakeInflux("1.8.10");
    let makings = 0;
    let isMade = false;
    fake.behave(({ path }) => {
      if (path === "/ping") return { status: 204 };
      if (path === "/write")
        return isMade ? { status: 204, take: true } : { status: 404, body: '{"error":"database not found"}' };
      const said = making(++makings);
      isMade = said === "made";
      return said && { status: 200, body: '{"results":[{"statement_id":0}]}' };
    });
    const clock = new FakeClock();
    await using opened = await openInflux(fake.url, {}, { clock });
    await opened.store.put(aRecord(1));
    expect(await opened.store.flush()).toBe(false);
    await settled(opened, fake);
    clock.advance(1000);
    await eventually("it is written", () => fake.points.size === 1);
    expect(makings).toBe(2);
  });
});
