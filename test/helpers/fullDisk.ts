/**
 * A process of its own whose disk gets full: `fullDisk.ts tmpfs|fsize <folder> <load after>`. It runs the service there,
 * takes its room away while an alarm goes off, gives it back, and prints what happened as JSON.
 */

import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { StorageRun } from "./storageRun.ts";

export interface FullDiskFacts {
  readonly reasons: readonly string[];
  readonly commitsRefused: boolean;
  readonly sentWhileFull: number;
  readonly sentOnRecovery: number;
  /** Receivers of control actions sent at the ticks after it. */
  readonly sentLater: readonly string[];
  readonly degradedAfter: readonly string[];
  readonly laneAfter: string;
  readonly walBytes: number;
}

const [, , how, folder = "", after] = process.argv;
const ballast = join(folder, "ballast");

function fill(): void {
  if (how === "fsize") {
    const [size] = ["state.db-wal"].map((file) => statSync(join(folder, file)).size);
    execFileSync("/usr/bin/env", ["prlimit", "--pid", String(process.pid), `--fsize=${size}:unlimited`]);
    return;
  }
  const file = openSync(ballast, "a");
  for (const bytes of [65_536, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(bytes));
    } catch {
      // No room for one more.
    }
  }
  closeSync(file);
}

function free(): void {
  if (how === "fsize")
    execFileSync("/usr/bin/env", ["prlimit", "--pid", String(process.pid), "--fsize=unlimited:unlimited"]);
  else rmSync(ballast);
}

async function main(): Promise<void> {
  const run = await StorageRun.start(folder, 170_000_000);
  for (let n = 0; n < 5; n++) {
    await run.tick(30);
    await run.answer("accepted");
  }
  fill();
  // Ticks without decisions first: whatever room is left in the files goes.
  for (let n = 0; n < 3; n++) await run.tick(30);
  const reasons: string[] = [];
  let sentWhileFull = 0;
  let wasRefused = false;
  for (let n = 0; n < 4; n++) {
    await run.tick(90);
    await run.retry();
    reasons.push(...run.degraded());
    wasRefused ||= run.degraded().length > 0;
    sentWhileFull += wasRefused ? run.sent.length : 0;
  }
  free();
  const before = run.sent.length;
  await run.retry();
  await run.retry();
  const sentOnRecovery = run.sent.filter(({ control }, at) => at >= before && control).length;
  const sentLater: string[] = [];
  for (let n = 0; n < 3; n++) {
    await run.tick(Number(after));
    sentLater.push(...run.sent.filter(({ control }) => control).map(({ receiver }) => receiver));
    await run.answer("accepted");
  }
  const facts: FullDiskFacts = {
    reasons: [...new Set(reasons)],
    commitsRefused: wasRefused,
    sentWhileFull,
    sentOnRecovery,
    sentLater,
    degradedAfter: run.degraded(),
    laneAfter: run.cluster?.lane.phase ?? "gone",
    walBytes: statSync(join(folder, "state.db-wal")).size,
  };
  await run.stop();
  console.log(JSON.stringify(facts));
}

await main();
