/** One process with its series in InfluxDB: the record has all that a restart needs, and queries are answered from there. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { MetricSeriesView } from "../../src/model/metricView.ts";
import type { AlarmView } from "../../src/serviceView.ts";
import { startInflux } from "../helpers/influxServer.ts";
import { scriptedHaproxy, TrueLoad } from "../helpers/scaleLoad.ts";
import { getJson, startService, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const RULES = `version: 1
cluster_id: shop
haproxy: [{proxy: "shop_*"}]
receivers: {ops: {class: notice, type: log}}
alarms:
  - name: high
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    threshold: 60
    comparison_operator: ge
    alarm_actions: ["receiver:ops"]
`;

it("judges, is asked for its series, and goes on after a kill where its record ends", async () => {
  using folder = temporaryFolder();
  await using influx = await startInflux();
  const socket = join(folder.path, "haproxy.sock");
  const load = new TrueLoad(1);
  load.settle("many");
  await using _haproxy = await scriptedHaproxy(socket, new Map([["shop", 1]]), load);
  writeSetUp(
    folder.path,
    `collector: {interval: 1s, sources: [{name: proxy, socket: ${socket}}]}
store: {type: influx, influx: {url: "${influx.url}", database: tocsin}}
api: {listen: "127.0.0.1:0"}
log: {format: json}
`,
    { "shop.yaml": RULES },
  );
  await using first = await startService(folder.path);
  const stands = (service: typeof first, state: string) =>
    eventually(`it is ${state}`, async () => {
      const [alarm] = await getJson<AlarmView[]>(service, "/api/v1/alarms");
      return alarm?.verdict === state && alarm.state === state ? alarm : undefined;
    });
  const { transition } = await stands(first, "alarm");
  await first.kill("SIGKILL");
  await using second = await startService(folder.path);
  expect((await stands(second, "alarm")).transition).toBe(transition);
  load.settle("some");
  expect((await stands(second, "ok")).transition).toBe(transition + 1);
  const query = "cluster=shop&meter=network.services.lb.active.connections";
  const values = await eventually("its series are in InfluxDB", async () => {
    const told = await getJson<MetricSeriesView>(second, `/api/v1/metrics/query?${query}`);
    const seen = told.series?.flatMap(({ points }) => points.flatMap(([, value]) => value ?? [])) ?? [];
    return seen.includes(90) && seen.includes(30) ? seen : undefined;
  });
  expect(new Set(values)).toEqual(new Set([90, 30]));
  expect(existsSync(join(folder.path, "data/influx.db"))).toBe(true);
  expect((await second.kill("SIGTERM")).code).toBe(0);
}, 60_000);
