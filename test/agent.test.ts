import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { agentName, startAgent } from "../src/agent.ts";
import { agentSources } from "../src/backend/nats/agents/agents.ts";
import { createMappingBook } from "../src/backend/nats/agents/mappings.ts";
import { connectNats } from "../src/backend/nats/link/link.ts";
import { natsSamples } from "../src/backend/nats/samples/samples.ts";
import { setupBus } from "../src/backend/nats/setup/setup.ts";
import { loadSettings } from "../src/config/settings.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { ScrapeReport } from "../src/model/tick.ts";
import type { Clock, Logger } from "../src/ports.ts";
import { ScriptedHaproxy } from "./helpers/crashSource.ts";
import { startNats } from "./helpers/natsServer.ts";
import { eventually, temporaryFolder } from "./helpers/sockets.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

function aLog() {
  const lines: string[] = [];
  const write = (text: string, fields: object = {}) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  return { lines, log: { debug() {}, info: write, warn: write, error: write } satisfies Logger };
}

/** Settings of an agent whose one source is a script. */
function settingsIn(folder: string, url: string) {
  const file = join(folder, "tocsin.yaml");
  const text = `bus: {type: nats, nats: {servers: ["${url}"], log: {max_bytes: 64MiB}, samples: {max_bytes: 64MiB}}}
roles: [collector]
collector: {interval: 1s, sources: [{name: lb, socket: ${folder}/lb.sock}]}
`;
  writeFileSync(file, text);
  const { settings, diagnostics } = loadSettings(file, folder);
  if (settings?.bus.type !== "nats") throw new Error(JSON.stringify(diagnostics));
  return { settings, nats: settings.bus };
}

it("an agent waits for the bus, scrapes while it is away, begins anew with a baseline, and says how its source is", async () => {
  using folder = temporaryFolder();
  await using haproxy = await new ScriptedHaproxy(["web"], 1, systemClock).listen(`${folder.path}/lb.sock`, () => {});
  expect(haproxy).toBeDefined();
  await using server = await startNats();
  await server.kill();
  const { settings, nats } = settingsIn(folder.path, server.url);
  const { lines, log } = aLog();
  const environment = { TOCSIN_AGENT: "web 1" };
  const clock: Clock = systemClock;
  const onFatal = (reason: string) => void lines.push(`fatal ${reason}`);
  const start = () => startAgent({ settings, environment, clock, log, onFatal });

  // Nobody is there: it waits, and says so once.
  const agent = await start();
  stops.push(() => agent.stop());
  expect(lines).toEqual([expect.stringMatching(/^agent waits for the bus .*E601/)]);

  await server.start();
  const link = await connectNats({ settings: nats, name: "test", environment: {}, clock, log: silentLogger });
  stops.push(() => link.close());
  await setupBus(link, nats, settings.intervalMs);
  const book = createMappingBook(link);
  // Of a time in which there were more partitions: nobody reads those any more.
  await book.putKnown(7, ["web-1/lb"]);
  await book.put({
    clusterId: "web",
    file: "rules/web.yaml",
    rows: [{ kind: "proxy", pattern: "web*", source: undefined }],
  });
  const subjects = new Set<string>();
  link.nc.subscribe(`${link.names.prefix}.samples.>`, { callback: (_, { subject }) => void subjects.add(subject) });
  const reports: ScrapeReport[] = [];
  const samples = natsSamples({ link, intervalMs: settings.intervalMs, clock, log });
  stops.push(async () => stop());
  const stop = await samples.subscribe(0, systemClock.now(), (report) => reports.push(report));
  const sources = agentSources(link);
  const slicesOf = (report?: ScrapeReport) => (report?.outcome.ok ? report.outcome.slices : []);
  await eventually("two reports", () => (reports.length >= 2 ? true : undefined));
  expect(slicesOf(reports[0]).map(({ clusterId, coveredS }) => [clusterId, coveredS])).toEqual([["web", 0]]);
  expect(slicesOf(reports[1])[0]?.coveredS).toBeGreaterThan(0);
  expect(reports[0]).toMatchObject({ source: "web-1/lb", mapping: book.newest("web") });
  expect(sources.sources()).toMatchObject([{ name: "web-1/lb", ok: true }]);

  // What is scraped while it is away comes afterwards.
  await server.kill();
  const newest = reports.at(-1)?.tick.number ?? 0;
  await eventually("a tick", () => (systemClock.now() / settings.intervalMs > newest + 2 ? true : undefined));
  await server.start();
  await eventually("what was missed", () => ((reports.at(-1)?.tick.number ?? 0) > newest + 2 ? true : undefined));
  const numbers = reports.map(({ tick }) => tick.number);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => (numbers[0] ?? 0) + index));

  await agent.stop();
  await eventually("its end", () => (sources.sources().length === 0 ? true : undefined));
  const count = reports.length;
  const again = await start();
  stops.push(() => again.stop());
  await eventually("more reports", () => (reports.length >= count + 2 ? true : undefined));
  expect([count, count + 1].map((index) => (slicesOf(reports[index])[0]?.coveredS ?? 0) > 0)).toEqual([false, true]);
  sources.stop();
  expect([...subjects]).toEqual([link.names.samplesSubject(0)]);
  expect(lines.filter((line) => line.startsWith("fatal") || line.includes("E6"))).toHaveLength(1);
}, 60_000);

it("an agent whose credentials are refused does not start", async () => {
  using folder = temporaryFolder();
  await using server = await startNats('authorization { token: "secret" }');
  const { settings } = settingsIn(folder.path, server.url);
  const starting = startAgent({
    ...{ settings, environment: {}, clock: systemClock, log: silentLogger },
    onFatal: () => {},
  });
  await expect(starting).rejects.toMatchObject({ code: "E602" });
});

it("an agent's name is one word", () => {
  expect(agentName({ TOCSIN_AGENT: "a/b c:d" })).toBe("a-b-c-d");
  expect(agentName({})).toMatch(/^[\w.-]+$/);
});
