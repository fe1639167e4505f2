import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { serveView } from "../../../../src/backend/nats/views/viewServer.ts";
import { isCommand, isEvent, isQuery } from "../../../../src/backend/nats/views/viewServerShapes.ts";
import { aCluster, FakeView } from "../../../helpers/fakeView.ts";
import { aLink } from "../../../helpers/natsLinks.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";

const view = new FakeView([aCluster("a")]);
let node: NatsNode;
let link: NatsLink & AsyncDisposable;
beforeAll(async () => {
  node = await startNats();
  link = await aLink(node);
  await serveView(link, "e1", view);
});
afterAll(async () => {
  await link.close();
  await node[Symbol.asyncDispose]();
});
beforeEach(() => {
  view.asked.length = 0;
  view.commands.length = 0;
  view.events.length = 0;
});

async function say(method: unknown, args: unknown): Promise<{ refused?: string; value?: unknown; error?: object }> {
  const request = JSON.stringify({ v: 1, method, args, timeoutMs: 1000 });
  return (await link.nc.request("tocsin.request.e1", request, { timeout: 5000 })).json();
}

const pause = { kind: "command", command: "pause" };
const event = { kind: "event", messageId: "m", eventType: "deploy", generated: "2026-11-21T00:00:00Z", traits: {} };
const query = { meterName: "requests", from: -1, to: 1 };
const nothing = "x".repeat(601);

describe("what is refused", () => {
  it.each(["none", "", "toString", "constructor", "__proto__", "sources", "bus", "lacks", "asked", "fails"])(
    "the method %j",
    async (method) => expect(await say(method, [])).toEqual({ v: 1, refused: "method" }),
  );

  it.each([
    { method: "alarms", args: [1] },
    { method: "clusters", args: [null] },
    { method: "metricCatalog", args: [] },
    { method: "metricCatalog", args: [{ cluster: null }] },
    { method: "metricCatalog", args: [{ limit: 0 }] },
    { method: "metricCatalog", args: [{ limit: 10_001 }] },
    { method: "metricCatalog", args: [{ other: 1 }] },
    { method: "queryMetrics", args: [{ ...query, from: "0" }] },
    { method: "queryMetrics", args: [{ ...query, to: 1e300 }] },
    { method: "queryMetrics", args: [{ ...query, periodS: 0 }] },
    { method: "queryMetrics", args: [{ ...query, resource: nothing }] },
    { method: "deliveries", args: [{ limit: 1.5 }] },
    { method: "deliveries", args: [{ limit: 5, clusterId: "" }] },
    { method: "delivery", args: [{}] },
    { method: "deliver", args: ["msg_1", "undo"] },
    { method: "deliver", args: ["msg_1"] },
    { method: "testReceiver", args: ["a", "ops", "yes"] },
    { method: "explain", args: ["a", "now"] },
    { method: "history", args: ["a", -1] },
    { method: "command", args: ["a", { ...pause, direction: "up" }] },
    { method: "command", args: ["a", { ...pause, forS: -1 }] },
    { method: "command", args: ["a", { ...pause, extra: 1 }] },
    { method: "command", args: ["a", { kind: "command", command: "rules", rules: {} }] },
    { method: "command", args: ["a", { kind: "command", command: "retry", delivery: {} }] },
    { method: "command", args: ["a", { kind: "start" }] },
    { method: "command", args: ["", pause] },
    { method: "event", args: [{ ...event, generated: "yesterday" }] },
    { method: "event", args: [{ ...event, traits: [] }] },
    { method: "event", args: [{ ...event, traits: { a: {} } }] },
    { method: "event", args: [{ ...event, traits: { constructor: 1 } }] },
    {
      method: "event",
      args: [{ ...event, traits: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`t${n}`, n])) }],
    },
  ])("$method $args", async ({ method, args }) => {
    expect(await say(method, args)).toEqual({ v: 1, refused: "request" });
    expect([view.asked, view.commands, view.events]).toEqual([[], [], []]);
  });

  it("a key that is JavaScript's own", async () => {
    const traits = JSON.parse('{"__proto__":1}') as object;
    const said = `{"v":1,"method":"event","args":[${JSON.stringify(event).replace('"traits":{}', `"traits":${JSON.stringify(traits)}`)}],"timeoutMs":1000}`;
    expect((await link.nc.request("tocsin.request.e1", said, { timeout: 5000 })).json()).toMatchObject({
      refused: "request",
    });
  });

  it("anything else that JSON can say: nothing of it is taken for what it is not", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(
        json,
        fc.dictionary(fc.constantFrom(...Object.keys(event), ...Object.keys(query)), json),
        (some, own) => {
          for (const value of [some, own, { ...event, ...own }, { ...query, ...own }]) {
            for (const check of [isCommand, isEvent, isQuery]) expect(check(value)).toBeTypeOf("boolean");
            if (isEvent(value)) expect(Object.keys(value as object).sort()).toEqual(Object.keys(event).sort());
          }
        },
      ),
    );
  });
});

it.each([
  { method: "command", args: ["a", { ...pause, direction: "in", forS: 5 }], took: () => view.commands },
  { method: "command", args: ["a", { kind: "command", command: "forget", source: "lb1" }], took: () => view.commands },
  {
    method: "event",
    args: [{ ...event, traits: { a: "", b: 1, c: false } }],
    took: () => view.events.map((one) => [one]),
  },
])("$method $args is what the view gets", async ({ method, args, took }) => {
  expect(await say(method, args)).not.toHaveProperty("refused");
  expect(took()).toEqual([args]);
});

it.each([
  {
    method: "metricCatalog",
    args: [{ cluster: "a", limit: 10_000 }],
    asked: ["catalog", { cluster: "a", limit: 10_000 }],
  },
  {
    method: "queryMetrics",
    args: [{ ...query, periodS: 60, statistic: "avg" }],
    asked: ["query", { ...query, periodS: 60, statistic: "avg" }],
  },
  { method: "explain", args: ["id", null], asked: ["explain", "id", undefined] },
  { method: "explain", args: ["id", 5], asked: ["explain", "id", 5] },
  { method: "deliver", args: ["msg_1", "drop"], asked: ["drop", "msg_1"] },
])("$method $args is what the view is asked", async ({ method, args, asked }) => {
  expect(await say(method, args)).not.toHaveProperty("refused");
  expect(view.asked).toEqual([asked]);
});
