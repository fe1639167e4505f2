import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { Collector } from "../../src/collector/collector.ts";
import { transportOf } from "../../src/collector/link.ts";
import { lookAtSources } from "../../src/collector/look.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { Source } from "../../src/collector/source.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { SourceEntry } from "../../src/model/source.ts";
import type { ClusterSlice, ScrapeReport } from "../../src/model/tick.ts";
import type { FourWays } from "../helpers/fourWays.ts";
import { PASSWORD, startFourWays } from "../helpers/fourWays.ts";
import { eventually, temporaryFolder } from "../helpers/sockets.ts";

const folder = temporaryFolder();
let plant: FourWays;

beforeAll(async () => {
  plant = await startFourWays(folder.path);
}, 30_000);

afterAll(async () => {
  await plant?.[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const mapping = createMapping({
  clusters: [
    { clusterId: "web", rows: [{ kind: "proxy", pattern: "web_*", source: undefined }] },
    { clusterId: "raw", rows: [{ kind: "proxy", pattern: "raw", source: undefined }] },
  ],
  families: [],
  ignore: ["page", "prometheus"],
  unmapped: "warn",
});

const sourceOf = (entry: SourceEntry) =>
  new Source({
    name: entry.name,
    transport: transportOf(entry, entry.kind === "socket" ? entry.socket : "", systemClock, plant.secretsOf),
    intervalMs: 100,
    timeoutMs: 20_000,
    clock: systemClock,
    clustersOf: (proxy) => mapping.clustersOf(entry.name, proxy),
    detail: "members",
    baselines: new Map(),
  });

const slicesOf = ({ outcome }: ScrapeReport): readonly ClusterSlice[] => {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.reason}`);
  return outcome.slices;
};

/** What must not depend on the way. */
const said = (report: ScrapeReport) =>
  slicesOf(report).map(({ clusterId, increases, sums, means, members, rowCount }) => ({
    clusterId,
    increases,
    sums,
    means,
    members,
    rowCount,
  }));

describe("one HAProxy, reached in every way", () => {
  it("says the same whatever the way", async () => {
    const sources = Object.values(plant.entries).map(sourceOf);
    for (const source of sources) slicesOf((await source.scrape({ number: 1, at: 1 })).report);
    // More than the exporter makes its averages of.
    await plant.traffic(1300);
    await new Promise<void>((resolve) => systemClock.after(150, resolve));
    const reports: ScrapeReport[] = [];
    for (const source of sources) reports.push((await source.scrape({ number: 2, at: 2 })).report);
    const [bySocket, ...others] = reports.map(said);
    const web = bySocket?.find(({ clusterId }) => clusterId === "web");
    expect(web?.increases["network.services.lb.requests"]).toBe(1300);
    expect(web?.increases["network.services.lb.denied"]).toBe(260);
    expect(web?.increases["network.services.lb.outgoing.bytes"]).toBeGreaterThan(65_000);
    expect(web?.members).toEqual({ s1: "up", s2: "up", s3: "down", s4: "maint" });
    expect(web?.means["network.services.lb.response.time"]?.weight).toBe(1040);
    expect(bySocket?.map(({ clusterId, rowCount }) => [clusterId, rowCount])).toEqual([
      ["web", 6],
      ["raw", 3],
    ]);
    for (const other of others) expect(sorted(other)).toEqual(sorted(bySocket ?? []));
  });

  it("rows of their own are the same, too, but for what the exporter does not say of servers", async () => {
    const [bySocket, ...others] = await Promise.all(
      Object.values(plant.entries).map(async (entry) => {
        const [slice] = slicesOf((await sourceOf(entry).scrape({ number: 1, at: 1 })).report);
        return (slice?.kept ?? []).map(({ resource, kind, state, sums }) => ({ resource, kind, state, sums }));
      }),
    );
    const byName = (rows: typeof bySocket = []) => [...rows].sort((a, b) => (a.resource < b.resource ? -1 : 1));
    expect(bySocket).toHaveLength(6);
    for (const other of others) expect(byName(other)).toEqual(byName(bySocket));
  });

  it("a look says who answers, and which row goes where", async () => {
    const looks = await lookAtSources(Object.values(plant.entries), {
      clock: systemClock,
      timeoutMs: 20_000,
      secretsOf: plant.secretsOf,
      mapping,
    });
    expect(looks.map(({ kind, ok, rows }) => [kind, ok, rows])).toEqual([
      ["socket", true, 11],
      ["tcp", true, 11],
      ["page", true, 11],
      ["page", true, 11],
      ["prometheus", true, 11],
    ]);
    expect(looks[0]?.version).toMatch(/^\d+\.\d+/);
    expect(looks[4]?.version).toBe(looks[0]?.version);
    expect(looks[0]?.rowsByTarget).toContainEqual({
      proxy: "web_back",
      server: "s1",
      kind: "server",
      clusterId: "web",
      by: "web: proxy web_*",
      ignored: false,
    });
    expect(looks[0]?.rowsByTarget).toContainEqual(
      expect.objectContaining({ proxy: "page", clusterId: undefined, by: undefined, ignored: true }),
    );
    expect(JSON.stringify(looks)).not.toContain(PASSWORD);
  });

  it("the socket and the TCP socket of one process count once", async () => {
    const bus = createMemoryBus();
    const reports: ScrapeReport[] = [];
    bus.subscribe((report) => reports.push(report));
    const { socket, tcp, page } = plant.entries;
    const collector = new Collector({
      clock: systemClock,
      log: silentLogger,
      bus,
      entries: [socket, tcp, page],
      secretsOf: plant.secretsOf,
      intervalMs: 1000,
      timeoutMs: 20_000,
      maxOffsetMs: 0,
      mapping,
      baselines: new Map(),
      known: [],
    });
    for (let number = 1; number <= 2; number++) {
      await collector.tick({ number, at: number });
      await eventually("three reports", () => reports.length === 3 * number || undefined);
    }
    collector.stop();
    const withRows = reports.filter((report) => slicesOf(report).length > 0).map(({ source }) => source);
    expect(withRows.filter((name) => name !== "page")).toHaveLength(2);
    expect(new Set(withRows.filter((name) => name !== "page")).size).toBe(1);
    const status = collector.status();
    expect(status.map(({ name, kind, rows, errors }) => [name, kind, rows, errors])).toEqual([
      ["page", "page", 11, 0],
      ["socket", "socket", 11, 0],
      ["tcp", "tcp", 11, 0],
    ]);
    expect(status.filter(({ code }) => code === "duplicate")).toHaveLength(1);
  });
});

describe("the wrong way in", () => {
  const ask = async (entry: SourceEntry, secrets: { password?: string; ca?: string } = { password: PASSWORD }) => {
    const path = entry.kind === "socket" ? entry.socket : "";
    const answer = await transportOf(entry, path, systemClock, () => secrets).ask(20_000);
    return answer.ok ? { code: "", reason: "ok" } : { code: answer.code, reason: answer.reason };
  };
  const url = (name: "page" | "https" | "prometheus") => {
    const entry = plant.entries[name];
    return "url" in entry ? new URL(entry.url) : new URL("http://never");
  };
  const portOf = (name: "page" | "https" | "prometheus") => Number(url(name).port);
  const page = (address: string): SourceEntry => ({
    name: "p",
    kind: "page",
    quiet: false,
    url: address,
    username: "admin",
  });
  const tcpPort = () => {
    const { tcp } = plant.entries;
    return tcp.kind === "tcp" ? tcp.port : 0;
  };

  it.each<[string, () => Promise<{ code: string; reason: string }>, string, RegExp]>([
    [
      "a wrong password",
      () => ask(plant.entries.page, { password: "wrong-one" }),
      "unauthorized",
      /realm "Some Realm"/,
    ],
    [
      "no password at all",
      () => ask({ ...page(plantUrl("page")), username: undefined } as never, {}),
      "unauthorized",
      /give username/,
    ],
    ["another path", () => ask(page(`http://127.0.0.1:${portOf("page")}/nothing`)), "http", /status 503.*`stats uri`/],
    ["a page of HTML", () => ask(page(`http://127.0.0.1:${portOf("page")}/html?`)), "html", /`stats uri`/],
    [
      "a redirect",
      () => ask(page(`http://127.0.0.1:${portOf("page")}/moved?`)),
      "redirect",
      /http:\/\/elsewhere\/stats\?token=… /,
    ],
    ["a stats socket asked over HTTP", () => ask(page(`http://127.0.0.1:${tcpPort()}`)), "not_http", /give it as tcp:/],
    ["TLS where there is none", () => ask(page(`https://127.0.0.1:${portOf("page")}`)), "tls", /does not speak TLS/],
    ["no TLS where there is some", () => ask(page(`http://127.0.0.1:${portOf("https")}`)), "closed", /closed/],
    ["a certificate of an unknown authority", () => ask(plant.entries.https), "tls", /not trusted .* ca_file/],
    [
      "a Prometheus endpoint as page",
      () => ask(page(`http://127.0.0.1:${portOf("prometheus")}/metrics?`)),
      "not_stats",
      /give it as prometheus:/,
    ],
    [
      "a page as Prometheus endpoint",
      () => ask({ ...plant.entries.page, kind: "prometheus", url: `${plantUrl("page")};csv` } as SourceEntry),
      "not_stats",
      /give it as url:/,
    ],
    [
      "a web server as TCP socket",
      () => ask({ name: "t", kind: "tcp", quiet: false, host: "127.0.0.1", port: portOf("page") }),
      "http",
      /give it as url:/,
    ],
    [
      "the master's socket",
      () => ask({ name: "m", kind: "socket", quiet: false, socket: plant.masterSocket }),
      "master",
      /master socket/,
    ],
    [
      "nobody's port",
      () => ask({ name: "n", kind: "tcp", quiet: false, host: "127.0.0.1", port: 1 }),
      "refused",
      /127\.0\.0\.1:1/,
    ],
    [
      "nobody's page",
      () => ask(page("http://127.0.0.1:1/")),
      "refused",
      /nobody listens at http:\/\/127\.0\.0\.1:1\/;csv/,
    ],
    ["a name that nobody has", () => ask(page("http://nobody.invalid:1080/")), "dns", /nobody\.invalid/],
    [
      "a path that is too long",
      () => ask({ name: "l", kind: "socket", quiet: false, socket: `/tmp/${"x".repeat(110)}` }),
      "path_too_long",
      /107/,
    ],
  ])("%s says what is wrong", async (_what, asking, code, reason) => {
    const answer = await asking();
    expect(answer).toEqual({ code, reason: expect.stringMatching(reason) });
    expect(answer.reason).not.toMatch(/wrong-one|secret|pa"ss|pa\\"ss/);
  });

  it("a secret that cannot be read is an error of its source", async () => {
    const transport = transportOf(plant.entries.page, "", systemClock, () => {
      throw new Error("NOPE is not set");
    });
    expect(await transport.ask(1000)).toEqual({ ok: false, code: "secret", reason: "NOPE is not set" });
  });

  it("an endpoint that knows its path without a query only is asked without ours", async () => {
    const strict = {
      ...plant.entries.prometheus,
      url: `http://127.0.0.1:${portOf("prometheus")}/strict`,
    } as SourceEntry;
    const transport = transportOf(strict, "", systemClock, () => ({}));
    expect(await transport.ask(20_000)).toMatchObject({ ok: true });
    expect(await transport.ask(20_000)).toMatchObject({ ok: true });
  });

  const plantUrl = (name: "page") => url(name).href;
});

/** The exporter orders rows by metric. */
function sorted<T extends { readonly clusterId: string }>(slices: readonly T[]): readonly T[] {
  return [...slices].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
}
