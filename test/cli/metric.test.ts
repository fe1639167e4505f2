import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import type { MetricSeriesView } from "../../src/model/metricView.ts";
import { command } from "../helpers/cli.ts";
import { FakeView } from "../helpers/fakeView.ts";

const NOW = Date.parse("2026-11-21T01:00:00.000Z");
const view = new FakeView();
let api: ApiServer;
beforeAll(async () => {
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", view, { now: () => NOW });
});
afterAll(() => api.close());
beforeEach(() => {
  view.asked.length = 0;
  view.fails = undefined;
  view.answer = WINDOWS;
});

const WINDOWS: MetricSeriesView = {
  meter_name: "network.services.lb.incoming.bytes.rate",
  type: "gauge",
  unit: "B/s",
  statistic: "avg",
  period: 60,
  from: "2026-11-21T00:00:00.000Z",
  to: "2026-11-21T01:00:00.000Z",
  resolution: "raw",
  series: [
    {
      cluster_id: "id-web",
      cluster_name: "web",
      resource_id: "id-web",
      metadata: {},
      points: [
        ["2026-11-21T00:58:00.000Z", 1000.25],
        ["2026-11-21T00:59:00.000Z", null],
        ["2026-11-21T01:00:00.000Z", 31_200],
      ],
      complete: [true, false, false],
    },
    {
      cluster_id: "id-web",
      cluster_name: "web",
      resource_id: 'fe "1", x/FRONTEND',
      metadata: {},
      points: [["2026-11-21T00:58:00.000Z", null]],
      complete: [false],
    },
  ],
};

const cli = (args: readonly string[], env: Record<string, string> = { LANG: "C.UTF-8" }) =>
  command([...args], { cwd: "/", env: { TOCSIN_URL: api.url, ...env } });
const query = (...args: string[]) => cli(["metric", "query", "--meter", "incoming.bytes.rate", ...args]);

describe("metric query", () => {
  it("a table: how it went, and each window", async () => {
    const { code, out } = await query();
    expect([code, out]).toEqual([
      0,
      `web: avg of network.services.lb.incoming.bytes.rate over 1m
▁ █
min 1 kB/s, max 31.2 kB/s, last 31.2 kB/s
TIMESTAMP                 VALUE
2026-11-21T00:58:00.000Z  1 kB/s
2026-11-21T00:59:00.000Z  -          not all of it was seen
2026-11-21T01:00:00.000Z  31.2 kB/s  not all of it was seen

web fe "1", x/FRONTEND: avg of network.services.lb.incoming.bytes.rate over 1m
no value
`,
    ]);
  });

  it("in ASCII alone where the locale knows no more", async () => {
    for (const env of [{ LANG: "C" }, { LANG: "C.UTF-8", LC_ALL: "POSIX" }, {}]) {
      expect((await cli(["metric", "query", "--meter", "m"], env as Record<string, string>)).out).toContain("\n_ #\n");
    }
  });

  it("says that it came from rollups", async () => {
    view.answer = { ...WINDOWS, resolution: "rollup" };
    expect((await query()).out).toMatch(/\n\nfrom five-minute rollups, not from single ticks\n$/);
    expect(await query("-o", "csv")).toMatchObject({ err: "from five-minute rollups, not from single ticks\n" });
  });

  it("CSV as of RFC 4180, exact, a window without a value is empty", async () => {
    const { code, out, err } = await query("-o", "csv");
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\r\n")).toEqual([
      "cluster_id,resource_id,meter_name,timestamp,value",
      "id-web,id-web,network.services.lb.incoming.bytes.rate,2026-11-21T00:58:00.000Z,1000.25",
      "id-web,id-web,network.services.lb.incoming.bytes.rate,2026-11-21T00:59:00.000Z,",
      "id-web,id-web,network.services.lb.incoming.bytes.rate,2026-11-21T01:00:00.000Z,31200",
      'id-web,"fe ""1"", x/FRONTEND",network.services.lb.incoming.bytes.rate,2026-11-21T00:58:00.000Z,',
      "",
    ]);
  });

  it("a name in CSV that a spreadsheet would take for a formula is marked as text; numbers are not", async () => {
    const [series] = WINDOWS.series;
    const named = ["=1+1", "+cmd", "@sum(a)", "-x/FRONTEND", '=a,"b"', "-12"];
    const points = [["2026-11-21T00:58:00.000Z", -5.5]] as const;
    view.answer = {
      ...WINDOWS,
      series: named.map((one) => ({ ...series!, cluster_id: one, points, complete: [true] })),
    };
    const lines = (await query("-o", "csv")).out.split("\r\n").slice(1, -1);
    const cells = ["'=1+1", "'+cmd", "'@sum(a)", "'-x/FRONTEND", `"'=a,""b"""`, "-12"];
    expect(lines).toHaveLength(cells.length);
    lines.forEach((line, n) => {
      expect(line.startsWith(`${cells[n]},`), line).toBe(true);
      expect(line.endsWith(",-5.5"), line).toBe(true);
    });
  });

  it("JSON is the service's answer", async () => {
    expect(JSON.parse((await query("-o", "json")).out)).toEqual(WINDOWS);
  });

  it("asks for what is said", async () => {
    await query("--cluster", "web", "--resource", "fe/*", "--from", "-10m", "--to", "now", "--period", "60s");
    await query("--from", "2h", "--to", "2026-11-21T00:30:00Z", "--period", "5m", "--statistic", "p95");
    expect(view.asked.map(([, asked]) => asked)).toEqual([
      {
        meterName: "incoming.bytes.rate",
        cluster: "web",
        resource: "fe/*",
        from: NOW - 600_000,
        to: NOW,
        periodS: 60,
        statistic: "avg",
      },
      {
        meterName: "incoming.bytes.rate",
        from: NOW - 7_200_000,
        to: NOW - 1_800_000,
        periodS: 300,
        statistic: "p95",
      },
    ]);
  });

  it.each([
    [["-o", "xml"], 2, "tocsin: -o takes table, json or csv, not xml\n"],
    [["--from", "soon"], 2, /it is a time/],
    [["--period", "0"], 2, /it is a duration above 0/],
    [["--statistic", "mean", "--period", "60s"], 5, /expected one of avg, .*; did you mean avg\? \[E415\]\n$/],
  ])("%j is refused", async (args, code, err) => {
    const ended = await query(...args);
    expect([ended.code, ended.err]).toEqual([code, typeof err === "string" ? err : expect.stringMatching(err)]);
    expect(view.asked).toEqual([]);
  });

  it("a meter has to be named, and the service's refusals are shown", async () => {
    expect((await cli(["metric", "query"])).code).toBe(2);
    view.fails = new TocsinError("E411", 'there is no meter x: did you mean "y"?');
    expect(await query()).toMatchObject({ code: 5, err: 'tocsin: there is no meter x: did you mean "y"? [E411]\n' });
  });

  it("leaves out windows before the first value, and says when that is; JSON and CSV have them", async () => {
    const minutes = [0, 1, 2, 3].map((n) => `2026-11-21T00:5${n}:00.000Z`);
    const points = minutes.map((at, n) => [at, n < 2 ? null : 2133 + n] as const);
    const one = { ...WINDOWS.series[0]!, points, complete: [false, false, false, true] };
    view.answer = { ...WINDOWS, type: "cumulative", unit: "request", statistic: "last", series: [one] };
    expect((await query()).out).toBe(`web: last of network.services.lb.incoming.bytes.rate over 1m
██
min 2135 request, max 2136 request, last 2136 request
begins at 2026-11-21T00:52:00.000Z
TIMESTAMP                 VALUE
2026-11-21T00:52:00.000Z  2135 request  not all of it was seen
2026-11-21T00:53:00.000Z  2136 request
`);
    expect((await query("-o", "csv")).out.split("\r\n")).toHaveLength(6);
    expect(JSON.parse((await query("-o", "json")).out)).toEqual(view.answer);
  });

  it("a rate of totals is no total", async () => {
    view.answer = { ...WINDOWS, type: "cumulative", statistic: "rate" };
    expect((await query()).out).toContain("\nmin 1 kB/s, max 31.2 kB/s, last 31.2 kB/s\n");
  });

  it("why there is nothing, where that is known", async () => {
    const one = { ...WINDOWS.series[1]!, reason: "it is made of backends" };
    view.answer = { ...WINDOWS, series: [one] };
    expect((await query()).out).toMatch(/ over 1m\nno value: it is made of backends\n$/);
  });

  it.each([
    [(n: number) => `c${n}`, "--cluster"],
    [() => "c0", "--resource"],
  ])("ten series as tables, and how many there are besides", async (clusterOf, flag) => {
    const series = Array.from({ length: 16 }, (_, n) => ({ ...WINDOWS.series[0]!, cluster_id: clusterOf(n) }));
    view.answer = { ...WINDOWS, series };
    const { out } = await query();
    expect(out.match(/^TIMESTAMP/gm)).toHaveLength(10);
    expect(out).toMatch(new RegExp(`\n\n… and 6 more: say ${flag}, or -o csv for all\n$`));
    expect((await query("-o", "csv")).out.split("\r\n")).toHaveLength(2 + 16 * 3);
  });

  it("says so where there is nothing", async () => {
    view.answer = { ...WINDOWS, series: [] };
    expect((await query()).out).toBe("nothing is kept of any cluster yet\n");
  });
});

describe("metric list", () => {
  it("the newest values, or rows", async () => {
    view.newest = [
      {
        cluster_id: "id-web",
        cluster_name: "web",
        meter_name: "network.services.lb.incoming.bytes",
        type: "cumulative",
        unit: "B",
        value: 12_345,
        timestamp: "2020-02-29T01:00:00.000Z",
      },
    ];
    expect((await cli(["metric", "list", "--meter", "incoming.bytes"])).out).toBe(
      `CLUSTER  METER                               TYPE        VALUE    AT UTC
web      network.services.lb.incoming.bytes  cumulative  12.3 kB  2020-02-29 01:00:00
`,
    );
    expect((await cli(["metric", "list", "--meter", "requests", "-o", "json"])).out).toBe("[]\n");
    view.catalog = {
      meters: [],
      clusters: [
        {
          cluster_id: "id-web",
          cluster_name: "web",
          first_sample_timestamp: null,
          last_sample_timestamp: null,
          meters: [],
        },
      ],
      resources: [
        {
          resource_id: "fe/FRONTEND",
          cluster_id: "id-web",
          source: "lb1",
          metadata: { row_type: "frontend" },
          first_sample_timestamp: "2020-02-29T00:00:00.000Z",
          last_sample_timestamp: "2020-02-29T01:00:00.000Z",
          meters: ["a", "b"],
        },
      ],
      limit: 1000,
      more: { clusters: 0, resources: 7 },
    };
    expect((await cli(["metric", "list", "--resources", "--cluster", "web"])).out).toBe(
      `CLUSTER  RESOURCE     TYPE      SOURCE  METERS  FIRST UTC            LAST
web      fe/FRONTEND  frontend  lb1     2       2020-02-29 00:00:00  2020-02-29 01:00:00
7 more: name a cluster with --cluster
`,
    );
    expect(view.asked.at(-1)).toEqual(["catalog", { cluster: "web" }]);
  });
});
