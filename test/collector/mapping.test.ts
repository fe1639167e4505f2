import { describe, expect, it } from "vitest";
import type { Claimed, ClusterRows, MappingOptions } from "../../src/collector/mapping.ts";
import { createMapping, isFromEntry } from "../../src/collector/mapping.ts";
import type { RowPattern } from "../../src/model/alarm.ts";
import type { Family } from "../../src/model/family.ts";

const row = (kind: RowPattern["kind"], pattern: string, source?: string): RowPattern => ({ kind, pattern, source });
const cluster = (clusterId: string, ...rows: RowPattern[]): ClusterRows => ({
  clusterId,
  rows,
  file: `rules/${clusterId}.yaml`,
});
const family = (kind: Family["kind"], pattern: string, clusterId: string, more: Partial<Family> = {}): Family => ({
  kind,
  pattern,
  clusterId,
  source: undefined,
  clusterName: undefined,
  ...more,
});
const mapping = (options: Partial<MappingOptions>) =>
  createMapping({ clusters: [], families: [], ignore: [], unmapped: "warn", ...options });
/** Where the two halves of a proxy go. */
const goesTo = (options: Partial<MappingOptions>, proxy: string, source = "local") => {
  const { frontend, backend } = mapping(options).clustersOf(source, proxy);
  return [frontend, backend];
};

const octavia = cluster("octavia", row("frontend", "9fe70cce"), row("backend", "c832ed78*", "amphorae"));
const web = cluster("web", row("proxy", "web_*"));

it.each([
  { source: "local", proxy: "9fe70cce", expected: { frontend: "octavia", backend: undefined } },
  {
    source: "amphorae:/var/lib/octavia/x.sock",
    proxy: "c832ed78:9fe70cce",
    expected: { frontend: undefined, backend: "octavia" },
  },
  { source: "local", proxy: "c832ed78:9fe70cce", expected: { frontend: undefined, backend: undefined } },
  { source: "local", proxy: "web_cluster", expected: { frontend: "web", backend: "web" } },
  { source: "local", proxy: "other", expected: { frontend: undefined, backend: undefined } },
])("$proxy of $source", ({ source, proxy, expected }) => {
  expect(mapping({ clusters: [octavia, web] }).clustersOf(source, proxy)).toMatchObject(expected);
});

describe("rule files, then families, then the word for what is left", () => {
  const families = [
    family("proxy", "{service}_cluster", "{service}", { clusterName: "service {service}" }),
    family("frontend", "{service}_front", "{service}"),
    family("backend", "{service}_back", "{service}", { source: "kolla" }),
    family("proxy", "*_tail", "tails"),
  ];
  const all = { clusters: [cluster("mine", row("frontend", "nova_cluster"))], families };

  it.each([
    ["a rule file has the frontend, the family what is left", "nova_cluster", "local", ["mine", "nova"]],
    ["both halves by a family", "keystone_cluster", "local", ["keystone", "keystone"]],
    ["the first family that fits", "x_cluster_tail", "local", ["tails", "tails"]],
    ["a family of frontends alone", "glance_front", "local", ["glance", undefined]],
    ["a family of one source", "glance_back", "kolla", [undefined, "glance"]],
    ["and of no other", "glance_back", "local", [undefined, undefined]],
    ["one character at least", "_cluster", "local", [undefined, undefined]],
  ])("%s: %s of %s", (_, proxy, source, expected) => {
    expect(goesTo(all, proxy, source)).toEqual(expected);
  });

  it.each([
    ["Octavia's pool and its listener", "{pool}:{listener}", "c832:9fe7", "{pool}", "c832"],
    ["Neutron's pool", "{pool}", "5ed3", "{pool}", "5ed3"],
    ["Kolla", "{service}_back", "nova_api_back", "os-{service}", "os-nova_api"],
  ])("%s", (_, pattern, proxy, id, expected) => {
    expect(goesTo({ families: [family("backend", pattern, id)] }, proxy)).toEqual([undefined, expected]);
  });

  it("what is ignored belongs to nobody, whatever claims it", () => {
    const options = { ...all, ignore: ["nova*"], unmapped: "proxy" as const };
    expect(goesTo(options, "nova_cluster")).toEqual([undefined, undefined]);
    expect(mapping(options).isIgnored("nova_cluster")).toBe(true);
  });

  it("unmapped: proxy makes a cluster of each proxy of which no row belongs to one", () => {
    const options = { ...all, unmapped: "proxy" as const };
    expect(goesTo(options, "stray")).toEqual(["stray", "stray"]);
    expect(goesTo(options, "glance_front")).toEqual(["glance", undefined]);
    expect(
      ["warn", "ignore", "proxy"].map((unmapped) => mapping({ unmapped } as MappingOptions).warnsOfUnmapped),
    ).toEqual([true, false, false]);
  });

  it("says which rule it was, and the name that a family gives", () => {
    const names = new Map<string, string>();
    const now = mapping({ ...all, unmapped: "proxy", onName: (clusterId, name) => names.set(clusterId, name) });
    const by = (proxy: string, source = "local") => now.clustersOf(source, proxy).by;
    expect(by("nova_cluster")).toEqual({
      frontend: "rules/mine.yaml: frontend nova_cluster",
      backend: "families[0]: proxy {service}_cluster",
    });
    expect(by("glance_back", "kolla")).toEqual({ backend: "families[2]: backend {service}_back of source kolla" });
    expect(by("stray")).toEqual({ frontend: "unmapped: proxy", backend: "unmapped: proxy" });
    expect([...names]).toEqual([["nova", "service nova"]]);
  });
});

describe("a row that two rule files claim", () => {
  const clusters = [
    cluster("one", row("proxy", "web*", "lb?")),
    cluster("two", row("backend", "*_1", "*1"), row("proxy", "*")),
    cluster("three", row("frontend", "web_1")),
  ];

  it("goes to the first, and the others are named, once for each proxy", () => {
    const told: Claimed[] = [];
    const now = mapping({ clusters, onTwice: (claimed) => told.push(claimed) });
    const twice = ["rules/two.yaml", "rules/three.yaml"];
    expect(now.clustersOf("lb1", "web_1")).toMatchObject({ frontend: "one", backend: "one", twice });
    now.clustersOf("lb1", "web_1");
    expect(told).toEqual([{ source: "lb1", proxy: "web_1", file: "rules/one.yaml", others: twice }]);
    expect(now.clustersOf("away", "other").twice).toBeUndefined();
  });

  it("by files, not by patterns: two patterns of one file are no quarrel", () => {
    const own = [cluster("one", row("proxy", "web*"), row("frontend", "web_1"))];
    expect(mapping({ clusters: own }).clustersOf("lb1", "web_1").twice).toBeUndefined();
  });
});

describe("remembering", () => {
  it("sources are told apart where some rule speaks of them", () => {
    const clusters = [cluster("a", row("proxy", "web", "lb1")), cluster("b", row("proxy", "web", "lb2"))];
    const now = mapping({ clusters });
    expect(["lb1", "lb2", "lb1", "lb3"].map((source) => now.clustersOf(source, "web").frontend)).toEqual([
      "a",
      "b",
      "a",
      undefined,
    ]);
  });

  it("the same proxy is the same answer", () => {
    const now = mapping({ clusters: [web] });
    expect(now.clustersOf("a", "web_1")).toBe(now.clustersOf("b", "web_1"));
  });

  it("equal rules are equal mappings, whatever they read; others are not", () => {
    const { text } = mapping({ clusters: [web] });
    expect(mapping({ clusters: [{ ...web, reads: { perServer: ["x"], counters: [] } }] }).text).toBe(text);
    expect(mapping({ clusters: [octavia] }).text).not.toBe(text);
    expect(mapping({ clusters: [web], unmapped: "proxy" }).text).not.toBe(text);
    expect(mapping({ clusters: [web], families: [family("proxy", "a", "b")] }).text).not.toBe(text);
    expect(mapping({ clusters: [web], ignore: ["x"] }).text).not.toBe(text);
  });

  it("of 1,000 clusters, by names and by globs, only those are tried for a proxy that may match it", () => {
    let looked = 0;
    const counted = (pattern: string): RowPattern => ({
      source: undefined,
      kind: "backend",
      get pattern() {
        looked++;
        return pattern;
      },
    });
    const clusters = Array.from({ length: 1000 }, (_, index) =>
      cluster(`c${index}`, row("frontend", `listener-${index}`), counted(`pool-${String(index).padStart(4, "0")}*`)),
    );
    const now = mapping({ clusters, families: [family("proxy", "{service}_cluster", "{service}")] });
    const toBuild = looked;
    let mapped = 0;
    for (let index = 0; index < 10_000; index++) {
      const pool = now.clustersOf("a", `pool-${String(index % 2000).padStart(4, "0")}:listener-${index}`);
      if (pool.backend !== undefined) mapped++;
    }
    expect(mapped).toBe(5000);
    expect(looked - toBuild).toBeLessThanOrEqual(2 * 5000);
  });
});

it.each([
  { source: "lb", socket: "/run/a.sock", expected: true },
  { source: "lb:/run/a.sock", socket: "/run/a.sock", expected: false },
  { source: "lb", socket: "/run/*.sock", expected: false },
  { source: "lb:/run/a.sock", socket: "/run/*.sock", expected: true },
  { source: "lb:/run/a.sock", socket: "/var/*.sock", expected: false },
  { source: "lb", socket: undefined, expected: true },
  { source: "lb2", socket: undefined, expected: false },
])("T4: is $source still led to by an entry with $socket: $expected", ({ source, socket, expected }) => {
  expect(isFromEntry(source, { name: "lb", ...(socket === undefined ? {} : { socket }) })).toBe(expected);
});
