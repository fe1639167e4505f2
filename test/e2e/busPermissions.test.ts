import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startAgent } from "../../src/agent.ts";
import { connectNats } from "../../src/backend/nats/link/link.ts";
import { ruleDefaults } from "../../src/config/ruleDefaults.ts";
import { loadRules } from "../../src/config/rules.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { startProgram } from "../../src/lab/program.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { startScaledApp } from "../../src/scaledApp.ts";
import type { AlarmView, SourceView } from "../../src/serviceView.ts";
import { ScriptedHaproxy } from "../helpers/crashSource.ts";
import { freePorts } from "../helpers/natsServer.ts";
import { getJson } from "../helpers/service.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const PAGE = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const PERMISSIONS = /```text\n(authorization[\s\S]*?)```/.exec(PAGE)?.[1] ?? "";
const RULES = `version: 1
cluster_id: shop
haproxy: [{proxy: "shop_*"}]
alarms:
  - name: high
    meter_name: network.services.lb.active.connections
    statistic: last
    period: 1
    threshold: 1000
    comparison_operator: ge
`;

it("what docs/operations.md lets engines and agents do is what they need, and an agent may do no more", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder()).path;
  const [port = 0] = await freePorts(1);
  const log = join(folder, "nats.log");
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const server = file(
    "nats.conf",
    `listen: "127.0.0.1:${port}"
jetstream {store_dir: "${folder}/nats", max_file_store: 1GB}
log_file: "${log}"
${PERMISSIONS.replaceAll("…", "secret")}`,
  );
  const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const started = startProgram({
    ...{ command: "nats-server", args: ["-c", server], environment: process.env, clock: systemClock, code: "E502" },
    isReady: async () => said().includes("Server is ready"),
  });
  stack.use(await started);

  const settingsOf = (name: string, user: string, more: string) => {
    const path = file(
      `${name}.yaml`,
      `bus:
  type: nats
  nats:
    servers: ["nats://127.0.0.1:${port}"]
    user: ${user}
    password: secret
    samples: {max_bytes: 64MiB}
    log: {max_bytes: 64MiB}
store: {path: ${name}}
${more}`,
    );
    const { settings, diagnostics } = loadSettings(path, folder);
    if (!settings) throw new Error(JSON.stringify(diagnostics));
    return settings;
  };
  mkdirSync(join(folder, "rules"));
  file("rules/shop.yaml", RULES);
  const haproxy = new ScriptedHaproxy(["shop"], 1, systemClock);
  const socket = join(folder, "haproxy.sock");
  stack.use(await haproxy.listen(socket, () => {}));

  const fatal: string[] = [];
  const about = { environment: {}, clock: systemClock, log: silentLogger, onFatal: (why: string) => fatal.push(why) };
  const ofEngine = settingsOf("engine", "engine", "roles: [engine]\ncollector: {interval: 1s, sources: []}\n");
  const { clusters } = loadRules([join(folder, "rules")], folder, ruleDefaults(ofEngine, {}));
  expect(clusters).toHaveLength(1);
  const engine = await startScaledApp({ ...about, settings: ofEngine, rules: { clusters } });
  stack.defer(() => engine.stop());
  const ofApi = settingsOf("api", "engine", `roles: [api]\napi: {listen: "127.0.0.1:0"}\ncollector: {interval: 1s}\n`);
  const api = await startScaledApp({ ...about, settings: ofApi });
  stack.defer(() => api.stop());
  const sources = `collector: {interval: 1s, sources: [{name: proxy, socket: "${socket}"}]}`;
  const ofAgent = settingsOf("agent", "agent", `roles: [collector]\n${sources}\n`);
  const agent = await startAgent({ ...about, settings: ofAgent });
  stack.defer(() => agent.stop());

  const service = { url: api.apiUrl ?? "" };
  await eventually("what the agent says is judged, and told", async () => {
    const alarms = await getJson<AlarmView[]>(service, "/api/v1/alarms");
    const all = await getJson<SourceView[]>(service, "/api/v1/sources");
    return (alarms[0]?.state === "ok" && all[0]?.ok) || undefined;
  });
  expect(said()).not.toMatch(/violation/i);

  const { bus } = ofAgent;
  if (bus.type !== "nats") throw new Error("no bus");
  const link = await connectNats({ ...about, settings: bus, name: "intruder", isAgent: true });
  stack.defer(() => link.close());
  for (const subject of [link.names.logSubject("shop"), "$KV.tocsin_owners.p0", "$KV.tocsin_mappings.shop"])
    await expect(link.js.publish(subject, "{}"), subject).rejects.toThrow(/permissions violation/i);
  await expect(link.jsm.streams.purge(link.names.log)).rejects.toThrow(/permissions violation/i);
  for (const subject of ["_INBOX.tocsin.engine.>", "_INBOX.tocsin.>", link.names.requestSubject(">"), "tocsin.>"]) {
    const heard = link.nc.subscribe(subject)[Symbol.asyncIterator]();
    await expect(heard.next(), subject).rejects.toThrow(/permissions violation/i);
  }
  expect(fatal).toEqual([]);
}, 60_000);
