import { describe, expect, it } from "vitest";
import { explanationText } from "../../src/cli/explainRows.ts";
import type { RowTarget, SourceLook } from "../../src/collector/look.ts";
import { explanationOf } from "../../src/explainedRows.ts";
import { familiesFor, patternsFor } from "../../src/unmapped.ts";
import { command } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const LISTENER = "9fe70cce-b5cf-49aa-b89a-5278bb7d10f5";
const POOL = "c832ed78-539a-4e4a-a2e8-ae8fcf3f383c";

const target = (proxy: string, kind: RowTarget["kind"], more: Partial<RowTarget> = {}): RowTarget => ({
  proxy,
  server: kind.toUpperCase(),
  kind,
  clusterId: undefined,
  by: undefined,
  ignored: false,
  ...more,
});

const look = (fields: Partial<SourceLook> = {}): SourceLook => ({
  name: "lb1",
  kind: "socket",
  address: "/run/lb1.sock",
  quiet: false,
  ok: true,
  code: "",
  reason: "",
  durationMs: 3.1234,
  version: "2.6.12",
  process: { pid: 7, uptimeS: 3725, startTimeS: undefined, version: "2.6.12" },
  rows: 4,
  rowsByTarget: [],
  skipped: 0,
  hints: [],
  ...fields,
});

const textOf = (...looks: readonly SourceLook[]) => explanationText(explanationOf(looks, new Map(), []));

describe("what is told of a source", () => {
  it("rows of a proxy that go two ways take two lines", () => {
    const rowsByTarget = [
      target("web", "frontend", { clusterId: "a", by: "a.yaml: frontend web" }),
      target("web", "backend", { clusterId: "b", by: "b.yaml: backend web" }),
      target("web", "server", { clusterId: "b", by: "b.yaml: backend web" }),
    ];
    const names = new Map([["b", "bee"]]);
    const { sources, unmapped } = explanationOf([look({ rowsByTarget })], names, []);
    expect(sources[0]?.proxies).toEqual([
      {
        proxy: "web",
        rows: ["frontend"],
        servers: undefined,
        cluster_id: "a",
        cluster_name: "a",
        by: "a.yaml: frontend web",
      },
      { proxy: "web", rows: ["backend"], servers: 1, cluster_id: "b", cluster_name: "bee", by: "b.yaml: backend web" },
    ]);
    expect(unmapped.proxies).toEqual([]);
  });

  it("a proxy half of which belongs to a cluster is not unmapped; the same name elsewhere is", () => {
    const half = [target("web", "frontend", { clusterId: "a", by: "x" }), target("web", "backend")];
    const none = [target("web", "frontend"), target("web", "backend")];
    const looks = [look({ rowsByTarget: half }), look({ name: "lb2", address: "/run/lb2.sock", rowsByTarget: none })];
    const { unmapped } = explanationOf(looks, new Map(), []);
    expect(unmapped).toEqual({ proxies: ["web"], haproxy: ["- proxy: web"], families: [] });
  });

  it("version, age, rows, time, lines that were none, what is ignored, hints", () => {
    const rowsByTarget = [target("stats", "frontend", { ignored: true })];
    expect(textOf(look({ rowsByTarget, skipped: 1, hints: ["set option contstats"] }))).toBe(`lb1  /run/lb1.sock  ok
  HAProxy 2.6.12, up 1h2m: 4 rows in 3.1 ms
  ignored: stats
  1 line skipped that is no row
  hint: set option contstats`);
    const unknown = look({ version: "", process: undefined, rows: 1, skipped: 2 });
    expect(textOf(unknown)).toContain(
      "HAProxy of unknown version: 1 row in 3.1 ms\n  2 lines skipped that are no rows",
    );
  });

  it("a failure with its reason, on one line whatever it holds", () => {
    const failed = { ok: false, code: "refused", reason: "nobody\nlistens\u001b[2J", hints: ["start it"] };
    expect(textOf(look(failed))).toBe(`lb1  /run/lb1.sock  FAILED: refused
  nobody\\nlistens\\u001b[2J
  hint: start it`);
  });

  it("well-known sockets that are away are named at the end; one that refuses is told as any other", () => {
    const quiet = { quiet: true, ok: false, code: "absent", reason: "no socket" };
    const text = textOf(
      look({ ...quiet, name: "octavia", address: "/var/lib/octavia/*.sock" }),
      look({ ...quiet, name: "debian", address: "/run/haproxy/admin.sock", code: "permission" }),
    );
    expect(text).toBe(`debian  /run/haproxy/admin.sock  FAILED: permission
  no socket

Well-known sockets that are not here:
  octavia  /var/lib/octavia/*.sock`);
  });

  it("rows that two files claim are errors", () => {
    const claims = [{ source: "lb1", proxy: "web", file: "a.yaml", others: ["b.yaml", "c.yaml"] }];
    expect(explanationText(explanationOf([], new Map(), claims))).toContain(
      "error  lb1: rows of web belong to a.yaml, and b.yaml, c.yaml claim them, too: a row belongs to one cluster only",
    );
  });
});

const stray = (proxy: string, ...rows: ("frontend" | "backend")[]) => ({ source: "s", proxy, rows });

describe("proxies of no cluster, to be pasted", () => {
  it.each([
    [stray("web", "frontend", "backend"), "- proxy: web"],
    [stray("web", "frontend"), "- frontend: web"],
    [stray("web", "backend"), "- backend: web"],
    [stray(LISTENER, "frontend"), `- frontend: ${LISTENER} # listener`],
    [stray(POOL, "backend"), `- backend: ${POOL} # pool`],
    [stray(`${POOL}:${LISTENER}`, "backend"), `- backend: ${POOL}* # pool of listener ${LISTENER}`],
    [stray("12", "backend"), '- backend: "12"'],
    [stray("1e3", "backend"), '- backend: "1e3"'],
    [stray("null", "backend"), '- backend: "null"'],
    [stray("a:b", "backend"), '- backend: "a:b"'],
  ])("%j", (one, line) => {
    expect(patternsFor([one])).toEqual([line]);
  });

  it("a pool of two listeners is one line, also where two sources have it", () => {
    const other = LISTENER.replace("9", "8");
    const strays = [stray(`${POOL}:${LISTENER}`, "backend"), stray(`${POOL}:${other}`, "backend")];
    expect(patternsFor(strays)).toHaveLength(1);
    expect(patternsFor([...strays, { ...strays[0]!, source: "t" }, { ...stray("x", "backend"), source: "t" }])).toEqual(
      ["# s", `- backend: ${POOL}* # pool of listener ${LISTENER}`, "# t", "- backend: x"],
    );
  });

  it("names that follow one custom are a family", () => {
    const names = (...all: string[]) => familiesFor(all.map((proxy) => stray(proxy, "backend")));
    expect(names("nova_cluster", "web")).toEqual([]);
    expect(names("nova_cluster", "glance_cluster", "_cluster")).toEqual([
      '- {proxy: "{service}_cluster", cluster_id: "{service}"}',
    ]);
    expect(names("nova_front", "nova_back", "nova_external_front")).toEqual([
      '- {proxy: "{service}_external_front", cluster_id: "{service}"}',
      '- {proxy: "{service}_front", cluster_id: "{service}"}',
      '- {proxy: "{service}_back", cluster_id: "{service}"}',
    ]);
  });
});

describe("the command", () => {
  it.each([
    [["--explain"], "tocsin: --explain goes with --once\n"],
    [["--once", "-o", "csv"], "tocsin: -o takes table or json, not csv\n"],
  ])("%j is refused", async (flags, err) => {
    using folder = temporaryFolder();
    expect(await command(["collect", ...flags], { cwd: folder.path })).toEqual({ code: 2, out: "", err });
  });
});
