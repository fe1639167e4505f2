import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { test } from "../../src/cli/test.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const RULES = `version: 1
cluster_id: web
haproxy: [{proxy: web}]
alarms:
  - {name: many, meter_name: network.services.lb.active.connections, period: 10s, threshold: 5, comparison_operator: gt}
`;
const GOOD = `tests:
  - name: many sessions are an alarm
    input_series: [{series: network.services.lb.active.connections, values: "1 9"}]
    alarms: [{at: 10s, name: many, state: alarm}]
  - name: few are none
    input_series: [{series: network.services.lb.active.connections, values: "1 1"}]
    alarms: [{at: 10s, name: many, state: ok}]
`;
const BAD = GOOD.replace("state: ok", "state: alarm").replace("few are none", "few are some");

function run(texts: Readonly<Record<string, string>>, paths: readonly string[] = [], flags: { run?: string } = {}) {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "rules"));
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder.path, "rules", name), text);
  const { settings } = loadSettings(undefined, folder.path);
  const out: string[] = [];
  const err: string[] = [];
  const world = {
    environment: {},
    cwd: folder.path,
    signal: new AbortController().signal,
    out: (text: string) => out.push(text),
    err: (text: string) => err.push(text),
    isTerminal: false,
    logsToTerminal: false,
  };
  const code = test(world, settings!, paths, flags, new FakeClock(0));
  return { code, out: out.join("\n"), err: err.join("\n") };
}

describe("tocsin test", () => {
  it("runs what lies beside the rules, and says in one line that all is well", () => {
    expect(run({ "web.yaml": RULES, "web.test.yaml": GOOD })).toEqual({
      code: 0,
      out: "ok    rules/web.test.yaml  2/2\n2 tests, 0 failed in 0.0 s",
      err: "",
    });
  });

  it("shows what was expected beside what there was", () => {
    const { code, out } = run({ "web.yaml": RULES, "web.test.yaml": BAD });
    expect(code).toBe(1);
    expect(out).toBe(
      [
        "FAIL  rules/web.test.yaml  1/2",
        "  rules/web.test.yaml > few are some",
        "    AT   EXPECTED           GOT",
        "    10s  many: state alarm  many: state ok",
        "",
        "2 tests, 1 failed in 0.0 s",
      ].join("\n"),
    );
  });

  it("takes files and folders, tests and the rules that they are about", () => {
    const texts = { "web.yaml": RULES, "web.test.yaml": GOOD };
    for (const path of ["rules", "rules/web.yaml", "rules/web.test.yaml"])
      expect(run(texts, [path]).out).toContain("2 tests, 0 failed");
    expect(run(texts, ["rules", "rules/web.yaml"]).out).toContain("2 tests, 0 failed");
  });

  it("--run chooses by a part of the name or a glob", () => {
    const texts = { "web.yaml": RULES, "web.test.yaml": BAD };
    expect(run(texts, [], { run: "many sessions" })).toMatchObject({ code: 0, err: "" });
    expect(run(texts, [], { run: "*web.test.yaml > few*" })).toMatchObject({ code: 1 });
    expect(run(texts, [], { run: "web.test.yaml > " }).out).toContain("2 tests");
    expect(run(texts, [], { run: "nobody" })).toMatchObject({ code: 2, err: "tocsin: no test is named nobody" });
  });

  it("rules without tests are a hint and no failure", () => {
    const { code, out } = run({ "web.yaml": RULES });
    expect(code).toBe(0);
    expect(out).toBe("rules/web.yaml has no tests: write rules/web.test.yaml\n0 tests, 0 failed in 0.0 s");
  });

  it("files with mistakes are findings, and the others run all the same", () => {
    const { code, out } = run({
      "web.yaml": RULES,
      "web.test.yaml": GOOD,
      "api.yaml": RULES.replace("threshold: 5", "treshold: 5"),
      "api.test.yaml": "tests: [{name: a}]",
    });
    expect(code).toBe(1);
    expect(out).toContain("rules/api.yaml:5:");
    expect(out).toContain("2 tests, 0 failed in 0.0 s, 1 file with errors");
  });

  it("a path that is not there is told", () => {
    expect(() => run({}, ["nowhere"])).toThrow(/cannot read the tests at .*nowhere/);
  });
});
