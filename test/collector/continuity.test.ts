/** Processes that take each other's place: what the next answer counts, and over which seconds. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { DumpMode } from "../../src/collector/dump.ts";
import { DumpReader } from "../../src/collector/dump.ts";
import { MetricsReader } from "../../src/collector/metricsReader.ts";
import type { RowTable } from "../../src/collector/rowTable.ts";
import { Source } from "../../src/collector/source.ts";
import type { Answer, Transport } from "../../src/collector/transport.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const BYTES = "network.services.lb.incoming.bytes";
const HEADER = "# pxname,svname,scur,slim,stot,bin,bout,status,act,bck,type,mode,";
const INTERVAL_S = 10;

const frontend = (proxy: string, stot: number, bytes: number) =>
  `${proxy},FRONTEND,1,100,${stot},${bytes},${bytes},OPEN,,,0,http,\n`;
const server = (stot: number, bytes: number) => `web,b1,0,,${stot},${bytes},${bytes},UP,0,1,2,http,\n`;

interface Process {
  readonly version?: string;
  readonly pid: number;
  readonly uptimeS: number;
  readonly connections?: number;
}

function onSocket({ version = "3.2.0", pid, uptimeS, connections }: Process, rows: string): string {
  const counted = connections === undefined ? "" : `CumConns: ${connections}\n`;
  return `Version: ${version}\nUptime_sec: ${uptimeS}.000000\nPid: ${pid}\n${counted}\n${HEADER}\n${rows}\n`;
}

const onPage = (rows: string) => `${HEADER}\n${rows}`;

/** A source whose answers come one after the other, every 10 s. */
function asking(mode: DumpMode) {
  const clock = new FakeClock();
  const used = new Set<RowTable>();
  let next = "";
  const transport: Transport = {
    address: "nowhere",
    isLocal: true,
    ask(_, tables): Promise<Answer> {
      const reader = new DumpReader(mode, tables);
      reader.push(Buffer.from(next, "latin1"));
      const answer = reader.end();
      if (answer.ok) used.add(answer.dump.table);
      return Promise.resolve(answer);
    },
  };
  const source = new Source({
    ...{ name: "s", transport, intervalMs: INTERVAL_S * 1000, timeoutMs: 500, clock, baselines: new Map() },
    clustersOf: (proxy) => ({ frontend: proxy, backend: proxy }),
  });
  let number = 0;
  const slices = async (text: string) => {
    next = text;
    clock.advance(INTERVAL_S * 1000);
    number++;
    const { outcome } = (await source.scrape({ number, at: number })).report;
    if (!outcome.ok) throw new Error(outcome.reason);
    return outcome.slices;
  };
  /** Bytes of the first cluster, the seconds that they came in, and whether these make no rate. */
  const told = async (text: string) => {
    const [slice] = await slices(text);
    return [slice?.increases[BYTES], slice?.coveredS, slice?.gap];
  };
  return { source, slices, told, used };
}

async function toldOf(mode: DumpMode, texts: readonly string[]) {
  const { told } = asking(mode);
  const all = [];
  for (const text of texts) all.push(await told(text));
  return all;
}

const [FIRST, OTHER] = [
  [undefined, 0, false],
  [undefined, 0, true],
];

describe("nothing is said of the process: a statistics page", () => {
  it("an address that goes to another machine and back counts nothing twice", async () => {
    const [a, b] = [1_000_000_000, 50_000];
    const bytes = [a, a + 10_000_000, b, b + 10_000, a + 20_000_000, a + 30_000_000];
    const told = await toldOf(
      "page",
      bytes.map((one) => onPage(frontend("web", one / 1000, one))),
    );
    expect(told).toEqual([FIRST, [10_000_000, 10, false], OTHER, [10_000, 10, false], OTHER, [10_000_000, 10, false]]);
  });

  it("a reload of unknown age makes no rate", async () => {
    const bytes = [100_000, 200_000, 10_000, 110_000];
    const told = await toldOf(
      "page",
      bytes.map((one) => onPage(frontend("web", one / 100, one))),
    );
    expect(told).toEqual([FIRST, [100_000, 10, false], OTHER, [100_000, 10, false]]);
  });

  it("all clusters begin anew where a row of one was set back, and all may be back", async () => {
    const { slices } = asking("page");
    const of = async (web: number, api: number) => {
      const all = await slices(onPage(frontend("web", 1, web) + frontend("api", 1, api)));
      return all.map(({ increases, gap }) => [increases[BYTES], gap]);
    };
    const NONE = [undefined, true];
    await of(1000, 500);
    expect(await of(10, 600)).toEqual([NONE, NONE]);
    // Only one of the two has counted as much as the machine before.
    expect(await of(2000, 499)).toEqual([NONE, NONE]);
    expect(await of(3000, 499)).toEqual([
      [1000, false],
      [0, false],
    ]);
    expect(await of(3100, 700)).toEqual([NONE, NONE]);
  });

  it("a process that has counted as much as the one before it is doubted once", async () => {
    const told = await toldOf(
      "page",
      [1000, 0, 600, 1200, 1800, 2400].map((bytes) => onPage(frontend("web", 1, bytes))),
    );
    expect(told).toEqual([FIRST, OTHER, [600, 10, false], OTHER, [600, 10, false], [600, 10, false]]);
  });

  it("of three machines each is known again", async () => {
    const told = await toldOf(
      "page",
      [9_000_000, 500_000, 10, 500_100, 9_000_100, 20, 9_000_200].map((bytes) => onPage(frontend("web", 1, bytes))),
    );
    expect(told).toEqual([FIRST, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER]);
  });
});

describe("HAProxy 3.x may load counters from a file", () => {
  const GB = 1_000_000_000;
  const before = [
    onSocket({ pid: 7, uptimeS: 1000, connections: 5100 }, frontend("web", 5000, 5 * GB)),
    onSocket({ pid: 7, uptimeS: 1010, connections: 5110 }, frontend("web", 5010, 5.01 * GB)),
  ];
  const young = { pid: 8, uptimeS: 6 };
  it.each([
    { name: "an old file", connections: 31, stot: 4030, bytes: 4.03 * GB, told: OTHER },
    { name: "an old file, and nothing tells", connections: undefined, stot: 4030, bytes: 4.03 * GB, told: OTHER },
    { name: "none", connections: 31, stot: 30, bytes: 30_000, told: [30_000, 6, false] },
    { name: "none, and nothing tells", connections: undefined, stot: 30, bytes: 30_000, told: OTHER },
    { name: "that of just now", connections: 31, stot: 5040, bytes: 5.04 * GB, told: [0.03 * GB, 10, false] },
  ])("$name", async ({ connections, stot, bytes, told }) => {
    const process = connections === undefined ? young : { ...young, connections };
    const all = await toldOf("socket", [...before, onSocket(process, frontend("web", stot, bytes))]);
    expect(all.slice(1)).toEqual([[10_000_000, 10, false], told]);
  });

  it("its exporter says as well what it counted itself", () => {
    const reader = new MetricsReader();
    reader.push(readFileSync(new URL("../fixtures/haproxy/kolla-metrics.txt", import.meta.url)));
    expect(reader.end()).toMatchObject({ ok: true, dump: { connections: 2785 } });
  });

  it("before 3.0 it does not", async () => {
    const versions = [...before, onSocket(young, frontend("web", 30, 30_000))].map((text) =>
      text.replace("3.2.0", "2.8.3"),
    );
    expect((await toldOf("socket", versions))[2]).toEqual([30_000, 6, false]);
  });

  it("a server that has counted as little as before does not stretch the time of its frontend", async () => {
    const rows = (requests: number) => frontend("web", requests, requests * 100) + server(1, 100);
    const told = await toldOf("socket", [
      onSocket({ pid: 7, uptimeS: 1000, connections: 100_000 }, rows(100_000)),
      onSocket({ pid: 8, uptimeS: 5, connections: 501 }, rows(500)),
    ]);
    expect(told).toEqual([FIRST, [50_000, 5, false]]);
  });

  it("one proxy that was not loaded makes the others doubtful: the file may leave it out, or be an old one", async () => {
    const { slices } = asking("socket");
    const of = async (process: Process, web: number, api: number) => {
      const all = await slices(onSocket(process, frontend("web", web, web) + frontend("api", api, api)));
      return all.map(({ increases, coveredS, gap }) => [increases[BYTES], coveredS, gap]);
    };
    await of({ pid: 7, uptimeS: 1000, connections: 20_000 }, 10_000, 5000);
    expect(await of({ pid: 8, uptimeS: 6, connections: 50 }, 10_020, 20)).toEqual([OTHER, OTHER]);
  });

  it("a server that the file leaves out is a baseline only", async () => {
    const { slices } = asking("socket");
    await slices(onSocket({ pid: 7, uptimeS: 1000, connections: 9000 }, frontend("web", 5000, 5000) + server(90, 90)));
    const [slice] = await slices(
      onSocket({ pid: 8, uptimeS: 6, connections: 40 }, frontend("web", 5030, 5030) + server(20, 20)),
    );
    expect(slice).toMatchObject({ coveredS: 10, resets: 0, gap: false, increases: { [BYTES]: 30 } });
    expect(slice?.increases).not.toHaveProperty(["network.services.lb.retries"]);
  });
});

describe("clusters that are not in the answers any more", () => {
  const many = (count: number) =>
    Array.from({ length: 200 }, (_, proxy) => frontend(`p${proxy}`, count, count)).join("");
  const answer = (uptimeS: number, rows: string) => onSocket({ pid: 7, uptimeS, connections: 1 }, rows);

  it("hold no table of the answer that they were in", async () => {
    const { slices, used } = asking("socket");
    for (let number = 1; number <= 30; number++) {
      await slices(answer(10 * number, many(number) + frontend(`only ${number}`, 1, 1)));
    }
    expect(used.size).toBeLessThanOrEqual(3);
  });

  it.each([
    { answers: 1, told: [7, 20, false] },
    { answers: 359, told: [7, 0, true] },
    { answers: 360, told: FIRST },
  ])("count when they come back after $answers answers, and are forgotten in the end", async ({ answers, told }) => {
    const { slices } = asking("socket");
    const gone = (bytes: number) => frontend("gone", 1, bytes);
    await slices(answer(10, gone(5)));
    for (let number = 1; number <= answers; number++) await slices(answer(10 + 10 * number, frontend("web", 1, 1)));
    const [slice] = await slices(answer(20 + 10 * answers, gone(12)));
    expect([slice?.increases[BYTES], slice?.coveredS, slice?.gap]).toEqual(told);
  });
});
