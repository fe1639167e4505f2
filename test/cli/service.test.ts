import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import { clusterTable } from "../../src/cli/pause.ts";
import { TocsinError } from "../../src/lib/errors.ts";
import { command } from "../helpers/cli.ts";
import { aCluster, anAlarm, FakeView } from "../helpers/fakeView.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const view = new FakeView(
  [
    aCluster("a", {
      cluster_name: "web",
      lane: "settling (out)",
      servers: { s1: "up", s2: "maint", s3: "up" },
      sources: ["lb1", "lb2"],
      paused: { out: null, in: 7140 },
    }),
    aCluster("b", { cluster_name: "twin", sources: ["lb1"] }),
    aCluster("c", { cluster_name: "twin" }),
  ],
  [
    anAlarm("id-1", { name: "busy", cluster_id: "a", state: "alarm" }),
    anAlarm("id-2", { name: "quiet", cluster_id: "a" }),
  ],
);
let api: ApiServer;
beforeAll(async () => {
  api = await startApi({ host: "127.0.0.1", port: 0 }, "1.2.3", view);
});
afterAll(() => api.close());
beforeEach(() => {
  view.commands.length = 0;
  view.events.length = 0;
  view.asked.length = 0;
  view.fails = undefined;
});

const cli = (...args: string[]) => command(args, { cwd: "/", env: { TOCSIN_URL: api.url } });

describe("pause and resume", () => {
  it("a direction, for a while", async () => {
    const { code, out } = await cli("pause", "web", "--direction", "in", "--for", "2h");
    expect([code, out]).toEqual([0, "scaling in of web is paused for 2h\n"]);
    expect(view.commands).toEqual([["a", { kind: "command", command: "pause", direction: "in", forS: 7200 }]]);
  });

  it("both, until resumed", async () => {
    expect((await cli("pause", "a")).out).toBe('scaling in and out of web is paused until "tocsin resume web"\n');
    expect((await cli("resume", "b")).out).toBe("scaling in and out of twin is resumed\n");
    expect((await cli("resume", "web", "--direction", "in")).out).toBe(
      "scaling in of web is resumed; still paused: in 1h59m, out\n",
    );
    expect(view.commands.map(([cluster, command]) => [cluster, command])).toEqual([
      ["a", { kind: "command", command: "pause" }],
      ["b", { kind: "command", command: "resume" }],
      ["a", { kind: "command", command: "resume", direction: "in" }],
    ]);
  });

  it.each([
    { args: ["pause"], code: 2, err: "missing required argument" },
    { args: ["pause", "web", "--direction", "up"], code: 2, err: "Allowed choices are in, out" },
    { args: ["pause", "web", "--for", "soon"], code: 2, err: "it is a duration" },
    { args: ["pause", "web", "--for", "0"], code: 2, err: "it is a duration" },
    { args: ["pause", "web", "--for", "999d"], code: 5, err: "up to 366 days" },
    { args: ["pause", "twin"], code: 5, err: "2 clusters are named twin; say which by its id: b, c [E402]" },
    {
      args: ["resume", "no/body"],
      code: 5,
      err: 'there is no cluster no/body: "tocsin cluster list" names them [E403]',
    },
    { args: ["pause", "wab"], code: 5, err: 'there is no cluster wab: did you mean "web"? [E403]' },
    { args: ["alarm", "show", "bussy"], code: 5, err: 'there is no alarm bussy: did you mean "busy"? [E402]' },
    { args: ["alarm", "history", "busy", "--limit", "0"], code: 2, err: "it is a whole number from 1 to 1000" },
    { args: ["delivery", "list", "--limit", "1e2"], code: 2, err: "it is a whole number from 1 to 1000" },
  ])("$args ends with $code", async ({ args, code, err }) => {
    const ended = await cli(...args);
    expect([ended.code, ended.out]).toEqual([code, ""]);
    expect(ended.err).toContain(err);
    expect(view.commands).toEqual([]);
  });

  it("while nothing can be recorded it is refused", async () => {
    view.fails = new TocsinError("E404", "nothing can be recorded for cluster a now: disk full");
    const { code, err } = await cli("pause", "web");
    expect([code, err]).toEqual([5, "tocsin: nothing can be recorded for cluster a now: disk full [E404]\n"]);
  });
});

it("cluster list", async () => {
  expect((await cli("cluster", "list")).out).toBe(
    [
      "CLUSTER  SERVERS  LANE            PAUSED         SOURCES  ALARMS  LAST TICK",
      "web      2/3      settling (out)  in 1h59m, out  2        1/2     -",
      "twin     0/0      idle            -              1        0/0     -",
      "twin     0/0      idle            -              0        0/0     -",
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await cli("cluster", "list", "-o", "json")).out)).toEqual(view.clusters());
});

describe("sources", () => {
  it("list", async () => {
    expect((await cli("source", "list")).out).toBe(
      [
        "SOURCE  STATE         VERSION  UPTIME  ROWS  ERRORS  UNMAPPED  CLUSTERS",
        "lb1     ok            2.6.12   3d4h    14    0       1         web, twin",
        "lb2     ECONNREFUSED  -        -       0     3       0         web",
        "  nobody listens",
        "",
      ].join("\n"),
    );
    expect(JSON.parse((await cli("source", "list", "-o", "json")).out)).toMatchObject([
      { name: "lb1", unmapped: ["stray"] },
      { name: "lb2" },
    ]);
  });

  it("forget", async () => {
    const { code, out } = await cli("source", "forget", "lb1");
    expect([code, out]).toEqual([0, "web, twin no longer wait for lb1: it is known again when it answers\n"]);
    expect(view.commands).toHaveLength(2);
    await cli("source", "forget", "lb1", "--cluster", "b");
    expect(view.commands.at(-1)).toEqual(["b", { kind: "command", command: "forget", source: "lb1" }]);
    expect(view.commands).toHaveLength(3);
  });

  it("forget what nobody knows", async () => {
    const { code, err } = await cli("source", "forget", "lb9");
    expect([code, err]).toEqual([5, "tocsin: lb9 is not a source of any cluster [E402]\n"]);
  });
});

describe("event send", () => {
  it("with traits: numbers and truth values where nothing is lost", async () => {
    const traits = ["host=n1", "code=503", "load=0.5", "up=false", "id=007", "big=1e3", "sum=a=b", "empty="];
    const flags = [...traits, "last=1"].flatMap((one) => ["--trait", one]);
    const { code, out } = await cli("event", "send", ...flags, "deploy.started");
    const [event] = view.events;
    expect([code, out]).toEqual([0, `event ${event?.messageId} was heard by 2 clusters\n`]);
    expect(event).toMatchObject({
      eventType: "deploy.started",
      traits: {
        host: "n1",
        code: 503,
        load: 0.5,
        up: false,
        id: "007",
        big: "1e3",
        sum: "a=b",
        empty: "",
        last: 1,
      },
    });
  });

  it.each([
    { args: ["deploy", "--trait", "host"], code: 2 },
    { args: ["deploy", "--trait", "=n1"], code: 2 },
    { args: [], code: 2 },
    { args: ["deploy", "--trait", "__proto__=1"], code: 5 },
    { args: ["x".repeat(300)], code: 5 },
  ])("$args ends with $code", async ({ args, code }) => {
    expect((await cli("event", "send", ...args)).code).toBe(code);
    expect(view.events).toEqual([]);
  });
});

describe("alarm explain and history", () => {
  it("an instant is asked for as such", async () => {
    expect((await cli("alarm", "explain", "busy", "--at", "2024-11-21T08:53:09+08:00")).code).toBe(5);
    await cli("alarm", "explain", "busy");
    expect(view.asked).toEqual([
      ["explain", "id-1", Date.UTC(2024, 10, 21, 0, 53, 9)],
      ["explain", "id-1", undefined],
    ]);
    const { code, err } = await cli("alarm", "explain", "busy", "--at", "noon");
    expect([code, err]).toEqual([2, expect.stringContaining("it is a time")]);
    const never = await cli("alarm", "explain", "busy", "--at", "2026-02-30T00:00:00Z");
    expect([never.code, never.err]).toEqual([2, expect.stringContaining("it is a time")]);
    const future = await cli("alarm", "explain", "busy", "--at", "2999-01-01T00:00:00Z");
    expect([future.code, future.err]).toEqual([2, expect.stringContaining("it is in the future")]);
  });

  it("history as JSON", async () => {
    expect(await cli("alarm", "history", "quiet", "--limit", "7", "-o", "json")).toMatchObject({
      code: 0,
      out: "[]\n",
    });
    expect(view.asked).toEqual([["history", "id-2", 7]]);
  });
});

describe("where the service is", () => {
  const ask = (TOCSIN_URL: string, cwd = "/") => command(["alarm", "list"], { cwd, env: { TOCSIN_URL } });

  it.each(["ftp://h/", "localhost:8042", "http://user:pass@h/", "http://h/?x=1", "nonsense"])(
    "%s is no address",
    async (url) => {
      const { code, err } = await ask(url);
      expect([code, err]).toEqual([2, "tocsin: TOCSIN_URL is no http(s) URL: it is http://host:port [E405]\n"]);
    },
  );

  it("settings are not needed where it is said, nor may they be broken otherwise", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "tocsin.yaml"), "api: [");
    expect((await ask(api.url, folder.path)).code).toBe(0);
    expect((await ask("", folder.path)).code).toBe(1);
  });

  it.each([
    ["a page", 200, "<html>"],
    ["a page that is not found", 404, "<html>"],
    ["other JSON", 200, "{}"],
    ["a list of something else", 200, "[1]"],
    ["another's refusal", 403, '{"error": "no"}'],
  ])("%s is no tocsin", async (_, status, body) => {
    const other = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    const { code, err } = await ask(url);
    other.closeAllConnections();
    other.close();
    expect([code, err]).toEqual([4, expect.stringContaining(`what answers at ${url} is no tocsin (${status})`)]);
  });
});

it("cluster list says where nothing is sent", async () => {
  const shown = clusterTable([aCluster("a"), aCluster("b", { shadow: true })], [], { now: () => 0 }, Date.parse);
  expect(shown.split("\n").map((line) => line.split(/ {2,}/).at(-1))).toEqual(["NOTE", "-", "SHADOW: nothing is sent"]);
});
