import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { baselineOf, rowsOf } from "../../src/collector/baseline.ts";
import { parseDump } from "../../src/collector/dump.ts";
import type { Dump } from "../../src/collector/rows.ts";
import { RowsBuilder } from "../../src/collector/rows.ts";
import { COUNTER_COLUMNS } from "../../src/collector/rowTable.ts";
import type { Detail, Since } from "../../src/collector/slices.ts";
import { sliceDump } from "../../src/collector/slices.ts";
import type { Baseline, ClusterSlice, RowKind } from "../../src/model/tick.ts";
import { NOBODY, recordedOf } from "../helpers/baselines.ts";

const LB = "network.services.lb";
const FACTS = { process: NOBODY, at: 0, open: false };
const NOTHING: Since = { previous: undefined, elapsed: undefined, gap: false };

type Counters = Readonly<Record<string, string>>;

/** Rows as `[proxy, server, kind, counters]`. */
function dump(...rows: readonly (readonly [string, string, RowKind, Counters])[]): Dump {
  const builder = new RowsBuilder();
  for (const [proxy, server, kind, counters] of rows) {
    const row = builder.row(proxy, server, kind);
    for (const [column, digits] of Object.entries(counters)) builder.set(row, column, digits);
  }
  return builder.build(NOBODY, 0);
}

function slice(now: Dump, before?: Baseline, clusterOf = (_: string) => "web"): readonly ClusterSlice[] {
  const since: Since = before
    ? { previous: { baseline: before, monotonicMs: 0 }, elapsed: { same: undefined, seconds: 10 }, gap: false }
    : NOTHING;
  const clustersOf = (proxy: string) => ({ frontend: clusterOf(proxy), backend: clusterOf(proxy) });
  return sliceDump(now, 0, clustersOf, () => since).slices;
}

describe("a baseline as text", () => {
  it("is one line for each row; a proxy is named once, and of servers only what is read is there", () => {
    const now = dump(
      ["web", "FRONTEND", "frontend", { stot: "5", bin: "18446744073709551615" }],
      ["web", "s1", "server", { stot: "3", bin: "7", chkfail: "2" }],
    );
    const [header, ...lines] = slice(now)[0]!.baseline.rows.split("\n");
    expect(header).toBe(`${COUNTER_COLUMNS.join(" ")}|stot chkfail chkdown`);
    expect(lines).toEqual([
      `F web FRONTEND 5 18446744073709551615${" ".repeat(COUNTER_COLUMNS.length - 2)}`,
      "S = s1 3 2 ",
    ]);
  });

  it("gives back every name and number, whatever they are", { timeout: 600_000 }, () => {
    const name = fc.oneof(
      fc.string({ minLength: 1, unit: "binary" }),
      fc.constantFrom("=", "a b", "%41", "|", "é", "a\nb"),
    );
    const counter = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
    const row = fc.tuple(
      name,
      name,
      fc.constantFrom<RowKind>("frontend", "backend", "server"),
      fc.record({ stot: counter, bin: counter, chkfail: fc.nat().map(String) }, { requiredKeys: [] }),
    );
    const rows = fc.uniqueArray(row, { selector: ([proxy, server, kind]) => JSON.stringify([proxy, server, kind]) });
    const property = fc.property(rows, (all) => {
      const { table } = dump(...all);
      const group = { table, rows: Int32Array.from({ length: table.size }, (_, index) => index) };
      const expected = all.map(([proxy, server, kind, counters]) => [`${proxy}/${server}/${kind}`, counters]);
      expect(recordedOf(baselineOf(FACTS, group, COUNTER_COLUMNS))).toEqual(Object.fromEntries(expected));
    });
    fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 20_000 : 500 });
  });

  it("is understood as it was recorded once", () => {
    const old: unknown = { ...FACTS, rows: { "web/FRONTEND/frontend": { bin: "100", stot: "4" }, nonsense: 7 } };
    const now = dump(["web", "FRONTEND", "frontend", { stot: "6", bin: "150" }]);
    expect(slice(now, old as Baseline)[0]?.increases).toMatchObject({
      [`${LB}.incoming.bytes`]: 50,
      [`${LB}.total.connections`]: 2,
    });
  });

  it.each([undefined, null, 7, "", "x", "a|b\nZ q w 1\nF", "stot|\nF %zz %zz 5"])(
    "rows that are none, %j, are no rows",
    (rows) => {
      const now = dump(["web", "FRONTEND", "frontend", { stot: "6" }]);
      expect(rowsOf({ ...FACTS, rows } as Baseline).rows.length).toBeLessThanOrEqual(1);
      expect(slice(now, { ...FACTS, rows } as Baseline)[0]?.increases).toEqual({});
    },
  );
});

describe("where nothing is said of the process, counters tell", () => {
  const of = (frontend: number, server: number, other: number) =>
    dump(
      ["web", "FRONTEND", "frontend", { bin: String(frontend) }],
      ["web", "s1", "server", { stot: String(server), chkfail: String(server) }],
      ["other", "FRONTEND", "frontend", { bin: String(other) }],
    );
  it.each<{
    name: string;
    now: Dump;
    coveredS: number;
    web?: number;
    fails?: number;
    other?: number;
    fresh: boolean;
    resets: number;
  }>([
    { name: "all grew", now: of(150, 30, 70), coveredS: 10, web: 50, fails: 10, other: 20, fresh: false, resets: 0 },
    // Since when nobody knows, nor whether it is a process that was there before: any of it may be old.
    {
      name: "a frontend fell: another process, of which nothing is counted",
      now: of(40, 5, 60),
      coveredS: 0,
      fresh: true,
      resets: 0,
    },
    {
      name: "only a server did: it was put in again",
      now: of(150, 5, 70),
      coveredS: 10,
      web: 50,
      fails: 5,
      other: 20,
      fresh: false,
      resets: 1,
    },
  ])("$name", ({ now, coveredS, web, fails, other, fresh, resets }) => {
    const clusterOf = (proxy: string) => proxy;
    const before = new Map(slice(of(100, 20, 50), undefined, clusterOf).map((one) => [one.clusterId, one.baseline]));
    const clustersOf = (proxy: string) => ({ frontend: proxy, backend: proxy });
    const since = (id: string): Since => ({
      previous: { baseline: before.get(id)!, monotonicMs: 0 },
      elapsed: { same: undefined, seconds: 10 },
      gap: false,
    });
    const { slices } = sliceDump(now, 0, clustersOf, since);
    for (const slice of slices) expect(slice).toMatchObject({ fresh, coveredS, gap: coveredS === 0 });
    const [first, second] = slices;
    expect(first?.resets).toBe(resets);
    expect(first?.increases[`${LB}.incoming.bytes`]).toBe(web);
    expect(first?.increases[`${LB}.health.check.failures`]).toBe(fails);
    expect(second?.increases[`${LB}.incoming.bytes`]).toBe(other);
  });
});

describe("rows by themselves", () => {
  const text = readFileSync(new URL("../fixtures/haproxy/octavia-series-004.txt", import.meta.url), "latin1");
  const parsed = parseDump(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  const listener = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
  const clustersOf = (proxy: string) => {
    const clusterId = proxy.includes(listener) ? "octavia" : undefined;
    return { frontend: clusterId, backend: clusterId };
  };
  const kept = (detail: Detail) => {
    const since: Since = {
      previous: { baseline: { ...FACTS, rows: "" }, monotonicMs: 0 },
      elapsed: { same: false, seconds: 1000 },
      gap: false,
    };
    return sliceDump(parsed.dump, 0, clustersOf, () => since, undefined, detail).slices[0]?.kept;
  };
  const pool = `c832ed78-539a-4e4a-a2e8-ae8fcf3f383c:${listener}`;

  it("none, those of proxies, or servers too", () => {
    expect(kept("clusters")).toBeUndefined();
    expect(kept("proxies")?.map(({ resource, kind }) => [resource, kind])).toEqual([
      [`${listener}/FRONTEND`, "frontend"],
      [`${pool}/BACKEND`, "backend"],
    ]);
    expect(kept("members")?.map(({ kind, state }) => [kind, state])).toEqual([
      ["frontend", undefined],
      ["server", "up"],
      ["server", "up"],
      ["backend", undefined],
    ]);
  });

  it("have the cluster's arithmetic, of their own columns", () => {
    const [frontend, server] = kept("members") ?? [];
    expect(frontend?.increases).toMatchObject({ [`${LB}.incoming.bytes`]: 2_053_497, [`${LB}.total.connections`]: 96 });
    expect(frontend?.means).toEqual({ [`${LB}.session.utilization`]: { sum: 100, weight: 500 } });
    expect(server).toMatchObject({
      increases: { [`${LB}.incoming.bytes`]: 973_866, [`${LB}.total.connections`]: 9893 },
      sums: { [`${LB}.member`]: 1, [`${LB}.active.connections`]: 0 },
    });
  });
});
