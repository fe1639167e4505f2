import { request } from "undici";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import type { NatsLink } from "../../src/backend/nats/link/link.ts";
import { remoteView } from "../../src/backend/nats/views/remoteView.ts";
import { serveView } from "../../src/backend/nats/views/viewServer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import { partitionOf } from "../../src/lib/partition.ts";
import { aCluster, aDelivery, anAlarm, aReceiver, FakeView } from "../helpers/fakeView.ts";
import { aLink, FakeCoordination } from "../helpers/natsLinks.ts";
import type { NatsNode } from "../helpers/natsServer.ts";
import { startNats } from "../helpers/natsServer.ts";
import { eventually } from "../helpers/sockets.ts";

const PARTITIONS = 2;
const ids = ["a", "b", "c", "d", "e"];
/** Two clusters in partitions of their own: the engines' one and other. */
const clusters = [0, 1].map((partition) => ids.find((id) => partitionOf(id, PARTITIONS) === partition) ?? "");
const [first = "", second = ""] = clusters;
const views = clusters.map(
  (id, index) =>
    new FakeView(
      [aCluster(id, { cluster_name: `web${index}`, sources: ["lb1"] })],
      [anAlarm(`alarm-${index}`, { name: `busy${index}`, cluster_id: id, cluster_name: `web${index}` })],
    ),
);
const coordination = new FakeCoordination("api", PARTITIONS);
let working = [[0], [1]];
let node: NatsNode;
let link: NatsLink & AsyncDisposable;
let api: ApiServer;
beforeAll(async () => {
  node = await startNats();
  link = await aLink(node);
  for (const [index, view] of views.entries()) await serveView(link, `e${index}`, view, () => working[index] ?? []);
  const common = { link, coordination, partitions: PARTITIONS, clock: systemClock, log: link.log };
  const sources = () => new FakeView().sources();
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", remoteView({ ...common, sources }));
});
afterAll(async () => {
  await api.close();
  await link.nc.close();
  await node[Symbol.asyncDispose]();
});
beforeEach(() => {
  coordination.engines("e0", "e1");
  working = [[0], [1]];
  for (const view of views) {
    view.fails = undefined;
    view.commands.length = 0;
    view.events.length = 0;
    view.asked.length = 0;
  }
});

async function ask(
  path: string,
  body?: object,
): Promise<{ status: number; body: unknown; code: unknown; fault: string }> {
  const message =
    body === undefined
      ? {}
      : { method: "POST" as const, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await request(`${api.url}${path}`, message);
  const said = (await answer.body.json()) as { error_message?: { code?: string; faultstring: string } };
  const { code, faultstring: fault = "" } = said.error_message ?? {};
  return { status: answer.statusCode, body: said, code, fault };
}

it("lists and lookups are of all engines", async () => {
  expect((await ask("/api/v1/clusters")).body).toEqual(views.flatMap((view) => view.clusters()));
  expect((await ask("/api/v1/alarms/busy1")).body).toEqual(views[1]?.alarms()[0]);
  const both = clusters.map((id, index) => ({ cluster_id: id, cluster_name: `web${index}` }));
  expect((await ask("/api/v1/sources")).body).toMatchObject([
    { name: "lb1", clusters: both },
    { name: "lb2", clusters: [] },
  ]);
});

it("commands go to the owner, events to all", async () => {
  expect(await ask("/api/v1/clusters/web1/pause", { for: "90s" })).toMatchObject({
    status: 200,
    body: { cluster_id: second },
  });
  expect(views.map((view) => view.commands)).toEqual([[], [[second, { kind: "command", command: "pause", forS: 90 }]]]);
  expect((await ask("/api/v1/sources/forget", { source: "lb1" })).status).toBe(200);
  expect(views[0]?.commands).toEqual([[first, { kind: "command", command: "forget", source: "lb1" }]]);
  const event = { event_type: "deploy.started", message_id: "m-1", traits: { region: "eu" } };
  expect(await ask("/api/v1/events", event)).toMatchObject({ status: 202, body: { message_id: "m-1", clusters: 4 } });
});

it("deliveries, receivers and queries", async () => {
  const [one, other] = views;
  if (!one || !other) return;
  other.ledger = [aDelivery("msg_1", { cluster_id: second })];
  other.known = [aReceiver("ops", { cluster_id: second, cluster_name: "web1" })];
  expect((await ask("/api/v1/deliveries/msg_1")).body).toEqual(other.ledger[0]);
  expect((await ask("/api/v1/deliveries?cluster=web1")).body).toHaveLength(1);
  expect((await ask("/api/v1/deliveries/msg_1/retry", {})).status).toBe(200);
  expect((await ask("/api/v1/receivers/test", { receiver: "ops", send: true })).body).toMatchObject({ name: "ops" });
  expect(await ask("/api/v1/deliveries/msg_2")).toMatchObject({ status: 404, code: "E406" });
  const query = "/api/v1/metrics/query?meter=requests.rate&cluster=web0&period=60s&statistic=p95";
  expect((await ask(query)).body).toEqual(one.answer);
  expect(one.asked).toEqual(
    expect.arrayContaining([["query", expect.objectContaining({ cluster: first, statistic: "p95" })]]),
  );
  expect((await ask("/api/v1/metrics?limit=7")).body).toMatchObject({ limit: 1000 });
});

it.each([
  {
    fails: new TocsinError("E404", "nothing can be recorded"),
    status: 503,
    code: "E404",
    fault: "nothing can be recorded",
  },
  { fails: new TocsinError("E410", "too large"), status: 400, code: "E410", fault: "too large" },
  { fails: new Error("secret=hunter2"), status: 504, code: "E663", fault: expect.not.stringContaining("hunter2") },
])("an engine's $fails.message is answered with $status", async ({ fails, status, code, fault }) => {
  for (const view of views) view.fails = fails;
  expect(await ask("/api/v1/clusters/web0/pause", {})).toMatchObject({ status, code, fault });
});

it("what is not found is not said to be nowhere while not all could be asked", async () => {
  expect(await ask("/api/v1/clusters/web9/pause", {})).toMatchObject({ status: 404, code: "E403" });
  working = [[0], []];
  const fault = "not all could be asked: partition 1 is being taken over";
  for (const path of ["clusters/web9/pause", "sources/forget"]) {
    const answer = await ask(`/api/v1/${path}`, path.startsWith("sources") ? { source: "lb1" } : {});
    expect(answer).toMatchObject({ status: 503, code: "E661", fault: expect.stringContaining(fault) });
  }
  expect(await ask("/api/v1/alarms/none")).toMatchObject({ status: 503, code: "E661" });
  expect(views.flatMap((view) => view.commands)).toEqual([]);
});

it("health: who this is, who is there, and what is wrong", async () => {
  expect(await ask("/healthz")).toMatchObject({
    status: 200,
    body: {
      status: "ok",
      reasons: [],
      bus: {
        connected: true,
        id: "api",
        partitions: 2,
        owned: [],
        unowned: [],
        members: [{ id: "e0", ready: true }, {}],
      },
    },
  });
  coordination.owners.delete(1);
  expect(await ask("/healthz")).toMatchObject({
    status: 503,
    body: { status: "degraded", reasons: ["partition 1 has no owner"], bus: { unowned: [1] } },
  });
  // Others answer no better: requests may come here all the same.
  expect(await ask("/readyz")).toMatchObject({ status: 200, body: { status: "ready", reasons: [] } });
  coordination.engines();
  expect(await ask("/healthz")).toMatchObject({ status: 503, body: { reasons: ["no engine is there"] } });
  expect(await ask("/api/v1/alarms")).toMatchObject({ status: 503, code: "E660" });
});

it("without a bus it is not ready; when that is back, it is", async () => {
  await node.kill();
  await eventually("the loss is seen", () => !link.isUp() || undefined);
  expect(await ask("/readyz")).toMatchObject({ status: 503, body: { reasons: ["the bus is not connected"] } });
  expect(await ask("/healthz")).toMatchObject({ status: 503, body: { bus: { connected: false } } });
  await node.start();
  await eventually("it is ready", async () => (await ask("/readyz")).status === 200 || undefined);
  await eventually("it is well", async () => (await ask("/healthz")).status === 200 || undefined);
});
