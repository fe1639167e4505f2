import type { StreamConfig } from "nats";
import { DiscardPolicy, StorageType } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerKey, ownerRecord } from "../../../../src/backend/nats/coordination/membersRecord.ts";
import { inspectBus } from "../../../../src/backend/nats/setup/inspect.ts";
import { ensureBus, setupBus } from "../../../../src/backend/nats/setup/setup.ts";
import type { NatsSettings } from "../../../../src/config/busSettings.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import type { Bus } from "../../../helpers/natsSetup.ts";
import { aBus, beating, EVERYTHING } from "../../../helpers/natsSetup.ts";

let node: NatsNode;
beforeAll(async () => {
  node = await startNats();
});
afterAll(async () => node[Symbol.asyncDispose]());

const busOf = (own: Partial<NatsSettings> = {}) => aBus([node.url], own);
const change = ({ link }: Bus, stream: string, config: Partial<StreamConfig>) =>
  link.jsm.streams.update(stream, config);

describe("setupBus", () => {
  it("makes everything, and the second time nothing; a dry run only says it", async () => {
    await using bus = await busOf();
    const coming = await setupBus(bus.link, bus.settings, 10_000, { isDryRun: true });
    expect(coming).toHaveLength(8);
    expect((await inspectBus(bus.link, bus.settings, 10_000)).streams.map(({ status }) => status)).toEqual(
      EVERYTHING.map(() => "missing"),
    );
    expect(await bus.setUp()).toEqual([
      ...EVERYTHING.map((name) => `create ${name}`),
      "record setup partitions 1 interval 10 s",
    ]);
    expect(await bus.setUp()).toEqual([]);
    const { streams, setup } = await inspectBus(bus.link, bus.settings, 10_000);
    expect(streams.every(({ status }) => status === "ok")).toBe(true);
    expect(setup).toMatchObject({ status: "ok", recorded: { version: 1, partitions: 1, intervalMs: 10_000 } });
  });

  it("two at a time make one bus", async () => {
    await using bus = await busOf();
    await using other = await busOf({ prefix: bus.settings.prefix });
    await Promise.all([bus.setUp(), other.setUp()]);
    expect(await bus.setUp()).toEqual([]);
  });

  it("the log refuses what there is no room for, samples make some", async () => {
    await using bus = await busOf();
    await bus.setUp({ logBytes: 2 ** 26 });
    const config = async (name: string) => (await bus.link.jsm.streams.info(`${bus.settings.prefix}_${name}`)).config;
    expect(await config("log")).toMatchObject({ discard: "new", max_age: 0, storage: "file", max_bytes: 2 ** 26 });
    expect(await config("samples")).toMatchObject({ discard: "old", max_age: 600e9, storage: "file" });
    await bus.setUp();
    expect((await config("log")).max_bytes).toBe(-1);
  });

  it("changes what may be changed, by the settings", async () => {
    await using bus = await busOf();
    await bus.setUp();
    await bus.link.js.publish(bus.link.names.logSubject("web"), "kept");
    expect(await bus.setUp({ samplesAgeS: 300, logBytes: 2 ** 26 })).toEqual([
      "update log max_bytes is no bound, wanted 67108864",
      "update samples max_age is 10m, wanted 5m",
    ]);
    expect(await bus.setUp({ samplesAgeS: 300, logBytes: 2 ** 26 })).toEqual([]);
    expect((await bus.link.jsm.streams.info(bus.link.names.log)).state.messages).toBe(1);
  });

  it.each<[string, Partial<StreamConfig>, string]>([
    ["log", { discard: DiscardPolicy.Old }, "discard is old, wanted new"],
    ["log", { max_age: 3600e9 }, "max_age is 1h, wanted none"],
    ["log", { max_msgs_per_subject: 5 }, "max_msgs_per_subject is 5, wanted no bound"],
    ["samples", { no_ack: true }, "no_ack is true, wanted false"],
    ["KV_owners", { allow_direct: true }, "allow_direct is true, wanted false"],
    ["KV_members", { max_msgs_per_subject: 3 }, "max_msgs_per_subject is 3, wanted 1"],
  ])("puts back what others changed: %s %j", async (name, config, says) => {
    await using bus = await busOf();
    await bus.setUp();
    const stream = name.startsWith("KV_")
      ? name.replace("KV_", `KV_${bus.settings.prefix}_`)
      : `${bus.settings.prefix}_${name}`;
    await change(bus, stream, config);
    expect(await bus.refuses(ensureBus(bus.link, bus.settings, 10_000, ["engine"]))).toMatch(
      new RegExp(`^E604 (stream|bucket) ${name.replace("KV_", "")} in NATS: ${says}: run "tocsin bus setup"$`),
    );
    expect(await bus.setUp()).toEqual([`update ${name.replace("KV_", "")} ${says}`]);
    expect(await ensureBus(bus.link, bus.settings, 10_000, ["engine"])).toMatchObject({ partitions: 1 });
  });

  it("does not touch what cannot be changed, nor anything else then", async () => {
    await using bus = await busOf();
    const { log } = bus.link.names;
    await bus.link.jsm.streams.add({ name: log, subjects: ["elsewhere.*"], storage: StorageType.Memory });
    expect(await bus.refuses(bus.setUp())).toBe(
      "E604 stream log in NATS: storage is memory, wanted file: that cannot be changed: remove it (what it holds is lost), or set bus.nats.prefix",
    );
    expect(
      (await inspectBus(bus.link, bus.settings, 10_000)).streams.filter(({ status }) => status === "missing"),
    ).toHaveLength(6);
  });

  it("tells what the server refuses, and what it would keep otherwise than it says", async () => {
    await using bus = await busOf();
    expect(await bus.refuses(bus.setUp({ replicas: 3 }))).toMatch(
      /^E604 NATS does not create log: .*: set bus.nats.replicas to 1/,
    );
    expect(await bus.refuses(bus.setUp({ logBytes: 2 ** 42 }))).toMatch(
      /^E604 NATS does not create log: .*max_file_store/,
    );
    await using other = await busOf();
    await other.link.jsm.streams.add({
      name: `${other.settings.prefix}_mine`,
      subjects: [`${other.settings.prefix}.>`],
    });
    expect(await other.refuses(other.setUp())).toMatch(
      /^E604 NATS does not create log: .*another stream has its subjects/,
    );
    await bus.setUp();
    // nats-server 2.9 takes this of a server that is alone, and has one copy.
    expect(await bus.refuses(bus.setUp({ replicas: 3 }))).toBe(
      "E604 NATS keeps log otherwise: num_replicas is 1, wanted 3: set bus.nats.replicas to what its servers can keep",
    );
    expect(await bus.setUp()).toEqual([]);
  });
});

describe("what the bus was set up for", () => {
  it("another number of partitions is refused to an engine, and to nobody else, until setup has changed it", async () => {
    await using bus = await busOf();
    await bus.setUp();
    const eight = { ...bus.settings, partitions: 8 };
    const ensured = (roles: Parameters<typeof ensureBus>[3]) => ensureBus(bus.link, eight, 10_000, roles);
    expect(await bus.refuses(ensured(["engine"]))).toMatch(
      /^E605 the bus was set up for 1 partition.*say 8 partitions/,
    );
    expect(await ensured(["collector"])).toMatchObject({ partitions: 1 });
    expect(await ensured(["api"])).toMatchObject({ partitions: 1 });
    await bus.link.js.publish(`$KV.${bus.link.names.owners}.${ownerKey(0)}`, ownerRecord("long-gone"));
    await bus.link.js.publish(bus.link.names.samplesSubject(0), "of the old parts");
    const { mappings } = bus.link.names;
    for (const key of ["known.0", "known.7", "cluster.web", "families"])
      await bus.link.js.publish(`$KV.${mappings}.${key}`, "of the old parts");
    expect(await bus.setUp({ partitions: 8 })).toEqual(["record setup partitions 1 → 8 interval 10 s"]);
    expect(await ensured(["engine"])).toMatchObject({ partitions: 8 });
    for (const stream of [`KV_${bus.link.names.owners}`, bus.link.names.samples])
      expect((await bus.link.jsm.streams.info(stream)).state.messages).toBe(0);
    const { state } = await bus.link.jsm.streams.info(`KV_${mappings}`, { subjects_filter: ">" });
    expect(Object.keys(state.subjects ?? {}).sort()).toEqual([
      `$KV.${mappings}.cluster.web`,
      `$KV.${mappings}.families`,
    ]);
  });

  it("is not changed under processes that are there", async () => {
    await using bus = await busOf();
    await bus.setUp();
    const stop = beating(bus.link, "e1");
    expect(await bus.refuses(bus.setUp({ partitions: 8 }))).toMatch(/^E608 .* processes are there: stop all of them/);
    await stop();
    expect(await bus.setUp({ partitions: 8 })).toHaveLength(1);
  });

  it("another interval is refused while there is a log", async () => {
    await using bus = await busOf();
    await bus.setUp();
    expect(await bus.setUp({}, 5000)).toEqual(["record setup partitions 1 interval 10 → 5 s"]);
    await bus.link.js.publish(bus.link.names.logSubject("web"), "a record");
    expect(await bus.refuses(bus.setUp())).toMatch(
      /^E605 .*interval of 5 s.*interval of 10 s: ticks in the log are numbered by it/,
    );
    expect(await bus.refuses(ensureBus(bus.link, bus.settings, 10_000, ["collector"]))).toMatch(/^E605/);
    expect(await ensureBus(bus.link, bus.settings, 10_000, ["api"])).toMatchObject({ intervalMs: 5000 });
  });

  it.each([
    ["garbled", "}{", /^E605 what the bus was set up for cannot be read/],
    [
      "of a later version",
      '{"version":2,"partitions":1,"intervalMs":10000}',
      /^E605 .*another version of tocsin \(layout 2/,
    ],
  ])("what is %s is left alone", async (_, text, says) => {
    await using bus = await busOf();
    await bus.setUp();
    await bus.link.js.publish(`$KV.${bus.link.names.setup}.bus`, text);
    expect(await bus.refuses(bus.setUp())).toMatch(says);
    expect(await bus.refuses(ensureBus(bus.link, bus.settings, 10_000, ["collector"]))).toMatch(says);
  });
});

describe("ensureBus", () => {
  it("an engine sets up what there is nothing of; an agent is told (E606)", async () => {
    await using bus = await busOf();
    const ensured = (roles: Parameters<typeof ensureBus>[3]) => ensureBus(bus.link, bus.settings, 10_000, roles);
    expect(await bus.refuses(ensured(["collector"]))).toBe(
      'E606 the bus is not set up in NATS (samples, mappings, agents, setup missing): run "tocsin bus setup"',
    );
    expect(await ensured(["collector", "engine", "api"])).toEqual({ version: 1, partitions: 1, intervalMs: 10_000 });
    expect(bus.log).toHaveLength(1);
    expect(await ensured(["collector"])).toMatchObject({ partitions: 1 });
  });

  it("two engines that begin together both find it set up", async () => {
    await using bus = await busOf();
    await using other = await busOf({ prefix: bus.settings.prefix });
    const both = [bus, other].map(({ link }) => ensureBus(link, bus.settings, 10_000, ["engine"]));
    expect(await Promise.all(both)).toMatchObject([{ partitions: 1 }, { partitions: 1 }]);
  });

  it("what was removed is not made anew behind people's backs", async () => {
    await using bus = await busOf();
    await bus.setUp();
    await bus.link.jsm.streams.delete(bus.link.names.log);
    expect(await bus.refuses(ensureBus(bus.link, bus.settings, 10_000, ["engine"]))).toMatch(/^E606 .*\(log missing\)/);
  });

  it("does not guess what a log was made for", async () => {
    await using bus = await busOf();
    await bus.setUp();
    await bus.link.js.publish(bus.link.names.logSubject("web"), "a record");
    await bus.link.jsm.streams.purge(`KV_${bus.link.names.setup}`);
    const ensured = () => ensureBus(bus.link, bus.settings, 10_000, ["engine"]);
    expect(await bus.refuses(ensured())).toMatch(/^E606 .*\(nothing recorded\)/);
    expect(await bus.setUp()).toEqual(["record setup partitions 1 interval 10 s"]);
    expect(await ensured()).toMatchObject({ partitions: 1 });
  });

  it("sizes that differ are told, and no obstacle", async () => {
    await using bus = await busOf();
    await bus.setUp();
    await ensureBus(bus.link, { ...bus.settings, samplesAgeS: 300 }, 10_000, ["engine"]);
    expect(bus.log).toHaveLength(1);
    expect(bus.log[0]).toMatch(/^bus set up otherwise: run tocsin bus setup .*max_age is 10m, wanted 5m/);
  });
});
