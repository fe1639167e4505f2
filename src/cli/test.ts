/** `tocsin test [PATH…]`: plays the tests of rule files and tells what came out otherwise than expected. */

import { resolve } from "node:path";
import { formatDiagnostic } from "../config/diagnostics.ts";
import { ruleDefaults } from "../config/ruleDefaults.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../ports.ts";
import type { TestFileResult, TestResult } from "../ruleTests.ts";
import { runRuleTests } from "../ruleTests.ts";
import type { World } from "./context.ts";
import { EXIT } from "./context.ts";

/** Prints a line for each file, a table for each test that failed and a summary; 1 when any failed, 2 when `--run` fits none. */
export function test(
  world: World,
  settings: Settings,
  paths: readonly string[],
  flags: { readonly run?: string },
  clock: Clock,
): number {
  const startedMs = clock.monotonic();
  const places = paths.length > 0 ? paths.map((path) => resolve(world.cwd, path)) : [settings.rulesPath];
  const { files, untested } = runRuleTests(places, {
    cwd: world.cwd,
    pattern: flags.run,
    rules: ruleDefaults(settings, world.environment),
  });
  for (const file of files) tell(world, file);
  const results = files.flatMap((file) => file.results);
  if (flags.run === undefined)
    for (const name of untested) world.out(`${name} has no tests: write ${name.replace(/\.(ya?ml)$/, ".test.$1")}`);
  const failed = results.filter(isFailed).length;
  const broken = files.filter(({ diagnostics }) => diagnostics.length > 0).length;
  const seconds = ((clock.monotonic() - startedMs) / 1000).toFixed(1);
  const ofFiles = broken > 0 ? `, ${broken} ${broken === 1 ? "file" : "files"} with errors` : "";
  world.out(`${results.length} ${results.length === 1 ? "test" : "tests"}, ${failed} failed in ${seconds} s${ofFiles}`);
  if (failed > 0 || broken > 0) return EXIT.findings;
  if (flags.run === undefined || results.length > 0) return EXIT.ok;
  world.err(`tocsin: no test is named ${flags.run}`);
  return EXIT.usage;
}

function isFailed({ mismatches }: TestResult): boolean {
  return mismatches.length > 0;
}

function tell(world: World, { name, diagnostics, results }: TestFileResult): void {
  for (const diagnostic of diagnostics) world.out(`${formatDiagnostic(diagnostic)}\n`);
  if (results.length === 0) return;
  const failed = results.filter(isFailed);
  world.out(`${failed.length > 0 ? "FAIL" : "ok  "}  ${name}  ${results.length - failed.length}/${results.length}`);
  for (const one of failed) world.out(failureTable(name, one));
}

/** What was expected beside what there was, by time. */
export function failureTable(file: string, { name, mismatches }: TestResult): string {
  const head = ["AT", "EXPECTED", "GOT"] as const;
  const rows = mismatches.map(
    ({ at, expected, got }) => [timeOf(at), expected ?? "(nothing)", got ?? "(did not happen)"] as const,
  );
  const width = (column: 0 | 1) => Math.max(...[head, ...rows].map((row) => row[column].length));
  const [atWidth, expectedWidth] = [width(0), Math.min(width(1), 60)];
  const line = ([at, expected, got]: readonly [string, string, string]) => {
    // Long texts, such as reasons, stand below one another: it is there that they are compared.
    if (expected.length > expectedWidth)
      return `    ${at.padEnd(atWidth)}  expected  ${expected}\n    ${" ".repeat(atWidth)}  got       ${got}`;
    return `    ${at.padEnd(atWidth)}  ${expected.padEnd(expectedWidth)}  ${got}`;
  };
  return [`  ${file} > ${name}`, ...[head, ...rows].map(line), ""].join("\n");
}

/** A time as tests write it: `2m10s`. */
function timeOf(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [hours > 0 ? `${hours}h` : "", minutes > 0 ? `${minutes}m` : "", rest > 0 ? `${rest}s` : ""];
  return parts.join("") || "0s";
}
