/** All rule files of a folder, or those named: clusters, receivers, and every mistake of every file at once. */

import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { matchesGlob } from "../lib/globs.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { ReceiverDirectory } from "../ports.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { LoadedCluster, RuleDefaults } from "./ruleFile.ts";
import { readRuleFile } from "./ruleFile.ts";
import { expandSecrets } from "./secrets.ts";
import { YamlFile } from "./yamlFile.ts";

export interface LoadedRules {
  readonly clusters: readonly LoadedCluster[];
  readonly diagnostics: readonly Diagnostic[];
  readonly files: number;
}

/** Reads files and the rule files of folders. Throws `E105` when a path cannot be listed. */
export function loadRules(paths: readonly string[], cwd: string, defaults: RuleDefaults): LoadedRules {
  const files = paths
    .flatMap((path) => ruleFilesIn(path))
    .map((path) => YamlFile.read(path, relative(cwd, path) || path));
  const clusters = files.flatMap((file) => readRuleFile(file, defaults) ?? []);
  checkAcross(clusters);
  const diagnostics = files.flatMap((file) => file.diagnostics);
  return { clusters, diagnostics, files: files.length };
}

/** A folder's `*.yaml` in order of name (their tests, `*.test.yaml`, aside), or the file itself. */
function ruleFilesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => /\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name) && !name.startsWith("."))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw new TocsinError("E105", `cannot read the rules at ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** What no file can see alone: one cluster in two files, one row in two clusters. */
function checkAcross(clusters: readonly LoadedCluster[]): void {
  const byId = new Map<string, LoadedCluster>();
  for (const cluster of clusters) {
    const { clusterId } = cluster.rules;
    const other = byId.get(clusterId);
    if (other)
      cluster.file.error(
        ["cluster_id"],
        "E207",
        `cluster ${clusterId} is also in ${other.file.name}`,
        "one file for each cluster",
      );
    else byId.set(clusterId, cluster);
  }
  clusters.forEach((cluster, index) => {
    cluster.rules.rows.forEach((row, at) => {
      const claimed = clusters
        .slice(0, index)
        .find((other) => other.rules.rows.some((theirs) => overlaps(row, theirs)));
      if (claimed)
        cluster.file.error(
          ["haproxy", at],
          "E208",
          `these rows belong to the cluster of ${claimed.file.name} already`,
          "a row belongs to one cluster only",
        );
    });
  });
}

type Row = ClusterRules["rows"][number];

/** Both patterns surely match a common row: one of them matches the other's text. */
function overlaps(a: Row, b: Row): boolean {
  const kinds = a.kind === b.kind || a.kind === "proxy" || b.kind === "proxy";
  const names = matchesGlob(a.pattern, b.pattern) || matchesGlob(b.pattern, a.pattern);
  const sources =
    a.source === undefined ||
    b.source === undefined ||
    matchesGlob(a.source, b.source) ||
    matchesGlob(b.source, a.source);
  return kinds && names && sources;
}

/** Finds a receiver's address when it is needed: secrets are read then, and kept nowhere. */
export function receiverDirectory(
  clusters: readonly LoadedCluster[],
  environment: Readonly<Record<string, string | undefined>>,
): ReceiverDirectory {
  const byCluster = new Map(clusters.map(({ rules, receivers }) => [rules.clusterId, receivers]));
  return {
    resolve(clusterId, name) {
      const receiver = byCluster.get(clusterId)?.get(name);
      if (!receiver) return undefined;
      const headers = Object.entries(receiver.headers).map(([header, value]) => [
        header.toLowerCase(),
        expandSecrets(value, environment),
      ]);
      return {
        url: expandSecrets(receiver.url, environment),
        headers: Object.fromEntries(headers) as Record<string, string>,
        timeoutMs: receiver.timeoutS * 1000,
      };
    },
  };
}
