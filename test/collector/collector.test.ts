import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { ask, socketTransport } from "../../src/collector/ask.ts";
import { Collector } from "../../src/collector/collector.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import type { Logger } from "../../src/ports.ts";
import { eventually, temporaryFolder, unixServer } from "../helpers/sockets.ts";

const DUMP = readFileSync(new URL("../fixtures/haproxy/octavia-amphora-a.txt", import.meta.url));
const CLUSTER = {
  clusterId: "octavia",
  rows: [{ kind: "frontend" as const, pattern: "9fe70cce*", source: undefined }],
};

/** Root may open everything: it asks as somebody else. */
async function asSomebodyElse<T>(ask: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return await ask();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

function journal() {
  const lines: string[] = [];
  const add = (level: string) => (text: string, fields?: object) =>
    lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") };
  return { lines, log };
}

function collectorOver(entries: readonly { readonly name: string; readonly socket: string }[], timeoutMs = 500) {
  const bus = createMemoryBus();
  const reports: ScrapeReport[] = [];
  bus.subscribe((report) => reports.push(report));
  const { lines, log } = journal();
  const collector = new Collector({
    clock: systemClock,
    log,
    bus,
    entries: entries.map((entry) => ({ ...entry, kind: "socket", quiet: false })),
    secretsOf: () => ({}),
    intervalMs: 1000,
    timeoutMs,
    maxOffsetMs: 100,
    mapping: createMapping({
      clusters: [CLUSTER],
      families: [],
      ignore: ["prometheus-exporter-internal"],
      unmapped: "warn",
    }),
    baselines: new Map(),
    known: [],
  });
  return { collector, reports, lines };
}

const outcomeOf = (reports: readonly ScrapeReport[], source: string) => {
  const report = reports.find((one) => one.source === source);
  return report && (report.outcome.ok ? "ok" : report.outcome.code);
};

describe("sources on unix sockets", () => {
  it("each that fails says why, and disturbs no other", async () => {
    using folder = temporaryFolder();
    const path = (name: string) => join(folder.path, `${name}.sock`);
    await using _good = await unixServer(path("good"), (socket) => socket.once("data", () => socket.end(DUMP)));
    await using _hanging = await unixServer(path("hanging"), () => {});
    await using _truncated = await unixServer(path("truncated"), (socket) => socket.end(DUMP.subarray(0, 3000)));
    await using _garbage = await unixServer(path("garbage"), (socket) => socket.end(Buffer.alloc(4096, 0xa7)));
    await using _silent = await unixServer(path("silent"), (socket) => socket.end());
    writeFileSync(path("file"), "");
    const names = ["good", "hanging", "truncated", "garbage", "silent", "absent", "file"];
    const { collector, reports } = collectorOver(names.map((name) => ({ name, socket: path(name) })));
    await collector.tick({ number: 1, at: 1000 });
    await eventually("a report of each source", () => reports.length === names.length || undefined);
    collector.stop();
    expect(Object.fromEntries(names.map((name) => [name, outcomeOf(reports, name)]))).toEqual({
      good: "ok",
      hanging: "timeout",
      truncated: "truncated",
      garbage: "not_stats",
      silent: "empty",
      absent: "absent",
      file: "refused",
    });
  });

  it("a socket that may not be opened says what to do", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "s.sock");
    await using _server = await unixServer(path, (socket) => socket.end(DUMP));
    chmodSync(path, 0);
    // Root may open everything: it asks as somebody else.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    const answer = await ask({ path }, 500, systemClock).finally(() => isRoot && process.seteuid?.(0));
    expect(answer).toMatchObject({ ok: false, code: "denied", reason: expect.stringContaining("socket's group") });
  });

  it.each([
    [
      0o600,
      "its mode is 0600 and its owner root, so that its group may not; write `stats socket PATH mode 660 group tocsin level user` in haproxy.cfg, with a group that the user of Tocsin is in",
    ],
    [0o644, "its mode is 0644 and its owner root, so that its group may not; write"],
    [0o660, "add the user of Tocsin to the socket's group"],
  ])("a socket of mode %o says which right is wanting", async (mode, advice) => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o711);
    const path = join(folder.path, "s.sock");
    await using _server = await unixServer(path, (socket) => socket.end(DUMP));
    chmodSync(path, mode);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, 0, 65_533);
    // Who owns it may not open it either.
    else chmodSync(path, mode & 0o077);
    const answer = await asSomebodyElse(() => socketTransport({ path }, systemClock).ask(500));
    const reason = answer.ok ? "" : answer.reason.replaceAll(path, "PATH");
    expect(answer).toMatchObject({ ok: false, code: "denied" });
    if (isRoot) expect(reason).toContain(`not allowed to open PATH: ${advice}`);
    else expect(reason).toContain(mode === 0o660 ? advice : "mode 660 group tocsin level user");
  });

  it("a socket in a folder that lets nobody in says so", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "s.sock");
    await using _server = await unixServer(path, (socket) => socket.end(DUMP));
    chmodSync(folder.path, 0);
    const answer = await asSomebodyElse(() => socketTransport({ path }, systemClock).ask(500));
    chmodSync(folder.path, 0o700);
    const reason = `not allowed to open ${path}: let the user of Tocsin into its folder, ${folder.path}`;
    expect(answer).toEqual({ ok: false, code: "denied", reason });
  });

  it("a file that is no socket is said to be none", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "file");
    writeFileSync(path, "");
    const answer = await socketTransport({ path }, systemClock).ask(500);
    expect(answer).toEqual({ ok: false, code: "refused", reason: expect.stringContaining("is no socket") });
  });

  it("globs find each socket as a source of its own", async () => {
    using folder = temporaryFolder();
    await using _a = await unixServer(join(folder.path, "a.sock"), (socket) =>
      socket.once("data", () => socket.end(DUMP)),
    );
    await using _b = await unixServer(join(folder.path, "b.sock"), (socket) =>
      socket.once("data", () => socket.end(DUMP)),
    );
    const { collector, reports } = collectorOver([{ name: "amphorae", socket: join(folder.path, "*.sock") }]);
    await collector.tick({ number: 1, at: 1000 });
    await eventually("two reports", () => reports.length === 2 || undefined);
    collector.stop();
    expect(reports.map(({ source }) => source).sort()).toEqual([
      `amphorae:${folder.path}/a.sock`,
      `amphorae:${folder.path}/b.sock`,
    ]);
  });

  it("journals once for each change, not for each tick", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "s.sock");
    const { collector, reports, lines } = collectorOver([{ name: "s", socket: path }]);
    for (let number = 1; number <= 3; number++) {
      await collector.tick({ number, at: number });
      await eventually("a report", () => reports.length === number || undefined);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"code":"absent"');
    await using _server = await unixServer(path, (socket) => socket.once("data", () => socket.end(DUMP)));
    for (let number = 4; number <= 5; number++) {
      await collector.tick({ number, at: number });
      await eventually("a report", () => reports.length === number || undefined);
    }
    collector.stop();
    expect(lines.slice(1).map((line) => line.split(" {")[0])).toEqual([
      "info source answers",
      "warn proxies that no rule file maps",
    ]);
    expect(collector.status()[0]?.unmapped).toContain("prometheus-exporter-internal-endpoint");
  });

  it("a scrape that is still under way makes the next one an error report at once", async () => {
    using folder = temporaryFolder();
    await using _server = await unixServer(join(folder.path, "s.sock"), () => {});
    const { collector, reports } = collectorOver([{ name: "s", socket: join(folder.path, "s.sock") }], 400);
    await collector.tick({ number: 1, at: 1 });
    await collector.tick({ number: 2, at: 2 });
    await eventually("two reports", () => reports.length === 2 || undefined);
    collector.stop();
    expect(reports.map(({ tick, outcome }) => [tick.number, outcome.ok ? "ok" : outcome.code])).toEqual([
      [2, "overlap"],
      [1, "timeout"],
    ]);
  });

  it("two sockets of one process count once", async () => {
    using folder = temporaryFolder();
    const answer = (socket: Socket) => socket.once("data", () => socket.end(DUMP));
    await using _a = await unixServer(join(folder.path, "a.sock"), answer);
    await using _b = await unixServer(join(folder.path, "b.sock"), answer);
    const { collector, reports, lines } = collectorOver([
      { name: "a", socket: join(folder.path, "a.sock") },
      { name: "b", socket: join(folder.path, "b.sock") },
    ]);
    for (let number = 1; number <= 3; number++) {
      await collector.tick({ number, at: number });
      await eventually("two reports", () => reports.length === 2 * number || undefined);
    }
    collector.stop();
    const withRows = reports.filter(({ outcome }) => outcome.ok && outcome.slices.length > 0);
    expect(new Set(withRows.map(({ source }) => source)).size).toBe(1);
    expect(withRows).toHaveLength(3);
    expect(reports.every(({ outcome }) => outcome.ok)).toBe(true);
    expect(lines.filter((line) => line.includes("source is not used"))).toHaveLength(1);
  });

  it("leaves no connection behind", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "s.sock");
    let open = 0;
    const server = createServer((socket) => {
      open++;
      socket.on("close", () => open--);
      socket.on("error", () => {});
      socket.resume().write("never an end");
    });
    server.listen(path);
    for (let n = 0; n < 20; n++) await ask({ path }, 5, systemClock);
    await eventually("all connections closed", () => open === 0 || undefined);
    server.close();
  });
});
