import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memberRecord, ownerKey, ownerRecord } from "../../../../src/backend/nats/coordination/membersRecord.ts";
import { inspectBus } from "../../../../src/backend/nats/setup/inspect.ts";
import { reportBus } from "../../../../src/backend/nats/setup/inspectReport.ts";
import { ensureBus } from "../../../../src/backend/nats/setup/setup.ts";
import type { NatsSettings } from "../../../../src/config/busSettings.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats, startNatsCluster } from "../../../helpers/natsServer.ts";
import { aBus, beating, EVERYTHING } from "../../../helpers/natsSetup.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats();
});
afterAll(async () => node[Symbol.asyncDispose]());

const busOf = (own: Partial<NatsSettings> = {}) => aBus([node.url], own);

describe("reportBus", () => {
  it("says who is there, who owns what, how much there is and who lags behind", async () => {
    await using bus = await busOf({ partitions: 3 });
    await bus.setUp({ partitions: 3 });
    const { link, settings } = bus;
    const { names } = link;
    const member = (id: string) => memberRecord({ id, isReady: true, roles: ["engine"], host: "h", version: "1" }, 1);
    await link.js.publish(`$KV.${names.members}.gone`, member("gone").value);
    await link.js.publish(`$KV.${names.members}.hostile`, "}{");
    await link.js.publish(`$KV.${names.owners}.${ownerKey(0)}`, ownerRecord("e1"));
    await link.js.publish(`$KV.${names.owners}.${ownerKey(2)}`, ownerRecord("gone"));
    for (const cluster of ["a", "b", "b"]) await link.js.publish(names.logSubject(cluster), "x");
    await link.js.publish(names.partSubject("b"), "x");
    await link.jsm.consumers.add(names.log, { durable_name: "slow" });
    const stop = beating(link, "e1");
    const report = await reportBus(link, { ...settings, ttlMs: 400 }, 10_000);
    await stop();
    expect(report.members.map(({ id, alive }) => [id, alive])).toEqual([
      ["e1", true],
      ["gone", false],
    ]);
    expect(report.partitions).toEqual([
      { partition: 0, owner: "e1", alive: true },
      { partition: 1, owner: null, alive: false },
      { partition: 2, owner: "gone", alive: false },
    ]);
    expect(report.log).toMatchObject({ messages: 4, clusters: 2 });
    expect(report.streams[0]).toMatchObject({ kind: "stream", status: "ok", readers: 1, lag: 4, copies: 1 });
    expect(report.findings).toEqual(["nobody works on partitions 1, 2"]);
  });

  it("an empty server: everything is missing", async () => {
    await using bus = await busOf();
    const { findings, setup } = await reportBus(bus.link, bus.settings, 10_000);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/^missing: .*_log, .*: run "tocsin bus setup"$/);
    expect(setup).toBeNull();
  });
});

describe("a cluster of three servers", () => {
  it("keeps three copies of everything, or fewer when that is wanted", async () => {
    await using cluster = await startNatsCluster();
    await using bus = await aBus(
      cluster.nodes.map(({ url }) => url),
      { replicas: 3 },
    );
    expect(await ensureBus(bus.link, bus.settings, 10_000, ["engine"])).toMatchObject({ partitions: 1 });
    expect(await bus.setUp()).toEqual([]);
    const { streams, findings } = await reportBus(bus.link, bus.settings, 10_000);
    expect(streams.map(({ copies }) => copies)).toEqual(EVERYTHING.map(() => 3));
    expect(findings).toEqual([]);
    expect(await bus.setUp({ replicas: 1 })).toHaveLength(EVERYTHING.length);
    expect(
      (await inspectBus(bus.link, { ...bus.settings, replicas: 1 }, 10_000)).streams.map(({ status }) => status),
    ).toEqual(EVERYTHING.map(() => "ok"));
  });
});

it("an agent sees what it uses, and need not be allowed more", async () => {
  const asked = (api: string, ...names: string[]) => names.map((name) => `"$JS.API.${api}.${name}"`);
  const may = [
    '"$JS.API.INFO"',
    ...asked("STREAM.INFO", "p_samples", "KV_p_mappings", "KV_p_agents", "KV_p_setup"),
    ...asked("STREAM.MSG.GET", "KV_p_setup"),
  ];
  await using server = await startNats(`authorization { users: [
    { user: engine, password: e }
    { user: agent, password: a, permissions: { publish: [${may.join(", ")}], subscribe: ["_INBOX.p.agent.>"] } }
  ] }`);
  await using engine = await aBus([server.url], { prefix: "p", partitions: 4, user: "engine", password: "e" });
  await ensureBus(engine.link, engine.settings, 10_000, ["engine"]);
  await using agent = await aBus([server.url], { prefix: "p", user: "agent", password: "a", isAgent: true });
  expect(await ensureBus(agent.link, agent.settings, 10_000, ["collector"])).toMatchObject({ partitions: 4 });
  expect(await agent.refuses(inspectBus(agent.link, agent.settings, 10_000))).toMatch(
    /^E602 NATS refused us: .*Permissions Violation/,
  );
});
