import { expect, it } from "vitest";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { freePort, startBackend } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { AlarmView, ClusterView, DeliveryView } from "../../src/serviceView.ts";
import { command } from "../helpers/cli.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { getJson, startService, tocsin, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const rules = (url: string) => `version: 1
cluster_id: web-id
cluster_name: web
haproxy: [{proxy: "lab_*"}]
receivers:
  scale_out: {type: senlin, direction: out, alarm_url: "${url}/out"}
  ops: {type: webhook, class: notice, alarm_url: "${url}/ops"}
alarms:
  - name: deployed
    type: event
    event_type: deploy.*
    query:
      - {field: traits.code, op: ge, value: 500}
    alarm_actions: [receiver:ops]
  - name: starved
    type: event
    event_type: pool.empty
    alarm_actions: [receiver:scale_out]
`;
const config = (socket: string) => `collector: {interval: 1s, sources: [{name: lab, socket: ${socket}}]}
api: {listen: "127.0.0.1:0"}
log: {format: json}
`;

it("pause, resume, sources and events, on the real service and a real HAProxy", async () => {
  using folder = temporaryFolder();
  await using backend = await startBackend();
  await using haproxy = await startHaproxy(folder.path, await freePort(), [backend.port], process.env, systemClock);
  await using receiver = await rawReceiver((socket) => socket.end(answerOf(202, "{}")));
  writeSetUp(folder.path, config(haproxy.socket), { "web.yaml": rules(`http://127.0.0.1:${receiver.port}`) });
  await using service = await startService(folder.path);
  const run = (...args: string[]) => command(args, { cwd: folder.path, env: { TOCSIN_URL: service.url } });
  const cluster = async () => (await getJson<ClusterView[]>(service, "/api/v1/clusters"))[0];
  const alarm = (name: string) => getJson<AlarmView>(service, `/api/v1/alarms/${name}`);
  const paths = () => receiver.received.map(({ head }) => head.split(" ")[1]);
  await eventually("a source that answers", async () => ((await cluster())?.sources.length ?? 0) > 0 || undefined);

  // Sources.
  const sources = await tocsin(["source", "list"], { cwd: folder.path, env: { TOCSIN_URL: service.url } });
  expect(sources.out).toMatch(
    /^SOURCE +STATE +VERSION +UPTIME +ROWS +ERRORS +UNMAPPED +CLUSTERS\nlab +ok +2\.\S+ +\d+m?s +\d+ +0 +0 +web\n$/,
  );
  const unknown = await run("source", "forget", "elsewhere");
  expect([unknown.code, unknown.err]).toEqual([5, "tocsin: elsewhere is not a source of any cluster [E402]\n"]);
  // It answers, so that it is known again by the next tick.
  expect(await run("source", "forget", "lab")).toMatchObject({ code: 0, out: expect.stringMatching(/^web no longer/) });
  await eventually("the source to be known again", async () => (await cluster())?.sources.includes("lab") || undefined);

  // A pause holds what scales, and nothing else.
  expect(await run("pause", "web", "--direction", "out", "--for", "2h")).toMatchObject({
    code: 0,
    out: "scaling out of web is paused for 2h\n",
  });
  expect((await run("cluster", "list")).out).toMatch(
    /^CLUSTER .*\nweb +\d\/\d +\S+ +out (2h|1h59m\d+s|1h59m) +1 +0\/2 /,
  );
  expect(await run("event", "send", "pool.empty")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/heard by 1 cluster\n$/),
  });
  await eventually("the alarm to be held", async () => (await alarm("starved")).held_by === "pause" || undefined);
  expect((await alarm("starved")).held_reason).toMatch(/pause/);
  expect((await run("alarm", "list")).out).toMatch(/starved +alarm .* event pool\.empty +held by pause: /);

  expect((await run("event", "send", "deploy.ended", "--trait", "code=200")).code).toBe(0);
  expect((await run("event", "send", "deploy.ended", "--trait", "code=503", "--trait", "host=n1")).code).toBe(0);
  await eventually("the notice", () => paths().includes("/ops") || undefined);
  const body = JSON.parse(receiver.received[0]?.body ?? "");
  expect(body).toMatchObject({ alarm_name: "deployed", current: "alarm", reason_data: { type: "event" } });
  expect(body.reason_data.event).toMatchObject({
    event_type: "deploy.ended",
    traits: [
      ["code", 2, 503],
      ["host", 1, "n1"],
    ],
  });
  expect(paths()).not.toContain("/out");

  // It goes out when the pause ends.
  expect((await run("resume", "web")).out).toBe("scaling in and out of web is resumed\n");
  await eventually("the held action", () => paths().includes("/out") || undefined);
  expect((await cluster())?.paused).toEqual({});
  expect((await run("cluster", "list")).out).toMatch(/\nweb +\d\/\d .* - +1 +2\/2 /);
  await eventually("both to be recorded as delivered", async () => {
    const deliveries = await getJson<DeliveryView[]>(service, "/api/v1/deliveries");
    return deliveries.filter(({ status }) => status === "delivered").length === 2 || undefined;
  });
  expect((await run("alarm", "show", "deployed")).out).toMatch(
    /\nevent_type +deploy\.\*\nquery +traits\.code >= 500\n/,
  );

  for (const args of [
    ["pause", "nobody"],
    ["resume", "nobody"],
    ["alarm", "explain", "nobody"],
    ["alarm", "history", "nobody"],
  ]) {
    expect(await run(...args)).toMatchObject({
      code: 5,
      err: expect.stringMatching(/there is no (cluster|alarm) nobody: .* \[E40[23]\]/),
    });
  }
  // A web page in the browser of someone who may.
  const page = await fetch(`${service.url}/api/v1/clusters/web/pause`, { method: "POST", body: "{}" });
  expect(page.status).toBe(415);
  expect((await cluster())?.paused).toEqual({});
  expect((await service.kill("SIGTERM")).code).toBe(0);
}, 60_000);
