/** A whole installation for tests of delivery: the real service, HAProxy, receivers and Keystone. */

import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { Load } from "../../src/lab/load.ts";
import type { RunningServer } from "../../src/lab/servers.ts";
import { freePort, serveOnLoopback, startBackend } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Service } from "./service.ts";
import { startService, writeSetUp } from "./service.ts";
import { temporaryFolder } from "./sockets.ts";

export const SECRETS = {
  path: "path-credential-4711",
  bearer: "bearer-credential-4712",
  body: "body-credential-4713",
  password: "keystone-password-4714",
} as const;
export const TOKEN = "gAAAAABtoken-4715";
/** Asks for so many servers that the room of the cluster is no bound. */
export const THRESHOLD = 5000;

interface Got {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Every receiver in one: a path each, with the status that is set for it. */
class Receivers {
  readonly got: Got[] = [];
  /** 202 where none is set. */
  readonly statuses = new Map<string, number>();
  /** Ports of clients: one for each connection. */
  readonly connections = new Set<number | undefined>();

  at(path: string): readonly Got[] {
    return this.got.filter((one) => one.path === path);
  }

  start(): Promise<RunningServer> {
    return serveOnLoopback((request, response) => {
      this.connections.add(request.socket.remotePort);
      void textOf(request).then((body) => {
        const path = request.url ?? "";
        this.got.push({ path, headers: request.headers, body });
        response.statusCode = this.statuses.get(path) ?? 202;
        // As error pages do, it says what it was asked; and more than is kept.
        response.end(response.statusCode < 300 ? "queued" : `no such page: ${path}\n${"x".repeat(5000)}`);
      });
    });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}

/** Gives tokens to who knows the password. */
class Keystone {
  asked = 0;

  start(): Promise<RunningServer> {
    return serveOnLoopback((request, response) => {
      void textOf(request).then((text) => {
        this.asked++;
        const { auth } = JSON.parse(text);
        const isKnown =
          auth.identity.password.user.password === SECRETS.password && auth.scope.project.name === "service";
        response.writeHead(isKnown ? 201 : 401, isKnown ? { "x-subject-token": TOKEN } : {});
        response.end(JSON.stringify({ token: { expires_at: "2999-01-01T00:00:00.000000Z" } }));
      });
    });
  }
}

const configFor = (folder: string, socket: string, url: string, keystoneUrl: string) => `collector:
  interval: 1s
  sources: [{name: lab, socket: ${socket}}]
notifier:
  heartbeat_url: ${url}/ping
  keystone:
    auth_url: ${keystoneUrl}
    username: tocsin
    user_domain_name: Default
    password: "\${file:${folder}/password}"
    project_name: service
    project_domain_name: Default
api: {listen: "127.0.0.1:0"}
log: {format: json}
`;

const webRules = (url: string, folder: string) => `version: 1
cluster_id: web-id
cluster_name: web
haproxy: [{backend: lab_back}]
capacity: {min: 1, max: 500}
control: {settle: 1h}
receivers:
  scale_out: {type: senlin, direction: out, alarm_url: "${url}/v1/webhooks/OUT/trigger?V=2", scale: {count: proportional}}
  gone: {alarm_url: "${url}/gone/\${file:${folder}/path}", headers: {Authorization: "Bearer \${file:${folder}/bearer}"}}
  unwanted: {alarm_url: "${url}/unwanted"}
  quiet: {alarm_url: "${url}/quiet", mode: shadow}
  mistral: {alarm_url: "trust+${url}/mistral"}
  chat: {alarm_url: "${url}/chat", body: {text: "\${alarm_name} is \${current}", value: "\${value}", auth: "\${file:${folder}/body}"}}
  journal: {type: log}
alarms:
  - name: busy
    meter_name: network.services.lb.incoming.bytes.rate
    per: active_server
    period: 2s
    threshold: ${THRESHOLD}
    comparison_operator: ge
    alarm_actions: [receiver:scale_out, receiver:gone, receiver:unwanted, receiver:quiet, receiver:mistral, receiver:chat, receiver:journal]
`;

const jobRules = (url: string, keptUrl: string) => `version: 1
cluster_id: jobs-id
cluster_name: jobs
haproxy: [{frontend: lab_front}]
receivers:
  heal: {class: control, direction: out, alarm_url: "${url}/heal"}
  idle_scaler: {class: control, direction: out, alarm_url: "${url}/idle_scaler"}
  shy: {class: control, direction: in, mode: shadow, alarm_url: "${url}/shy"}
  refusing: {alarm_url: "${url}/refusing"}
  kept: {alarm_url: "${keptUrl}/kept", keep_alive: true}
alarms:
  - {name: stuck, type: event, event_type: job.stuck, auto_ok_after: 1s, alarm_actions: [receiver:heal]}
`;

export interface Installation extends AsyncDisposable {
  readonly folder: string;
  readonly service: Service;
  readonly url: string;
  readonly receivers: Receivers;
  /** Of one that is asked to keep its connection, alone on its port. */
  readonly keeping: Receivers;
  readonly keystone: Keystone;
}

/** Two clusters of one HAProxy under load, the first in alarm as soon as it is judged. */
export async function startInstallation(): Promise<Installation> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder()).path;
  const [receivers, keeping, keystone] = [new Receivers(), new Receivers(), new Keystone()];
  const started = [await receivers.start(), await keeping.start(), await keystone.start()];
  const [url = "", keptUrl = "", keystoneUrl = ""] = started.map((one) => `http://127.0.0.1:${stack.use(one).port}`);
  const backends = [stack.use(await startBackend()), stack.use(await startBackend())];
  const ports = backends.map(({ port }) => port);
  const haproxy = stack.use(await startHaproxy(folder, await freePort(), ports, process.env, systemClock));
  const load = stack.use(new Load(haproxy.port, systemClock));
  load.bytesPerS = 200_000;
  load.start();
  for (const [name, secret] of Object.entries(SECRETS)) writeFileSync(join(folder, name), secret);
  receivers.statuses.set(`/gone/${SECRETS.path}`, 404).set("/unwanted", 400).set("/refusing", 400).set("/heal", 404);
  const rules = { "web.yaml": webRules(url, folder), "jobs.yaml": jobRules(url, keptUrl) };
  writeSetUp(folder, configFor(folder, haproxy.socket, url, keystoneUrl), rules);
  const service = stack.use(await startService(folder));
  const owned = stack.move();
  return {
    folder,
    service,
    url,
    receivers,
    keeping,
    keystone,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
