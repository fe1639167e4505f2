import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Gauged } from "../../src/collectNow.ts";
import type { Explanation } from "../../src/explainedRows.ts";
import type { ClusterView } from "../../src/serviceView.ts";
import { getJson, startService, tocsin, writeSetUp } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const POOL = "c832ed78-539a-4e4a-a2e8-ae8fcf3f383c";
const LISTENER = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
const OTHER = "5b1f6c7e-94a8-4e4e-8f67-b1d1a0a4e9c2";

/** Proxies named as an amphora names them, and as a controller does. */
const PROXIES = {
  octavia: (bind: string) => `
frontend prometheus-exporter-internal-endpoint
  bind unix@${bind}.metrics
frontend ${LISTENER}
  bind unix@${bind}.front
  default_backend ${POOL}:${LISTENER}
backend ${POOL}:${LISTENER}
  server 4ce9b82d-6aca-4cb8-bd67-2339f60f9644 127.0.0.1:9
  server 7b6382e0-4d4a-459f-919a-e87c6d1e77de 127.0.0.1:9 disabled
backend ${OTHER}:${LISTENER}
  server 3a6f9a77-0c0b-4f61-8a0c-3c5b8a1f6f0e 127.0.0.1:9
`,
  controller: (bind: string) => `
listen nova_cluster
  bind unix@${bind}.nova
  server controller01 127.0.0.1:9
  server controller02 127.0.0.1:9
listen keystone_cluster
  bind unix@${bind}.keystone
  server controller01 127.0.0.1:9
listen odd
  bind unix@${bind}.odd
`,
};

async function haproxy(folder: string, name: keyof typeof PROXIES): Promise<AsyncDisposable & { socket: string }> {
  const socket = join(folder, `${name}.sock`);
  const file = join(folder, `${name}.cfg`);
  writeFileSync(
    file,
    `global
  stats socket ${socket} mode 600 level user
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 1s
${PROXIES[name](join(folder, name))}`,
  );
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
  const child = spawn("haproxy", ["-db", "-f", file], { env, stdio: "ignore" });
  const ended = once(child, "exit");
  await eventually("HAProxy's socket", async () => existsSync(socket) || undefined);
  return {
    socket,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const config = (folder: string, more = "") => `collector:
  interval: 1s
  sources:
    - {name: amphorae, socket: "${folder}/octavia*.sock"}
    - {name: controller, socket: ${folder}/controller.sock}${more}
  families:
    - {proxy: "{service}_cluster", cluster_id: "{service}", cluster_name: "service {service}"}
api: {listen: "127.0.0.1:0"}
`;

const RULES = `version: 1
cluster_id: c-22514765
cluster_name: my_cluster
haproxy:
  - frontend: ${LISTENER}
  - backend: ${POOL}*
alarms: []
`;

it("collect tells which row goes where, beside a running service that keeps what families make", async () => {
  using folder = temporaryFolder();
  await using octavia = await haproxy(folder.path, "octavia");
  await using _controller = await haproxy(folder.path, "controller");
  writeSetUp(folder.path, config(folder.path), { "web.yaml": RULES });
  await using service = await startService(folder.path);
  const cwd = folder.path;

  const explained = await tocsin(["collect", "--once", "--explain"], { cwd });
  expect([explained.code, explained.err]).toEqual([0, ""]);
  const told = explained.out
    .replaceAll(folder.path, "/run")
    .replace(/HAProxy 2\.\S+, up \S+: (\d+ rows) in \S+ ms/g, "HAProxy 2.x: $1");
  expect(told).toBe(`amphorae:/run/octavia.sock  ok
  HAProxy 2.x: 7 rows

  PROXY                ROWS      SERVERS  CLUSTER     BY
  9fe70cce…            frontend  -        my_cluster  rules/web.yaml: frontend 9fe70cce…
  c832ed78…:9fe70cce…  backend   2        my_cluster  rules/web.yaml: backend c832ed78…*
  5b1f6c7e…:9fe70cce…  backend   1        -           no rule has it

  ignored: prometheus-exporter-internal-endpoint

controller  /run/controller.sock  ok
  HAProxy 2.x: 9 rows

  PROXY             ROWS              SERVERS  CLUSTER           BY
  nova_cluster      frontend+backend  2        service nova      families[0]: proxy {service}_cluster
  keystone_cluster  frontend+backend  1        service keystone  families[0]: proxy {service}_cluster
  odd               frontend+backend  0        -                 no rule has it

2 proxies of no cluster. For a rule file, one for each cluster:

haproxy:
  # amphorae:/run/octavia.sock
  - backend: ${OTHER}* # pool of listener ${LISTENER}
  # controller
  - proxy: odd
`);

  const once = await tocsin(["collect", "--once", "-o", "json"], { cwd });
  const gauged = JSON.parse(once.out) as readonly Gauged[];
  expect(once.code).toBe(0);
  expect(gauged.map(({ cluster_name, servers }) => [cluster_name, Object.values(servers)])).toEqual([
    ["my_cluster", ["up", "maint"]],
    ["service keystone", ["up"]],
    ["service nova", ["up", "up"]],
  ]);

  // The service has the same clusters, by itself.
  const listed = await eventually("clusters of a family", async () => {
    const clusters = await getJson<ClusterView[]>(service, "/api/v1/clusters");
    return clusters.length === 3 ? clusters : undefined;
  });
  expect(listed.map(({ cluster_name }) => cluster_name).sort()).toEqual([
    "my_cluster",
    "service keystone",
    "service nova",
  ]);
  expect(octavia.socket).toContain("octavia.sock");
});

it("collect goes on, a line for each cluster and tick, until it is interrupted", async () => {
  using folder = temporaryFolder();
  await using _octavia = await haproxy(folder.path, "octavia");
  await using _controller = await haproxy(folder.path, "controller");
  writeSetUp(folder.path, config(folder.path), { "web.yaml": RULES });
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main, "collect"], { cwd: folder.path, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const ofCluster = () => out.split("\n").filter((line) => line.includes("my_cluster"));
  await eventually("the first line", async () => ofCluster().length > 0 || undefined);
  for (let sent = 0; sent < 3; sent++) {
    createConnection({ path: join(folder.path, "octavia.front") }).end("GET / HTTP/1.0\r\n\r\n");
  }
  await eventually(
    "a tick with the request",
    async () => ofCluster().some((line) => / [1-9]\S* \/s /.test(line)) || undefined,
  );
  child.kill("SIGINT");
  expect((await ended)[0]).toBe(0);
  expect(out).toMatch(/^TIME +CLUSTER +IN +OUT +REQUESTS +CONNECTIONS +SERVERS UP\n/);
  expect(out).toMatch(/^\d\d:\d\d:\d\d {2}my_cluster +- +- +- +0 +1 of 2$/m);
  expect(out).toMatch(
    /^\d\d:\d\d:\d\d {2}my_cluster .* 1 of 2\n {10}service keystone .* 1 of 1\n {10}service nova .* 2 of 2$/m,
  );
  // Nothing was kept.
  expect(readdirSync(folder.path)).not.toContain("data");
});

it("a source that fails is told with its cause, and the exit code says so; the others are collected", async () => {
  using folder = temporaryFolder();
  await using _controller = await haproxy(folder.path, "controller");
  const more = `
    - {name: nobody, tcp: "127.0.0.1:1"}
    - {name: page, url: "http://127.0.0.1:1/;csv", username: me, password: "$${"{"}env:NOT_THERE}"}`;
  writeSetUp(folder.path, config(folder.path, more), {});
  const cwd = folder.path;
  const explained = await tocsin(["collect", "--once", "--explain", "-o", "json"], { cwd });
  expect(explained.code).toBe(1);
  const { sources, unmapped } = JSON.parse(explained.out) as Explanation;
  expect(sources.map(({ name, ok, code }) => [name, ok, code])).toEqual([
    ["amphorae", false, "absent"],
    ["controller", true, ""],
    ["nobody", false, "refused"],
    ["page", false, "secret"],
  ]);
  expect(unmapped.proxies).toEqual(["odd"]);
  const once = await tocsin(["collect", "--once"], { cwd });
  expect(once.code).toBe(1);
  expect(once.out).toMatch(
    /^CLUSTER +CONNECTIONS +QUEUE +SERVERS UP +SOURCES\nservice keystone +0 +0 +1 of 1 +controller\n/,
  );
  expect(once.err).toMatch(/^tocsin: source nobody failed \(refused\): nobody listens /m);
  expect(once.err).toMatch(/^tocsin: source page failed \(secret\): the environment has no variable NOT_THERE$/m);
  expect(once.err).toMatch(/^tocsin: source amphorae failed \(absent\): no socket matches \S+octavia\*\.sock: /m);
});

it("a glob that finds nothing is told, and the exit code says so, explained or not", async () => {
  using folder = temporaryFolder();
  await using _controller = await haproxy(folder.path, "controller");
  writeSetUp(folder.path, config(folder.path), {});
  const cwd = folder.path;
  const explained = await tocsin(["collect", "--once", "--explain"], { cwd });
  const once = await tocsin(["collect", "--once"], { cwd });
  expect([explained.code, once.code]).toEqual([1, 1]);
  expect(once.out).toContain("service nova");
  expect(once.err).toMatch(/^tocsin: source amphorae failed \(absent\): no socket matches [^\n]+\n$/);
});

it("rows that two rule files claim are an error that the exit code tells", async () => {
  using folder = temporaryFolder();
  await using _octavia = await haproxy(folder.path, "octavia");
  await using _controller = await haproxy(folder.path, "controller");
  const claim = (id: string, pattern: string) =>
    `version: 1\ncluster_id: ${id}\nhaproxy: [{proxy: "${pattern}"}]\nalarms: []\n`;
  writeSetUp(folder.path, config(folder.path), { "a.yaml": claim("a", "nova_*"), "b.yaml": claim("b", "*_cluster") });
  const { code, out } = await tocsin(["collect", "--once", "--explain"], { cwd: folder.path });
  expect(out).toMatch(
    /^error {2}controller: rows of nova_cluster belong to rules\/a\.yaml, and rules\/b\.yaml claims them/m,
  );
  expect(code).toBe(1);
});
