import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import type { FullDiskFacts } from "../helpers/fullDisk.ts";
import { writeSetUp } from "../helpers/service.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const FULL_DISK = new URL("../helpers/fullDisk.ts", import.meta.url).pathname;
const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const execute = promisify(execFile);

/** Whether this system lets a test mount what it likes, for itself alone. */
const mayMount = spawnSync("/usr/bin/env", ["unshare", "-rm", "true"]).status === 0;

/** Runs our program where a mount command of a shell has been done before. */
function mounted(mount: string, folder: string, ...args: string[]) {
  const script = `cd "$0" && ${mount} && cd "$0" && exec "$@"`;
  return execute("/usr/bin/env", ["unshare", "-rm", "sh", "-c", script, folder, process.execPath, ...args]);
}

describe("R4: a disk without room", () => {
  it.each([
    {
      how: "tmpfs",
      load: 90,
      later: ["out"],
      name: "a full disk; what is still asked for is sent after a tick was judged",
    },
    { how: "tmpfs", load: 30, later: [], name: "a full disk; what nobody asks for any more is never sent" },
    { how: "fsize", load: 90, later: ["out"], name: "a limit to the size of files" },
  ])("$name", async ({ how, load, later }) => {
    if (how === "tmpfs" && !mayMount) return console.log("not tried: this system lets nobody mount a small disk");
    using folder = temporaryFolder();
    const args = [FULL_DISK, how, folder.path, String(load)];
    const { stdout } =
      how === "tmpfs"
        ? await mounted('mount -t tmpfs -o size=3m tmpfs "$0"', folder.path, ...args)
        : await execute(process.execPath, args);
    const facts = JSON.parse(stdout) as FullDiskFacts;
    expect(facts).toMatchObject({
      commitsRefused: true,
      sentWhileFull: 0,
      sentOnRecovery: 0,
      sentLater: later,
      degradedAfter: [],
      laneAfter: later.length > 0 ? "settling" : "idle",
    });
    expect(facts.reasons.join()).toMatch(how === "tmpfs" ? /disk is full/ : /disk I\/O error/);
  });

  it("the -wal stays small, however many commits there are", async () => {
    using folder = temporaryFolder();
    const { ledger, store } = await openSqlite(folder.path);
    let largest = 0;
    for (let seq = 1; seq <= 2000; seq++) {
      const input = { kind: "start", number: seq, at: seq, intervalMs: 1000 } as const;
      const snapshot = { clusterId: "web", seq, doc: "x".repeat(20_000) };
      const none = { decisions: [], deliveries: [], attempts: [], baselines: [] };
      await ledger.commit({ clusterId: "web", inputs: [{ seq, input }], snapshot, ...none });
      if (seq % 50 === 0) largest = Math.max(largest, statSync(join(folder.path, "state.db-wal")).size);
    }
    await store.close();
    await ledger.close();
    expect(largest).toBeLessThan(8_000_000);
    console.log(`largest -wal over 2000 commits: ${largest} bytes`);
  });
});

describe("a place that cannot be written ends the start with a sentence and exit 1", () => {
  const config =
    'collector: {sources: [{name: s, socket: nowhere.sock}]}\napi: {listen: "127.0.0.1:0"}\nlog: {format: json}\n';
  const readOnly = (what: string) => `mount --bind "${what}" "${what}" && mount -o remount,ro,bind "${what}"`;

  it.each([
    {
      name: "the folder, empty",
      what: "data",
      isUsed: false,
      expected: /^tocsin: cannot write to the data folder .*EROFS.* \[E301\]\n$/,
    },
    {
      name: "the folder, in use before",
      what: "data",
      isUsed: true,
      expected: /^tocsin: cannot write to the data folder .*EROFS.* \[E301\]\n$/,
    },
    {
      name: "the file of the record",
      what: "data/state.db",
      isUsed: true,
      expected: /^tocsin: cannot open the databases in .* \[E302\]\n$/,
    },
    {
      name: "the file of the series",
      what: "data/metrics.db",
      isUsed: true,
      expected: /^tocsin: cannot open the databases in .* \[E302\]\n$/,
    },
  ])("$name", async ({ what, isUsed, expected }) => {
    if (!mayMount) return console.log("not tried: this system lets nobody mount anything");
    using folder = temporaryFolder();
    writeSetUp(folder.path, config, {});
    mkdirSync(join(folder.path, "data"));
    if (isUsed) {
      const { ledger, store } = await openSqlite(join(folder.path, "data"));
      await store.close();
      await ledger.close();
    }
    const ended = await mounted(readOnly(what), folder.path, MAIN, "run").catch((error) => error);
    expect(ended.stderr).toMatch(expected);
    expect(ended.code).toBe(1);
    expect(existsSync(join(folder.path, "data/state.db"))).toBe(isUsed);
  });

  it("no room for the first file", async () => {
    if (!mayMount) return console.log("not tried: this system lets nobody mount a small disk");
    using folder = temporaryFolder();
    writeSetUp(folder.path, config, {});
    mkdirSync(join(folder.path, "data"));
    writeFileSync(join(folder.path, "data/x"), "");
    const mount = "mount -t tmpfs -o size=16k tmpfs data && head -c 16384 /dev/zero > data/ballast";
    const ended = await mounted(mount, folder.path, MAIN, "run").catch((error) => error);
    expect(ended.stderr).toMatch(/^tocsin: cannot open the databases in .* \[E302\]\n$/);
    expect(ended.code).toBe(1);
  });
});
