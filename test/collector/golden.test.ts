/**
 * Real dumps of HAProxy 1.8 to 3.4, in the four ways it is set up. What is expected of them was worked out by another
 * program, in another language, from the CSV; a proxy `<pool>:<listener>` is of its listener's cluster.
 */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseDump } from "../../src/collector/dump.ts";
import { elapsed } from "../../src/collector/process.ts";
import type { Dump } from "../../src/collector/rows.ts";
import type { Since } from "../../src/collector/slices.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import type { Baseline, ClusterSlice, ProcessIdentity } from "../../src/model/tick.ts";

type Parts = Pick<ClusterSlice, "increases" | "sums" | "means" | "members"> & {
  readonly rowCount: number | undefined;
  readonly resets: number | undefined;
};
type Clusters = Readonly<Record<string, Parts>>;

interface Golden {
  readonly firsts: Readonly<Record<string, { readonly process: ProcessIdentity | null; readonly clusters: Clusters }>>;
  readonly pairs: readonly {
    readonly before: string;
    readonly after: string;
    readonly same: boolean;
    readonly clusters: Clusters;
  }[];
}

const folder = new URL("../fixtures/haproxy/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), "latin1");
const golden: Golden = JSON.parse(read("golden.json"));

function dumpOf(name: string): Dump {
  const parsed = parseDump(read(name), name.endsWith("-page.csv") ? "page" : "socket");
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.dump;
}

const clustersOf = (proxy: string) => {
  const clusterId = proxy.split(":")[1] ?? proxy;
  return { frontend: clusterId, backend: clusterId };
};

function clusters(dump: Dump, since: (clusterId: string) => Since): Readonly<Record<string, ClusterSlice>> {
  const { slices, unmapped } = sliceDump(dump, 0, clustersOf, since);
  expect(unmapped).toEqual([]);
  return Object.fromEntries(slices.map((slice) => [slice.clusterId, slice]));
}

function partsOf(slices: Readonly<Record<string, ClusterSlice>>): Clusters {
  return Object.fromEntries(
    Object.entries(slices).map(([id, { increases, sums, means, members, rowCount, resets }]) => [
      id,
      { increases, sums, means, members, rowCount, resets },
    ]),
  );
}

/** Another process than one that had no row: all that it shows is what it has counted. */
const ANEW: Since = {
  previous: {
    baseline: {
      process: { pid: 0, uptimeS: 0, startTimeS: undefined, version: "" },
      at: 0,
      open: false,
      rows: "",
    },
    monotonicMs: 0,
  },
  elapsed: { same: false, seconds: 1_000_000 },
  gap: false,
};

describe("all that one dump says", () => {
  it.each(Object.entries(golden.firsts))("%s", (name, { process, clusters: expected }) => {
    const dump = dumpOf(name);
    expect(dump.skipped).toBe(0);
    const nobody = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };
    expect(dump.process).toEqual(process ? { ...process, startTimeS: process.startTimeS ?? undefined } : nobody);
    // A page says nothing of its process, not even that it has counted all of this itself.
    const own = { ...dump, connections: dump.connections ?? Number.POSITIVE_INFINITY };
    expect(partsOf(clusters(own, () => ANEW))).toEqual(expected);
  });
});

describe("what came between two dumps", () => {
  const SECONDS = 2;
  const next = (before: string, after: string, reread: (baseline: Baseline) => Baseline) => {
    const [first, second] = [dumpOf(before), dumpOf(after)];
    const was = clusters(first, () => ({ previous: undefined, elapsed: undefined, gap: false }));
    const passed = elapsed(first.process, second.process, second.preciseUptime, SECONDS);
    const now = clusters(second, (id) => {
      const previous = was[id] && { baseline: reread(was[id].baseline), monotonicMs: 0 };
      return previous ? { previous, elapsed: passed, gap: false } : { previous, elapsed: undefined, gap: false };
    });
    return { passed, now };
  };

  it.each(golden.pairs)("$before, $after", ({ before, after, same, clusters: expected }) => {
    const { passed, now } = next(before, after, (baseline) => baseline);
    expect(passed.same).toBe(same);
    expect(partsOf(now)).toEqual(expected);
    for (const { fresh, coveredS } of Object.values(now)) {
      expect(fresh).toBe(!same);
      expect(coveredS).toBeLessThanOrEqual(SECONDS);
      if (same) expect(coveredS).toBe(SECONDS);
    }
  });

  it.each(golden.pairs)(
    "$before, $after: the same after a restart of ours",
    ({ before, after, clusters: expected }) => {
      const { now } = next(before, after, (baseline) => structuredClone(baseline));
      expect(partsOf(now)).toEqual(expected);
    },
  );
});

const INFO = "Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 10.500000\n\n";

describe("broken answers", () => {
  it.each<{ file: string; code: string; socket: RegExp; page?: { code: string; reason: RegExp } }>([
    { file: "truncated-mid-row.csv", code: "truncated", socket: /ends after 4060 bytes without its empty line/ },
    { file: "truncated-no-blank-line.csv", code: "truncated", socket: /without its empty line/ },
    { file: "truncated.json", code: "json", socket: /JSON.*ask for CSV/ },
    {
      file: "header-only.csv",
      code: "truncated",
      socket: /without its empty line/,
      page: { code: "no_rows", reason: /no row/ },
    },
    {
      file: "empty.txt",
      code: "truncated",
      socket: /ends after show info/,
      page: { code: "empty", reason: /web server/ },
    },
    { file: "garbage.bin", code: "not_stats", socket: /^the answer is not statistics: "/ },
    { file: "open-quote.csv", code: "truncated", socket: /a quoted field of the answer never ends/ },
    { file: "permission-denied.txt", code: "not_stats", socket: /"Permission denied"$/ },
    { file: "no-such-proxy.txt", code: "not_stats", socket: /"No such proxy\."$/ },
    { file: "http-401.txt", code: "not_stats", socket: /"HTTP\/1\.1 401 Unauthorized/ },
    { file: "http-503.html", code: "html", socket: /web page, not CSV.*;csv/ },
    { file: "html-instead-of-csv.html", code: "html", socket: /web page, not CSV.*;csv/ },
  ])("$file: $code", ({ file, code, socket, page }) => {
    const answer = parseDump(INFO + read(file));
    expect(answer).toEqual({ ok: false, code, reason: expect.stringMatching(socket) });
    const ofPage = parseDump(read(file), "page");
    // A page has no last empty line: only what is cut in a line can be told from here.
    const isCutBetweenLines = file === "truncated-no-blank-line.csv";
    expect(ofPage.ok).toBe(isCutBetweenLines);
    if (!ofPage.ok) expect(ofPage.code).toBe(page?.code ?? code);
    if (!ofPage.ok && page) expect(ofPage.reason).toMatch(page.reason);
  });

  it("nothing at all", () => {
    expect(parseDump("")).toEqual({
      ok: false,
      code: "empty",
      reason: "HAProxy closed the connection without an answer",
    });
  });

  it.each<{ file: string; skipped: number; rows: number; stot: string | undefined; bin: string | undefined }>([
    { file: "bad-numbers.csv", skipped: 0, rows: 57, stot: "", bin: "" },
    { file: "crlf.csv", skipped: 0, rows: 57, stot: "1916", bin: "135668" },
    { file: "duplicate-row.csv", skipped: 1, rows: 57, stot: "1916", bin: "135668" },
    { file: "old-missing-comma.csv", skipped: 1, rows: 56, stot: undefined, bin: undefined },
    { file: "reordered-columns.csv", skipped: 0, rows: 57, stot: "1916", bin: "135668" },
  ])("$file is read but for what is wrong", ({ file, skipped, rows, stot, bin }) => {
    for (const parsed of [parseDump(INFO + read(file)), parseDump(read(file), "page")]) {
      if (!parsed.ok) throw new Error(parsed.reason);
      expect(parsed.dump.skipped).toBe(skipped);
      expect(parsed.dump.rows).toHaveLength(rows);
      const row = parsed.dump.rows.find(
        ({ proxy, server }) => proxy === "keystone_public_cluster" && server === "controller02",
      );
      expect(row?.column("stot")).toBe(stot);
      expect(row?.column("bin")).toBe(bin);
    }
  });

  it("two dumps of one set-up say the same, whatever their line ends and the order of columns", () => {
    const all = ["crlf.csv", "reordered-columns.csv", "duplicate-row.csv"].map((file) => {
      const parsed = parseDump(INFO + read(file));
      if (!parsed.ok) throw new Error(parsed.reason);
      return partsOf(clusters(parsed.dump, () => ANEW));
    });
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
  });
});
