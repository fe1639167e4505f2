import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { tocsin } from "../helpers/service.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** Command lines of the processes of this machine in which a text stands. */
function processesWith(text: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")];
      } catch {
        return [];
      }
    })
    .filter((line) => line.includes(text));
}

it("past one machine: the working engine is killed, the other one asks for the scale-out, once", async () => {
  using folder = temporaryFolder();
  const { code, out, err } = await tocsin(["lab", "--scale-out", "--data", folder.path], { cwd: folder.path });
  expect([code, err], out).toEqual([0, ""]);
  expect(out).toMatch(/kill -9 of engine-[12], which works on the cluster$/m);
  expect(out).toMatch(/^scale-out: 1 at the receiver, 1 delivered, 1 effective$/m);
  expect(out).toMatch(/^scale-in: [1-9]\d* at the receiver, [1-9]\d* delivered, [1-9]\d* effective$/m);
  expect(out).toMatch(/^takeover: \d+\.\d s after kill -9, 0 scale-outs before it$/m);
  expect(out).toMatch(/^series in InfluxDB: [1-9]\d* ticks from before the takeover, [1-9]\d* from after it$/m);
  expect(out).toMatch(/ 0 failed, \d+ s$/m);
  console.log(`lab --scale-out: ${out.split("\n").find((line) => line.startsWith("takeover"))}`);
  expect(processesWith(folder.path)).toEqual([]);
}, 120_000);

it("Ctrl-C ends all that it has started", async () => {
  using folder = temporaryFolder();
  const child = spawn(process.execPath, [MAIN, "lab", "--scale-out", "--data", folder.path], { cwd: folder.path });
  const closed = once(child, "close");
  let out = "";
  let isAsked = false;
  child.stdout.on("data", (chunk) => {
    out += chunk;
    if (isAsked || !out.includes("processes:")) return;
    isAsked = true;
    child.kill("SIGINT");
  });
  expect((await closed)[0], out).toBe(1);
  expect(out).toContain("processes: engine-1, engine-2, agent.");
  expect(processesWith(folder.path)).toEqual([]);
}, 60_000);
