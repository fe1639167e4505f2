/**
 * The service as a user starts it, collecting 10,000 servers with default settings, the interval alone shortened: how
 * much memory it takes, and how long it holds its event loop. Control: the same service beside the
 * same traffic, whose only source is away.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { BigHaproxy } from "./bigHaproxy.ts";
import { startBigHaproxy } from "./bigHaproxy.ts";
import type { LoopSecond } from "./loopWatch.ts";
import { loopWatch } from "./loopWatch.ts";

const BACKENDS = 100;
const WARM_S = 4;
const MEASURED_S = 32;
const CONTROL_S = 16;

/** What it says of itself, second by second, and the most memory that it ever had, bytes. */
interface Life {
  readonly seconds: readonly LoopSecond[];
  readonly peak: number;
}

/** The program as it is installed: without types, so that it need not strip them. */
function build(): string {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-built-"));
  const tsc = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", join(folder, "dist")];
  spawnSync(process.execPath, tsc, { stdio: "ignore" });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  copyFileSync("package.json", join(folder, "package.json"));
  return folder;
}

async function live(program: string, socket: string, measuredS: number, haproxy: BigHaproxy): Promise<Life> {
  const folder = mkdtempSync(join(tmpdir(), "tocsin-collecting-"));
  mkdirSync(join(folder, "rules"));
  writeFileSync(join(folder, "tocsin.yaml"), settingsWith(socket));
  const child = spawn(
    process.execPath,
    ["--import", loopWatch(), join(program, "dist/main.js"), "run", "--config", join(folder, "tocsin.yaml")],
    { stdio: ["ignore", "ignore", "pipe", "ipc"] },
  );
  let log = "";
  child.stderr?.on("data", (chunk) => {
    log += chunk;
  });
  const seconds: LoopSecond[] = [];
  child.on("message", (second) => {
    seconds.push(second as LoopSecond);
  });
  const gone = once(child, "exit");
  let [running, peak] = [true, 0];
  void gone.then(() => {
    running = false;
  });
  while (running && seconds.length < WARM_S + measuredS) {
    await Promise.all([haproxy.traffic(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    if (running) peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) * 1024;
  }
  child.kill("SIGTERM");
  await gone;
  rmSync(folder, { recursive: true, force: true });
  if (seconds.length < WARM_S + measuredS) throw new Error(`the service has ended: ${log.slice(-2000)}`);
  if (socket === haproxy.socket && !log.includes("source answers"))
    throw new Error(`nothing was collected: ${log.slice(-2000)}`);
  return { seconds: seconds.slice(WARM_S), peak };
}

function settingsWith(socket: string): string {
  return `collector:
  interval: 1s
  sources: [{ name: big, socket: ${socket} }]
  families:
    - { proxy: "{service}_front", cluster_id: "{service}" }
    - { proxy: "{service}_back", cluster_id: "{service}" }
api: { listen: "127.0.0.1:0" }
`;
}

/** The longest, and those at some ranks. */
function ranks(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => b - a);
  const at = (rank: number) => (sorted[rank] ?? 0).toFixed(1).padStart(6);
  return `most ${at(0)}, 2nd ${at(1)}, 5th ${at(4)}, 20th ${at(19)}, 100th ${at(99)} ms`;
}

const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

export async function benchCollecting(): Promise<void> {
  const program = build();
  await using haproxy = await startBigHaproxy(BACKENDS);
  const lives = {
    control: await live(program, `${haproxy.folder}/away.sock`, CONTROL_S, haproxy),
    collecting: await live(program, haproxy.socket, MEASURED_S, haproxy),
  };
  console.log(
    `collecting: the service, ${haproxy.rows} rows each second for ${MEASURED_S} s; control: its source is away`,
  );
  for (const [name, { seconds, peak }] of Object.entries(lives)) {
    const rss = Math.max(...seconds.map((second) => second.rss));
    const [heap, buffers] = [
      Math.max(...seconds.map((second) => second.heap)),
      Math.max(...seconds.map((second) => second.buffers)),
    ];
    const heldMs = seconds.flatMap((second) => second.heldMs);
    const busyMs = seconds.flatMap((second) => second.busyMs);
    const cpuMs = mean(seconds.map((second) => second.cpuMs));
    console.log(`  ${name}`);
    console.log(`    RSS              ${mib(rss)} MiB, peak ${mib(peak)} (aim 300)`);
    console.log(`    of its main      heap ${mib(heap)} MiB, buffers ${mib(buffers)} MiB`);
    console.log(`    loop held        ${ranks(heldMs)} (aim 20)`);
    console.log(`    its CPU at once  ${ranks(busyMs)}`);
    console.log(`    CPU              ${cpuMs.toFixed(1)} ms for each tick`);
    const [held, busy] = [Math.max(...heldMs), Math.max(...busyMs)];
    console.log(JSON.stringify({ bench: "collecting", name, rows: haproxy.rows, rss, peak, held, busy, cpuMs }));
  }
  rmSync(program, { recursive: true, force: true });
}
