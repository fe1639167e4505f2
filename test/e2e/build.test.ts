import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { nodeTooOld } from "../../src/lib/nodeVersion.ts";
import { getJson, startService, writeSetUp } from "../helpers/service.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const BUILT = `${ROOT}dist/main.js`;

it("what is built and published runs, its workers too; on an older Node it says what it needs", async () => {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { cwd: ROOT });
  using folder = temporaryFolder();
  writeSetUp(folder.path, `api: {listen: "127.0.0.1:0"}\ncollector: {sources: []}\nlog: {format: json}\n`, {});
  await using service = await startService(folder.path, BUILT);
  expect(await getJson(service, "/healthz")).toMatchObject({ status: "ok" });
  expect(await getJson(service, "/api/v1/metrics/query?meter=tocsin.source.up")).toMatchObject({ series: [] });
  expect((await service.kill("SIGTERM")).code).toBe(0);

  const old = "/usr/bin/node";
  const version = existsSync(old)
    ? execFileSync(old, ["-p", "process.versions.node"], { encoding: "utf8" }).trim()
    : "24.15.0";
  const sentence = nodeTooOld(version);
  if (sentence === undefined) return;
  const ended = spawnSync(old, [BUILT, "run"], { encoding: "utf8" });
  expect([ended.status, ended.stderr]).toEqual([1, `${sentence}\n`]);
});

it.each([
  ["24.15.0", false],
  ["24.21.0", false],
  ["26.1.0", false],
  ["24.14.9", true],
  ["20.20.2", true],
])("Node %s: too old is %s", (version, tooOld) => expect(nodeTooOld(version) !== undefined).toBe(tooOld));
