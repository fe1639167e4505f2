import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { command } from "../helpers/cli.ts";
import { aFileSpec, textOf } from "../helpers/ruleTexts.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

it("checks every path, whichever of them is not there", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "rules"));
  writeFileSync(join(folder.path, "rules", "web.yaml"), textOf(aFileSpec("web")));
  writeFileSync(join(folder.path, "bad.yaml"), "version: 1\nclusterid: web\n");
  const { code, out } = await command(["check", "nowhere.yaml", "bad.yaml", "rules"], { cwd: folder.path });
  expect(code).toBe(1);
  expect(out).toMatch(/^nowhere\.yaml:1:1 {2}error {2}E105 {2}cannot read the file/);
  expect(out).toContain('bad.yaml:2:1  error  E102  unknown key "clusterid"');
  expect(out).toMatch(/ in 3 files \(1 clusters, 2 alarms\)\n$/);
});

it("warns of what tocsin.yaml needs of the environment, on the side", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "rules"));
  writeFileSync(join(folder.path, "rules", "web.yaml"), textOf(aFileSpec("web")));
  const url = "https://ping.example/$" + "{env:PING}";
  writeFileSync(join(folder.path, "tocsin.yaml"), `notifier: {heartbeat_url: "${url}"}\n`);
  const { code, out, err } = await command(["check"], { cwd: folder.path });
  expect([code, out]).toEqual([0, expect.stringMatching(/^0 errors, 0 warnings in 1 file /)]);
  expect(err).toMatch(/^tocsin\.yaml:1:27 {2}warning {2}W006 {2}the environment has no variable PING\n/);
  expect((await command(["check"], { cwd: folder.path, env: { PING: "x" } })).err).toBe("");
});

it("needs none of the service's secrets", async () => {
  using folder = temporaryFolder();
  const web = textOf(aFileSpec("web")).replace("http://h/ops", `http://h/\${env:OPS}`);
  writeFileSync(join(folder.path, "web.yaml"), web);
  const { code, out } = await command(["check", "web.yaml"], { cwd: folder.path });
  expect([code, out]).toEqual([0, expect.stringContaining("warning  W006")]);
  writeFileSync(
    join(folder.path, "web.test.yaml"),
    "tests:\n  - name: waits\n    holds: [{at: 0, alarm: x, gate: lane, reason: because}]\n",
  );
  const tested = await command(["test", "web.yaml"], { cwd: folder.path });
  expect(tested.out).not.toContain("W006");
  expect(tested.out).toContain("1 failed");
  expect(tested.out).not.toContain("undefined");
});
