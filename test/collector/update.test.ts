import { readFileSync, rmSync } from "node:fs";
import { rename } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { Collector } from "../../src/collector/collector.ts";
import type { ClusterRows } from "../../src/collector/mapping.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { RowPattern } from "../../src/model/alarm.ts";
import type { Baseline, ClusterSlice, ScrapeReport } from "../../src/model/tick.ts";
import type { Logger } from "../../src/ports.ts";
import { eventually, temporaryFolder, unixServer } from "../helpers/sockets.ts";

const LB = "network.services.lb";
const BYTES = `${LB}.incoming.bytes`;
const [FRONTEND, BACKEND] = ["9fe70cce-b5cf-49aa-b89a-5278bb7d10f5", "c832ed78-539a-4e4a-a2e8-ae8fcf3f383c:*"];
const MEMBER = "4ce9b82d-6aca-4cb8-bd67-2339f60f9644";

/** One process seen after 56, 58 and 59 s, and the one after it. */
const FIRST = dump("octavia-series-003.txt");
const SECOND = dump("octavia-series-004.txt");
const THIRD = dump("octavia-amphora-a-before-reload.txt");
const RELOADED = dump("octavia-amphora-a-after-reload.txt");

/** With a fraction HAProxy's uptime measures the time, so that nobody has to wait between two scrapes. */
function dump(name: string): string {
  const text = readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url), "latin1");
  return text.replace(/^(Uptime_sec: \d+)$/m, "$1.000000");
}

const row = (kind: RowPattern["kind"], pattern: string): RowPattern => ({ kind, pattern, source: undefined });
const cluster = (clusterId: string, ...rows: RowPattern[]): ClusterRows => ({ clusterId, rows });
const listener = row("frontend", FRONTEND ?? "");
const pool = row("backend", BACKEND ?? "");

const mappingOf = (clusters: readonly ClusterRows[]) =>
  createMapping({ clusters, families: [], ignore: [], unmapped: "ignore" });

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

interface SetUp {
  readonly clusters?: readonly ClusterRows[];
  readonly baselines?: ReadonlyMap<string, ReadonlyMap<string, Baseline>>;
}

/** A collector of what its folder's sockets say: `s.sock` by its path, `g-*.sock` by a glob. */
function collecting(folder: string, { clusters = [], baselines = new Map() }: SetUp = {}) {
  const bus = createMemoryBus();
  const reports: ScrapeReport[] = [];
  bus.subscribe((report) => reports.push(report));
  const collector = new Collector({
    clock: systemClock,
    log: quiet,
    bus,
    entries: [
      { kind: "socket", name: "s", socket: join(folder, "s.sock"), quiet: true },
      { kind: "socket", name: "g", socket: join(folder, "g-*.sock"), quiet: true },
    ],
    intervalMs: 1000,
    timeoutMs: 2000,
    maxOffsetMs: 0,
    mapping: mappingOf(clusters),
    secretsOf: () => ({}),
    baselines,
    known: [],
  });
  let number = 0;
  const tick = async () => {
    number++;
    await collector.tick({ number, at: number });
    return number;
  };
  const reportOf = (source: string, at: number) =>
    eventually(`the report of ${source}`, () => reports.find((one) => one.source === source && one.tick.number === at));
  /** What a source says at one more tick. */
  const ask = async (source: string) => reportOf(source, await tick());
  return { collector, reports, tick, ask, reportOf };
}

/** Answers with whatever is `text` when it is asked. */
function answering(path: string): Promise<AsyncDisposable & { text: string }> {
  const answer = { text: FIRST };
  const handle = (socket: Socket) => socket.once("data", () => socket.end(answer.text, "latin1"));
  return unixServer(path, handle).then((server) => Object.assign(answer, server));
}

function slicesOf({ outcome }: ScrapeReport): Readonly<Record<string, ClusterSlice>> {
  if (!outcome.ok) throw new Error(outcome.reason);
  return Object.fromEntries(outcome.slices.map((slice) => [slice.clusterId, slice]));
}

describe("other rules while we run", () => {
  /** Slices at each dump; before each but the first the rules are what is said there. */
  async function told(
    first: readonly ClusterRows[],
    ...then: readonly (readonly [string, (readonly ClusterRows[])?])[]
  ) {
    using folder = temporaryFolder();
    await using server = await answering(join(folder.path, "s.sock"));
    const { collector, ask } = collecting(folder.path, { clusters: first });
    const slices = [slicesOf(await ask("s"))];
    for (const [text, clusters] of then) {
      server.text = text;
      if (clusters) collector.update(mappingOf(clusters));
      slices.push(slicesOf(await ask("s")));
    }
    collector.stop();
    return slices;
  }
  /** How full the frontend is can be seen at once; no mean of what was counted is there. */
  const means = { [`${LB}.session.utilization`]: { sum: expect.any(Number), weight: 500 } };
  const NEVER_COUNTED = { coveredS: 0, increases: {}, means, fresh: false, gap: false };

  it("without a word the second scrape counts", async () => {
    const [first, second] = await told([cluster("a", listener, pool)], [SECOND]);
    expect(first?.a).toMatchObject(NEVER_COUNTED);
    expect(second?.a).toMatchObject({ coveredS: 2, gap: false, increases: { [BYTES]: 212_610 } });
  });

  it("what rules read is delivered from the next answer on; counting goes on", async () => {
    const a = cluster("a", listener, pool);
    const reads = { perServer: [`${BYTES}.rate`], counters: [BYTES] };
    const [first, second, third] = await told([a], [SECOND, [{ ...a, reads }]], [THIRD, [a]]);
    expect(first?.a).not.toHaveProperty("raw");
    expect(second?.a).toMatchObject({ coveredS: 2, gap: false, raw: { [BYTES]: 2_053_497 } });
    expect(second?.a?.servers?.[MEMBER]?.increases).toEqual({ [BYTES]: 35_945 });
    expect(third?.a).toMatchObject({ coveredS: 1, increases: { [BYTES]: 2_159_848 - 2_053_497 } });
    expect(third?.a).not.toHaveProperty("servers");
  });

  it("rows that come to a cluster are baseline only; what stays with it counts, in totals and no rate", async () => {
    const [, second, third] = await told([cluster("a", listener)], [SECOND, [cluster("a", listener, pool)]], [THIRD]);
    expect(second?.a).toMatchObject({ coveredS: 0, gap: true, means: {}, increases: { [BYTES]: 212_610 } });
    expect(second?.a?.increases).not.toHaveProperty([`${LB}.connection.errors`]);
    expect(third?.a).toMatchObject({
      coveredS: 1,
      gap: false,
      increases: { [BYTES]: 106_351, [`${LB}.connection.errors`]: 0 },
      means: { [`${LB}.response.time`]: { sum: 2 * 8, weight: 8 } },
    });
  });

  it("a frontend that takes the place of a backend does not count its past", async () => {
    const [, second, third] = await told([cluster("a", pool)], [SECOND, [cluster("a", listener, pool)]], [THIRD]);
    expect(second?.a).toMatchObject({ coveredS: 0, gap: true, moved: false });
    expect(second?.a?.increases).not.toHaveProperty([BYTES]);
    expect(third?.a).toMatchObject({ coveredS: 1, increases: { [BYTES]: 106_351 } });
  });

  it("a cluster that gives rows away goes on with those it has", async () => {
    const both = [cluster("b", listener), cluster("a", pool)];
    const [, second] = await told([cluster("a", listener, pool)], [SECOND, both]);
    expect(second?.a).toMatchObject({ coveredS: 2, gap: false, increases: { [BYTES]: 2_053_133 - 1_840_523 } });
    expect(second?.b).toMatchObject(NEVER_COUNTED);
  });

  it("rows that went to another cluster and come back bring nothing along", async () => {
    const [a, b] = [cluster("a", listener), cluster("b", listener)];
    const [, second, third] = await told([a], [SECOND, [b]], [THIRD, [a]]);
    expect(second).toEqual({ b: expect.objectContaining(NEVER_COUNTED) });
    expect(third).toEqual({ a: expect.objectContaining(NEVER_COUNTED) });
  });

  it("nor do those of a cluster that vanished in between", async () => {
    const a = cluster("a", listener);
    const [, second, third] = await told([a], [SECOND, []], [THIRD, [a]]);
    expect(second).toEqual({});
    expect(third).toEqual({ a: expect.objectContaining(NEVER_COUNTED) });
  });

  it("a row that comes at a reload is baseline only too: nobody knows what the new process brought along", async () => {
    const [, second] = await told([cluster("a", listener)], [RELOADED, [cluster("a", listener, pool)]]);
    expect(second?.a).toMatchObject({ fresh: true, coveredS: 0, gap: true, increases: { [BYTES]: 212_611 } });
    expect(second?.a?.increases).not.toHaveProperty([`${LB}.connection.errors`]);
  });

  it("rules that map as before change nothing at a reload: a new server began at 0", async () => {
    const a = cluster("a", listener, pool);
    const reads = { perServer: [BYTES], counters: [] };
    const [, second] = await told([a], [RELOADED, [{ ...a, reads }]]);
    expect(second?.a).toMatchObject({ fresh: true, gap: false });
    expect(second?.a?.servers?.["2a6ecb36-7da8-402e-93d0-d4cafe11e063"]?.increases).toEqual({ [BYTES]: 71_149 });
  });

  it("an answer that is under way is sorted by the new rules, and leaves no baseline of the old ones", async () => {
    using folder = temporaryFolder();
    const waiting: Socket[] = [];
    await using _server = await unixServer(join(folder.path, "s.sock"), (socket) =>
      socket.once("data", () => waiting.push(socket)),
    );
    const [a, b] = [cluster("a", listener), cluster("b", listener)];
    const { collector, tick, reportOf } = collecting(folder.path, { clusters: [a] });
    const asked = async () => {
      const number = await tick();
      return { number, socket: await eventually("the question", () => waiting.pop()) };
    };
    const first = await asked();
    collector.update(mappingOf([b]));
    first.socket.end(FIRST, "latin1");
    expect(Object.keys(slicesOf(await reportOf("s", first.number)))).toEqual(["b"]);
    collector.update(mappingOf([a]));
    const second = await asked();
    second.socket.end(SECOND, "latin1");
    expect(slicesOf(await reportOf("s", second.number)).a).toMatchObject(NEVER_COUNTED);
    collector.stop();
  });
});

describe("T4: a source that nobody knows any more", () => {
  it("is not asked while its path is away, and is found as a new one when it comes back", async () => {
    using folder = temporaryFolder();
    const [path, aside] = [join(folder.path, "g-1.sock"), join(folder.path, "aside")];
    const name = `g:${path}`;
    await using server = await answering(path);
    const clusters = [cluster("a", listener)];
    const { collector, reports, tick, ask, reportOf } = collecting(folder.path, { clusters });
    await ask(name);
    expect(await collector.forget(name)).toBe(false);
    server.text = SECOND;
    expect(slicesOf(await ask(name)).a).toMatchObject({ coveredS: 2 });

    await rename(path, aside);
    expect(await ask(name)).toMatchObject({ outcome: { ok: false, code: "absent", away: true } });
    expect(await collector.forget(name)).toBe(true);
    expect(collector.status().map((status) => status.name)).toEqual(["s"]);
    const quietTick = await tick();
    await reportOf("s", quietTick);
    expect(await collector.forget(name)).toBe(false);

    await rename(aside, path);
    server.text = THIRD;
    const back = await ask(name);
    expect(slicesOf(back).a).toMatchObject({ coveredS: 0, increases: {}, gap: false });
    expect(reports.some((report) => report.source === name && report.tick.number === quietTick)).toBe(false);
    collector.stop();
  });

  it("does not come back with what an earlier run of ours recorded", async () => {
    using folder = temporaryFolder();
    const [path, aside] = [join(folder.path, "g-1.sock"), join(folder.path, "aside")];
    const name = `g:${path}`;
    await using server = await answering(path);
    const recording = collecting(folder.path, { clusters: [cluster("a", listener)] });
    const recorded = slicesOf(await recording.ask(name)).a?.baseline;
    recording.collector.stop();
    const baselines = new Map([[name, new Map([["a", recorded!]])]]);
    const { collector, ask } = collecting(folder.path, { clusters: [cluster("a", listener)], baselines });
    server.text = SECOND;
    expect(slicesOf(await ask(name)).a?.increases).toMatchObject({ [BYTES]: 212_610 });
    await rename(path, aside);
    expect(await collector.forget(name)).toBe(true);
    await rename(aside, path);
    server.text = THIRD;
    expect(slicesOf(await ask(name)).a?.increases).toEqual({});
    collector.stop();
  });

  it("says nothing of the scrape that was under way", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "g-1.sock");
    const waiting: Socket[] = [];
    await using _server = await unixServer(path, (socket) => socket.once("data", () => waiting.push(socket)));
    const { collector, reports, tick } = collecting(folder.path);
    await tick();
    const socket = await eventually("the question", () => waiting.pop());
    rmSync(path);
    expect(await collector.forget(`g:${path}`)).toBe(true);
    const closed = eventually("the connection closed", () => socket.destroyed || undefined);
    socket.end(FIRST, "latin1");
    await closed;
    await tick();
    await eventually("two reports of the other", () => reports.length >= 2 || undefined);
    expect(new Set(reports.map(({ source }) => source))).toEqual(new Set(["s"]));
    expect(collector.status().map(({ name }) => name)).toEqual(["s"]);
    collector.stop();
  });

  it("is asked all the same when its path is in the configuration", async () => {
    using folder = temporaryFolder();
    const { collector, ask } = collecting(folder.path);
    await ask("s");
    expect(await collector.forget("s")).toBe(false);
    expect(await collector.forget("nobody")).toBe(false);
    expect((await ask("s")).outcome.ok).toBe(false);
    collector.stop();
  });
});
