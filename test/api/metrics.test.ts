import { request } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import { aCluster, FakeView } from "../helpers/fakeView.ts";

const NOW = Date.parse("2026-11-21T01:00:00.000Z");
const HOUR = 3_600_000;
const view = new FakeView([aCluster("a", { cluster_name: "web" }), aCluster("b", { cluster_name: "api" })]);
let api: ApiServer;
beforeAll(async () => {
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", view, { now: () => NOW });
});
afterAll(() => api.close());
beforeEach(() => {
  view.asked.length = 0;
  view.fails = undefined;
});

async function get(path: string) {
  const answer = await request(`${api.url}${path}`);
  const body = (await answer.body.json()) as { error_message?: { faultstring: string; code?: string } };
  return { status: answer.statusCode, body, fault: body.error_message?.faultstring, code: body.error_message?.code };
}

describe("what a query is", () => {
  const WHOLE = { meterName: "m", from: NOW - HOUR, to: NOW };
  it.each([
    ["meter=m", WHOLE],
    ["meter=m&period=60s", { ...WHOLE, periodS: 60, statistic: "avg" }],
    ["meter=m&period=60&statistic=p95", { ...WHOLE, periodS: 60, statistic: "p95" }],
    ["meter=m&period=1h30m&statistic=p99.90", { ...WHOLE, periodS: 5400, statistic: "p99.9" }],
    ["meter=m&cluster=web&resource=fe/*", { ...WHOLE, cluster: "web", resource: "fe/*" }],
    ["meter=m&group_by=resource", { ...WHOLE, resource: "*" }],
    ["meter=m&group_by=resource&resource=fe*", { ...WHOLE, resource: "fe*" }],
    ["meter=m&group_by=cluster", WHOLE],
    ["meter=m&from=-10m", { ...WHOLE, from: NOW - 600_000 }],
    ["meter=m&from=-2h&to=-1h", { ...WHOLE, from: NOW - 2 * HOUR, to: NOW - HOUR }],
    ["meter=m&to=2026-11-21T00:30:00%2B00:00", { ...WHOLE, from: NOW - 1.5 * HOUR, to: NOW - HOUR / 2 }],
    ["meter=m&from=1795222800&to=1795222860.5", { ...WHOLE, from: 1_795_222_800_000, to: 1_795_222_860_500 }],
    ["meter=m&from=-1h&to=now", WHOLE],
  ])("%s", async (query, wanted) => {
    expect((await get(`/api/v1/metrics/query?${query}`)).status).toBe(200);
    expect(view.asked).toEqual([["query", wanted]]);
  });

  it.each([
    ["", /meter/],
    ["meter=", /meter/],
    [`meter=${"m".repeat(256)}`, /meter/],
    ["meter=a%0Ab", /control characters/],
    ["meter=a&meter=b", /meter/],
    ["meter=m&from=yesterday", /from: expected a time/],
    ["meter=m&from=2026-02-31T00:00:00Z", /from: expected a time/],
    ["meter=m&from=--10m", /from: expected a time/],
    ["meter=m&to=10m", /to: expected a time/],
    ["meter=m&from=now&to=-1h", /from must be before to/],
    ["meter=m&from=-1h&to=-1h", /from must be before to/],
    ["meter=m&period=0", /period: expected a duration of 1 s or more/],
    ["meter=m&period=500ms", /period: expected/],
    ["meter=m&period=367d", /period: expected/],
    ["meter=m&period=-60", /period: expected/],
    ["meter=m&statistic=avg", /say how long they are/],
    ["meter=m&period=60&statistic=mean", /statistic: expected one of avg, max/],
    ["meter=m&period=60&statistic=p100", /statistic: expected/],
    ["meter=m&period=60&statistic=p0", /statistic: expected/],
    ["meter=m&group_by=server", /group_by/],
    ["meter=m&group_by=cluster&resource=x", /takes no resource/],
    ["meter=m&limit=5", /limit/],
    ["meter=m&__proto__=1", /./],
  ])("refuses %s", async (query, why) => {
    const { status, fault, code } = await get(`/api/v1/metrics/query?${query}`);
    expect([status, fault, code]).toEqual([400, expect.stringMatching(why), "E415"]);
    expect(fault).not.toMatch(/Invalid|Unrecognized|received|Too (big|small)/);
    expect(view.asked).toEqual([]);
  });

  it.each([
    ["", "meter is missing: say which, e.g. meter=requests.rate"],
    ["metre=m", 'there is no parameter "metre": did you mean meter?'],
    ["meter=m&limit=5", /^there is no parameter "limit": there are meter, cluster, resource, from, to, period, /],
    ["meter=a&meter=b", "meter: expected once, and it is there several times"],
    ["meter=m&resource=", "resource: expected 1 to 600 characters, e.g. resource=web/FRONTEND"],
    ["meter=m&group_by=server", "group_by: expected cluster or resource, e.g. group_by=cluster"],
    ["meter=m&from=10m", /, or now; did you mean -10m\?$/],
    ["meter=m&from=-999999999d", /^from: expected a time/],
    [
      "meter=m&from=now&to=-1h",
      "from must be before to: from is 2026-11-21T01:00:00.000Z, to is 2026-11-21T00:00:00.000Z",
    ],
    ...Object.entries({
      mean: "avg",
      Average: "avg",
      std: "stddev",
      maximum: "max",
      "95pct": "p95",
      "p99,5": "p99.5",
    }).map(
      ([said, meant]) => [`meter=m&period=60&statistic=${said}`, new RegExp(`; did you mean ${meant}\\?$`)] as const,
    ),
    ["meter=m&period=60&statistic=__proto__", /p99\.5$/],
  ] as const)("%s: %s", async (query, said) => {
    const { fault } = await get(`/api/v1/metrics/query?${query}`);
    expect(fault).toEqual(typeof said === "string" ? said : expect.stringMatching(said));
  });

  it.each([
    ["E410", 400],
    ["E411", 404],
    ["E412", 400],
    ["E413", 503],
  ])("%s is answered with %i", async (code, status) => {
    view.fails = new TocsinError(code, "because");
    expect(await get("/api/v1/metrics/query?meter=m")).toMatchObject({ status, fault: "because", code });
    expect(await get("/api/v1/metrics")).toMatchObject({ status, code });
  });
});

describe("which series there are, and their newest values", () => {
  it("the catalogue, filtered", async () => {
    expect(await get("/api/v1/metrics")).toMatchObject({
      status: 200,
      body: { meters: [], clusters: [], resources: [] },
    });
    await get("/api/v1/metrics?cluster=web&meter=requests");
    expect(view.asked).toEqual([
      ["catalog", {}],
      ["catalog", { cluster: "web", meter: "requests" }],
    ]);
    expect(await get("/api/v1/metrics?page=2")).toMatchObject({
      status: 400,
      fault: 'there is no parameter "page": there are cluster, meter, limit',
      code: "E415",
    });
  });

  it("as many as asked for, up to 10,000", async () => {
    await get("/api/v1/metrics?limit=10000");
    expect(view.asked).toEqual([["catalog", { limit: 10_000 }]]);
    for (const limit of ["0", "10001", "-1", "1.5", "1e3", "", "many"]) {
      expect(await get(`/api/v1/metrics?limit=${limit}`), limit).toMatchObject({
        status: 400,
        fault: "limit: expected a whole number from 1 to 10000",
        code: "E415",
      });
    }
  });

  it("the newest values, of a cluster by name, of a meter with or without its beginning", async () => {
    const one = { cluster_name: "x", type: "gauge", unit: "", value: 1, timestamp: "" };
    view.newest = [
      { ...one, cluster_id: "a", meter_name: "network.services.lb.requests" },
      { ...one, cluster_id: "b", meter_name: "network.services.lb.requests" },
      { ...one, cluster_id: "a", meter_name: "tocsin.source.up" },
    ];
    const count = async (query: string) => ((await get(`/api/v1/metrics/newest${query}`)).body as unknown as []).length;
    expect(await count("")).toBe(3);
    expect(await count("?cluster=web")).toBe(2);
    expect(await count("?cluster=web&meter=requests")).toBe(1);
    expect(await count("?meter=tocsin.source.up")).toBe(1);
    expect(await get("/api/v1/metrics/newest?clutser=web")).toMatchObject({ status: 400, code: "E415" });
    expect(await get("/api/v1/metrics/newest?cluster=wed")).toMatchObject({ status: 404, code: "E403" });
  });
});
