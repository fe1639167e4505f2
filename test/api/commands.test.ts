import { request } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import { aCluster, anAlarm, FakeView } from "../helpers/fakeView.ts";

const NOW = Date.parse("2026-11-21T00:53:09.000Z");
const view = new FakeView(
  [
    aCluster("a", { cluster_name: "web", sources: ["lb1", "lb2"] }),
    aCluster("b", { cluster_name: "twin", sources: ["lb1"] }),
    aCluster("c", { cluster_name: "twin" }),
    // Its name is another's id: ids go first.
    aCluster("d", { cluster_name: "a" }),
  ],
  [anAlarm("id-1", { name: "busy" }), anAlarm("id-2", { name: "twin" }), anAlarm("id-3", { name: "twin" })],
);
let api: ApiServer;
beforeAll(async () => {
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", view, { now: () => NOW });
});
afterAll(() => api.close());
beforeEach(() => {
  view.commands.length = 0;
  view.events.length = 0;
  view.asked.length = 0;
  view.fails = undefined;
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Aodh's `faultstring`, where it is an error. */
  readonly fault: string | undefined;
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return send("POST", path, typeof body === "string" ? body : JSON.stringify(body), {
    "content-type": "application/json",
    ...headers,
  });
}

async function send(
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await request(`${api.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  expect(answer.headers["content-type"]).toMatch(/^application\/json/);
  expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  const json = (await answer.body.json()) as { error_message?: { faultstring?: string; code?: string } };
  const error = json.error_message;
  if (answer.statusCode >= 400) {
    const faultcode = answer.statusCode < 500 ? "Client" : "Server";
    const { code, ...fault } = json.error_message ?? {};
    expect(fault).toEqual({ faultcode, faultstring: expect.any(String), debuginfo: null });
    expect(code).toBeOneOf([undefined, "E403", "E404"]);
  }
  return { status: answer.statusCode, body: json, fault: error?.faultstring };
}

describe("pause and resume", () => {
  it.each([
    { body: {}, command: { command: "pause" } },
    { body: { direction: "in" }, command: { command: "pause", direction: "in" } },
    { body: { for: 90 }, command: { command: "pause", forS: 90 } },
    { body: { direction: "out", for: "1h30m" }, command: { command: "pause", direction: "out", forS: 5400 } },
  ])("pause $body", async ({ body, command }) => {
    expect(await post("/api/v1/clusters/web/pause", body)).toMatchObject({ status: 200, body: { cluster_id: "a" } });
    expect(view.commands).toEqual([["a", { kind: "command", ...command }]]);
  });

  it("resume, by id; an id goes before a name", async () => {
    expect((await post("/api/v1/clusters/a/resume", { direction: "in" })).status).toBe(200);
    expect((await post("/api/v1/clusters/c/resume", {})).status).toBe(200);
    expect(view.commands).toEqual([
      ["a", { kind: "command", command: "resume", direction: "in" }],
      ["c", { kind: "command", command: "resume" }],
    ]);
  });

  it.each([
    {
      path: "nobody/pause",
      body: {},
      status: 404,
      fault: 'there is no cluster nobody: "tocsin cluster list" names them',
    },
    {
      path: "twin/pause",
      body: {},
      status: 409,
      fault: "2 clusters are named twin; say which by its id: b, c",
    },
    { path: "web/pause", body: { for: "soon" }, status: 400, fault: /^for: expected a duration above 0/ },
    { path: "web/pause", body: { for: 0 }, status: 400, fault: /^for: / },
    { path: "web/pause", body: { for: -5 }, status: 400, fault: /^for: / },
    { path: "web/pause", body: { for: "367d" }, status: 400, fault: /^for: / },
    { path: "web/pause", body: '{"for":1e999}', status: 400, fault: /^for: / },
    { path: "web/pause", body: { direction: "up" }, status: 400, fault: /^direction: / },
    { path: "web/pause", body: { dirction: "in" }, status: 400, fault: /"dirction"/ },
    { path: "web/pause", body: "[]", status: 400, fault: /expected object/ },
    { path: "web/resume", body: { for: 5 }, status: 400, fault: /"for"/ },
  ])("$path $body is refused with $status", async ({ path, body, status, fault }) => {
    const answer = await post(`/api/v1/clusters/${path}`, body);
    expect(answer.status).toBe(status);
    expect(answer.fault).toEqual(typeof fault === "string" ? fault : expect.stringMatching(fault));
    expect(view.commands).toEqual([]);
  });

  it.each([
    { fails: new TocsinError("E403", "there is no cluster web"), status: 404 },
    { fails: new TocsinError("E404", "nothing can be recorded"), status: 503 },
    { fails: new Error("a bug"), status: 500 },
  ])("a command that fails with $fails is answered $status", async ({ fails, status }) => {
    view.fails = fails;
    expect(await post("/api/v1/clusters/web/pause", {})).toMatchObject({ status, fault: fails.message });
  });
});

describe("forgetting a source", () => {
  it("is told to every cluster that knows it", async () => {
    const answer = await post("/api/v1/sources/forget", { source: "lb1" });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        source: "lb1",
        clusters: [
          { cluster_id: "a", cluster_name: "web" },
          { cluster_id: "b", cluster_name: "twin" },
        ],
      },
    });
    const command = { kind: "command", command: "forget", source: "lb1" };
    expect(view.commands).toEqual([
      ["a", command],
      ["b", command],
    ]);
  });

  it("or to one", async () => {
    expect((await post("/api/v1/sources/forget", { source: "lb1", cluster: "web" })).status).toBe(200);
    expect(view.commands.map(([cluster]) => cluster)).toEqual(["a"]);
  });

  it.each([
    { body: { source: "lb9" }, status: 404, fault: "lb9 is not a source of any cluster" },
    { body: { source: "lb2", cluster: "b" }, status: 404, fault: "lb2 is not a source of cluster b" },
    {
      body: { source: "lb1", cluster: "z" },
      status: 404,
      fault: 'there is no cluster z: "tocsin cluster list" names them',
    },
    { body: { source: "lb1", cluster: "twin" }, status: 409, fault: expect.stringContaining("b, c") },
    { body: {}, status: 400, fault: expect.stringMatching(/^source: /) },
    { body: { source: 1 }, status: 400, fault: expect.stringMatching(/^source: /) },
  ])("$body is refused with $status", async ({ body, status, fault }) => {
    expect(await post("/api/v1/sources/forget", body)).toMatchObject({ status, fault });
    expect(view.commands).toEqual([]);
  });
});

describe("events", () => {
  it("get an id and a time where they have none", async () => {
    const answer = await post("/api/v1/events", { event_type: "deploy.started" });
    const [event] = view.events;
    expect(answer).toMatchObject({ status: 202, body: { message_id: event?.messageId, clusters: 2 } });
    expect(event).toEqual({
      kind: "event",
      messageId: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      eventType: "deploy.started",
      generated: "2026-11-21T00:53:09.000Z",
      traits: {},
    });
  });

  it.each([
    { name: "a map", traits: { host: "n1", code: 503, up: false, load: 0.5 } },
    {
      name: "Ceilometer's list",
      traits: [
        ["host", 1, "n1"],
        ["code", 2, 503],
        ["up", 1, false],
        ["load", 3, 0.5],
      ],
    },
  ])("take traits as $name", async ({ traits }) => {
    const event = { event_type: "compute.stop", message_id: "m-1", generated: "2026-11-21T08:53:09+08:00", traits };
    expect((await post("/api/v1/events", event)).body).toEqual({ message_id: "m-1", clusters: 2 });
    expect(view.events).toEqual([
      {
        kind: "event",
        messageId: "m-1",
        eventType: "compute.stop",
        generated: "2026-11-21T08:53:09+08:00",
        traits: { host: "n1", code: 503, up: false, load: 0.5 },
      },
    ]);
  });

  it("a time without a zone, as Ceilometer writes it, is UTC", async () => {
    await post("/api/v1/events", { event_type: "x", generated: "2026-11-21T08:53:09.123456" });
    expect(view.events[0]?.generated).toBe("2026-11-21T08:53:09.123456Z");
  });

  const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, n]));
  it("64 traits and 255 characters are taken", async () => {
    const long = "x".repeat(255);
    const traits = { ...names(63), [long]: long };
    expect((await post("/api/v1/events", { event_type: long, message_id: long, traits })).status).toBe(202);
    expect(Object.keys(view.events[0]?.traits ?? {})).toHaveLength(64);
  });

  const long = "x".repeat(256);
  it.each([
    { why: "no type", body: {}, fault: /^event_type: / },
    { why: "an empty type", body: { event_type: "" }, fault: /^event_type: / },
    { why: "a long type", body: { event_type: long }, fault: /^event_type: / },
    { why: "a control character", body: { event_type: "a\u001b[31m" }, fault: /control characters/ },
    { why: "a long id", body: { event_type: "x", message_id: long }, fault: /^message_id: / },
    { why: "no time", body: { event_type: "x", generated: "yesterday" }, fault: /^generated: expected a time/ },
    { why: "no day", body: { event_type: "x", generated: "2026-02-30T00:00:00Z" }, fault: /^generated: / },
    { why: "65 traits", body: { event_type: "x", traits: names(65) }, fault: /^traits: at most 64/ },
    {
      why: "a list of 65",
      body: { event_type: "x", traits: Object.entries(names(65)).map(([name, value]) => [name, 2, value]) },
      fault: /^traits: at most 64/,
    },
    { why: "a long name", body: { event_type: "x", traits: { [long]: 1 } }, fault: /^traits\.x/ },
    { why: "a long value", body: { event_type: "x", traits: { a: long } }, fault: /^traits\.a: .*255/ },
    { why: "a nested value", body: { event_type: "x", traits: { a: { b: 1 } } }, fault: /^traits\.a: / },
    { why: "null", body: { event_type: "x", traits: { a: null } }, fault: /^traits\.a: / },
    { why: "an infinite number", body: '{"event_type":"x","traits":{"a":1e999}}', fault: /^traits\.a: / },
    { why: "a pair", body: { event_type: "x", traits: [["a", 1]] }, fault: /^traits\.0/ },
    {
      why: "a name twice",
      body: {
        event_type: "x",
        traits: [
          ["a", 1, "b"],
          ["a", 1, "c"],
        ],
      },
      fault: /^traits: a trait is named twice/,
    },
    { why: "an unknown key", body: { event_type: "x", trait: {} }, fault: /"trait"/ },
    { why: "__proto__", body: '{"event_type":"x","__proto__":{"message_id":"m"}}', fault: /./ },
    { why: "a trait __proto__", body: '{"event_type":"x","traits":{"__proto__":{"polluted":1}}}', fault: /./ },
    { why: "a listed __proto__", body: '{"event_type":"x","traits":[["__proto__",1,"x"]]}', fault: /reserved/ },
    { why: "a trait constructor", body: '{"event_type":"x","traits":{"constructor":"x"}}', fault: /reserved/ },
    { why: "half a body", body: '{"event_type":', fault: /JSON/ },
    { why: "no body", body: "", fault: /./ },
  ])("$why is refused", async ({ body, fault }) => {
    const answer = await post("/api/v1/events", body);
    expect([answer.status, answer.fault]).toEqual([400, expect.stringMatching(fault)]);
    expect(view.events).toEqual([]);
    expect({}).not.toHaveProperty("polluted");
  });

  it("a body above 16 kB is refused", async () => {
    const answer = await post("/api/v1/events", { event_type: "x", traits: { a: "x".repeat(17_000) } });
    expect(answer.status).toBe(413);
  });
});

describe("alarms", () => {
  it.each([
    ["", undefined],
    ["?at=1795222389", 1_795_222_389_000],
    ["?at=1795222388.5", 1_795_222_388_500],
    ["?at=2026-11-21T00:53:09Z", NOW],
    ["?at=2026-11-21T08:53:09%2B08:00", NOW],
  ])("explain%s", async (query, at) => {
    const answer = await send("GET", `/api/v1/alarms/busy/explain${query}`);
    expect(answer.status).toBe(404);
    expect(answer.fault).toMatch(/^nothing is recorded of alarm busy/);
    expect(view.asked).toEqual([["explain", "id-1", at]]);
  });

  it("history", async () => {
    expect(await send("GET", "/api/v1/alarms/busy/history?limit=7")).toMatchObject({ status: 200, body: [] });
    await send("GET", "/api/v1/alarms/id-2/history");
    expect(view.asked).toEqual([
      ["history", "id-1", 7],
      ["history", "id-2", 100],
    ]);
  });

  it.each([
    ["busy/explain?at=14:03", 400],
    ["busy/explain?at=2026-11-21", 400],
    ["busy/explain?at=1&at=2", 400],
    // Nothing is known of the future, nor of the 30th of February.
    ["busy/explain?at=1795222390", 400],
    ["busy/explain?at=2026-02-30T00:00:00Z", 400],
    ["busy/history?limit=0", 400],
    ["busy/history?limit=1001", 400],
    ["busy/history?limit=1.5", 400],
    ["busy/history?limit=many", 400],
    ["nobody/explain", 404],
    ["nobody/history", 404],
    ["twin/history", 409],
    ["twin", 409],
    ["nobody", 404],
    ["%E0%A4", 400],
    [`${"x".repeat(301)}`, 414],
  ])("%s is refused with %i", async (path, status) => {
    expect((await send("GET", `/api/v1/alarms/${path}`)).status).toBe(status);
    expect(view.asked).toEqual([]);
  });
});

it("sources are listed with the clusters that know them", async () => {
  expect((await send("GET", "/api/v1/sources")).body).toEqual([
    {
      name: "lb1",
      kind: "socket",
      address: "/run/lb1.sock",
      version: "2.6.12",
      pid: 7,
      uptime_s: 273_900,
      process_since: "2026-11-17T20:55:00.000Z",
      rows: 14,
      errors: 0,
      duration_ms: 2.5,
      hints: [],
      ok: true,
      code: "ok",
      reason: "",
      unmapped: ["stray"],
      skipped_rows: 0,
      clusters: [
        { cluster_id: "a", cluster_name: "web" },
        { cluster_id: "b", cluster_name: "twin" },
      ],
    },
    {
      name: "lb2",
      kind: "tcp",
      address: "lb2:9999",
      version: "",
      pid: null,
      uptime_s: null,
      process_since: null,
      rows: 0,
      errors: 3,
      duration_ms: 1,
      hints: [],
      ok: false,
      code: "ECONNREFUSED",
      reason: "nobody listens",
      unmapped: [],
      skipped_rows: 0,
      clusters: [{ cluster_id: "a", cluster_name: "web" }],
    },
  ]);
});

describe("web pages are kept out", () => {
  it.each([
    { type: "text/plain" },
    { type: "text/plain; application/json" },
    { type: "application/x-www-form-urlencoded" },
    { type: "multipart/form-data; boundary=x" },
    { type: "application/jsonx" },
    { type: "application/vnd.api+json" },
    { type: "" },
  ])("a POST of $type is refused", async ({ type }) => {
    const answer = await send("POST", "/api/v1/clusters/web/pause", "{}", type === "" ? {} : { "content-type": type });
    expect(answer.status).toBe(415);
    expect(view.commands).toEqual([]);
  });

  it("so is a POST of nothing, which needs no type", async () => {
    expect((await send("POST", "/api/v1/clusters/web/pause")).status).toBe(415);
    expect(view.commands).toEqual([]);
  });

  it("a charset is no other type", async () => {
    const headers = { "content-type": "Application/JSON; charset=utf-8" };
    expect((await post("/api/v1/clusters/web/pause", {}, headers)).status).toBe(200);
  });

  it.each(["http://evil.example", "null", "http://localhost:8042", "http://127.0.0.1"])(
    "a POST with the origin %s is refused",
    async (origin) => {
      expect((await post("/api/v1/clusters/web/pause", {}, { origin })).status).toBe(403);
      expect((await post("/api/v1/nothing", {}, { origin })).status).toBe(403);
      expect((await send("DELETE", "/api/v1/alarms/busy", undefined, { origin })).status).toBe(403);
      expect(view.commands).toEqual([]);
    },
  );

  it.each([
    "evil.example",
    "evil.example:8042",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example@127.0.0.1",
    "10.0.0.1:8042",
    "0.0.0.0",
    "[::]:8042",
    "[fe80::1]",
    "localhost:8042:1",
    "",
  ])("the host %j is refused, whatever is asked", async (host) => {
    expect((await send("GET", "/api/v1/alarms", undefined, { host })).status).toBe(403);
    expect((await send("GET", "/healthz", undefined, { host })).status).toBe(403);
    expect((await send("GET", "/nothing", undefined, { host })).status).toBe(403);
    expect((await post("/api/v1/clusters/web/pause", {}, { host })).status).toBe(403);
    expect(view.commands).toEqual([]);
  });

  it.each(["localhost", "LOCALHOST:1234", "127.0.0.1", "127.1.2.3:80", "[::1]:8042", "[0:0:0:0:0:0:0:1]"])(
    "the host %s is ours",
    async (host) => expect((await send("GET", "/api/v1/alarms", undefined, { host })).status).toBe(200),
  );

  it("beyond loopback the names are the network's: any host may be named, an origin may not", async () => {
    await using open = new AsyncDisposableStack();
    const other = await startApi({ host: "0.0.0.0", port: 0 }, "1.2.3", view);
    open.defer(() => other.close());
    const { port } = new URL(other.url);
    const url = `http://127.0.0.1:${port}/api/v1`;
    const named = await request(`${url}/alarms`, { headers: { host: "tocsin.example.net" } });
    await named.body.dump();
    const page = await request(`${url}/clusters/web/pause`, {
      method: "POST",
      body: "{}",
      headers: { host: "tocsin.example.net", origin: "http://evil.example", "content-type": "application/json" },
    });
    await page.body.dump();
    expect([named.statusCode, page.statusCode]).toEqual([200, 403]);
  });
});
