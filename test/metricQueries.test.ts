import { describe, expect, it } from "vitest";
import { metricQueriesOf } from "../src/metricQueries.ts";
import type { SealedTick } from "../src/model/tick.ts";
import { queriesHere } from "../src/query/queries.ts";
import { BYTES, SESSIONS } from "./helpers/rules.ts";
import type { KeptRow } from "./query/reader.ts";
import { ArrayReader } from "./query/reader.ts";

const T = 10_000;
const AT = Date.parse("2026-11-21T00:00:00.000Z");
const tick = (n: number): SealedTick => ({
  kind: "tick",
  number: AT / T + n,
  at: AT + n * T,
  values: { [SESSIONS]: n },
  sources: [{ name: "lb1", coveredS: 10 }],
  members: [],
});
const row: KeptRow = {
  clusterId: "id-web",
  source: "lb1",
  tick: { number: AT / T + 1, at: AT + T },
  coveredS: 10,
  row: { resource: "fe/s1", kind: "server", increases: { [BYTES]: 5 }, sums: { [SESSIONS]: 2 }, means: {} },
};
const ticks = [tick(1), tick(2)];
const reader = new ArrayReader({ ticks: { "id-web": ticks, "id-gone": ticks }, rows: [row] });
const known = [
  { cluster_id: "id-web", cluster_name: "web", values: { [SESSIONS]: 2, "tocsin.source.up": 1 } },
  { cluster_id: "id-new", cluster_name: "new", values: {} },
  { cluster_id: "id-1", cluster_name: "twin", values: {} },
  { cluster_id: "id-2", cluster_name: "twin", values: {} },
];
const view = metricQueriesOf({ queries: queriesHere(reader, T), clusters: () => known });
const range = { from: AT, to: AT + 2 * T };

describe("queries by name", () => {
  it("name, unit and metadata of a cluster, and of a row", async () => {
    expect(await view.queryMetrics({ meterName: "active.connections", cluster: "web", ...range })).toEqual({
      meter_name: SESSIONS,
      type: "gauge",
      unit: "connection",
      statistic: null,
      period: null,
      from: "2026-11-21T00:00:00.000Z",
      to: "2026-11-21T00:00:20.000Z",
      resolution: "raw",
      series: [
        {
          cluster_id: "id-web",
          cluster_name: "web",
          resource_id: "id-web",
          metadata: { cluster_id: "id-web", cluster_name: "web", "user_metadata.cluster_id": "id-web" },
          points: [
            ["2026-11-21T00:00:10.000Z", 1],
            ["2026-11-21T00:00:20.000Z", 2],
          ],
          complete: [true, true],
        },
      ],
    });
    const rows = await view.queryMetrics({ meterName: SESSIONS, cluster: "id-web", resource: "fe/*", ...range });
    expect(rows.series).toMatchObject([
      {
        resource_id: "fe/s1",
        metadata: {
          source: "lb1",
          proxy: "fe",
          server: "s1",
          row_type: "server",
          "user_metadata.cluster_id": "id-web",
        },
      },
    ]);
  });

  it("a cluster that the service does not know any more, by its id; one that was meant; one of several", async () => {
    const ask = (cluster: string) => view.queryMetrics({ meterName: SESSIONS, cluster, ...range });
    expect((await ask("id-gone")).series).toMatchObject([{ cluster_id: "id-gone", cluster_name: "id-gone" }]);
    await expect(ask("wep")).rejects.toMatchObject({ code: "E411", message: expect.stringContaining('"web"') });
    await expect(ask("twin")).rejects.toMatchObject({ code: "E411", message: expect.stringContaining("id-1, id-2") });
    await expect(view.metricCatalog({ cluster: "twin" })).rejects.toMatchObject({ code: "E411" });
    await expect(view.metricCatalog({ cluster: "wep" })).rejects.toMatchObject({ code: "E411" });
  });
});

describe("of what there is nothing", () => {
  const BACKEND = "network.services.lb.retries.rate";
  const why = async (meterName: string, more = {}) =>
    (await view.queryMetrics({ meterName, cluster: "web", ...range, periodS: 10, statistic: "avg", ...more })).series[0]
      ?.reason;
  it("says what the meter is made of, where the cluster has no value of it", async () => {
    expect(await why(BACKEND)).toBe("the cluster has no value of it now: it is made of backends");
    expect(await why("requests")).toMatch(/frontends, or of backends where it has no frontend, in HTTP mode alone$/);
    expect(await why("member")).toBe("it is of each server by itself: say --resource proxy/server");
  });

  it("says nothing where there is something, or it is only not of then", async () => {
    expect(await why(SESSIONS)).toBeUndefined();
    expect(await why(SESSIONS, { from: AT - 9 * T, to: AT - T })).toBeUndefined();
    expect(await why(BYTES, { resource: "fe/s1", from: AT - 9 * T, to: AT - T })).toBeUndefined();
  });

  it("a row that is not there: of a server, the detail that is kept; else where rows are listed", async () => {
    const ask = (resource: string) => view.queryMetrics({ meterName: BYTES, cluster: "id-web", resource, ...range });
    await expect(ask("zzzzzzzz/FRONTEND")).rejects.toThrow(/"tocsin metric list --resources" names them$/);
    const proxies = new ArrayReader({
      ticks: { "id-web": ticks },
      rows: [{ ...row, row: { ...row.row, resource: "fe/FRONTEND", kind: "frontend" } }],
    });
    const own = metricQueriesOf({ queries: queriesHere(proxies, T), clusters: () => known });
    await expect(own.queryMetrics({ meterName: BYTES, cluster: "web", resource: "fe/s1", ...range })).rejects.toThrow(
      /rows of single servers are kept with store.detail: members alone; "tocsin metric list --resources" names them$/,
    );
  });

  it("an id by its beginning, as tables have it, if it is one's alone", async () => {
    const ids = ["0d7f5a2e-3c55-4f5e-9d50-1f3f3f2d8a11", "61a9c1de-52b4-49d3-8a0b-9e0f6a1b7733", "61a9c1de-x"];
    const clusters = ids.map((id) => ({ cluster_id: id, cluster_name: id, values: {} }));
    const own = metricQueriesOf({ queries: queriesHere(reader, T), clusters: () => clusters });
    for (const begin of ["0d7f5a2e", "0d7f5a2e…", "0d7f5a2e-3c"]) {
      expect((await own.metricCatalog({ cluster: begin })).clusters[0]?.cluster_id).toBe(ids[0]);
      expect((await own.queryMetrics({ meterName: SESSIONS, cluster: begin, ...range })).series[0]?.cluster_id).toBe(
        ids[0],
      );
    }
    await expect(own.metricCatalog({ cluster: "61a9c1de" })).rejects.toMatchObject({ code: "E411" });
  });
});

describe("the catalogue", () => {
  it("clusters that are known, and that are kept, with what they have; clusters need no rules", async () => {
    const { clusters, meters, resources, more } = await view.metricCatalog({});
    expect(meters.length).toBeGreaterThan(40);
    expect(clusters.map((one) => [one.cluster_id, one.first_sample_timestamp, one.meters])).toEqual([
      ["id-1", null, []],
      ["id-2", null, []],
      ["id-gone", "2026-11-21T00:00:10.000Z", []],
      ["id-new", null, []],
      ["id-web", "2026-11-21T00:00:10.000Z", [SESSIONS, "tocsin.source.up"]],
    ]);
    expect(resources).toMatchObject([{ resource_id: "fe/s1", cluster_id: "id-web", source: "lb1" }]);
    expect(more).toEqual({ clusters: 0, resources: 0 });
  });

  it("of one cluster, of one meter or of those of a glob", async () => {
    expect((await view.metricCatalog({ cluster: "web" })).clusters.map((one) => one.cluster_id)).toEqual(["id-web"]);
    const own = await view.metricCatalog({ meter: "active.connections" });
    expect(own.meters.map((one) => one.meter_name)).toEqual([SESSIONS]);
    expect(own.clusters.map((one) => one.cluster_id)).toEqual(["id-gone", "id-web"]);
    expect((await view.metricCatalog({ meter: "responses.*" })).meters.length).toBeGreaterThan(10);
    await expect(view.metricCatalog({ meter: "cpu" })).rejects.toMatchObject({ code: "E411" });
  });
});
