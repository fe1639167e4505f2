import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseDump } from "../../src/collector/dump.ts";
import type { Elapsed } from "../../src/collector/process.ts";
import { elapsed } from "../../src/collector/process.ts";
import type { Reads } from "../../src/collector/reads.ts";
import type { Dump } from "../../src/collector/rows.ts";
import type { Since } from "../../src/collector/slices.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import type { Baseline, ClusterSlice } from "../../src/model/tick.ts";

const LB = "network.services.lb";
const LISTENER = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
const [A, B, NEW] = [
  "4ce9b82d-6aca-4cb8-bd67-2339f60f9644",
  "7b6382e0-4d4a-459f-919a-e87c6d1e77de",
  "2a6ecb36-7da8-402e-93d0-d4cafe11e063",
];
const NOTHING_BEFORE: Since = { previous: undefined, elapsed: undefined, gap: false };

/** A dump, where `edit` changes server rows. */
function dumpOf(name: string, info = "", edit?: (proxy: string, column: string, text: string) => string): Dump {
  const text = readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url), "latin1");
  const parsed = parseDump(info + (edit ? edited(text, edit) : text));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.dump;
}

function edited(text: string, edit: (proxy: string, column: string, text: string) => string): string {
  const [header = "", ...lines] = text.split("\n");
  const names = header.replace("# ", "").split(",");
  const rows = lines.map((line) => {
    const cells = line.split(",");
    if (cells[names.indexOf("type")] !== "2") return line;
    const proxy = cells[names.indexOf("pxname")] ?? "";
    return cells.map((cell, index) => edit(proxy, names[index] ?? "", cell)).join(",");
  });
  return [header, ...rows].join("\n");
}

const octavia = (proxy: string) => {
  const clusterId = proxy.includes(LISTENER) ? "octavia" : undefined;
  return { frontend: clusterId, backend: clusterId };
};

function sliceOf(dump: Dump, since: Since, reads?: Reads, clustersOf = octavia): ClusterSlice {
  const [slice] = sliceDump(
    dump,
    0,
    clustersOf,
    () => since,
    () => reads,
  ).slices;
  if (!slice) throw new Error("no row of the cluster");
  return slice;
}

function sinceThen(baseline: Baseline, passed: Elapsed): Since {
  return { previous: { baseline, monotonicMs: 0 }, elapsed: passed, gap: false };
}

/** The second of two scrapes of the amphora. */
function second(first: string, next: string, reads?: Reads): ClusterSlice {
  const [before, now] = [dumpOf(first), dumpOf(next)];
  const { baseline } = sliceOf(before, NOTHING_BEFORE);
  return sliceOf(now, sinceThen(baseline, elapsed(before.process, now.process, now.preciseUptime, 2)), reads);
}

const READS: Reads = {
  perServer: [`${LB}.incoming.bytes.rate`, `${LB}.active.connections`, `${LB}.response.time`],
  counters: [`${LB}.incoming.bytes`, `${LB}.connection.errors`, `${LB}.requests`],
};

describe("an amphora's servers, each by itself", () => {
  it("two scrapes of one process: what each server's row grew by, of the meters read and no other", () => {
    const slice = second("octavia-series-003.txt", "octavia-series-004.txt", READS);
    expect(slice.servers).toEqual({
      [A]: {
        increases: { [`${LB}.incoming.bytes`]: 973_866 - 937_921 },
        sums: { [`${LB}.active.connections`]: 0 },
        means: { [`${LB}.response.time`]: { sum: 8, weight: 8 } },
      },
      [B]: {
        increases: { [`${LB}.incoming.bytes`]: 1_079_267 - 902_602 },
        sums: { [`${LB}.active.connections`]: 0 },
        means: { [`${LB}.response.time`]: { sum: 7, weight: 7 } },
      },
    });
    expect(slice).toMatchObject({ fresh: false, reload: false, increases: { [`${LB}.incoming.bytes`]: 212_610 } });
  });

  it("a ratio brings its counters; what a server row does not have is left out", () => {
    const perServer = ["responses.5xx.ratio", "request_errors.rate", "denied", "members.up"].map(
      (name) => `${LB}.${name}`,
    );
    const { servers } = second("octavia-series-003.txt", "octavia-series-004.txt", { perServer, counters: [] });
    const responses = { "1xx": 0, "2xx": 6, "3xx": 0, "4xx": 1, "5xx": 1, other: 0 };
    const increases = Object.entries(responses).map(([code, grown]) => [`${LB}.responses.${code}`, grown]);
    expect(servers?.[A]).toEqual({
      increases: { ...Object.fromEntries(increases), [`${LB}.denied`]: 0 },
      sums: {},
      means: {},
    });
  });

  it("a first scrape has gauges only", () => {
    const { servers } = sliceOf(dumpOf("octavia-series-003.txt"), NOTHING_BEFORE, READS);
    expect(servers?.[A]).toEqual({ increases: {}, sums: { [`${LB}.active.connections`]: 0 }, means: {} });
  });

  it("another process without open sessions before it is fresh and no reload; its servers began at 0", () => {
    const slice = second("octavia-amphora-a-before-reload.txt", "octavia-amphora-a-after-reload.txt", READS);
    expect(slice).toMatchObject({ fresh: true, reload: false });
    expect(slice.servers).toEqual({
      [NEW ?? ""]: {
        increases: { [`${LB}.incoming.bytes`]: 71_149 },
        sums: { [`${LB}.active.connections`]: 0 },
        means: { [`${LB}.response.time`]: { sum: 40, weight: 8 } },
      },
      [B ?? ""]: {
        increases: { [`${LB}.incoming.bytes`]: 141_462 },
        sums: { [`${LB}.active.connections`]: 0 },
        means: { [`${LB}.response.time`]: { sum: 35, weight: 7 } },
      },
    });
  });

  it("another process with sessions open before it is fresh and a reload", () => {
    expect(second("octavia-series-004.txt", "octavia-amphora-a-after-reload.txt")).toMatchObject({
      fresh: true,
      reload: true,
    });
  });

  it("raw counters are those of the rows that the meter is made of, also at a first scrape", () => {
    expect(sliceOf(dumpOf("octavia-series-003.txt"), NOTHING_BEFORE, READS).raw).toEqual({
      [`${LB}.incoming.bytes`]: 1_840_887,
      [`${LB}.connection.errors`]: 0,
      [`${LB}.requests`]: 19_775,
    });
    expect(second("octavia-series-003.txt", "octavia-series-004.txt", READS).raw).toEqual({
      [`${LB}.incoming.bytes`]: 2_053_497,
      [`${LB}.connection.errors`]: 0,
      [`${LB}.requests`]: 19_790,
    });
  });

  it("without such rules there is neither; the proxy of each server is always said", () => {
    for (const reads of [undefined, { perServer: [], counters: [] }]) {
      const slice = second("octavia-series-003.txt", "octavia-series-004.txt", reads);
      expect(slice).not.toHaveProperty("servers");
      expect(slice).not.toHaveProperty("raw");
      const pool = `c832ed78-539a-4e4a-a2e8-ae8fcf3f383c:${LISTENER}`;
      expect(slice.proxies).toEqual({ [A]: pool, [B]: pool });
    }
  });
});

describe("servers of one name in several backends: an HTTP one and two of TCP", () => {
  const info = "Version: 2.6.12\nPid: 7\nUptime_sec: 60.500000\n\n";
  const dump = dumpOf("reordered-columns.csv", info);
  const sessions: Readonly<Record<string, string>> = { galera_cluster: "3", rabbitmq_cluster: "4" };
  // Nobody was connected when it was taken.
  const busy = dumpOf("reordered-columns.csv", info, (proxy, column, text) =>
    column === "scur" ? (sessions[proxy] ?? text) : text,
  );
  const three = (proxy: string) => {
    const clusterId = /^(dashboard|galera|rabbitmq)_cluster$/.test(proxy) ? "all" : undefined;
    return { frontend: clusterId, backend: clusterId };
  };
  const before = { process: { ...dump.process, pid: 6 }, at: 0, open: false, rows: "" };
  const names = [
    "incoming.bytes",
    "total.connections",
    "requests.rate",
    "active.connections",
    "response.time",
    "total.time",
  ];
  const reads = {
    perServer: names.map((name) => `${LB}.${name}`),
    counters: [`${LB}.incoming.bytes`, `${LB}.requests`],
  };
  const slice = sliceOf(busy, sinceThen(before, { same: false, seconds: 10 }), reads, three);

  it("add up, means by their requests, HTTP meters without the TCP rows", () => {
    expect(slice.servers?.controller02).toEqual({
      increases: {
        [`${LB}.incoming.bytes`]: 1330 + 0 + 158,
        [`${LB}.total.connections`]: 15 + 0 + 2,
        [`${LB}.requests`]: 15,
      },
      sums: { [`${LB}.active.connections`]: 0 + 3 + 4 },
      means: {
        [`${LB}.response.time`]: { sum: 11 * 15, weight: 15 },
        [`${LB}.total.time`]: { sum: 13 * 15 + 5 * 2, weight: 17 },
      },
    });
  });

  it("are of the first proxy in the dump", () => expect(slice.proxies?.controller02).toBe("dashboard_cluster"));

  it("raw sums over FRONTEND rows, HTTP meters over the HTTP one", () => {
    expect(slice.raw).toEqual({ [`${LB}.incoming.bytes`]: 1330 + 316 + 316, [`${LB}.requests`]: 15 });
  });

  it("where all is TCP there are no HTTP meters, though HAProxy prints req_tot 0 at FRONTEND rows", () => {
    const galera = (proxy: string) => {
      const clusterId = proxy === "galera_cluster" ? "db" : undefined;
      return { frontend: clusterId, backend: clusterId };
    };
    const db = sliceOf(dump, sinceThen(before, { same: false, seconds: 10 }), reads, galera);
    expect(db.raw).toEqual({ [`${LB}.incoming.bytes`]: 316 });
    expect(db.increases).not.toHaveProperty([`${LB}.requests`]);
    expect(db.servers?.controller01).toEqual({
      increases: { [`${LB}.incoming.bytes`]: 316, [`${LB}.total.connections`]: 4 },
      sums: { [`${LB}.active.connections`]: 0 },
      means: { [`${LB}.total.time`]: { sum: 25 * 4, weight: 4 } },
    });
  });
});
