/** Past one machine, with real processes: two engines, an agent beside a HAProxy, NATS between them, and a receiver. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AlarmView, BusView, DeliveryView } from "../../src/serviceView.ts";
import type { BuiltProgram } from "../helpers/builtProgram.ts";
import { buildProgram } from "../helpers/builtProgram.ts";
import type { NatsNode } from "../helpers/natsServer.ts";
import { freePorts, startNats } from "../helpers/natsServer.ts";
import type { RawReceiver } from "../helpers/receiver.ts";
import { answerOf, rawReceiver } from "../helpers/receiver.ts";
import { scriptedHaproxy, TrueLoad } from "../helpers/scaleLoad.ts";
import { ScaleProcess } from "../helpers/scaleProcess.ts";
import { getJson } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const RULES = (port: number) => `version: 1
cluster_id: shop
haproxy: [{proxy: "shop_*"}]
control: {settle: 3s}
receivers:
  grow: {direction: out, alarm_url: "http://127.0.0.1:${port}/grow", timeout: 2s}
  shrink: {direction: in, alarm_url: "http://127.0.0.1:${port}/shrink", timeout: 2s}
alarms:
  - name: high
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    threshold: 60
    comparison_operator: ge
    alarm_actions: ["receiver:grow"]
  - name: low
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    threshold: 10
    comparison_operator: le
    alarm_actions: ["receiver:shrink"]
`;

const folder = temporaryFolder();
const stack = new AsyncDisposableStack();
const load = new TrueLoad(1);
const socket = join(folder.path, "haproxy.sock");
let nats: NatsNode;
let receiver: RawReceiver;
let build: BuiltProgram;
let engines: readonly ScaleProcess[];
let apis: readonly { readonly url: string }[];

beforeAll(async () => {
  load.settle("some");
  nats = stack.use(await startNats());
  receiver = stack.use(
    await rawReceiver((socket, { head }) => {
      load.scale("shop", head.includes("/grow") ? "out" : "in");
      socket.end(answerOf(202));
    }),
  );
  build = await buildProgram("src/main.ts", "apart");
  stack.defer(() => build[Symbol.dispose]());
  const rules = join(folder.path, "rules");
  mkdirSync(rules);
  writeFileSync(join(rules, "shop.yaml"), RULES(receiver.port));
  stack.use(await scriptedHaproxy(socket, new Map([["shop", 1]]), load));
  const agent = await created({ name: "a1", role: "collector" });
  const ports = await freePorts(2);
  apis = ports.map((port) => ({ url: `http://127.0.0.1:${port}` }));
  engines = [
    await created({ name: "e1", role: "engine,api", port: ports[0] }),
    await created({ name: "e2", role: "engine,api", port: ports[1] }),
  ];
  for (const process of [agent, ...engines]) process.start();
  await Promise.all([agent, ...engines].map(running));
}, 60_000);
afterAll(async () => {
  await stack.disposeAsync();
  folder[Symbol.dispose]();
});

interface Made {
  readonly name: string;
  readonly role: string;
  /** Of its interface. */
  readonly port?: number | undefined;
  /** Processes of one prefix meet. */
  readonly prefix?: string;
}

/** A process that is not started yet. */
async function created({ name, role, port = 0, prefix = "shop" }: Made): Promise<ScaleProcess> {
  const sources = role.includes("collector") ? `, sources: [{name: proxy, socket: "${socket}"}]` : "";
  const made = await ScaleProcess.create({
    ...{ name, role: role as "engine", folder: folder.path, build, natsPorts: [nats.port] },
    settings: (servers) => `collector: {interval: 1s${sources}}
bus:
  type: nats
  nats:
    servers: [${servers.map((url) => `"${url}"`).join(", ")}]
    prefix: ${prefix}
    samples: {max_bytes: 128MiB}
    log: {max_bytes: 256MiB}
rules: {path: ../rules}
api: {listen: "127.0.0.1:${port}"}
log: {format: json}
`,
  });
  return stack.use(made);
}

function running(process: ScaleProcess): Promise<unknown> {
  return eventually(
    `${process.name} runs`,
    () => {
      if (!process.isRunning) throw new Error(`${process.name} ended: ${process.log.slice(-3000)}`);
      return process.saysThatItRuns() || undefined;
    },
    60_000,
  );
}

const calls = () => receiver.received.map(({ head }) => head.split(" ")[1]);
const alarms = (api = apis[0]!) => getJson<AlarmView[]>(api, "/api/v1/alarms");
/** An alarm stands so, and is judged so at the newest tick. */
const settled = (name: string, state: string, api = apis[0]!) =>
  eventually(`${name} is ${state}`, async () => {
    const all = await alarms(api);
    return all.some((one) => one.name === name && one.state === state && one.verdict === state) || undefined;
  });
/** The engine that works on the only partition, and the other. */
async function owner(): Promise<readonly [own: number, other: number]> {
  const index = await eventually("an owner", () => {
    const taken = engines.map(({ log }) => {
      const [own, gone] = ["partition taken", "partition given back"].map((text) => log.lastIndexOf(`"${text}"`));
      return own! > gone!;
    });
    const own = engines.findIndex(({ isRunning }, at) => isRunning && taken[at]);
    return own < 0 ? undefined : own + 1;
  });
  return index === 1 ? [0, 1] : [1, 0];
}

it("one of two engines judges what the agent reports, and a scale-out is delivered once", async () => {
  await settled("high", "ok");
  expect(calls()).toEqual([]);
  load.settle("many");
  await eventually("a call", () => calls().length > 0 || undefined);
  load.settle("some");
  await Promise.all(apis.map((api) => settled("high", "ok", api)));
  expect(calls()).toEqual(["/grow"]);
  const both = await Promise.all(apis.map((api) => getJson<DeliveryView[]>(api, "/api/v1/deliveries")));
  for (const told of both)
    expect(told.map(({ receiver, status }) => [receiver, status])).toEqual([["grow", "delivered"]]);
});

it("its owner is killed, and the next action is delivered once, by the other", async () => {
  const [own, other] = await owner();
  await engines[own]!.end("SIGKILL");
  load.settle("few");
  await eventually("a call", () => calls().length > 1 || undefined, 30_000);
  load.settle("some");
  await settled("low", "ok", apis[other]);
  expect(calls()).toEqual(["/grow", "/shrink"]);
  expect((await alarms(apis[other])).map(({ transition }) => transition)).toEqual([3, 3]);
});

it("asked to end, it hands over what it owns, and within 10 s it is gone", async () => {
  const [own] = await owner();
  const other = 1 - own;
  engines[other]!.start();
  await running(engines[other]!);
  await eventually("the other is ready", async () => {
    const { bus } = await getJson<{ bus?: BusView }>(apis[own]!, "/healthz");
    return bus?.members.filter(({ ready }) => ready).length === 2 || undefined;
  });
  await engines[own]!.end("SIGTERM");
  expect(engines[own]!.log).toContain('"stopped"');
  expect(engines[own]!.log).not.toContain("in a hurry");
  load.settle("many");
  await eventually("a call", () => calls().length > 2 || undefined, 30_000);
  load.settle("some");
  await settled("high", "ok", apis[other]);
  expect(calls()).toEqual(["/grow", "/shrink", "/grow"]);
});

it("all roles in one process, and people asked for by one that is nothing else", async () => {
  const ports = await freePorts(2);
  const [all, asked] = ports.map((port) => ({ url: `http://127.0.0.1:${port}` }));
  const processes = [
    await created({ name: "all", role: "collector,engine,api", port: ports[0], prefix: "alone" }),
    await created({ name: "asked", role: "api", port: ports[1] }),
  ];
  for (const process of processes) process.start();
  await Promise.all(processes.map(running));
  await Promise.all([all, asked].map((api) => settled("high", "ok", api)));
  await Promise.all(processes.map((process) => process.end("SIGTERM")));
  for (const { log } of processes) expect(log).toMatch(/"stopped"\}\s*$/);
  expect(calls()).toEqual(["/grow", "/shrink", "/grow"]);
});
