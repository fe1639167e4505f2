import { describe, expect, it } from "vitest";
import type { SourceRow } from "../../src/cli/source.ts";
import { sourceTable } from "../../src/cli/source.ts";

const named = (...names: readonly string[]) => names.map((name) => ({ cluster_id: name, cluster_name: name }));
const source = (name: string, own: Partial<SourceRow> = {}): SourceRow => ({
  name,
  kind: "socket",
  address: "/run/x.sock",
  ok: true,
  code: "",
  reason: "",
  unmapped: [],
  skipped_rows: 0,
  version: "2.6.12-1+deb12u4",
  pid: 7,
  uptime_s: 90,
  process_since: null,
  rows: 57,
  errors: 0,
  duration_ms: 1,
  hints: [],
  clusters: [],
  ...own,
});

describe("sources as a table", () => {
  it("a duplicate is none that is ok, and the reason stands below", () => {
    const own = { code: "duplicate", reason: "it is the same process as source a: remove one of the two" };
    expect(sourceTable([source("a", { clusters: named("web") }), source("b", own)])).toBe(
      [
        "SOURCE  STATE      VERSION  UPTIME  ROWS  ERRORS  UNMAPPED  CLUSTERS",
        "a       ok         2.6.12   1m30s   57    0       0         web",
        "b       duplicate  2.6.12   1m30s   57    0       0         -",
        "  it is the same process as source a: remove one of the two",
      ].join("\n"),
    );
  });

  it("paths and many clusters are cut, so that it fits into 100 columns", () => {
    const many = named("dashboard", "galera", ..."abcdefghi");
    const amphora = "amphorae:/var/lib/octavia/7c9408c4-e876-4832-8c18-49a8ef7c3035.sock";
    const neutron = "neutron:/var/lib/neutron/lbaas/v2/69e8/haproxy_stats.sock";
    const table = sourceTable([
      source(amphora, { clusters: named("keystone_public_and_more", "b") }),
      source(neutron, { ok: false, code: "refused", reason: "nobody listens", uptime_s: 9, errors: 12_345 }),
      source("controller", { code: "duplicate", clusters: many, uptime_s: 1_000_000, rows: 10_000 }),
      source("odd", { version: "a-very-long-word", uptime_s: null, clusters: named(amphora.slice(26, 62)) }),
    ]);
    expect(table.split("\n")).toEqual([
      "SOURCE                   STATE      VERSION    UPTIME  ROWS   ERRORS  UNMAPPED  CLUSTERS",
      "amphorae:/v…408c4….sock  ok         2.6.12     1m30s   57     0       0         keystone…and_more +1",
      "neutron:/va…_stats.sock  refused    2.6.12     -       57     12345   0         -",
      "  nobody listens",
      "controller               duplicate  2.6.12     11d13h  10000  0       0         dashboard, galera +9",
      "odd                      ok         a-ve…word  -       57     0       0         7c9408c4…",
      "names are shortened: -o json has them whole",
    ]);
    for (const line of table.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });
});
