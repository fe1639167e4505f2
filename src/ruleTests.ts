/** Tests of rule files: found beside them, read, and played through the service's own evaluator. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import type { Diagnostic } from "./config/diagnostics.ts";
import type { RuleDefaults } from "./config/ruleFile.ts";
import { readTestFile } from "./config/testFile.ts";
import { messageOf, TocsinError } from "./lib/errors.ts";
import { matchesGlob } from "./lib/globs.ts";
import { meaningOfStatus } from "./notifier/answer.ts";
import type { Mismatch } from "./replay/scenario.ts";
import { runScenario } from "./replay/scenarioRun.ts";
import { feeds } from "./replay/scenarioSource.ts";
import { expandSeries } from "./replay/seriesNotation.ts";

export interface TestResult {
  readonly name: string;
  /** Empty: it passed. */
  readonly mismatches: readonly Mismatch[];
}

export interface TestFileResult {
  /** As shown to people. */
  readonly name: string;
  /** Errors of the file or of its rules: none of its tests ran then. */
  readonly diagnostics: readonly Diagnostic[];
  readonly results: readonly TestResult[];
}

export interface RuleTests {
  readonly files: readonly TestFileResult[];
  /** Rule files without tests, as shown to people. */
  readonly untested: readonly string[];
}

export interface RuleTestOptions {
  readonly cwd: string;
  readonly rules: RuleDefaults;
  /** Only tests whose `file > name` holds this text, or matches it when it is a glob; `undefined`: all. */
  readonly pattern?: string | undefined;
}

/** Runs the tests of files and folders. Throws `E105` when a path cannot be listed. */
export function runRuleTests(paths: readonly string[], options: RuleTestOptions): RuleTests {
  const { cwd, rules, pattern } = options;
  const found = paths.map(testFilesIn);
  const files = [...new Set(found.flatMap(({ tests }) => tests))].map((path): TestFileResult => {
    const { name, tests, diagnostics } = readTestFile(path, { cwd, rules, series: { expand: expandSeries, feeds } });
    const wanted = tests.filter((test) => isWanted(`${name} > ${test.name}`, pattern));
    const results = wanted.map((test) => ({ name: test.name, mismatches: runScenario(test, meaningOfStatus) }));
    return { name, diagnostics, results };
  });
  const untested = found.flatMap((one) => one.untested).map((path) => relative(cwd, path) || path);
  return { files, untested: [...new Set(untested)] };
}

function isWanted(title: string, pattern: string | undefined): boolean {
  return pattern === undefined || title.includes(pattern) || matchesGlob(title, pattern);
}

interface Found {
  readonly tests: readonly string[];
  readonly untested: readonly string[];
}

const TEST = /\.test\.ya?ml$/;

/** A folder's `*.test.yaml` in order of name, a test file itself, or the tests of a rule file. */
function testFilesIn(path: string): Found {
  try {
    if (!statSync(path).isDirectory()) return TEST.test(path) ? { tests: [path], untested: [] } : testsOf(path);
    const names = readdirSync(path)
      .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith("."))
      .sort();
    const rules = names.filter((name) => !TEST.test(name)).map((name) => testsOf(join(path, name)));
    const tests = names.filter((name) => TEST.test(name)).map((name) => join(path, name));
    return { tests, untested: rules.flatMap(({ untested }) => untested) };
  } catch (error) {
    throw new TocsinError("E105", `cannot read the tests at ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function testsOf(rulesPath: string): Found {
  const tests = testNamesOf(rulesPath).filter((path) => existsSync(path));
  return { tests, untested: tests.length === 0 ? [rulesPath] : [] };
}

/** Names under which a rule file's tests are looked for. */
function testNamesOf(rulesPath: string): string[] {
  const stem = rulesPath.slice(0, rulesPath.length - (/\.ya?ml$/.exec(basename(rulesPath))?.[0].length ?? 0));
  return [`${stem}.test.yaml`, `${stem}.test.yml`];
}
