import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "../helpers/sockets.ts";
import type { KeepingDiskFacts } from "./keepingDisk.ts";

const PROGRAM = new URL("./keepingDisk.ts", import.meta.url).pathname;
const execute = promisify(execFile);

/** Whether this system lets a test mount what it likes, for itself alone. */
const mayMount = spawnSync("/usr/bin/env", ["unshare", "-rm", "true"]).status === 0;

async function run(how: "tmpfs" | "quota"): Promise<KeepingDiskFacts> {
  using folder = temporaryFolder();
  if (how === "quota") {
    const { stdout } = await execute(process.execPath, [PROGRAM, folder.path, String(2 * 2 ** 20)]);
    return JSON.parse(stdout) as KeepingDiskFacts;
  }
  const script = 'cd "$0" && mount -t tmpfs -o size=12m tmpfs "$0" && cd "$0" && exec "$@"';
  const args = ["unshare", "-rm", "sh", "-c", script, folder.path, process.execPath, PROGRAM, folder.path, "0"];
  const { stdout } = await execute("/usr/bin/env", args);
  return JSON.parse(stdout) as KeepingDiskFacts;
}

it("series on a disk that gets full: nothing acknowledged is lost, and storing goes on when there is room", async () => {
  if (!mayMount) return console.log("not tried: this system lets nobody mount a small disk");
  const facts = await run("tmpfs");
  console.log(`full disk: ${JSON.stringify(facts)}`);
  expect(facts).toMatchObject({ refused: 20, toldFull: true, fullAfter: null, lostTicks: 0, lostRows: 0, wentOn: 100 });
  expect(facts.reasons.join()).toMatch(/full/);
}, 120_000);

it("series that reach their quota: the oldest make room, and storing goes on", async () => {
  const facts = await run("quota");
  console.log(`quota: ${JSON.stringify(facts)}`);
  expect(facts).toMatchObject({ fullAfter: null, lostTicks: 0, lostRows: 0, wentOn: 100 });
  expect(facts.refused).toBeLessThan(20);
  expect(facts.acknowledged).toBeGreaterThan(4000);
}, 120_000);
