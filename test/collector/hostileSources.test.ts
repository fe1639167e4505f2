import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { Collector } from "../../src/collector/collector.ts";
import { transportOf } from "../../src/collector/link.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import type { Answer } from "../../src/collector/transport.ts";
import { withoutSecrets } from "../../src/collector/web.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { SourceEntry } from "../../src/model/source.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import type { Clock, Logger } from "../../src/ports.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { eventually, temporaryFolder, unixServer } from "../helpers/sockets.ts";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/haproxy/${name}`, import.meta.url));
const DUMP = fixture("octavia-amphora-a.txt");
const METRICS = fixture("kolla-metrics.txt");
const CSV = DUMP.subarray(DUMP.indexOf("# pxname"), -1);

/** What a source does with each connection. */
type Manner = (socket: Socket, clock: Clock) => void;

/** A server of the loopback that does with each connection what it is told. */
async function tcpServer(manner: Manner, clock: Clock): Promise<{ readonly port: number } & AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    manner(socket, clock);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Says all of it as soon as it is asked, and closes. */
const says =
  (...texts: readonly (string | Uint8Array)[]): Manner =>
  (socket) => {
    socket.once("data", () => {
      for (const text of texts) socket.write(text);
      socket.end();
      // So that the other end's close is seen.
      socket.resume();
    });
  };

const ok = (body: string | Uint8Array, length = Buffer.byteLength(body)) =>
  says(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\n\r\n`, body);

/** Writes the same again and again for as long as somebody reads. */
const forEver =
  (first: string | Uint8Array, again: string | Uint8Array): Manner =>
  (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(again));
    };
    socket.once("data", () => {
      socket.write(first);
      socket.on("drain", more);
      more();
    });
  };

const silent: Manner = (socket) => void socket.resume();

const oneByteASecond =
  (text: Uint8Array): Manner =>
  (socket, clock) => {
    let at = 0;
    const next = () => {
      if (socket.destroyed) return;
      socket.write(text.subarray(at, at + 1));
      at++;
      clock.after(1000, next);
    };
    socket.once("data", next);
  };

const HEAD = DUMP.subarray(0, DUMP.indexOf("\n", DUMP.indexOf("# pxname")) + 1);
const ROW = DUMP.subarray(HEAD.length, DUMP.indexOf("\n", HEAD.length) + 1);
const ROWS = Buffer.concat(Array.from({ length: 300 }, () => ROW));
/** What a server of TLS answers to one who speaks in plain: a fatal alert, of a wrong version or an unexpected message. */
const ALERT = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]);
const HTTP_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";

type Kind = SourceEntry["kind"];

/** A manner, of which kinds of source, and what is said of it. */
const HOSTILE: readonly (readonly [string, readonly Kind[], Manner, string, RegExp])[] = [
  ["accepts and says nothing", ["socket", "tcp", "page", "prometheus"], silent, "timeout", /^no byte of an answer/],
  ["closes at once", ["socket", "tcp"], (socket) => socket.resume().end(), "empty|closed", /closed the connection/],
  ["closes at once", ["page", "prometheus"], (socket) => socket.destroy(), "closed", /closed the connection/],
  ["closes half-way", ["socket", "tcp"], says(DUMP.subarray(0, 3000)), "truncated", /3000 bytes/],
  ["closes half-way", ["page"], ok(CSV.subarray(0, 3000), 9000), "truncated", /broke off after 3000 bytes/],
  ["closes half-way", ["prometheus"], ok(METRICS.subarray(0, 3000), 9000), "truncated", /broke off after 3000 bytes/],
  [
    "closes between two rows",
    ["page"],
    ok(CSV.subarray(0, CSV.indexOf("\n", 3000) + 1), 9000),
    "truncated",
    /broke off/,
  ],
  [
    "closes between two rows and never said how much there is",
    ["page"],
    says("HTTP/1.0 200 OK\r\n\r\n", CSV.subarray(0, CSV.indexOf("\n", 3000) + 1)),
    "truncated",
    /never said how long the answer is/,
  ],
  [
    "closes between two lines and never said how much there is",
    ["prometheus"],
    says("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", METRICS.subarray(0, METRICS.indexOf("\n", 9000) + 1)),
    "truncated",
    /never said how long the answer is/,
  ],
  ["says garbage", ["socket", "tcp"], says(Buffer.alloc(4096, 0xa7)), "not_stats", /not statistics/],
  ["says garbage", ["page", "prometheus"], says(Buffer.alloc(4096, 0xa7)), "not_http", /does not speak HTTP/],
  ["says garbage in HTTP", ["page"], ok(Buffer.alloc(4096, 0xa7)), "not_stats", /not statistics/],
  ["says garbage in HTTP", ["prometheus"], ok(Buffer.alloc(4096, 0xa7)), "not_stats", /no metric/],
  ["never ends its garbage", ["socket", "tcp"], forEver("", "a".repeat(16_000)), "not_stats", /not statistics/],
  ["never ends its rows", ["socket", "tcp"], forEver(HEAD, ROWS), "too_large", /longer than 67108864 bytes/],
  ["never ends its rows", ["page"], forEver(Buffer.concat([Buffer.from(HTTP_HEAD), CSV]), ROWS), "too_large", /longer/],
  ["never ends its metrics", ["prometheus"], forEver(HTTP_HEAD, METRICS), "too_large", /longer than 67108864 bytes/],
  ["never ends its line", ["prometheus"], forEver(HTTP_HEAD, "a".repeat(16_000)), "too_large", /longer/],
  [
    "never ends its headers",
    ["page", "prometheus"],
    forEver("HTTP/1.1 200 OK\r\n", "a: b\r\n".repeat(500)),
    "too_large",
    /headers/,
  ],
  ["is a web page", ["page", "prometheus"], ok(fixture("html-instead-of-csv.html")), "html", /a web page/],
  [
    "wants a password",
    ["page", "prometheus"],
    says('HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="A\u00e9"\r\ncontent-length: 0\r\n\r\n'),
    "unauthorized",
    /realm "A\?+"/,
  ],
  ["speaks TLS", ["tcp", "socket"], says(ALERT), "tls", /speaks TLS, and a stats socket is asked without.* url: https/],
  ["speaks TLS", ["page", "prometheus"], says(ALERT), "tls", /speaks TLS: is it https: instead of http:\?$/],
  ["says no word, as HAProxy's TLS", ["tcp"], says(), "empty", /without an answer: it may speak TLS; .* url: https/],
  ["says no word, as HAProxy's TLS", ["socket"], says(), "empty", /without an answer$/],
  ["says no word, as HAProxy's TLS", ["page", "prometheus"], says(), "closed", /if it speaks TLS, write https:/],
  [
    "is not well",
    ["page", "prometheus"],
    says("HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nno\n"),
    "http",
    /status 503/,
  ],
  [
    "points elsewhere",
    ["page", "prometheus"],
    says("HTTP/1.1 302 Found\r\nlocation: //user:pw@else.where/x?key=secret#y\r\ncontent-length: 0\r\n\r\n"),
    "redirect",
    /http:\/\/else\.where\/x\?key=… \(status 302\)/,
  ],
];

const CASES = HOSTILE.flatMap(([what, kinds, ...rest]) => kinds.map((kind) => [kind, what, ...rest] as const));

async function serverOf(kind: Kind, manner: Manner, folder: string, clock: Clock) {
  if (kind !== "socket") return tcpServer(manner, clock);
  const server = await unixServer(join(folder, "s.sock"), (socket) => manner(socket, clock));
  return { port: 0, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function entryOf(kind: Kind, name: string, folder: string, port: number): SourceEntry {
  const base = { name, quiet: false };
  switch (kind) {
    case "socket":
      return { ...base, kind, socket: join(folder, "s.sock") };
    case "tcp":
      return { ...base, kind, host: "127.0.0.1", port };
    case "page":
    case "prometheus":
      return { ...base, kind, url: `http://127.0.0.1:${port}/x`, username: "me-myself", password: "pass-word" };
  }
}

function askOnce(entry: SourceEntry, clock: Clock, timeoutMs: number): Promise<Answer> {
  const path = entry.kind === "socket" ? entry.socket : "";
  return transportOf(entry, path, clock, () => ({ password: "pass-word" })).ask(timeoutMs);
}

describe("a source that means no good", () => {
  it.each(CASES)(
    "%s: %s",
    async (kind, _what, manner, code, reason) => {
      using folder = temporaryFolder();
      await using server = await serverOf(kind, manner, folder.path, systemClock);
      const answer = await askOnce(
        entryOf(kind, "s", folder.path, server.port),
        systemClock,
        code === "timeout" ? 50 : 30_000,
      );
      expect(answer).toMatchObject({
        ok: false,
        code: expect.stringMatching(`^(${code})$`),
        reason: expect.stringMatching(reason),
      });
    },
    60_000,
  );

  it.each([
    [
      "/metrics",
      /status 404: is it the `stats uri` of HAProxy\? A URL that ends in \/metrics is given as prometheus:$/,
    ],
    ["/metrics?scope=global", /given as prometheus:$/],
    ["/stats", /of HAProxy\?$/],
  ])("a page that is not there, at %s", async (path, reason) => {
    const nothing = says("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    await using server = await tcpServer(nothing, systemClock);
    const url = `http://127.0.0.1:${server.port}${path}`;
    const answer = await askOnce({ name: "s", quiet: false, kind: "page", url }, systemClock, 30_000);
    expect(answer).toMatchObject({ ok: false, code: "http", reason: expect.stringMatching(reason) });
  });

  it("a URL that ends in /metrics is none to speak of where it answers", async () => {
    await using server = await tcpServer(ok(CSV), systemClock);
    const url = `http://127.0.0.1:${server.port}/metrics`;
    expect(await askOnce({ name: "s", quiet: false, kind: "page", url }, systemClock, 30_000)).toMatchObject({
      ok: true,
    });
  });

  it.each<[Kind, Uint8Array]>([
    ["socket", DUMP],
    ["tcp", DUMP],
    ["page", Buffer.concat([Buffer.from(HTTP_HEAD), CSV])],
    ["prometheus", Buffer.concat([Buffer.from(HTTP_HEAD), METRICS])],
  ])("%s: one byte a second is over at the deadline", async (kind, text) => {
    using folder = temporaryFolder();
    const clock = new FakeClock();
    let connections = 0;
    const manner: Manner = (socket) => {
      connections++;
      oneByteASecond(text)(socket, clock);
    };
    await using server = await serverOf(kind, manner, folder.path, clock);
    let answer: Answer | undefined;
    const asking = askOnce(entryOf(kind, "s", folder.path, server.port), clock, 120_000).then((one) => {
      answer = one;
    });
    await eventually("a connection", () => connections > 0 || undefined);
    for (let second = 1; second <= 119; second++) {
      clock.advance(1000);
      // The bytes really travel.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(answer).toBeUndefined();
    clock.advance(1000);
    await asking;
    expect(answer).toMatchObject({ ok: false, code: "timeout", reason: expect.stringMatching(/within 120000 ms/) });
  });

  it("100,000 rows are read", async () => {
    using folder = temporaryFolder();
    const rows = Buffer.from(
      Array.from({ length: 100_000 }, (_, index) => ROW.toString("latin1").replace("FRONTEND", `row${index}`)).join(""),
      "latin1",
    );
    await using server = await serverOf("tcp", says(HEAD, rows, "\n"), folder.path, systemClock);
    const answer = await askOnce(entryOf("tcp", "s", folder.path, server.port), systemClock, 30_000);
    expect(answer.ok && answer.dump.rows.length).toBe(100_000);
  }, 40_000);

  it("an answer that says what it was sent does not make it known", async () => {
    using folder = temporaryFolder();
    const echo: Manner = (socket) =>
      void socket.once("data", (chunk) => {
        const token = /Basic (\S+)/i.exec(chunk.toString())?.[1] ?? "";
        const said = `${token} ${Buffer.from(token, "base64").toString()}`;
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${said.length}\r\n\r\n${said}`);
      });
    await using server = await serverOf("page", echo, folder.path, systemClock);
    const answer = await askOnce(entryOf("page", "s", folder.path, server.port), systemClock, 5000);
    expect(answer).toMatchObject({ ok: false, code: "not_stats", reason: expect.stringContaining("***") });
    expect(JSON.stringify(answer)).not.toMatch(/me-myself|pass-word|bWUtbXlzZWxmOnBhc3Mtd29yZA/);
  });
});

describe("an answer that is not statistics", () => {
  it.each([
    ["a secret where the text is cut", "x".repeat(193)],
    ["a secret at once", ""],
  ])("%s", async (_what, before) => {
    using folder = temporaryFolder();
    const said = `${before}pass-word me-myself Grüße-pass`;
    await using server = await serverOf("page", ok(said), folder.path, systemClock);
    const answer = await askOnce(entryOf("page", "s", folder.path, server.port), systemClock, 5000);
    expect(answer).toMatchObject({ ok: false, code: "not_stats", reason: expect.stringContaining("***") });
    expect(JSON.stringify(answer)).not.toMatch(/pass-w|me-my/);
  });

  it("a password beyond ASCII", async () => {
    const shown = withoutSecrets(Buffer.from("said Grüße").toString("latin1"), { username: "u-1", password: "Grüße" });
    expect(shown).toBe("said ***");
  });

  it("no end that is known, but one that Octavia's metrics have themselves", async () => {
    using folder = temporaryFolder();
    const lines = ["octavia_listener_bytes_in_total", "octavia_member_weight", "octavia_member_idle_connections_limit"];
    const text = lines.map((name) => `${name}{listener="l",pool="p",member="m"} 7\n`).join("");
    const head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    await using server = await serverOf("prometheus", says(head, text), folder.path, systemClock);
    const answer = await askOnce(entryOf("prometheus", "s", folder.path, server.port), systemClock, 5000);
    expect(answer).toMatchObject({ ok: true });
  });
});

describe("all of them beside good ones", () => {
  const lines: string[] = [];
  const add = (text: string, fields?: object) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add, info: add, warn: add, error: add };

  async function everyone() {
    const folder = temporaryFolder();
    const stack = new AsyncDisposableStack();
    stack.defer(() => folder[Symbol.dispose]());
    const entries: SourceEntry[] = [];
    const start = async (name: string, kind: Kind, manner: Manner) => {
      const own = join(folder.path, name.replaceAll(/\W/g, "-"));
      if (kind === "socket") {
        stack.use(await unixServer(own, (socket) => manner(socket, systemClock)));
        entries.push({ name, quiet: false, kind, socket: own });
      } else entries.push(entryOf(kind, name, "", stack.use(await tcpServer(manner, systemClock)).port));
    };
    await start("good-socket", "socket", says(DUMP));
    await start("good-tcp", "tcp", says(DUMP.toString("latin1").replace(/Pid: \d+/, "Pid: 4711")));
    await start("good-page", "page", ok(CSV));
    await start("good-prometheus", "prometheus", ok(METRICS));
    let count = 0;
    for (const [kind, what, manner] of CASES) await start(`${++count} ${what}`, kind, manner);
    return { entries, stack, folder };
  }

  function collectorOver(entries: readonly SourceEntry[], timeoutMs: number) {
    const bus = createMemoryBus();
    const reports: ScrapeReport[] = [];
    bus.subscribe((report) => reports.push(report));
    const collector = new Collector({
      clock: systemClock,
      log,
      bus,
      entries,
      secretsOf: () => ({ password: "pass-word" }),
      intervalMs: 1000,
      timeoutMs,
      maxOffsetMs: 0,
      mapping: createMapping({ clusters: [], families: [], ignore: [], unmapped: "ignore" }),
      baselines: new Map(),
      known: [],
    });
    return { collector, reports };
  }

  it("delay nobody, and each is counted", async () => {
    const { entries, stack } = await everyone();
    await using _all = stack;
    const { collector, reports } = collectorOver(entries, 120_000);
    await collector.tick({ number: 1, at: 1 });
    await eventually("all but the silent", () => reports.length >= entries.length - 4 || undefined, 100_000);
    collector.stop();
    const good = reports.filter(({ source }) => source.startsWith("good-"));
    expect(good.map(({ outcome }) => outcome.ok)).toEqual([true, true, true, true]);
    const errors = collector.status().filter(({ ok: isGood }) => !isGood);
    expect(errors).toHaveLength(CASES.length - 4);
    expect(errors.every((status) => status.errors === 1 && status.code !== "" && status.reason !== "")).toBe(true);
    expect(lines.length).toBeGreaterThan(CASES.length - 4);
    expect(JSON.stringify([collector.status(), reports, lines])).not.toContain("pass-word");
  }, 120_000);

  it("leave no file open over thousands of scrapes", async () => {
    const { entries, stack } = await everyone();
    await using _all = stack;
    const some = entries.filter(({ name }) => !name.includes("never ends"));
    const { collector, reports } = collectorOver(some, 20);
    const openFiles = () => readdirSync("/proc/self/fd").length;
    const round = async (number: number) => {
      reports.length = 0;
      // Numbers far apart, so that nobody is left alone.
      await collector.tick({ number: number * 1000, at: number });
      await eventually("a report of each", () => reports.length === some.length || undefined);
    };
    for (let number = 1; number <= 3; number++) await round(number);
    const before = openFiles();
    const rounds = process.env.TOCSIN_TEST_FULL ? 500 : 60;
    for (let number = 4; number < 4 + rounds; number++) await round(number);
    collector.stop();
    await eventually("files closed", () => openFiles() <= before + 3 || undefined);
  }, 60_000);
});
