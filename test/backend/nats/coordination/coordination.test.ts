import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCoordination } from "../../../../src/backend/nats/coordination/coordination.ts";
import { connectNats } from "../../../../src/backend/nats/link/link.ts";
import type { NatsSettings } from "../../../../src/config/busSettings.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import type { NatsNode } from "../../../helpers/natsServer.ts";
import { startNats, startNatsCluster } from "../../../helpers/natsServer.ts";
import { membersBus, shared } from "../../../helpers/scaleBus.ts";
import { silent, type Worker } from "../../../helpers/scaleMembers.ts";
import { eventually } from "../../../helpers/sockets.ts";

let node: NatsNode;

beforeAll(async () => {
  node = await startNats();
});
afterAll(() => node[Symbol.asyncDispose]());

const bus = (more: Partial<NatsSettings> = {}, servers = [node.url]) => membersBus(servers, more);

describe.concurrent("who owns what", () => {
  it("one alone has everything; those that join get their share, one that leaves gives its own back, a dead one's is taken", async () => {
    await using own = await bus();
    const { board, start } = own;
    const a = await start("a");
    await shared(board, 32, ["a"]);
    const b = await start("b");
    expect(await shared(board, 32, ["a", "b"])).toEqual([16, 16]);
    const c = await start("c");
    await shared(board, 32, ["a", "b", "c"]);
    // Nothing went round: each partition moved at most once for each that joined.
    expect(board.told.filter(({ what }) => what === "release").length).toBe(16 + 10);
    expect(a.self.members().map(({ id }) => id)).toEqual(["a", "b", "c"]);
    for (let partition = 0; partition < 32; partition++)
      await eventually("the same view", () => c.self.ownerOf(partition) === board.at(partition)[0]);
    await b.leave();
    expect(board.told.filter(({ id, what }) => id === "b" && what === "lose")).toEqual([]);
    await shared(board, 32, ["a", "c"]);
    expect(a.self.members().map(({ id }) => id)).toEqual(["a", "c"]);
    await c.crash();
    await shared(board, 32, ["a"]);
    await eventually("the dead one is not there", () => a.self.members().length === 1);
    expect(board.faults).toEqual([]);
  });

  it("knows what time it is by the bus, however far off its own clock is", async () => {
    await using own = await bus();
    const clock = { ...systemClock, now: () => systemClock.now() + 40_000 };
    const link = await connectNats({ settings: own.settings, name: "ahead", environment: {}, clock, log: silent });
    const more = { partitions: 32, id: "ahead", roles: ["api"], host: "h", version: "1", joins: false };
    const self = await startCoordination({ link, settings: own.settings, clock, log: silent, ...more });
    await eventually("the bus's time", () => Math.abs(self.offsetMs() + 40_000) < 1000);
    await self.leave();
    await link.close();
  });

  it("several that start at once share without handing on, and one that only sees gets nothing", async () => {
    await using own = await bus();
    const { board, start } = own;
    const [watcher] = await Promise.all([start("api", { joins: false }), start("a"), start("b"), start("c")]);
    const counts = await shared(board, 32, ["a", "b", "c"]);
    expect(counts.reduce((sum, one) => sum + one, 0)).toBe(32);
    expect(board.told.filter(({ what }) => what === "release").length).toBeLessThanOrEqual(11);
    await eventually("the observer sees owners", () => watcher?.self.ownerOf(5) === board.at(5)[0]);
    expect(watcher?.self.members().map(({ id }) => id)).toEqual(["a", "api", "b", "c"]);
    expect(board.faults).toEqual([]);
  });

  it("of one partition and three members there is one owner, and the next when it is gone", async () => {
    await using own = await bus({ partitions: 1 });
    const { board, start } = own;
    const members = await Promise.all(["a", "b", "c"].map((id) => start(id)));
    const first = await eventually("an owner", () => board.at(0)[0]);
    await members.find(({ id }) => id === first)?.crash();
    const second = await eventually("another owner", () => board.at(0)[0]);
    expect(second).not.toBe(first);
    await members.find(({ id }) => id === second)?.leave();
    const third = await eventually("the last owner", () => board.at(0)[0]);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(board.faults).toEqual([]);
  });

  it("one that stood still is not fresh when it goes on, loses what others took, and gets its share again", async () => {
    await using own = await bus();
    const { board, start } = own;
    const a = await start("a");
    const b = await start("b");
    await shared(board, 32, ["a", "b"]);
    b.pause();
    await eventually("all taken by the other", () => a.self.ownerOf(0) === "a" && everyOwner(a) === "a");
    expect(b.self.isFresh()).toBe(false);
    const before = board.told.length;
    b.resume();
    expect(b.self.isFresh()).toBe(false);
    await eventually("it is fresh", () => b.self.isFresh());
    // By then all that it had is lost.
    expect(board.told.slice(before).filter(({ id, what }) => id === "b" && what === "lose")).toHaveLength(16);
    await shared(board, 32, ["a", "b"]);
    expect(board.faults).toEqual([]);
  });

  it("one that stood still for so short that nobody took anything goes on, after it has looked", async () => {
    await using own = await bus({ ttlMs: 3000 });
    const { board, start } = own;
    await start("a");
    const b = await start("b");
    await shared(board, 32, ["a", "b"]);
    const before = board.told.length;
    b.pause();
    await eventually("its heartbeats are old", () => !b.self.isFresh());
    b.resume();
    await eventually("it is fresh again", () => b.self.isFresh());
    await shared(board, 32, ["a", "b"]);
    expect(board.told.slice(before).filter(({ what }) => what === "lose")).toEqual([]);
    expect(board.faults).toEqual([]);
  });

  it("what could not be acquired is given back and tried again; the others are not disturbed", async () => {
    await using own = await bus({ partitions: 4 });
    const { board, start } = own;
    const a = await start("a");
    await shared(board, 4, ["a"]);
    a.acquireFails = new Error("the record cannot be read");
    a.self.reload(2);
    expect(board.at(2)).toEqual([]);
    await shared(board, 4, ["a"]);
    const about = board.told.filter(({ partition }) => partition === 2).map(({ what }) => what);
    expect(about).toEqual(["asked", "acquire", "lose", "asked", "asked", "acquire"]);
    expect(board.told.filter(({ partition }) => partition !== 2)).toHaveLength(6);
  });

  it("a reload loses at once and acquires again what is still its own", async () => {
    await using own = await bus({ partitions: 2 });
    const { board, start } = own;
    const a = await start("a");
    await shared(board, 2, ["a"]);
    a.self.reload(1);
    expect(board.at(1)).toEqual([]);
    await shared(board, 2, ["a"]);
    expect(board.faults).toEqual([]);
  });

  it("what stands in the buckets and is none of ours harms nobody", async () => {
    await using own = await bus({ partitions: 3 });
    const { board, start, link } = own;
    const members = await link.js.views.kv(link.names.members);
    const owners = await link.js.views.kv(link.names.owners);
    for (const value of [
      "",
      "{",
      "[]",
      '{"v":1}',
      '{"v":2,"beat":1}',
      `{"v":1,"beat":"x","ready":1}`,
      "x".repeat(9000),
    ]) {
      await members.put(`m${value.length}`, value);
      await owners.put(`p${value.length}`, value);
      await owners.put("p1", value);
    }
    await owners.put("p2", '{"v":1,"owner":"somebody who was never there"}');
    const a = await start("a");
    await shared(board, 3, ["a"]);
    expect(a.self.members().map(({ id }) => id)).toEqual(["a"]);
    await owners.put("p0", '{"v":1,"owner":"a thief"}');
    await eventually("it is lost", () => board.told.some(({ what, partition }) => what === "lose" && partition === 0));
    await shared(board, 3, ["a"]);
  });

  it("takes 20 and more partitions over from processes that died", { timeout: 40_000 }, async () => {
    await using own = await bus({ heartbeatMs: 500, ttlMs: 2000 });
    const { board, start } = own;
    const names = ["a", "b", "c"];
    const members = await Promise.all(names.map((id) => start(id)));
    await shared(board, 32, names);
    const tookMs: number[] = [];
    for (const dead of members.slice(0, 2)) {
      const lost = Array.from({ length: 32 }, (_, partition) => partition).filter(
        (one) => board.at(one)[0] === dead.id,
      );
      const diedAt = performance.now();
      await dead.crash();
      names.shift();
      await shared(board, 32, names);
      for (const partition of lost) {
        const taken = board.told.find(
          (one) => one.partition === partition && one.at > diedAt && one.what === "acquire",
        );
        tookMs.push((taken?.at ?? Number.NaN) - diedAt);
      }
    }
    tookMs.sort((x, y) => x - y);
    expect(tookMs.length).toBeGreaterThanOrEqual(20);
    const middle = tookMs[Math.floor(tookMs.length / 2)] ?? 0;
    console.log(
      `takeovers=${tookMs.length} takeover_ms_p50=${Math.round(middle)} takeover_ms_max=${Math.round(tookMs.at(-1) ?? 0)} (heartbeat 500 ms, ttl 2 s)`,
    );
    expect(board.faults).toEqual([]);
  });
});

describe.concurrent("when NATS is away", () => {
  it("nobody is fresh, nothing moves, and all goes on when it is back", { timeout: 30_000 }, async () => {
    await using server = await startNats();
    await using own = await bus({}, [server.url]);
    const { board, start } = own;
    const a = await start("a");
    const b = await start("b");
    await shared(board, 32, ["a", "b"]);
    const before = board.told.length;
    await server.kill();
    await eventually("nobody is fresh", () => !a.self.isFresh() && !b.self.isFresh());
    await server.start();
    await eventually("both are fresh", () => a.self.isFresh() && b.self.isFresh());
    expect(await shared(board, 32, ["a", "b"])).toEqual([16, 16]);
    expect(board.told.slice(before)).toEqual([]);
    await a.crash();
    await shared(board, 32, ["b"]);
    expect(board.faults).toEqual([]);
  });

  it("of three nodes, the leader of the owners dies: who is alive keeps what it has, and a death is still seen", {
    timeout: 60_000,
  }, async () => {
    await using cluster = await startNatsCluster();
    const servers = cluster.nodes.map(({ url }) => url);
    await using own = await bus({ replicas: 3, heartbeatMs: 250, ttlMs: 1500 }, servers);
    const { board, start, link } = own;
    const a = await start("a");
    const b = await start("b");
    await shared(board, 32, ["a", "b"]);
    const before = board.told.length;
    const owners = await link.js.views.kv(link.names.owners);
    const { cluster: led } = await link.jsm.streams.info(`KV_${link.names.owners}`);
    const leader = cluster.nodes.find(({ port }) => led?.leader?.endsWith(`-${port}`));
    await leader?.kill();
    const goesOn = async () =>
      (await owners.put("probe", "").catch(() => 0)) > 0 && a.self.isFresh() && b.self.isFresh() ? true : undefined;
    await eventually("both are fresh", goesOn, 30_000);
    expect(board.told.slice(before)).toEqual([]);
    await b.crash();
    await shared(board, 32, ["a"], 30_000);
    expect(board.faults).toEqual([]);
  });
});

function everyOwner(worker: Worker): string | undefined {
  const owners = new Set(Array.from({ length: 32 }, (_, partition) => worker.self.ownerOf(partition)));
  return owners.size === 1 ? [...owners][0] : undefined;
}
