import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NatsLink } from "../../../../src/backend/nats/link/link.ts";
import { remoteView } from "../../../../src/backend/nats/views/remoteView.ts";
import { serveView } from "../../../../src/backend/nats/views/viewServer.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { TocsinError } from "../../../../src/lib/errors.ts";
import { partitionOf } from "../../../../src/lib/partition.ts";
import type { MetricSeriesView, MetricView } from "../../../../src/model/metricView.ts";
import type { Clock } from "../../../../src/ports.ts";
import type { ServiceView, SourceView } from "../../../../src/serviceView.ts";
import { aCluster, aDelivery, anAlarm, aReceiver, FakeView } from "../../../helpers/fakeView.ts";
import { aLink, aMember, FakeCoordination } from "../../../helpers/natsLinks.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats } from "../../../helpers/natsServer.ts";
import { eventually } from "../../../helpers/sockets.ts";

const PARTITIONS = 3;
/** The first cluster of a partition: `c<n>`. */
function clusterIn(partition: number, nth = 0): string {
  const ids = Array.from({ length: 100 }, (_, index) => `c${index}`);
  const found = ids.filter((id) => partitionOf(id, PARTITIONS) === partition)[nth];
  if (found === undefined) throw new Error("there is no such cluster");
  return found;
}
const [c0, c1, c2] = [clusterIn(0), clusterIn(1), clusterIn(2)];

/** Says what it is told to, and hangs, or is late, where that is said. */
class EngineView extends FakeView {
  lines: readonly string[] = [];
  explained: object | undefined;
  decided: readonly object[] = [];
  heard = 1;
  before: () => Promise<unknown> = async () => {};
  override degraded = () => this.lines as never[];
  override async explain(alarmId: string, at: number | undefined) {
    await super.explain(alarmId, at);
    return this.explained as undefined;
  }
  override async history(alarmId: string, limit: number) {
    await super.history(alarmId, limit);
    return this.decided as never[];
  }
  override async command(...said: Parameters<FakeView["command"]>) {
    await this.before();
    return super.command(...said);
  }
  override async event(...said: Parameters<FakeView["event"]>) {
    await super.event(...said);
    return this.heard;
  }
}

const log: string[] = [];
let node: NatsNode;
let own: NatsLink & AsyncDisposable;
let served: NatsLink & AsyncDisposable;
beforeAll(async () => {
  node = await startNats();
  [own, served] = await Promise.all([aLink(node, log), aLink(node)]);
});
afterAll(async () => {
  await Promise.all([own.close(), served.close()]);
  await node[Symbol.asyncDispose]();
});

let number = 0;
let ids: [string, string, string];
let views: [EngineView, EngineView, EngineView];
let working: number[][];
let coordination: FakeCoordination;
let view: ServiceView;
/** The same, on a clock that is five times as fast: for what is waited out. */
let hasty: ServiceView;
const fast: Clock = {
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() * 5,
  after: (delayMs, run) => systemClock.after(delayMs / 5, run),
};
const stops: (() => Promise<void>)[] = [];

const engineOf = (partition: number) => [
  new EngineView(
    [aCluster(clusterIn(partition), { cluster_name: `web${partition}` })],
    [anAlarm(`a${partition}`, { cluster_id: clusterIn(partition), cluster_name: `web${partition}` })],
  ),
];

beforeEach(async () => {
  number++;
  log.length = 0;
  ids = [`e1-${number}`, `e2-${number}`, `e3-${number}`];
  views = [0, 1, 2].flatMap(engineOf) as typeof views;
  working = [[0], [1], [2]];
  coordination = new FakeCoordination("api", PARTITIONS);
  coordination.engines(...ids);
  const sources: readonly SourceView[] = new FakeView().sources();
  const common = { coordination, partitions: PARTITIONS, log: own.log, sources: () => sources };
  view = remoteView({ ...common, link: own, clock: systemClock });
  hasty = remoteView({ ...common, link: { ...own, clock: fast }, clock: fast });
  for (const [index, id] of ids.entries()) {
    stops.push(await serveView(served, id, views[index]!, () => working[index]!));
  }
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** Code and message of what an answer is refused with. */
async function refusal(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    (value) => new Error(`not refused: ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  return error instanceof TocsinError ? `${error.code} ${error.message}` : String(error);
}

const names = async () => (await view.clusters()).map(({ cluster_name: name }) => name);
const pause = { kind: "command", command: "pause", forS: 60 } as const;
/** An engine that is alive, and answers nothing. */
const mute = (id: string) => {
  const subscription = served.nc.subscribe(`tocsin.request.${id}`, { callback: () => {} });
  stops.push(async () => subscription.unsubscribe());
  return served.nc.flush();
};

describe("lists", () => {
  it("are those of all engines together, by name of the cluster", async () => {
    expect(await names()).toEqual(["web0", "web1", "web2"]);
    expect((await view.alarms()).map((one) => one.alarm_id)).toEqual(["a0", "a1", "a2"]);
    expect(await view.alarms()).toEqual(views.flatMap((one) => one.alarms()));
    expect(await view.sources()).toHaveLength(2);
    expect(await view.degraded()).toEqual([]);
    expect(await view.lacks?.()).toEqual([]);
  });

  it("a cluster that is at two engines is told by its owner, whole", async () => {
    const both = [c0, c1].map((id, index) => aCluster(id, { cluster_name: `web${index}`, lane: "settling (out)" }));
    views[1] = new EngineView(both, [anAlarm("a0", { cluster_id: c0 }), anAlarm("a0-old", { cluster_id: c0 })]);
    stops.push(await serveView(served, "e2-new", views[1]));
    coordination.alive = [ids[0], "e2-new", ids[2]].map((id) => aMember(id));
    coordination.owners.set(1, "e2-new");
    expect((await view.clusters()).map((one) => one.lane)).toEqual(["idle", "settling (out)", "idle"]);
    expect((await view.alarms()).map((one) => one.alarm_id)).toEqual(["a0", "a2"]);
    // Of a cluster that its owner does not have yet, another tells.
    coordination.owners.set(0, ids[2]);
    expect((await view.clusters()).map((one) => one.cluster_id)).toEqual([c0, c1, c2]);
  });

  it("receivers and newest values", async () => {
    for (const [index, one] of views.entries()) {
      const cluster = { cluster_id: [c0, c1, c2][index]!, cluster_name: `web${index}` };
      one.known = [aReceiver("z", cluster), aReceiver("a", cluster)];
      one.newest = [
        { ...cluster, meter_name: "m", type: "gauge", unit: "B", value: index, timestamp: "t" },
      ] as MetricView[];
    }
    expect(await view.receivers()).toEqual(views.flatMap((one) => one.known));
    expect(await view.metrics()).toEqual(views.flatMap((one) => one.newest));
  });

  it("without the engines that do not answer: that is said, and logged once for each change", async () => {
    await stops[1]!();
    await mute(ids[1]);
    expect(await names()).toEqual(["web0", "web2"]);
    const line = `engine ${ids[1]} does not answer: process ${ids[1]} does not answer`;
    expect(await view.lacks?.()).toEqual([line]);
    expect(await view.degraded()).toEqual([line]);
    await stops.pop()!();
    stops.push(await serveView(served, ids[1], views[1]));
    expect(await names()).toEqual(["web0", "web1", "web2"]);
    expect(await view.lacks?.()).toEqual([]);
    expect(log).toEqual([
      expect.stringContaining(`warn engine does not answer engine=${ids[1]} code=E660`),
      `info engine answers again engine=${ids[1]}`,
    ]);
  });

  it("an engine that has gone is none that does not answer; its partition has no owner", async () => {
    await stops[2]!();
    coordination.alive = coordination.alive.slice(0, 2);
    coordination.owners.delete(2);
    expect(await names()).toEqual(["web0", "web1"]);
    expect(await view.degraded()).toEqual(["partition 2 has no owner"]);
    expect(log).toEqual([]);
  });

  it("a partition that is being taken over is said to lack", async () => {
    working[1] = [];
    expect(await view.lacks?.()).toEqual(["partition 1 is being taken over"]);
    working[2] = [];
    expect(await view.degraded()).toEqual(["partitions 1-2 are being taken over"]);
  });

  it("with nobody to ask: refused, not empty; health tells why", async () => {
    coordination.engines();
    expect(await refusal(Promise.resolve(view.clusters()))).toBe("E660 no engine can be asked: none is there");
    expect(await view.degraded()).toEqual(["no engine is there"]);
    coordination.engines(...ids);
    await Promise.all(stops.splice(0).map((stop) => stop()));
    expect(await refusal(Promise.resolve(view.alarms()))).toMatch(
      /^E660 no engine can be asked: there is no process e1-/,
    );
    expect(await view.degraded()).toHaveLength(3);
  });

  it("what engines are degraded by is told with who it is", async () => {
    views[2].lines = ["web2: cannot be recorded"];
    expect(await view.degraded()).toEqual([`engine ${ids[2]}: web2: cannot be recorded`]);
  });

  it("members that are no engines, or are not ready, are not asked", async () => {
    coordination.alive = [
      ...coordination.alive,
      aMember("agent", { roles: ["collector"] }),
      aMember("e9", { isReady: false }),
    ];
    expect(await names()).toEqual(["web0", "web1", "web2"]);
    expect(await view.degraded()).toEqual([]);
  });

  it("answers that are no lists of theirs are not believed", async () => {
    views[0].alarms = () => [{ alarm_id: 7 }] as never;
    expect((await view.alarms()).map((one) => one.alarm_id)).toEqual(["a1", "a2"]);
    expect(await view.lacks?.()).toEqual([expect.stringContaining("cannot be read")]);
  });

  it("of megabytes, and a hundred at once", async () => {
    const many = (partition: number) =>
      Array.from({ length: 1500 }, (_, index) =>
        anAlarm(`a${partition}-${index}`, { cluster_id: [c0, c1, c2][partition]!, description: "d".repeat(1200) }),
      );
    for (const [index, one] of views.entries()) {
      const alarms = many(index);
      one.alarms = () => alarms;
    }
    const all = await view.alarms();
    expect(all).toHaveLength(4500);
    expect(JSON.stringify(all).length).toBeGreaterThan(6e6);
    const lists = await Promise.all(Array.from({ length: 100 }, () => names().then((list) => list.length)));
    expect(new Set(lists)).toEqual(new Set([3]));
    expect(log).toEqual([]);
  });
});

describe("what is of one cluster goes to its owner", () => {
  it("a command, answered when it is recorded", async () => {
    await view.command(c1, pause);
    expect(views.map((one) => one.commands)).toEqual([[], [[c1, pause]], []]);
  });

  it("a refusal of the owner is told as it is", async () => {
    views[1].fails = new TocsinError("E404", "nothing can be recorded now");
    expect(await refusal(view.command(c1, pause))).toBe("E404 nothing can be recorded now");
  });

  it("a command to an owner that has just gone goes to the next", async () => {
    await stops[1]!();
    const known = coordination.ownerOf;
    // The first that asks is told of the one that is gone.
    coordination.ownerOf = (partition) => {
      const owner = known(partition);
      coordination.owners.set(1, ids[2]);
      return owner;
    };
    await view.command(c1, pause).finally(() => {
      coordination.ownerOf = known;
    });
    expect(views[2].commands).toEqual([[c1, pause]]);
  });

  it("nor is one lost that comes before the new owner knows its clusters", async () => {
    let times = 0;
    views[1].before = async () => {
      if (times++ === 0) throw new TocsinError("E403", "there is no such cluster");
    };
    await hasty.command(c1, pause);
    expect(views[1].commands).toEqual([[c1, pause]]);
  });

  it("an unknown cluster stays unknown", async () => {
    views[1].fails = new TocsinError("E403", "there is no such cluster");
    expect(await refusal(hasty.command(c1, pause))).toBe("E403 there is no such cluster");
  });

  it("where there is no owner, nothing is done, and that is said", async () => {
    coordination.owners.delete(1);
    expect(await refusal(hasty.command(c1, pause))).toBe(
      "E662 no engine works on the cluster now, and nothing was done: partition 1 has no owner; ask again in some seconds",
    );
    expect(views.flatMap((one) => one.commands)).toEqual([]);
  });

  it("an owner that hangs may have done it: it is not asked again, and that is said", async () => {
    let open = (_: unknown) => {};
    views[1].before = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    expect(await refusal(hasty.command(c1, pause))).toBe(
      `E663 it is not known whether the pause was done: process ${ids[1]} does not answer; look before you repeat it`,
    );
    open(undefined);
    await eventually("it is done after all", () => views[1].commands.length === 1 || undefined);
    expect(views[1].commands).toHaveLength(1);
  });

  it("one that dies over it: the same, and sooner", async () => {
    views[1].before = () => new Promise(() => {});
    const asked = refusal(view.command(c1, pause));
    coordination.alive = coordination.alive.filter(({ id }) => id !== ids[1]);
    expect(await asked).toMatch(/^E663 /);
    stops.splice(1, 1);
  });

  it("a test of a receiver", async () => {
    views[0].known = [aReceiver("ops", { cluster_id: c0 })];
    expect(await view.testReceiver(c0, "ops", false)).toMatchObject({ name: "ops" });
    expect(views.map((one) => one.asked)).toEqual([[["test", c0, "ops", false]], [], []]);
  });

  it("commands that name a whole delivery, or rules, do not come over the bus", async () => {
    const retry = { kind: "command", command: "drop", delivery: {} } as never;
    expect(await refusal(hasty.command(c1, retry))).toMatch(/^E665 /);
    const rules = { kind: "command", command: "rules", rules: {} } as never;
    expect(await refusal(hasty.command(c1, rules))).toMatch(/^E665 /);
    expect(views.flatMap((one) => one.commands)).toEqual([]);
  });
});

describe("what has an id is found at whoever has it", () => {
  const uuid = "00000000-0000-4000-8000-000000000001";
  const id = `msg_${uuid}`;

  it("explanations and histories", async () => {
    views[2].explained = { cluster_id: c2, tick: {} };
    views[2].decided = [{ d: "release", at: 1 }];
    expect(await view.explain("a2", undefined)).toEqual(views[2].explained);
    expect(await view.history("a2", 5)).toEqual(views[2].decided);
    expect(views[2].asked).toEqual([
      ["explain", "a2", undefined],
      ["history", "a2", 5],
    ]);
    expect(await view.explain("a2", 1000)).toEqual(views[2].explained);
  });

  it("who has it is not kept waiting by who hangs", async () => {
    await stops[0]!();
    await mute(ids[0]);
    views[2].decided = [{ d: "release", at: 1 }];
    expect(await view.history("a2", 5)).toEqual(views[2].decided);
  });

  it("nobody has it: none, but only where all have been asked", async () => {
    expect(await view.explain("a9", undefined)).toBeUndefined();
    expect(await view.history("a9", 5)).toEqual([]);
    expect(await view.delivery(id)).toBeUndefined();
    await stops[2]!();
    expect(await refusal(view.delivery(id))).toMatch(/^E661 .*ask again in some seconds/);
    coordination.alive = coordination.alive.slice(0, 2);
    coordination.owners.delete(2);
    expect(await refusal(view.history("a9", 5))).toBe(
      "E661 it is not found now, and not all could be asked: partition 2 has no owner; ask again in some seconds",
    );
  });

  it("deliveries, by the newest; one, also by its beginning; two that begin so", async () => {
    const at = (second: number) => ({ created_at: `2026-11-21T00:00:0${second}.000Z` });
    views[0].ledger = [
      aDelivery("msg_a", { cluster_id: c0, ...at(5) }),
      aDelivery("msg_b", { cluster_id: c0, ...at(1) }),
    ];
    views[1].ledger = [aDelivery(id, { cluster_id: c1, ...at(3) }), aDelivery("msg_a", { cluster_id: c0, ...at(5) })];
    const list = async (limit: number) => (await view.deliveries({ limit })).map((one) => one.delivery_id);
    expect(await list(10)).toEqual(["msg_a", id, "msg_b"]);
    expect(await list(2)).toEqual(["msg_a", id]);
    expect(await view.delivery(id)).toEqual(views[1].ledger[0]);
    for (const one of views) one.delivery = async () => undefined;
    views[0].delivery = async () => aDelivery(`msg_${uuid}`);
    expect(await view.delivery(uuid.slice(0, 8))).toMatchObject({ delivery_id: id });
    views[1].delivery = async () => aDelivery("msg_00000000-other");
    expect(await refusal(view.delivery("00000000"))).toMatch(/^E406 several/);
  });

  it("a delivery is made again by the owner of its cluster alone", async () => {
    for (const one of views) one.ledger = [aDelivery(id, { cluster_id: c2 })];
    expect(await view.deliver(id, "retry")).toMatchObject({ delivery_id: id });
    expect(views.map((one) => one.asked.filter(([what]) => what === "retry"))).toEqual([[], [], [["retry", id]]]);
    expect(await refusal(view.deliver("msg_none", "drop"))).toMatch(/^E406 there is no delivery msg_none/);
    views[2].fails = new TocsinError("E407", "it was delivered");
    expect(await refusal(view.deliver(id, "retry"))).toBe("E407 it was delivered");
  });
});

describe("queries", () => {
  const query = { meterName: "requests", from: 0, to: 1000 } as const;
  const seriesOf = (...clusterIds: readonly string[]): MetricSeriesView => ({
    ...new FakeView().answer,
    series: clusterIds.map((id) => ({
      ...{ cluster_id: id, cluster_name: id, resource_id: id, metadata: {}, points: [["t", 1]], complete: [true] },
    })),
  });

  it("of a cluster, by name, goes to its owner under its id", async () => {
    views[1].answer = seriesOf(c1);
    expect(await view.queryMetrics({ ...query, cluster: "web1" })).toEqual(views[1].answer);
    expect(views.map((one) => one.asked)).toEqual([[], [["query", { ...query, cluster: c1 }]], []]);
    views[2].catalog = { ...views[2].catalog, limit: 7 };
    expect(await view.metricCatalog({ cluster: c2, limit: 7 })).toEqual(views[2].catalog);
    expect(views[2].asked).toEqual([["catalog", { cluster: c2, limit: 7 }]]);
  });

  it("of all clusters they are put together, each cluster by its owner", async () => {
    views[0].answer = seriesOf(c0, c1);
    views[1].answer = { ...seriesOf(c1), resolution: "rollup" };
    const all = await view.queryMetrics(query);
    expect(all.series.map((one) => one.cluster_id)).toEqual([c0, c1].sort());
    expect(all.resolution).toBe("rollup");
  });

  it("part of an answer is none: who does not answer is told", async () => {
    await stops[0]!();
    expect(await refusal(view.queryMetrics(query))).toMatch(/^E661 not all could be asked/);
  });

  it("an unknown name is asked of all: what is gone may be kept; what is not is unknown", async () => {
    views[2].answer = seriesOf("gone");
    for (const one of views.slice(0, 2)) one.fails = new TocsinError("E411", "there is no cluster gone");
    expect((await view.queryMetrics({ ...query, cluster: "gone" })).series).toHaveLength(1);
    views[2].fails = new TocsinError("E411", 'there is no cluster gone: did you mean "gold"?');
    expect(await refusal(view.queryMetrics({ ...query, cluster: "gone" }))).toMatch(/^E411 .*did you mean "gold"/);
    views[0].fails = new TocsinError("E410", "too large");
    expect(await refusal(view.queryMetrics({ ...query, cluster: "gone" }))).toBe("E410 too large");
  });

  it("a name of several clusters is refused", async () => {
    views[0].clusters = () => [aCluster(c0, { cluster_name: "twin" })];
    views[1].clusters = () => [aCluster(c1, { cluster_name: "twin" })];
    expect(await refusal(view.queryMetrics({ ...query, cluster: "twin" }))).toMatch(/^E411 2 clusters are named twin/);
  });

  it("catalogs are put together", async () => {
    const meter = { meter_name: "m", type: "gauge", unit: "", description: "" };
    const bounds = { first_sample_timestamp: "t", last_sample_timestamp: "t", meters: [] };
    for (const [index, one] of views.entries()) {
      const id = [c0, c1, c2][index]!;
      one.catalog = {
        meters: [meter],
        clusters: [{ cluster_id: id, cluster_name: id, ...bounds }],
        resources: [{ resource_id: "web/FRONTEND", cluster_id: id, source: "lb", metadata: {}, ...bounds }],
        limit: 2,
        more: { clusters: 1, resources: 0 },
      };
    }
    const all = await view.metricCatalog({ limit: 2 });
    expect(all).toMatchObject({ meters: [meter], limit: 2, more: { clusters: 4, resources: 1 } });
    expect(all.clusters.map((one) => one.cluster_id)).toEqual([c0, c1, c2].sort().slice(0, 2));
  });
});

describe("events", () => {
  const event = {
    kind: "event",
    messageId: "m",
    eventType: "deploy",
    generated: "2026-11-21T00:53:09Z",
    traits: {},
  } as const;

  it("go to all engines, and are counted together", async () => {
    views[2].heard = 5;
    expect(await view.event({ ...event, traits: { region: "eu", n: 1, ok: true } })).toBe(7);
    expect(views.map((one) => one.events.length)).toEqual([1, 1, 1]);
  });

  it("who has not heard is told, with how many have", async () => {
    await stops[1]!();
    expect(await refusal(view.event(event))).toMatch(/^E663 2 clusters have heard it, and of others it is not known: /);
    coordination.engines();
    expect(await refusal(view.event(event))).toMatch(/^E663 0 clusters .* no engine is there/);
  });
});

it("the engine of the same process is asked without a bus", async () => {
  const local = { id: ids[0], view: views[0], working: () => [0] };
  const sources = () => [];
  const both = remoteView({
    link: own,
    coordination,
    partitions: PARTITIONS,
    clock: systemClock,
    log: own.log,
    sources,
    local,
  });
  await stops[0]!();
  expect((await both.clusters()).map((one) => one.cluster_name)).toEqual(["web0", "web1", "web2"]);
  await both.command(c0, pause);
  expect(views[0].commands).toEqual([[c0, pause]]);
  expect(await both.lacks?.()).toEqual([]);
});

it("the bus, as this process sees it", () => {
  coordination.owners.delete(2);
  coordination.owners.set(0, "api");
  coordination.alive = [aMember("api", { roles: ["api", "engine"] }), aMember(ids[1], { isReady: false })];
  expect(view.bus?.()).toEqual({
    connected: true,
    id: "api",
    roles: ["api", "engine"],
    partitions: 3,
    owned: [0],
    unowned: [2],
    members: [
      { id: "api", roles: ["api", "engine"], ready: true, host: "h", version: "1" },
      { id: ids[1], roles: ["engine"], ready: false, host: "h", version: "1" },
    ],
  });
});

it("while the bus is away nothing is asked, and health says that alone", async () => {
  await using lone = await startNats();
  await using link = await aLink(lone);
  const away = remoteView({
    link,
    coordination,
    partitions: PARTITIONS,
    clock: systemClock,
    log: link.log,
    sources: () => [],
  });
  await lone.kill();
  await eventually("the loss is seen", () => !link.isUp() || undefined);
  expect(await away.degraded()).toEqual(["the bus is not connected"]);
  expect(await refusal(Promise.resolve(away.clusters()))).toBe("E660 no engine can be asked: the bus is not connected");
  await link.nc.close();
});
