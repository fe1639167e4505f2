import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { Collector } from "../../src/collector/collector.ts";
import { parseDump } from "../../src/collector/dump.ts";
import { lookAtSources } from "../../src/collector/look.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { sameProcess, signOf, Twins } from "../../src/collector/twins.ts";
import { startHaproxy } from "../../src/lab/haproxy.ts";
import { freePort } from "../../src/lab/servers.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { SourceEntry } from "../../src/model/source.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { eventually, temporaryFolder, unixServer } from "../helpers/sockets.ts";

interface Answer {
  readonly sessions: number;
  readonly bytes: number;
  readonly pid?: number;
  readonly node?: string;
  readonly uptimeS?: number;
  /** As HAProxy prints it; empty: it does not, as before 2.4. */
  readonly start?: string;
  readonly proxy?: string;
}

function answerOf({
  sessions,
  bytes,
  pid = 8,
  node = "vm",
  uptimeS = 60,
  start = "1700000000",
  proxy = "web",
}: Answer) {
  const started = start === "" ? "" : `Start_time_sec: ${start}\n`;
  const info = `Name: HAProxy\nVersion: 2.6.12\nUptime_sec: ${uptimeS}\n${started}Pid: ${pid}\nnode: ${node}\n\n`;
  return `${info}# pxname,svname,scur,stot,bin,bout,type,\n${proxy},FRONTEND,1,${sessions},${bytes},0,0,\n\n`;
}

/** Takes answers one after the other, each a second after the one before, unless `atMs` says when. */
function world() {
  const twins = new Twins();
  let nowMs = 0;
  return (name: string, number: number, answer: Answer & { readonly host?: string; readonly atMs?: number }) => {
    nowMs = answer.atMs ?? nowMs + 1000;
    const parsed = parseDump(answerOf(answer));
    if (!parsed.ok) throw new Error(parsed.reason);
    const sign = signOf(parsed.dump, { host: answer.host, fromMs: nowMs, toMs: nowMs + 5 });
    return twins.otherNameOf(name, sign, number);
  };
}

const same: Answer = { sessions: 10, bytes: 1000 };

describe("two answers at one tick", () => {
  it.each<[string, Answer & { readonly host?: string }, Answer & { readonly host?: string }, string | undefined]>([
    ["of one process", same, same, "a"],
    ["that counted on meanwhile", same, { sessions: 12, bytes: 1500 }, "a"],
    ["the later has fewer sessions", same, { sessions: 9, bytes: 1000 }, undefined],
    ["the later has fewer bytes", same, { sessions: 10, bytes: 999 }, undefined],
    ["of two nodes", same, { ...same, node: "other" }, undefined],
    ["of two pids", same, { ...same, pid: 9 }, undefined],
    ["of two starts", same, { ...same, start: "1700000001" }, undefined],
    ["of other proxies", same, { ...same, proxy: "api" }, undefined],
    ["from here and elsewhere", same, { ...same, host: "lb2" }, undefined],
    ["from elsewhere, twice", { ...same, host: "lb2" }, { ...same, host: "lb2" }, "a"],
    [
      "from here and elsewhere, to the microsecond",
      { ...same, start: "1700000000.123456" },
      { ...same, start: "1700000000.123456", host: "lb2" },
      "a",
    ],
    ["before 2.4, born at once", { ...same, start: "" }, { ...same, start: "", uptimeS: 61 }, "a"],
    ["before 2.4, born apart", { ...same, start: "" }, { ...same, start: "", uptimeS: 64 }, undefined],
    ["before 2.4, of two nodes", { ...same, start: "" }, { ...same, start: "", node: "other" }, undefined],
    ["before 2.4, here and elsewhere", { ...same, start: "" }, { ...same, start: "", host: "lb2" }, undefined],
  ])("%s", (_what, first, second, other) => {
    const take = world();
    expect(take("a", 1, first)).toBeUndefined();
    expect(take("b", 1, second)).toBe(other);
  });
});

describe("over several ticks", () => {
  it("one process keeps one source, until that is silent for long", () => {
    const take = world();
    for (let number = 1; number <= 5; number++) {
      expect(take("a", number, { sessions: number, bytes: number })).toBeUndefined();
      expect(take("b", number, { sessions: number, bytes: number })).toBe("a");
    }
    expect(take("b", 7, { sessions: 7, bytes: 7 })).toBe("a");
    expect(take("b", 8, { sessions: 8, bytes: 8 })).toBeUndefined();
    expect(take("a", 8, { sessions: 8, bytes: 8 })).toBe("b");
  });

  it("counters that were cleared make no two of it", () => {
    const take = world();
    for (let number = 1; number <= 6; number++) {
      const counted = number <= 3 ? 1000 * number : number;
      expect(take("a", number, { sessions: counted, bytes: counted })).toBeUndefined();
      // Cleared between the two.
      const then = number < 3 ? counted : number;
      expect(take("b", number, { sessions: then, bytes: then })).toBe("a");
    }
  });

  it("two that look alike are told apart by what they count, and stay so", () => {
    const take = world();
    const seen: (string | undefined)[] = [];
    for (let number = 1; number <= 6; number++) {
      const atMs = number * 10_000;
      expect(take("a", number, { sessions: number, bytes: number * 10, atMs })).toBeUndefined();
      // Asked at the very same time: which was first nobody knows.
      seen.push(take("b", number, { sessions: number, bytes: number * 9999, atMs }));
    }
    expect(seen).toEqual(["a", "a", undefined, undefined, undefined, undefined]);
  });

  it("two that part become one where both lead to another process", () => {
    const take = world();
    take("a", 1, same);
    expect(take("b", 1, { sessions: 1, bytes: 1 })).toBeUndefined();
    const next = { sessions: 1, bytes: 1, pid: 99, start: "1700000500" };
    expect(take("a", 2, next)).toBeUndefined();
    expect(take("b", 2, next)).toBe("a");
  });

  it("a source that is no longer asked says nothing of the others", () => {
    const twins = new Twins();
    const parsed = parseDump(answerOf(same));
    if (!parsed.ok) throw new Error(parsed.reason);
    const sign = signOf(parsed.dump, { host: undefined, fromMs: 1, toMs: 2 });
    twins.otherNameOf("a", sign, 1);
    twins.forget("a");
    expect(twins.otherNameOf("b", sign, 1)).toBeUndefined();
  });
});

const web = createMapping({
  clusters: [{ clusterId: "web", rows: [{ kind: "proxy", pattern: "web", source: undefined }] }],
  families: [],
  ignore: [],
  unmapped: "ignore",
});

/** Which sources brought rows, at each of the ticks, of two sockets with these answers. */
async function reported(answers: readonly ((number: number) => string)[], ticks: number) {
  using folder = temporaryFolder();
  await using stack = new AsyncDisposableStack();
  const clock = new FakeClock();
  let number = 0;
  const entries: SourceEntry[] = [];
  for (const [index, answer] of answers.entries()) {
    const socket = join(folder.path, `s${index}`);
    stack.use(await unixServer(socket, (one) => one.once("data", () => one.end(answer(number)))));
    entries.push({ name: `s${index}`, kind: "socket", socket, quiet: false });
  }
  const bus = createMemoryBus();
  const reports: ScrapeReport[] = [];
  bus.subscribe((report) => reports.push(report));
  const collector = new Collector({
    clock,
    log: silentLogger,
    bus,
    entries,
    secretsOf: () => ({}),
    intervalMs: 10_000,
    timeoutMs: 3000,
    maxOffsetMs: 0,
    mapping: web,
    baselines: new Map(),
    known: [],
  });
  while (number < ticks) {
    clock.advance(10_000);
    number++;
    await collector.tick({ number, at: number * 10_000 });
    clock.advance(0);
    await eventually("both report", () => reports.length === number * answers.length || undefined);
  }
  collector.stop();
  const withRows = reports.flatMap(({ source, tick, outcome }) =>
    outcome.ok && outcome.slices.length > 0 ? [`${tick.number} ${source}`] : [],
  );
  return { withRows: withRows.sort(), codes: collector.status().map(({ code }) => code) };
}

describe("the collector", () => {
  it("before 2.4 takes two sockets of one process once: the other never brings a row", async () => {
    const answer = (number: number) =>
      answerOf({ start: "", uptimeS: 60 + number * 10, sessions: number, bytes: number });
    const { withRows, codes } = await reported([answer, answer], 3);
    expect(new Set(withRows.map((text) => text.split(" ")[1])).size).toBe(1);
    expect(withRows).toHaveLength(3);
    expect(codes.toSorted()).toEqual(["", "duplicate"]);
  });

  it("takes two containers of one pid and start for two", async () => {
    const answer = (node: string, bytes: number) => (number: number) =>
      answerOf({ node, sessions: number, bytes: number * bytes });
    const { withRows, codes } = await reported([answer("c1", 1), answer("c2", 1000)], 3);
    expect(withRows).toEqual(["1 s0", "1 s1", "2 s0", "2 s1", "3 s0", "3 s1"]);
    expect(codes).toEqual(["", ""]);
  });
});

describe("a look", () => {
  it("says which of two sockets of a real HAProxy is one too many, and the same of no other", async () => {
    using folder = temporaryFolder();
    await using haproxy = await startHaproxy(folder.path, await freePort(), [1], process.env, systemClock);
    const entry = (name: string, socket: string): SourceEntry => ({ name, kind: "socket", socket, quiet: false });
    const looks = await lookAtSources([entry("one", haproxy.socket), entry("two", haproxy.socket)], {
      clock: systemClock,
      timeoutMs: 3000,
      secretsOf: () => ({}),
      mapping: web,
    });
    expect(looks.map(({ ok, code, reason, hints }) => [ok, code, reason, hints])).toEqual([
      [true, "", "", []],
      [true, "duplicate", sameProcess("one"), [sameProcess("one")]],
    ]);
  });

  it("asks again before it says so: two that count otherwise are two", async () => {
    using folder = temporaryFolder();
    const path = (name: string) => join(folder.path, name);
    await using _a = await unixServer(path("a"), (one) => one.once("data", () => one.end(answerOf(same))));
    await using _b = await unixServer(path("b"), (one) =>
      one.once("data", () => one.end(answerOf({ sessions: 9, bytes: 2000 }))),
    );
    const looks = await lookAtSources(
      ["a", "b"].map((name): SourceEntry => ({ name, kind: "socket", socket: path(name), quiet: false })),
      { clock: systemClock, timeoutMs: 3000, secretsOf: () => ({}), mapping: web },
    );
    expect(looks.map(({ code, hints }) => [code, hints])).toEqual([
      ["", []],
      ["", []],
    ]);
  });
});
