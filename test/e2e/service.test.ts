import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { Load } from "../../src/lab/load.ts";
import { freePort, startBackend } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import type { AlarmView, ClusterView, DeliveryView } from "../../src/serviceView.ts";
import type { Received } from "../helpers/receiver.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { getJson, startService, tocsin, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const rulesFor = (url: string, threshold = 30_000) => `version: 1
cluster_id: web
cluster_name: web
haproxy: [{proxy: "lab_*"}]
alarms:
  - name: busy
    meter_name: network.services.lb.incoming.bytes.rate
    period: 3
    threshold: ${threshold}
    comparison_operator: ge
    alarm_actions: ["${url}"]
`;
const configFor = (
  socket: string,
  port: number,
) => `collector: {interval: 1s, sources: [{name: lab, socket: ${socket}}]}
api: {listen: "127.0.0.1:${port}"}
log: {format: json}
`;

async function haproxyWithLoad(folder: string) {
  const stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend());
  const haproxy = stack.use(await startHaproxy(folder, await freePort(), [backend.port], process.env, systemClock));
  const load = stack.use(new Load(haproxy.port, systemClock));
  load.start();
  return { haproxy, load, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe("the service on a real HAProxy", () => {
  it("delivers an alarm within a tick and a second of the crossing, with Aodh's body", async () => {
    using folder = temporaryFolder();
    await using lb = await haproxyWithLoad(folder.path);
    const arrivals: number[] = [];
    await using receiver = await rawReceiver((socket) => {
      arrivals.push(Date.now());
      socket.end(answerOf(200));
    });
    writeSetUp(folder.path, configFor(lb.haproxy.socket, 0), {
      "web.yaml": rulesFor(`http://127.0.0.1:${receiver.port}/hook`),
    });
    await using service = await startService(folder.path);
    lb.load.bytesPerS = 5000;
    await eventually(
      "an ok",
      async () => (await getJson<AlarmView[]>(service, "/api/v1/alarms"))[0]?.state === "ok" || undefined,
    );
    lb.load.bytesPerS = 200_000;
    const got = await eventually("the webhook", () => receiver.received[0]);
    const body = JSON.parse(got.body);
    expect(Object.keys(body)).toEqual([
      "alarm_name",
      "alarm_id",
      "severity",
      "previous",
      "current",
      "reason",
      "reason_data",
    ]);
    expect(body).toMatchObject({ alarm_name: "busy", severity: "low", previous: "ok", current: "alarm" });
    expect(body.reason).toMatch(/^Transition to alarm due to 1 samples outside threshold, most recent: \d+\.\d+$/);
    expect(body.reason_data).toMatchObject({ type: "threshold", disposition: "outside", count: 1 });
    // The first tick whose window was above the threshold decided it; how long the POST took is told, not judged.
    const [delivery] = await getJson<DeliveryView[]>(service, "/api/v1/deliveries");
    console.log(`tick → POST arrival: ${arrivals[0]! - Date.parse(delivery!.created_at)} ms`);
    const ended = await service.kill("SIGTERM");
    expect(ended.code).toBe(0);
  });

  it("kill -9 while the receiver is down: started again, both, the transition is delivered, once", async () => {
    using folder = temporaryFolder();
    await using lb = await haproxyWithLoad(folder.path);
    const port = await freePort();
    writeSetUp(folder.path, configFor(lb.haproxy.socket, 0), { "web.yaml": rulesFor(`http://127.0.0.1:${port}/hook`) });
    lb.load.bytesPerS = 200_000;
    await using first = await startService(folder.path);
    await eventually("a failed attempt", async () => {
      const [delivery] = await getJson<DeliveryView[]>(first, "/api/v1/deliveries");
      return delivery?.reason.includes("ECONNREFUSED") || undefined;
    });
    await first.kill("SIGKILL");

    const got: string[] = [];
    const receiver = createServer((request, response) => {
      got.push(String(request.headers["webhook-id"]));
      request.resume().on("end", () => response.end());
    });
    await new Promise<void>((resolve) => receiver.listen(port, "127.0.0.1", resolve));
    await using second = await startService(folder.path);
    await eventually("the webhook", () => got.length > 0 || undefined);
    // A good while under the same load: nothing else is sent because of the restart.
    const seen = async () => (await getJson<ClusterView[]>(second, "/api/v1/clusters"))[0]?.timestamp ?? "";
    const from = Date.parse(await seen());
    await eventually("five more ticks", async () => Date.parse(await seen()) - from >= 5000 || undefined);
    expect(got).toHaveLength(1);
    const listed = await tocsin(["delivery", "list", "-o", "json"], {
      cwd: folder.path,
      env: { TOCSIN_URL: second.url },
    });
    expect(JSON.parse(listed.out)).toMatchObject([{ status: "delivered", alarm_name: "busy" }]);
    await second.kill("SIGTERM");
    receiver.close();

    const { ledger, store } = await openSqlite(join(folder.path, "data"));
    expect(replay("web", await recordedInputs("web", ledger, store))).toEqual(await ledger.decisionLog("web"));
    await store.close();
    await ledger.close();
  }, 60_000);

  it("SIGTERM waits for a request under way, and records what it came to", async () => {
    using folder = temporaryFolder();
    await using lb = await haproxyWithLoad(folder.path);
    let answer = () => {};
    await using receiver = await rawReceiver((socket, _received: Received) => {
      answer = () => socket.end(answerOf(200));
    });
    writeSetUp(folder.path, configFor(lb.haproxy.socket, 0), {
      "web.yaml": rulesFor(`http://127.0.0.1:${receiver.port}/hook`),
    });
    lb.load.bytesPerS = 200_000;
    await using service = await startService(folder.path);
    await eventually("a request", () => receiver.received[0]);
    const ended = service.kill("SIGTERM");
    await eventually(
      "the service to stop",
      () => service.log().includes('"stopping"') || service.log().includes("stopping") || undefined,
    );
    answer();
    expect((await ended).code).toBe(0);
    const { ledger, store } = await openSqlite(join(folder.path, "data"));
    expect(await ledger.deliveries({ limit: 10 })).toMatchObject([{ status: "delivered" }]);
    await store.close();
    await ledger.close();
  });

  it("the reading commands show what is there", async () => {
    using folder = temporaryFolder();
    await using lb = await haproxyWithLoad(folder.path);
    await using receiver = await rawReceiver(answerOf(200));
    writeSetUp(folder.path, configFor(lb.haproxy.socket, 0), {
      "web.yaml": rulesFor(`http://127.0.0.1:${receiver.port}/hook`),
    });
    lb.load.bytesPerS = 200_000;
    await using service = await startService(folder.path);
    await eventually(
      "a delivery",
      async () =>
        (await getJson<DeliveryView[]>(service, "/api/v1/deliveries"))[0]?.status === "delivered" || undefined,
    );
    const run = (...args: string[]) => tocsin(args, { cwd: folder.path, env: { TOCSIN_URL: service.url } });
    const list = await run("alarm", "list");
    expect(list.out).toMatch(/^CLUSTER +NAME +STATE +SINCE +VALUE +THRESHOLD +NOTE\nweb +busy +alarm /);
    expect((await run("alarm", "show", "busy")).out).toContain("state_reason");
    expect((await run("metric", "list")).out).toContain("network.services.lb.incoming.bytes.rate");
    expect((await run("delivery", "list")).out).toContain("delivered");
    const missing = await run("alarm", "show", "nobody");
    expect([missing.code, missing.err]).toEqual([
      5,
      'tocsin: there is no alarm nobody: "tocsin alarm list" names them [E402]\n',
    ]);
    expect(await getJson(service, "/healthz")).toMatchObject({ status: "ok" });
    expect((await run("alarm", "list", "-o", "xml")).code).toBe(2);
  });
});

describe("what cannot start says why in a sentence, and how to mend it", () => {
  const config = (port: number) =>
    `api: {listen: "127.0.0.1:${port}"}\ncollector: {sources: [{name: none, socket: none.sock}]}\nlog: {format: json}\n`;

  it("a port in use", async () => {
    using folder = temporaryFolder();
    await using taken = await rawReceiver("");
    writeSetUp(folder.path, config(taken.port), {});
    const { code, err } = await tocsin(["run"], { cwd: folder.path });
    expect([code, err]).toEqual([
      1,
      `tocsin: 127.0.0.1:${taken.port} is in use: stop what listens there, or set api.listen in tocsin.yaml [E310]\n`,
    ]);
  });

  it("a second run on one data folder", async () => {
    using folder = temporaryFolder();
    writeSetUp(folder.path, config(0), {});
    await using service = await startService(folder.path);
    const { code, err } = await tocsin(["run"], { cwd: folder.path });
    expect([code, err]).toEqual([
      5,
      `tocsin: another tocsin (pid ${service.pid}) works on ${folder.path}/data: stop it, or set store.path [E303]\n`,
    ]);
    await service.kill("SIGKILL");
    // The kernel frees the lock, however the process died.
    await using again = await startService(folder.path);
    expect((await again.kill("SIGINT")).code).toBe(0);
  });

  it("a data folder that cannot be written", async () => {
    using folder = temporaryFolder();
    // Root may write to any folder; nobody may make one below a file.
    const asRoot = process.getuid?.() === 0;
    writeSetUp(folder.path, `${config(0)}store: {path: ${asRoot ? "tocsin.yaml/data" : "blocked/data"}}\n`, {});
    mkdirSync(join(folder.path, "blocked"));
    chmodSync(join(folder.path, "blocked"), 0o500);
    const { code, err } = await tocsin(["run"], { cwd: folder.path });
    expect(code).toBe(1);
    expect(err).toMatch(/^tocsin: cannot write to the data folder .+ \[E301\]\n$/);
  });

  it("--strict and a broken rule file: diagnostics and exit 1, and nothing is started", async () => {
    using folder = temporaryFolder();
    writeSetUp(folder.path, config(0), { "web.yaml": "version: 1\nclusterid: web\n" });
    const { code, err } = await tocsin(["run", "--strict"], { cwd: folder.path });
    expect(code).toBe(1);
    expect(err).toContain('rules/web.yaml:2:1  error  E102  unknown key "clusterid"');
    expect(existsSync(join(folder.path, "data"))).toBe(false);
  });

  it("nobody to ask", async () => {
    using folder = temporaryFolder();
    const port = await freePort();
    writeSetUp(folder.path, config(port), {});
    const { code, err } = await tocsin(["alarm", "list"], { cwd: folder.path });
    expect(code).toBe(4);
    expect(err).toBe(
      `tocsin: no tocsin answers at http://127.0.0.1:${port} (ECONNREFUSED): start it with "tocsin run", or set TOCSIN_URL [E401]\n`,
    );
  });
});

describe("tocsin check", () => {
  it("prints each of three mistakes with file:line:column, and exits 1", async () => {
    using folder = temporaryFolder();
    const broken = rulesFor("http://h/")
      .replace("period: 3", "perod: 3")
      .replace("ge\n", "gee\n")
      .replace('"http://h/"', '"receiver:x"')
      .replace("threshold: 30000", "threshold: many");
    writeSetUp(folder.path, "", { "web.yaml": broken });
    const { code, out } = await tocsin(["check", "rules"], { cwd: folder.path });
    expect(code).toBe(1);
    expect(out.match(/^rules\/web\.yaml:\d+:\d+ {2}error {2}E\d{3}/gm)).toHaveLength(3);
    expect(out).toContain("3 errors, 0 warnings in 1 file");
  });

  it("the examples that come along are in order", async () => {
    const { code, out } = await tocsin(["check", "rules"], { cwd: new URL("../..", import.meta.url).pathname });
    expect([code, out]).toEqual([0, expect.stringContaining("0 errors, 0 warnings")]);
  });
});

describe("help and usage", () => {
  it("an unknown command is wrong usage", async () => {
    const { code, err } = await tocsin(["chekc"], { cwd: "/" });
    expect(code).toBe(2);
    expect(err).toContain("Did you mean check?");
  });

  it("--config may stand before or after the command", async () => {
    using folder = temporaryFolder();
    writeSetUp(folder.path, "collector: {intervall: 1s}\n", {});
    for (const args of [
      ["--config", "tocsin.yaml", "check"],
      ["check", "--config", "tocsin.yaml"],
    ]) {
      const { code, err } = await tocsin(args, { cwd: folder.path });
      expect(code).toBe(1);
      expect(err).toContain('tocsin.yaml:1:13  error  E102  unknown key "intervall"');
    }
  });

  it("a log that cannot be written does not end the service", async () => {
    using folder = temporaryFolder();
    writeSetUp(folder.path, 'collector: {sources: []}\napi: {listen: "127.0.0.1:0"}\n', {});
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [new URL("../../src/main.ts", import.meta.url).pathname, "run"], {
      cwd: folder.path,
      stdio: ["ignore", "ignore", full],
    });
    await eventually("the database", () => existsSync(join(folder.path, "data", "metrics.db")) || undefined);
    const ended = once(child, "exit");
    // Signals are taken from the first line of main on.
    child.kill("SIGTERM");
    expect((await ended)[0]).toBe(0);
    closeSync(full);
  });

  it("version and help", async () => {
    expect((await tocsin(["version"], { cwd: "/" })).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await tocsin(["help"], { cwd: "/" })).out).toContain("Usage: tocsin");
  });
});
