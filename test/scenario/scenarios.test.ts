import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureTable } from "../../src/cli/test.ts";
import { formatDiagnostic } from "../../src/config/diagnostics.ts";
import { runRuleTests } from "../../src/ruleTests.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const RULES = { repeatIntervalS: 60, timeoutS: 30, intervalS: 10, environment: {} };

const { files, untested } = runRuleTests([`${ROOT}test/scenario`, `${ROOT}rules`], { cwd: ROOT, rules: RULES });

describe.each(files)("$name", ({ name, diagnostics, results }) => {
  it("can be read", () => expect(diagnostics.map(formatDiagnostic)).toEqual([]));

  it.each(results)("$name", (result) => {
    expect(result.mismatches.length === 0 ? "" : failureTable(name, result)).toBe("");
  });
});

it("every rule file has tests", () => {
  expect(untested).toEqual([]);
  expect(files.length).toBeGreaterThan(8);
});

it("the example of the documentation passes", () => {
  const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(`${ROOT}docs/testing-rules.md`, "utf8")) ?? [];
  using folder = temporaryFolder();
  const path = join(folder.path, "example.test.yaml");
  writeFileSync(path, example);
  const shown = runRuleTests([path], { cwd: folder.path, rules: RULES }).files;
  expect(shown).toMatchObject([{ diagnostics: [], results: [{ mismatches: [] }] }]);
});
