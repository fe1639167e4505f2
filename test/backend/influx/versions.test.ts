import { describe, expect, it } from "vitest";
import { createInfluxReader } from "../../../src/backend/influx/reader.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import type { InfluxSettings } from "../../../src/model/influxSettings.ts";
import type { SealedTick } from "../../../src/model/tick.ts";
import type { FakeInflux } from "../../helpers/influxFake.ts";
import { fakeInflux, queryAnswer } from "../../helpers/influxFake.ts";
import { openInflux } from "../../helpers/influxStore.ts";
import { eventually } from "../../helpers/sockets.ts";

/** What each version answers, as it documents it. */
const UNAUTHORIZED = '{"code":"unauthorized","message":"unauthorized access"}';

const tick = (number: number): SealedTick => ({
  kind: "tick",
  number,
  at: number * 10_000,
  values: { "network.services.lb.active.connections": 2 },
  sources: [{ name: "s", coveredS: 10 }],
  members: [],
});
const record = (number: number) => ({ clusterId: "web", seq: number, tick: tick(number), baselines: {} });

const settingsOf = (fake: FakeInflux, own: Partial<InfluxSettings> = {}): InfluxSettings => ({
  url: fake.url,
  database: "tocsin",
  version: "auto",
  spoolBytes: 2 ** 24,
  batchLines: 100,
  batchDelayMs: 5,
  timeoutMs: 2000,
  ...own,
});

describe("what is written, and where", () => {
  it.each([
    {
      name: "1.x",
      header: "1.8.10",
      own: { username: "u", password: "p", retentionPolicy: "long" },
      path: "/write",
      query: "db=tocsin&rp=long&precision=ns",
      authorization: `Basic ${Buffer.from("u:p").toString("base64")}`,
    },
    {
      name: "2.x",
      header: "v2.7.6",
      own: { token: "t0ken", org: "cloud" },
      path: "/api/v2/write",
      query: "org=cloud&bucket=tocsin&precision=ns",
      authorization: "Token t0ken",
    },
    {
      name: "3",
      header: "3.0.1",
      own: { token: "apiv3_x" },
      path: "/api/v2/write",
      query: "bucket=tocsin&precision=ns",
      authorization: "Token apiv3_x",
    },
    {
      name: "VictoriaMetrics, which says no version",
      header: undefined,
      own: {},
      path: "/api/v2/write",
      query: "bucket=tocsin&precision=ns",
      authorization: undefined,
    },
    {
      name: "whatever is said to be 1",
      header: undefined,
      own: { version: 1 as const },
      path: "/write",
      query: "db=tocsin&precision=ns",
      authorization: undefined,
    },
  ])("$name", async ({ header, own, path, query, authorization }) => {
    await using fake = await fakeInflux(header);
    await using opened = await openInflux(fake.url, { database: "tocsin", ...own });
    await opened.store.put(record(1));
    expect(await opened.store.flush()).toBe(true);
    const written = fake.requests.filter((request) => request.path !== "/ping");
    expect(written).toHaveLength(1);
    expect(written[0]).toMatchObject({ method: "POST", path });
    expect(String(written[0]?.query)).toBe(query);
    expect(written[0]?.headers.authorization).toBe(authorization);
    expect(written[0]?.body).toBe(
      'tocsin_ticks,cluster_id=web seq=1,tick=1,network.services.lb.active.connections=2,doc="{\\"s\\":[{\\"name\\":\\"s\\",\\"coveredS\\":10}]}" 10000000001',
    );
    expect(opened.store.degraded()).toEqual([]);
  });

  it("secrets are in no sentence, whatever a server repeats", async () => {
    await using fake = await fakeInflux("v2.7.6");
    fake.behave(({ path }) =>
      path === "/ping" ? { status: 204 } : { status: 401, body: '{"message":"no such token: s3cret-token"}' },
    );
    await using opened = await openInflux(fake.url, { token: "s3cret-token" });
    await opened.store.put(record(1));
    expect(await opened.store.flush()).toBe(false);
    expect(opened.store.degraded().join()).toContain("refuses us: it answered 401: no such token: ***");
    expect(opened.store.degraded().join()).not.toContain("s3cret");
  });

  it("a secret that cannot be read is told, and read again", async () => {
    await using fake = await fakeInflux("v2.7.6");
    await using opened = await openInflux(fake.url, { token: `\${env:TOCSIN_INFLUX_TOKEN_OF_THE_TEST}` });
    await opened.store.put(record(1));
    expect(await opened.store.flush()).toBe(false);
    expect(opened.store.degraded().join()).toContain("has no variable TOCSIN_INFLUX_TOKEN_OF_THE_TEST");
    process.env.TOCSIN_INFLUX_TOKEN_OF_THE_TEST = "later";
    try {
      await eventually("it is written", () => fake.points.size === 1);
      expect(fake.requests.at(-1)?.headers.authorization).toBe("Token later");
    } finally {
      delete process.env.TOCSIN_INFLUX_TOKEN_OF_THE_TEST;
    }
  });
});

describe("what is asked, and what answers mean", () => {
  const reading = (fake: FakeInflux, own: Partial<InfluxSettings> = {}) =>
    createInfluxReader({ settings: settingsOf(fake, own), environment: {}, clock: systemClock });

  it("names are parameters, and never part of a statement", async () => {
    await using fake = await fakeInflux("v2.7.6");
    fake.behave(() => ({ status: 200, body: '{"results":[{"statement_id":0}]}' }));
    const reader = reading(fake, { token: "t", retentionPolicy: "rp" });
    const name = `web' OR 1=1; DROP MEASUREMENT "x"\n`;
    expect(await reader.ticks(name, 0, 10_000, 5)).toEqual([]);
    await reader.close();
    const [asked] = fake.requests;
    const form = new URLSearchParams(asked?.body);
    expect(asked).toMatchObject({ method: "POST", path: "/query" });
    expect(asked?.headers.authorization).toBe("Token t");
    expect(Object.fromEntries(form)).toEqual({
      db: "tocsin",
      rp: "rp",
      epoch: "ms",
      q: 'SELECT * FROM "tocsin_ticks" WHERE cluster_id = $c AND time >= 1ms AND time < 10001ms ORDER BY time LIMIT 21',
      params: JSON.stringify({ c: "web%27 OR 1=1; DROP MEASUREMENT %22x%22%0a" }),
    });
  });

  it("ticks, whatever other fields a server has beside", async () => {
    await using fake = await fakeInflux("3.0.1");
    const columns = ["time", "cluster_id", "doc", "network.services.lb.requests", "seq", "tick", "somebody's"];
    const row = [70_000, "web", '{"s":[{"name":"s","coveredS":10}]}', null, 7, 7, "x"];
    fake.behave(() => ({ status: 200, body: queryAnswer("tocsin_ticks", columns, [row]) }));
    const reader = reading(fake);
    const expected = { ...record(7), tick: { ...tick(7), values: {} } };
    expect(await reader.ticks("web", 0, 100_000, 5)).toEqual([expected]);
    await reader.close();
  });

  it.each([
    ["nobody there", undefined, "E670", "does not answer"],
    ["503", { status: 503, body: "busy" }, "E670", "it answered 503: busy"],
    ["429", { status: 429, body: "" }, "E670", "it answered 429: no reason is given"],
    ["401", { status: 401, body: UNAUTHORIZED }, "E671", "refuses us (401): unauthorized access"],
    [
      "no database",
      { status: 200, body: '{"results":[{"error":"database not found: x"}]}' },
      "E672",
      "no such database",
    ],
    ["no bucket", { status: 404, body: '{"code":"not found","message":"no dbrp mapping found"}' }, "E672", "no dbrp"],
    ["an error of a statement", { status: 200, body: '{"results":[{"error":"timeout"}]}' }, "E673", "timeout"],
    ["a page of a proxy", { status: 200, body: "<html>" }, "E673", "no JSON"],
    [
      "rows that are none",
      { status: 200, body: '{"results":[{"series":[{"columns":["time"],"values":[1]}]}]}' },
      "E673",
      "",
    ],
    [
      "VictoriaMetrics, to whatever it is asked",
      {
        status: 200,
        body: '{"results":[{"series":[{"name":"databases","columns":["name"],"values":[["_internal"]]}]}]}',
      },
      "E674",
      "has no InfluxQL",
    ],
    ["something without /query", { status: 404, body: "404 page not found" }, "E674", "has no InfluxQL"],
    [
      "a point that is not what was written",
      { status: 200, body: queryAnswer("tocsin_ticks", ["time", "cluster_id", "doc"], [[1, "web", "{}"]]) },
      "E306",
      "not what was written",
    ],
  ])("%s", async (_, answer, code, message) => {
    await using fake = await fakeInflux("1.8.10");
    fake.behave(() => answer);
    const reader = reading(fake);
    await expect(reader.ticks("web", 0, 1, 1)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    await reader.close();
  });

  it("an answer that never ends is not waited for", async () => {
    await using fake = await fakeInflux("1.8.10");
    fake.behave(() => "hang");
    const reader = reading(fake, { timeoutMs: 200 });
    await expect(reader.clusters()).rejects.toMatchObject({ code: "E670" });
    await reader.close();
  });
});

describe("what is deleted", () => {
  it.each([
    { name: "1.x", header: "1.8.10", path: "/query", deletes: 5 },
    { name: "2.x", header: "v2.7.6", path: "/api/v2/delete", deletes: 5 },
    { name: "3, which does so itself", header: "3.0.1", path: "/query", deletes: 0 },
  ])("$name", async ({ header, path, deletes }) => {
    await using fake = await fakeInflux(header);
    fake.behave((request) =>
      request.path === "/query"
        ? { status: 200, body: '{"results":[{"statement_id":0}]}' }
        : { status: 204, take: request.path.endsWith("write") },
    );
    await using opened = await openInflux(fake.url, { org: "o" });
    const at = 1_770_000_000_000;
    for (const number of [at / 10_000 - 864_000, at / 10_000]) await opened.store.put(record(number));
    for (let slices = 0; slices < 50 && (await opened.store.keep(at)).more; ) slices++;
    const deleting = fake.requests.filter(
      (request) => request.path === path && /DELETE\+FROM|predicate/.test(request.body),
    );
    expect(deleting).toHaveLength(deletes);
  });
});
