import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseDump } from "../../src/collector/dump.ts";
import { stateOfServer } from "../../src/collector/members.ts";
import { elapsed } from "../../src/collector/process.ts";
import type { Dump } from "../../src/collector/rows.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { combine } from "../../src/evaluator/combine.ts";
import type { ClusterSlice } from "../../src/model/tick.ts";
import { recordedOf, recordsOf } from "../helpers/baselines.ts";

const LISTENER = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
const LB = "network.services.lb";

function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url), "latin1");
}

function dumpOf(name: string): Dump {
  const parsed = parseDump(fixture(name));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.dump;
}

/** The Octavia fixtures' one load balancer. */
const clustersOf = (proxy: string) => {
  const clusterId = proxy.includes(LISTENER) ? "octavia" : undefined;
  return { frontend: clusterId, backend: clusterId };
};

/** A scrape, and another some seconds later. */
function scrapeTwice(first: string, second: string, seconds: number): readonly [ClusterSlice, ClusterSlice] {
  const [before, after] = [dumpOf(first), dumpOf(second)];
  const one = sliceDump(before, 1000, clustersOf, () => ({ previous: undefined, elapsed: undefined, gap: false }))
    .slices[0]!;
  const passed = elapsed(before.process, after.process, after.preciseUptime, seconds);
  const previous = { baseline: one.baseline, monotonicMs: 0 };
  const two = sliceDump(after, 2000, clustersOf, () => ({ previous, elapsed: passed, gap: false })).slices[0]!;
  return [one, two];
}

/** Every meter of a cluster of which this slice is all that is known. */
function samplesOf(slice: ClusterSlice): Readonly<Record<string, number>> {
  const sources = new Map([["s", { ok: true, slice, durationMs: 7 } as const]]);
  const before = { ...emptyCluster(slice.clusterId), rules: undefined, members: new Map(), intervalMs: 2000 };
  return combine({ clusterId: slice.clusterId, tick: { number: 1, at: 2000 }, sources }, before).values;
}

/** Worked out by hand from the two dumps' FRONTEND and BACKEND rows. */
const EXPECTED_INCREASES = {
  [`${LB}.incoming.bytes`]: 212_610,
  [`${LB}.outgoing.bytes`]: 121_716,
  [`${LB}.total.connections`]: 16,
  [`${LB}.requests`]: 15,
  [`${LB}.request_errors`]: 0,
  [`${LB}.responses.1xx`]: 0,
  [`${LB}.responses.2xx`]: 12,
  [`${LB}.responses.3xx`]: 0,
  [`${LB}.responses.4xx`]: 2,
  [`${LB}.responses.5xx`]: 1,
  [`${LB}.responses.other`]: 0,
  [`${LB}.denied`]: 0,
  [`${LB}.connection.errors`]: 0,
  [`${LB}.response.errors`]: 0,
  [`${LB}.retries`]: 0,
  [`${LB}.redispatches`]: 0,
  [`${LB}.health.check.failures`]: 0,
  [`${LB}.health.check.downs`]: 0,
};
const EXPECTED_MEANS = {
  [`${LB}.session.utilization`]: { sum: 100, weight: 500 },
  [`${LB}.queue.time`]: { sum: 0, weight: 15 },
  [`${LB}.connect.time`]: { sum: 0, weight: 15 },
  [`${LB}.response.time`]: { sum: 30, weight: 15 },
  [`${LB}.total.time`]: { sum: 45, weight: 15 },
};

describe("Octavia's amphora", () => {
  it("a first scrape is baseline only: gauges and members, no increase, no covered second", () => {
    const [first] = scrapeTwice("octavia-series-003.txt", "octavia-series-004.txt", 2);
    expect(first).toMatchObject({
      clusterId: "octavia",
      coveredS: 0,
      increases: {},
      means: { [`${LB}.session.utilization`]: { sum: 0, weight: 500 } },
      sums: { [`${LB}.active.connections`]: 0, [`${LB}.queue.current`]: 0 },
      members: {
        "4ce9b82d-6aca-4cb8-bd67-2339f60f9644": "up",
        "7b6382e0-4d4a-459f-919a-e87c6d1e77de": "up",
      },
      reload: false,
      open: false,
      moved: false,
    });
    expect(first.baseline.process).toEqual({
      pid: 27176,
      uptimeS: 56,
      startTimeS: 1795217301,
      version: "2.6.12-1+deb12u4",
    });
    expect(recordedOf(first.baseline)[`${LISTENER}/FRONTEND/frontend`]).toMatchObject({ bin: "1840887", stot: "80" });
  });

  it("two scrapes of one process: exact increases, no reload", () => {
    const [, second] = scrapeTwice("octavia-series-003.txt", "octavia-series-004.txt", 2.014);
    expect(second.coveredS).toBe(2.014);
    expect(second.reload).toBe(false);
    expect(second.moved).toBe(true);
    expect(second.increases).toEqual(EXPECTED_INCREASES);
    expect(second.means).toEqual(EXPECTED_MEANS);
    expect(second.sums[`${LB}.active.connections`]).toBe(1);
    expect(samplesOf(second)).toEqual({
      ...EXPECTED_INCREASES,
      ...Object.fromEntries(Object.entries(EXPECTED_INCREASES).map(([name, grown]) => [`${name}.rate`, grown / 2.014])),
      [`${LB}.active.connections`]: 1,
      [`${LB}.session.utilization`]: 0.2,
      [`${LB}.queue.current`]: 0,
      [`${LB}.queue.max_time`]: 0,
      [`${LB}.queue.time`]: 0,
      [`${LB}.connect.time`]: 0,
      [`${LB}.response.time`]: 2,
      [`${LB}.total.time`]: 3,
      [`${LB}.responses.5xx.ratio`]: 100 / 15,
      [`${LB}.members.up`]: 2,
      [`${LB}.members.down`]: 0,
      [`${LB}.members.draining`]: 0,
      [`${LB}.members.maint`]: 0,
      [`${LB}.members.total`]: 2,
      [`${LB}.members.up.ratio`]: 100,
      "tocsin.source.up": 1,
      "tocsin.source.age": 0,
      "tocsin.source.duration": 7,
      "tocsin.source.rows": 4,
      "tocsin.source.skew": 0,
      "tocsin.source.skipped": 0,
      "tocsin.source.errors": 0,
      "tocsin.source.resets": 0,
    });
  });

  it("a reload with a replaced member: counters began at 0, nothing is negative, the new process's bytes all count", () => {
    const [before, after] = scrapeTwice(
      "octavia-amphora-a-before-reload.txt",
      "octavia-amphora-a-after-reload.txt",
      10,
    );
    expect(before.baseline.process.pid).toBe(27176);
    expect(after.baseline.process.pid).toBe(29886);
    // The new process is two seconds old: what the old one counted after its last answer nobody knows.
    expect(after.coveredS).toBe(2);
    expect(after.increases).toMatchObject({
      [`${LB}.incoming.bytes`]: 212_611,
      [`${LB}.outgoing.bytes`]: 141_701,
      [`${LB}.total.connections`]: 15,
      [`${LB}.requests`]: 15,
      [`${LB}.responses.2xx`]: 13,
      [`${LB}.responses.5xx`]: 1,
    });
    expect(after.means[`${LB}.response.time`]).toEqual({ sum: 75, weight: 15 });
    expect(after.members).toEqual({
      "2a6ecb36-7da8-402e-93d0-d4cafe11e063": "up",
      "7b6382e0-4d4a-459f-919a-e87c6d1e77de": "up",
    });
    // No session was open in the old process: its last bytes are not lost.
    expect(after.reload).toBe(false);
  });

  it("lists proxies that belong to no cluster", () => {
    const none = () => ({ previous: undefined, elapsed: undefined, gap: false });
    expect(sliceDump(dumpOf("octavia-amphora-a.txt"), 0, clustersOf, none).unmapped).toEqual([
      "prometheus-exporter-internal-endpoint",
      "prometheus-exporter-internal",
    ]);
  });
});

describe("every status", () => {
  const states = (name: string) => {
    const { rows } = dumpOf(name);
    const backends = new Map(rows.filter(({ kind }) => kind === "backend").map((row) => [row.proxy, row]));
    return Object.fromEntries(
      rows
        .filter(({ kind }) => kind === "server")
        .map((row) => [row.server, stateOfServer(row, backends.get(row.proxy))]),
    );
  };

  it("counts as what it means", () => {
    expect(states("statuses.txt")).toEqual({
      ok: "up",
      flappy: "up",
      dead: "down",
      nocheck: "up",
      maint: "maint",
      follower: "maint",
      drain: "draining",
      weightzero: "draining",
      slow: "up",
      stopping: "draining",
      unresolved: "maint",
      agentdown: "down",
      bkp: "standby",
      quoted: "down",
      a: "down",
    });
  });

  it("and makes the members meters of its cluster", () => {
    const none = () => ({ previous: undefined, elapsed: undefined, gap: false });
    const everything = () => ({ frontend: "all", backend: "all" });
    const [slice] = sliceDump(dumpOf("statuses.txt"), 0, everything, none).slices;
    expect(samplesOf(slice!)).toMatchObject({
      [`${LB}.members.up`]: 4,
      [`${LB}.members.down`]: 4,
      [`${LB}.members.draining`]: 3,
      [`${LB}.members.maint`]: 3,
      [`${LB}.members.total`]: 15,
    });
  });

  it("DOWN 1/2 is down", () => expect(states("statuses-recovering.txt").flappy).toBe("down"));

  it("quoted fields with commas and quotes are one field", () => {
    const row = dumpOf("statuses.txt").rows.find(({ server }) => server === "quoted");
    expect(row?.column("last_chk")).toMatch(/"/);
    expect(row?.column("last_chk")).toMatch(/,/);
    expect(row?.column("mode")).toBe("http");
  });
});

describe("broken answers are refused whole", () => {
  const info = "Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 10.500000\n\n";
  it.each([
    { file: "truncated-mid-row.csv", code: "truncated" },
    { file: "truncated-no-blank-line.csv", code: "truncated" },
    { file: "open-quote.csv", code: "truncated" },
    { file: "garbage.bin", code: "not_stats" },
    { file: "permission-denied.txt", code: "not_stats" },
    { file: "empty.txt", code: "empty" },
  ])("$file: $code", ({ file, code }) => {
    const text = fixture(file);
    expect(parseDump(text === "" ? text : info + text)).toMatchObject({ ok: false, code });
  });

  it("several processes behind one socket are no source", () => {
    expect(
      parseDump(`${info.replace("Pid: 7", "Nbproc: 2\nPid: 7")}${fixture("reordered-columns.csv")}`),
    ).toMatchObject({ ok: false, code: "nbproc" });
  });

  it("columns are read by name, in any order", () => {
    const parsed = parseDump(info + fixture("reordered-columns.csv"));
    const rows = parsed.ok ? parsed.dump.rows : [];
    expect(
      rows.find(({ proxy, kind }) => proxy === "keystone_public_cluster" && kind === "backend")?.column("bin"),
    ).toMatch(/^\d+$/);
    expect(parsed.ok && parsed.dump.preciseUptime).toBe(true);
  });

  it("a line that is no row is skipped and counted; the others stay", () => {
    const parsed = parseDump(info + fixture("old-missing-comma.csv"));
    expect(parsed.ok && parsed.dump.skipped).toBe(1);
    expect(parsed.ok && parsed.dump.rows.length).toBeGreaterThan(10);
  });

  it("a row whose name is longer than 256 bytes is skipped and counted", () => {
    const [most, more] = ["a".repeat(256), "a".repeat(257)];
    const rows = [`${most},s`, `${more},s`, `p,${most}`, `p,${more}`, `"${more}",s`].map((names) => `${names},1,2,`);
    const parsed = parseDump(`${info}# pxname,svname,stot,type,\n${rows.join("\n")}\n\n`);
    expect(parsed.ok && parsed.dump.skipped).toBe(3);
    expect(parsed.ok && parsed.dump.rows.map(({ proxy, server }) => [proxy, server])).toEqual([
      [most, "s"],
      ["p", most],
    ]);
  });

  it("numbers that are none are no values", () => {
    const parsed = parseDump(info + fixture("bad-numbers.csv"));
    if (!parsed.ok) throw new Error(parsed.reason);
    const dump: Dump = {
      ...parsed.dump,
      process: { pid: 1, uptimeS: 1, startTimeS: undefined, version: "" },
      preciseUptime: true,
    };
    const none = () => ({ previous: undefined, elapsed: undefined, gap: false });
    const keystone = (proxy: string) => ({
      frontend: proxy,
      backend: proxy === "keystone_public_cluster" ? proxy : undefined,
    });
    const slice = sliceDump(dump, 0, keystone, none).slices.find(
      ({ clusterId }) => clusterId === "keystone_public_cluster",
    );
    const counters = recordsOf(slice!.baseline)["keystone_public_cluster/controller02/server"];
    expect(Object.keys(counters ?? {})).not.toContain("bin");
    expect(Object.keys(counters ?? {})).not.toContain("stot");
  });
});
