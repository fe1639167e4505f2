/** All rule files of a folder, or those named: clusters, receivers, and every mistake of every file at once. */

import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { clashBetween, overlapsWith } from "./clash.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { LoadedCluster, RuleDefaults } from "./ruleFile.ts";
import { readRuleFile } from "./ruleFile.ts";
import { YamlFile } from "./yamlFile.ts";

export interface LoadedRules {
  readonly clusters: readonly LoadedCluster[];
  readonly diagnostics: readonly Diagnostic[];
  readonly files: number;
}

/** Reads files and the rule files of folders; a path where there is nothing is a file that cannot be read. */
export function loadRules(paths: readonly string[], cwd: string, defaults: RuleDefaults): LoadedRules {
  const files = paths
    .flatMap((path) => ruleFilesIn(path))
    .map((path) => YamlFile.read(path, relative(cwd, path) || path));
  return readAll(files, defaults);
}

/** The text of a rule file that is not, or no longer, on disk under its name. */
export interface RuleText {
  /** As shown to people. */
  readonly name: string;
  readonly text: string;
}

/** Reads rule files from their texts: as `loadRules` does from disk. */
export function loadRuleTexts(texts: readonly RuleText[], defaults: RuleDefaults): LoadedRules {
  return readAll(
    texts.map(({ name, text }) => YamlFile.parse(text, name)),
    defaults,
  );
}

/** Reads one rule file from its text; it knows nothing of other files, so that clashes with them are not seen. */
export function loadRuleText(
  name: string,
  text: string,
  defaults: RuleDefaults,
): { readonly cluster: LoadedCluster | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const { clusters, diagnostics } = loadRuleTexts([{ name, text }], defaults);
  return { cluster: clusters[0], diagnostics };
}

function readAll(files: readonly YamlFile[], defaults: RuleDefaults): LoadedRules {
  const clusters = files.flatMap((file) => readRuleFile(file, defaults) ?? []);
  checkAcross(clusters);
  const diagnostics = files.flatMap((file) => file.diagnostics);
  return { clusters, diagnostics, files: files.length };
}

/** Whether a file of that name in the rules folder holds rules: tests and hidden files do not. */
export function isRuleFile(name: string): boolean {
  return /\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name) && !name.startsWith(".");
}

/** A folder's `*.yaml` in order of name (their tests, `*.test.yaml`, aside), or the file itself. */
function ruleFilesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter(isRuleFile)
      .sort()
      .map((name) => join(path, name));
  } catch {
    return [path];
  }
}

/** What no file can see alone: one cluster in two files, one row in two clusters. The first file has it. */
function checkAcross(clusters: readonly LoadedCluster[]): void {
  clusters.forEach(({ rules, file }, index) => {
    for (const other of clusters.slice(0, index)) {
      const clash = clashBetween(rules, other.rules);
      if (clash) file.error(clash.path, clash.code, clash.message, clash.hint);
      else
        for (const { path, message, hint } of overlapsWith(rules, other.rules)) file.warn(path, "W009", message, hint);
    }
  });
}
