import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { headers } from "nats";
import { afterAll, assert, beforeAll, expect, it, vi } from "vitest";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { createPublisher } from "../../../../src/backend/nats/samples/publisher.ts";
import { natsSamples } from "../../../../src/backend/nats/samples/samples.ts";
import type { SampleMessage } from "../../../../src/backend/nats/samples/wire.ts";
import { encodeMessage } from "../../../../src/backend/nats/samples/wire.ts";
import { setupBus } from "../../../../src/backend/nats/setup/setup.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { silentLogger } from "../../../../src/lib/log.ts";
import { partitionOf } from "../../../../src/lib/partition.ts";
import type { ClusterSlice, ScrapeReport } from "../../../../src/model/tick.ts";
import type { Clock, Logger } from "../../../../src/ports.ts";
import { busContract } from "../../../contract/bus.ts";
import { aPrefix, linkTo } from "../../../helpers/natsBus.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { natsSettings } from "../../../helpers/natsSettings.ts";
import { aFailure, aReport, aSlice } from "../../../helpers/reports.ts";
import { temporaryFolder } from "../../../helpers/sockets.ts";

const INTERVAL = 10_000;
const common = { intervalMs: INTERVAL, clock: systemClock, log: silentLogger };

let server: NatsNode;
beforeAll(async () => {
  server = await startNats();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** A bus of its own, with as many partitions. */
async function aBus(partitions = 1) {
  const prefix = aPrefix();
  const link = await linkTo(server.url, prefix);
  await setupBus(link, natsSettings([server.url], { prefix, partitions }), INTERVAL);
  return link;
}

const now = () => Math.floor(systemClock.now() / INTERVAL);

busContract(
  "NATS",
  async () => {
    const link = await aBus();
    const publisher = createPublisher({ ...common, link, partitions: 1, agentId: "web1" });
    const samples = natsSamples({ ...common, link });
    return {
      bus: {
        publish: (report) => publisher.publish(report),
        subscribe: (handle) => samples.subscribe(0, systemClock.now(), handle),
      },
      async [Symbol.asyncDispose]() {
        await publisher.stop();
        await link.close();
      },
    };
  },
  now(),
);

/** A log that remembers. */
function aLog() {
  const lines: string[] = [];
  const write = (text: string, fields: object = {}) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  return { lines, log: { debug() {}, info: write, warn: write, error: write } satisfies Logger };
}

/** Reads a partition from an instant on. */
async function reading(link: NatsLink, partition = 0, since = systemClock.now() - 60_000, log: Logger = silentLogger) {
  const reports: ScrapeReport[] = [];
  const samples = natsSamples({ ...common, link, log });
  const stop = await samples.subscribe(partition, since, (report) => reports.push(report));
  return { reports, samples, stop, numbers: () => reports.map(({ tick }) => tick.number) };
}

const tickOf = (number: number) => ({ number, at: number * INTERVAL });
const clusterIn = (partition: number, partitions: number) =>
  Array.from({ length: 1000 }, (_, index) => `c${index}`).find((id) => partitionOf(id, partitions) === partition)!;
const ofClusters = (number: number, ids: readonly string[], source = "s"): ScrapeReport => ({
  ...aReport(tickOf(number), 1, {}, source),
  outcome: {
    ok: true,
    slices: ids.map((clusterId) => aSlice({ clusterId, baseline: { ...BASELINE, rows: "secret" } })),
  },
});
const BASELINE = aSlice().baseline;
const wordOf = ({ source, tick, outcome }: ScrapeReport) => {
  const said = outcome.ok ? outcome.slices.map(({ clusterId }) => clusterId).join() : outcome.code;
  return `${source} ${tick.number} ${said}`;
};
const until = (check: () => boolean) => vi.waitFor(() => assert(check(), "not yet"), { timeout: 15_000, interval: 10 });

it("slices go to the partition of their cluster, and a source is heard of wherever it has had rows", async () => {
  const link = await aBus(4);
  const publisher = createPublisher({ ...common, link, partitions: 4, agentId: "web1" });
  const [a, b] = [clusterIn(1, 4), clusterIn(2, 4)];
  const first = now();
  const said = [
    aFailure(tickOf(first)),
    ofClusters(first + 1, [a, b]),
    ofClusters(first + 2, [a]),
    aFailure(tickOf(first + 3)),
    ofClusters(first + 4, []),
  ];
  for (const report of said) publisher.publish(report);
  publisher.setKnown(new Map([["s", new Set([3])]]));
  publisher.publish(aFailure(tickOf(first + 5)));
  await publisher.stop();
  const heard = await Promise.all(
    [0, 1, 2, 3].map(async (partition) => {
      const { reports } = await reading(link, partition);
      const most = [1, 6, 6, 2][partition]!;
      await until(() => reports.length >= most);
      return reports.map(wordOf);
    }),
  );
  const at = (offset: number, what: string) => `web1/s ${first + offset} ${what}`;
  expect(heard).toEqual([
    [at(0, "refused")],
    [at(0, "refused"), at(1, a), at(2, a), at(3, "refused"), at(4, ""), at(5, "refused")],
    [at(0, "refused"), at(1, b), at(2, ""), at(3, "refused"), at(4, ""), at(5, "refused")],
    [at(0, "refused"), at(5, "refused")],
  ]);
  await link.close();
});

it("raw counters stay with the agent; the revision of the mappings comes along", async () => {
  const link = await aBus();
  const publisher = createPublisher({ ...common, link, partitions: 1, agentId: "web1" });
  publisher.setRevision(5);
  publisher.publish(ofClusters(now(), ["web"]));
  publisher.publish({ ...ofClusters(now() + 1, ["web"]), mapping: 6 });
  // Of a bucket in which nothing is yet.
  publisher.setRevision(0);
  publisher.publish(ofClusters(now() + 2, ["web"]));
  const { reports } = await reading(link);
  await until(() => reports.length === 3);
  expect(reports.map(({ mapping }) => mapping)).toEqual([5, 6, 0]);
  expect(reports.map(({ outcome }) => (outcome.ok ? outcome.slices[0]?.baseline.rows : ""))).toEqual(["", "", ""]);
  await publisher.stop();
  await link.close();
});

it("a subscription brings first what was published since, then what comes", async () => {
  const link = await aBus();
  const publisher = createPublisher({ ...common, link, partitions: 1, agentId: "web1" });
  const first = now();
  const early = await reading(link);
  for (let index = 0; index < 5; index++) publisher.publish(ofClusters(first + index, ["web"]));
  await until(() => early.reports.length === 5);
  const since = systemClock.now() + 1;
  await until(() => systemClock.now() > since);
  publisher.publish(ofClusters(first + 5, ["web"]));
  await until(() => early.reports.length === 6);
  const late = await reading(link, 0, since);
  publisher.publish(ofClusters(first + 6, ["web"]));
  await until(() => late.reports.length === 2 && early.reports.length === 7);
  expect(late.numbers()).toEqual([first + 5, first + 6]);
  expect(early.numbers()).toEqual([0, 1, 2, 3, 4, 5, 6].map((index) => first + index));
  await publisher.stop();
  await link.close();
});

it("a partition that cannot be read is told after a while, and nothing goes on behind its back", async () => {
  const link = await aBus();
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      waits.push(ms);
      return systemClock.after(ms / 50, run);
    },
  };
  await link.jsm.streams.delete(link.names.samples);
  const reports: ScrapeReport[] = [];
  const samples = natsSamples({ ...common, clock, link });
  await expect(samples.subscribe(0, systemClock.now(), (report) => reports.push(report))).rejects.toMatchObject({
    code: "E638",
    message: expect.stringContaining("partition 0"),
  });
  expect(waits).toEqual([30_000]);
  await setupBus(link, natsSettings([server.url], { prefix: link.names.prefix }), INTERVAL);
  const later = await reading(link);
  const publisher = createPublisher({ ...common, link, partitions: 1, agentId: "web1" });
  publisher.publish(ofClusters(now(), ["web"]));
  await until(() => later.reports.length === 1);
  const consumers = await link.jsm.consumers.list(link.names.samples).next();
  expect(consumers).toHaveLength(1);
  expect(reports).toEqual([]);
  await publisher.stop();
  await link.close();
});

it("an agent an hour ahead is numbered by the bus, and its skew is told", async () => {
  const link = await aBus();
  const hour = 3_600_000;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + hour };
  const publisher = createPublisher({ ...common, clock, link, partitions: 1, agentId: "web1" });
  const { reports, numbers } = await reading(link);
  const first = Math.floor(clock.now() / INTERVAL);
  for (const number of [first, first + 1, first + 2]) publisher.publish(ofClusters(number, ["web"]));
  await until(() => reports.length === 3);
  expect(numbers().map((number) => number - first + 360)).toEqual([0, 1, 2]);
  for (const { skewMs = 0, tick } of reports) {
    expect(Math.abs(skewMs - hour)).toBeLessThan(1000);
    expect(tick.at).toBe(tick.number * INTERVAL);
  }
  await publisher.stop();
  await link.close();
});

it("what nobody can read is skipped, and said once; so is what comes twice, and what is of another interval", async () => {
  const link = await aBus();
  const { lines, log } = aLog();
  const { reports, samples } = await reading(link, 0, systemClock.now() - 60_000, log);
  const subject = link.names.samplesSubject(0);
  for (const text of ["", "{}", "garbage", "garbage"]) await link.js.publish(subject, text);
  const first = now();
  const own: SampleMessage = {
    ...{ agent: "web1", run: "r", seq: 1, intervalMs: INTERVAL, tick: tickOf(first) },
    reports: [{ source: "web1/s", durationMs: 1, outcome: { ok: true, slices: [aSlice()] } }],
  };
  const send = async (message: SampleMessage, since?: string) => {
    const head = headers();
    if (since !== undefined) head.set("Tocsin-Since", since);
    await link.js.publish(subject, encodeMessage(message, 1e6)!, { headers: head });
  };
  await send({ ...own, run: "no time" });
  await send({ ...own, run: "5 s", intervalMs: 5000 }, "1");
  await send({ ...own, run: "odd label", tick: { number: 1, at: 5 } }, "1");
  await send({ ...own, run: "another's", agent: "web2" }, "1");
  const since = ({ tick }: SampleMessage) => String(systemClock.now() - tick.at);
  await send(own, since(own));
  await send(own, since(own));
  const next = { ...own, seq: 2, tick: tickOf(first + 1) };
  await send(next, since(next));
  await until(() => reports.length === 2);
  expect(reports.map(({ tick }) => tick.number - first)).toEqual([0, 1]);
  expect(samples.unreadable).toBe(8);
  expect(lines).toHaveLength(6);
  await link.close();
});

it("a report that is too large comes in pieces, and is whole again", async () => {
  await using small = await startNats("max_payload: 16384");
  const link = await linkTo(small.url, "small");
  await setupBus(link, natsSettings([small.url], { prefix: "small" }), INTERVAL);
  const { lines, log } = aLog();
  const publisher = createPublisher({ ...common, log, link, partitions: 1, agentId: "web1" });
  const { reports } = await reading(link);
  const random = (length: number) => randomBytes(length / 2).toString("hex");
  const rows = (count: number) =>
    Array.from({ length: count }, () => ({
      ...{ resource: random(200), kind: "server" as const, increases: {}, sums: { a: Math.random() }, means: {} },
    }));
  const members = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, () => [random(200), "up" as const]));
  const many = Array.from({ length: 100 }, (_, index) => aSlice({ clusterId: `c${index}`, kept: rows(5) }));
  const large = aSlice({ clusterId: "rows", kept: rows(200) });
  const huge = aSlice({ clusterId: "servers", members: members(400) });
  const first = now();
  const report = { ...aReport(tickOf(first), 1), outcome: { ok: true as const, slices: many } };
  publisher.publish(report);
  publisher.publish({ ...report, tick: tickOf(first + 1), outcome: { ok: true, slices: [...many, large, huge] } });
  for (const source of ["t", "u", "v"]) publisher.publish({ ...report, tick: tickOf(first + 2), source });
  await until(() => reports.length === 5);
  const slicesOf = (index: number) => (reports[index]?.outcome.ok ? reports[index].outcome.slices : []);
  const empty = (slices: readonly ClusterSlice[]) => slices.map((slice) => ({ ...slice }));
  expect(slicesOf(0)).toEqual(empty(many));
  expect(slicesOf(1).slice(0, 100)).toEqual(empty(many));
  expect(slicesOf(1).slice(100)).toMatchObject([
    { clusterId: "rows", moved: true },
    { clusterId: "servers", stale: true, members: {}, coveredS: 0 },
  ]);
  expect(slicesOf(1)[100]?.kept).toBeUndefined();
  expect(reports.slice(2).map(({ source }) => source)).toEqual(["web1/t", "web1/u", "web1/v"]);
  expect(slicesOf(4)).toEqual(empty(many));
  expect(lines.filter((line) => line.includes("E632"))).toHaveLength(2);
  await publisher.stop();
  await link.close();
});

it.concurrent("while the bus is away samples wait; what is more than there is room for goes, the oldest first", async () => {
  await using own = await startNats();
  const link = await linkTo(own.url, "away");
  await setupBus(link, natsSettings([own.url], { prefix: "away" }), INTERVAL);
  const { lines, log } = aLog();
  const patient = createPublisher({ ...common, link, partitions: 1, agentId: "patient" });
  const hasty = createPublisher({ ...common, log, link, partitions: 1, agentId: "hasty", bufferBytes: 2500 });
  const { reports } = await reading(link);
  const numbersOf = (agent: string) =>
    reports.filter(({ source }) => source.startsWith(agent)).map(({ tick }) => tick.number - first);
  const first = now() - 30;
  const publish = (offset: number) => {
    for (const publisher of [patient, hasty]) publisher.publish(ofClusters(first + offset, ["web"]));
  };
  publish(0);
  await until(() => reports.length === 2);
  await own.kill();
  await until(() => !link.isUp());
  for (let offset = 1; offset <= 20; offset++) publish(offset);
  await own.start();
  await until(() => numbersOf("patient").length === 21 && numbersOf("hasty").includes(20));
  publish(21);
  await until(() => numbersOf("patient").includes(21) && numbersOf("hasty").includes(21));
  expect(numbersOf("patient")).toEqual(Array.from({ length: 22 }, (_, index) => index));
  const got = numbersOf("hasty");
  const lost = 22 - got.length;
  expect(lost).toBeGreaterThan(5);
  expect(hasty.dropped).toBe(lost);
  expect(patient.dropped).toBe(0);
  expect(got).toEqual([0, ...Array.from({ length: 21 - lost }, (_, index) => index + 1 + lost)]);
  expect(reports.every(({ skewMs = Infinity }) => Math.abs(skewMs) < 2000)).toBe(true);
  expect(lines.map((line) => line.replace(/ {.*/, ""))).toEqual(["samples are dropped", "samples are published again"]);
  await Promise.all([patient.stop(), hasty.stop()]);
  await link.close();
});

it.concurrent("it is known whether samples would be heard, also where none come", async () => {
  await using own = await startNats();
  const link = await linkTo(own.url, "heard");
  await setupBus(link, natsSettings([own.url], { prefix: "heard" }), INTERVAL);
  const { samples, stop } = await reading(link);
  expect([0, 1].map((partition) => samples.isListening(partition))).toEqual([true, false]);
  own.pause();
  await until(() => !samples.isListening(0));
  own.resume();
  await until(() => samples.isListening(0));
  stop();
  expect(samples.isListening(0)).toBe(false);
  await link.close();
});

it.concurrent("an end while the bus is away comes within its time, and says what is left", async () => {
  await using own = await startNats();
  const link = await linkTo(own.url, "end");
  await setupBus(link, natsSettings([own.url], { prefix: "end" }), INTERVAL);
  const { lines, log } = aLog();
  const publisher = createPublisher({ ...common, log, link, partitions: 1, agentId: "web1" });
  await own.kill();
  await until(() => !link.isUp());
  publisher.publish(ofClusters(now(), ["web"]));
  publisher.publish(ofClusters(now() + 1, ["web"]));
  await publisher.stop();
  publisher.publish(ofClusters(now() + 2, ["web"]));
  expect(lines).toEqual(['samples were not published before the end {"messages":2}']);
  await link.close();
});

it.concurrent("a consumer that the server has no more is made anew where it was: by number, for clocks of servers differ", async () => {
  const link = await aBus();
  const begun: (readonly [policy: string, from: number | undefined])[] = [];
  const add = link.jsm.consumers.add.bind(link.jsm.consumers);
  link.jsm.consumers.add = (stream, config) => {
    begun.push([String(config.deliver_policy), config.opt_start_seq]);
    return add(stream, config);
  };
  const publisher = createPublisher({ ...common, link, partitions: 1, agentId: "web1" });
  const { reports, numbers } = await reading(link);
  const first = now();
  publisher.publish(ofClusters(first, ["web"]));
  await until(() => reports.length === 1);
  for await (const { name } of link.jsm.consumers.list(link.names.samples)) {
    await link.jsm.consumers.delete(link.names.samples, name);
  }
  for (const offset of [1, 2]) publisher.publish(ofClusters(first + offset, ["web"]));
  await until(() => reports.length === 3);
  expect(numbers()).toEqual([first, first + 1, first + 2]);
  expect(begun).toEqual([
    ["by_start_time", undefined],
    ["by_start_sequence", 2],
  ]);
  // Another stream counts anew: what comes there is new.
  await link.jsm.streams.delete(link.names.samples);
  await setupBus(link, natsSettings([server.url], { prefix: link.names.prefix }), INTERVAL);
  publisher.publish(ofClusters(first + 3, ["web"]));
  await until(() => reports.length === 4);
  expect(numbers()[3]).toBe(first + 3);
  expect(begun[2]).toEqual(["by_start_time", undefined]);
  await publisher.stop();
  await link.close();
});

it.concurrent("what was cut for a server that takes more is cut anew, or dropped; what comes after goes on", async () => {
  using folder = temporaryFolder();
  const limits = join(folder.path, "limits.conf");
  writeFileSync(limits, "max_payload: 1MB");
  await using own = await startNats(`include "../${basename(folder.path)}/limits.conf"`);
  const link = await linkTo(own.url, "cut");
  await setupBus(link, natsSettings([own.url], { prefix: "cut" }), INTERVAL);
  const { lines, log } = aLog();
  const publisher = createPublisher({ ...common, log, link, partitions: 1, agentId: "web1" });
  const { reports, numbers } = await reading(link);
  const rows = (bytes: number) =>
    Array.from({ length: bytes / 1000 }, () => ({
      ...{ resource: randomBytes(500).toString("hex"), kind: "server" as const, increases: {}, sums: {}, means: {} },
    }));
  const slices = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, index) => aSlice({ clusterId: `c${index}`, kept: rows(bytes) }));
  const first = now() - 10;
  const large = (offset: number, count: number, bytes: number): ScrapeReport => ({
    ...aReport(tickOf(first + offset), 1),
    outcome: { ok: true, slices: slices(count, bytes) },
  });
  await own.kill();
  await until(() => !link.isUp());
  // Cut by what the last server took: one message, one message, and pieces.
  publisher.publish(large(0, 1, 1000));
  publisher.publish(large(1, 100, 2000));
  publisher.publish(large(2, 100, 30_000));
  publisher.publish(large(3, 1, 1000));
  writeFileSync(limits, "max_payload: 64KB");
  await own.start();
  await until(() => numbers().includes(first + 3));
  expect(numbers().map((number) => number - first)).toEqual([0, 1, 3]);
  expect(reports[1]?.outcome.ok && reports[1].outcome.slices.map(({ kept }) => kept?.length)).toEqual(
    Array.from({ length: 100 }, () => 2),
  );
  expect(publisher.dropped).toBeGreaterThan(1);
  expect(lines.map((line) => line.replace(/ {.*/, ""))).toEqual(["samples are dropped", "samples are published again"]);

  // A bound of the stream says no number.
  await link.jsm.streams.update(link.names.samples, { max_msg_size: 8000 });
  publisher.publish(large(4, 20, 2000));
  await until(() => numbers().includes(first + 4));
  expect(reports[3]?.outcome.ok && reports[3].outcome.slices.every(({ kept }) => kept?.length === 2)).toBe(true);
  await publisher.stop();
  await link.close();
});
