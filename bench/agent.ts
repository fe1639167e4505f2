/** An agent beside one HAProxy of 20 rows: how much memory and CPU it takes, as it is installed and from a checkout. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createMappingBook } from "../src/backend/nats/agents/mappings.ts";
import { connectNats } from "../src/backend/nats/link/link.ts";
import { natsSamples } from "../src/backend/nats/samples/samples.ts";
import { setupBus } from "../src/backend/nats/setup/setup.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import { startBigHaproxy } from "./bigHaproxy.ts";
import { startServer } from "./bus.ts";

const INTERVAL_MS = 10_000;
const WARM_S = 12;
const MEASURED_S = 30;
/** Of a CPU's clock, in /proc. */
const TICKS_PER_S = 100;

export async function benchAgent(): Promise<void> {
  const program = build();
  await using haproxy = await startBigHaproxy(1, 18);
  await using server = await startServer();
  const world = { clock: systemClock, log: silentLogger };
  const link = await connectNats({ ...world, settings: server.settings, name: "bench", environment: {} });
  await setupBus(link, server.settings, INTERVAL_MS);
  const book = createMappingBook(link);
  await book.put({ clusterId: "web", rows: [{ kind: "proxy", pattern: "svc*", source: undefined }] });
  let reports = 0;
  const stop = await natsSamples({ ...world, link, intervalMs: INTERVAL_MS }).subscribe(0, systemClock.now(), () => {
    reports++;
  });
  const folder = mkdtempSync(join(tmpdir(), "tocsin-agent-"));
  const config = join(folder, "tocsin.yaml");
  const [url] = server.settings.servers;
  writeFileSync(
    config,
    `bus: {type: nats, nats: {servers: ["${url}"], prefix: bench}}\nroles: [collector]\ncollector: {sources: [{name: lb, socket: ${haproxy.socket}}]}\n`,
  );
  for (const [name, main] of [
    ["from dist", join(program, "dist/main.js")],
    ["from source", resolve("src/main.ts")],
  ] as const) {
    const { rss, cpuMs, before } = await measured([main, "run", "--config", config]);
    const came = reports;
    console.log(
      `agent ${name}: RSS ${(rss / 2 ** 20).toFixed(0)} MiB, CPU ${cpuMs.toFixed(1)} ms a tick (${haproxy.rows} rows, interval 10 s), ` +
        `${before.toFixed(0)} ms to start, ${came} reports`,
    );
    reports = 0;
  }
  stop();
  await link.close();
  rmSync(folder, { recursive: true, force: true });
  rmSync(program, { recursive: true, force: true });
}

async function measured(command: readonly string[]): Promise<{ rss: number; cpuMs: number; before: number }> {
  const child = spawn(process.execPath, command, { stdio: ["ignore", "ignore", "ignore"] });
  const gone = once(child, "exit");
  const pid = child.pid ?? 0;
  await pause(WARM_S);
  const before = cpuMsOf(pid);
  let rss = 0;
  for (let second = 0; second < MEASURED_S; second++) {
    await pause(1);
    rss = Math.max(rss, rssOf(pid));
  }
  const cpuMs = ((cpuMsOf(pid) - before) * INTERVAL_MS) / (MEASURED_S * 1000);
  child.kill("SIGTERM");
  await gone;
  return { rss, cpuMs, before };
}

function build(): string {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-built-"));
  const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", join(folder, "dist")];
  spawnSync(process.execPath, tsc, { stdio: "ignore" });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), readFileSync("package.json"));
  return folder;
}

function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_S;
}

function rssOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

function pause(seconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, seconds * 1000));
}
