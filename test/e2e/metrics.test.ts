import { expect, it } from "vitest";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { freePort, startBackend } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { MetricCatalog, MetricSeriesView, MetricView } from "../../src/model/metricView.ts";
import { command } from "../helpers/cli.ts";
import { getJson, startService, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const RULES = `version: 1
cluster_id: web-id
cluster_name: web
haproxy: [{proxy: "lab_*"}]
alarms: []
`;
const config = (socket: string) => `collector: {interval: 1s, sources: [{name: lab, socket: ${socket}}]}
api: {listen: "127.0.0.1:0"}
log: {format: json}
`;
const SENT = 40;

it("queries tell what was sent, on the real service and a real HAProxy", async () => {
  using folder = temporaryFolder();
  await using backend = await startBackend();
  const port = await freePort();
  await using haproxy = await startHaproxy(folder.path, port, [backend.port], process.env, systemClock);
  writeSetUp(folder.path, config(haproxy.socket), { "web.yaml": RULES });
  await using service = await startService(folder.path);
  const env = { TOCSIN_URL: service.url, LANG: "C.UTF-8" };
  const run = (...args: string[]) => command(args, { cwd: folder.path, env });
  const ask = (query: string) => getJson<MetricSeriesView>(service, `/api/v1/metrics/query?${query}`);
  const row = (name: string) => `&resource=${encodeURIComponent(name)}`;
  const totals = async (query: string) => {
    const { series } = await ask(`meter=requests&cluster=web&from=-5m${query}`);
    return (series[0]?.points ?? []).map(([, value]) => value ?? 0);
  };
  await eventually("a rate", async () => {
    const newest = await getJson<MetricView[]>(service, "/api/v1/metrics/newest?cluster=web&meter=requests.rate");
    return newest.length > 0 || undefined;
  });

  for (let sent = 0; sent < SENT; sent++) await (await fetch(`http://127.0.0.1:${port}/`)).text();
  await eventually("all requests to be counted", async () => {
    const all = await totals("");
    return (all.at(-1) ?? 0) - (all[0] ?? 0) === SENT || undefined;
  });
  // An answer that reaches over the edge of a window is cut there, so that a little is in neither.
  await eventually("windows that hold them", async () => {
    const { series } = await ask("meter=requests&cluster=web&from=-5m&period=5s&statistic=increase");
    const sum = (series[0]?.points ?? []).reduce((all, [, value]) => all + (value ?? 0), 0);
    expect(sum).toBeLessThan(SENT + 0.001);
    return sum > 0.7 * SENT || undefined;
  });

  // The same by rows, as points and as windows; at which instant a request was counted is HAProxy's to say.
  const catalog = await getJson<MetricCatalog>(service, "/api/v1/metrics?cluster=web");
  expect(catalog.clusters).toMatchObject([{ cluster_id: "web-id", cluster_name: "web" }]);
  const rows = catalog.resources.map(({ resource_id }) => resource_id);
  const frontend = rows.find((name) => name.endsWith("/FRONTEND")) ?? "";
  expect(frontend).toMatch(/^lab_/);
  const metadata = { cluster_id: "web-id", "user_metadata.cluster_id": "web-id" };
  expect(catalog.resources.find((one) => one.resource_id === frontend)).toMatchObject({
    source: "lab",
    metadata: { ...metadata, row_type: "frontend" },
  });
  await eventually(
    "the row to have counted them, too",
    async () => (await totals(row(frontend))).at(-1) === SENT || undefined,
  );
  const rate = await ask(`meter=requests.rate&cluster=web-id${row(frontend)}`);
  expect(rate).toMatchObject({ unit: "request/s", statistic: null, resolution: "raw", series: [{ metadata }] });
  expect(rate.series[0]?.points.some(([, value]) => (value ?? 0) > 0)).toBe(true);

  const table = await run(
    "metric",
    "query",
    "--meter",
    "requests",
    "--from",
    "-1m",
    "--period",
    "5s",
    "--statistic",
    "rate",
  );
  expect(table).toMatchObject({ code: 0, err: "" });
  expect(table.out).toMatch(
    /^web: rate of network\.services\.lb\.requests over 5s\n[ ▁▂▃▄▅▆▇█]+\nmin .* request\/s, max .* request\/s, last /,
  );
  const csv = await run("metric", "query", "--meter", "requests", "--cluster", "web", "-o", "csv");
  expect(csv.out).toMatch(
    /^cluster_id,resource_id,meter_name,timestamp,value\r\n(web-id,web-id,network\.services\.lb\.requests,20[^,]+Z,\d+\r\n)+$/,
  );
  expect(await run("metric", "query", "--meter", "request", "--cluster", "web")).toMatchObject({
    code: 5,
    err: 'tocsin: there is no meter request: did you mean "requests"? [E411]\n',
  });
  expect((await run("metric", "query", "--meter", "requests", "--cluster", "wep")).err).toMatch(
    /^tocsin: there is no cluster wep: did you mean "web"\? \[E411\]\n$/,
  );
  expect((await run("metric", "list", "--resources")).out).toContain(`web      ${frontend}`);
  expect((await service.kill("SIGTERM")).code).toBe(0);
});
