/** What the log says of rule files. */

import type { ClusterRules } from "../model/alarm.ts";
import type { Logger } from "../ports.ts";
import type { Clash } from "./clash.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { KnownFile, RuleChange, RuleNews, Version } from "./reconcile.ts";
import { YamlFile } from "./yamlFile.ts";

/** Tells one piece of news. `shownAs`: a file's name for people. */
export function tellNews(log: Logger, news: RuleNews, shownAs: (name: string) => string): void {
  switch (news.kind) {
    case "trouble":
      if (news.reason === undefined) log.info("the rule files can be seen again");
      else log.error("the rule files cannot be seen: the rules in force stay", { reason: news.reason });
      break;
    case "broken":
      log.error("rule file is broken", unused(shownAs(news.file.name), news.file, news.diagnostics));
      break;
    case "refused":
      log.error(
        "rule file is refused",
        unused(shownAs(news.file.name), news.file, clashDiagnostics(news.version, news.clash)),
      );
      break;
    case "mended":
      log.info("rule file is in order again", { file: shownAs(news.file.name) });
      break;
    case "gone":
      log.warn("rule file is gone: its alarms are retired if it does not come back", { file: shownAs(news.file.name) });
      break;
  }
}

function unused(file: string, { good }: KnownFile, diagnostics: readonly Diagnostic[]) {
  const inForce = good ? "its last good version" : "nothing of it";
  return { file, in_force: inForce, errors: diagnostics.map(lineOf) };
}

/** Tells that a change has been applied. */
export function tellChange(log: Logger, change: RuleChange): void {
  const { clusterId: cluster_id } = change;
  if (change.kind === "retire") {
    const { file, alarms } = change.before.cluster.rules;
    log.warn("alarms retired", { file, cluster_id, removed: alarms.map(({ name }) => name) });
    return;
  }
  const { rules } = change.version.cluster;
  log.info("rules applied", { file: rules.file, cluster_id, ...alarmChanges(change.before?.cluster.rules, rules) });
  const warnings = change.version.warnings.map(lineOf);
  if (warnings.length > 0) log.warn("rule file has warnings", { file: rules.file, warnings });
}

/** Names of the alarms that are new, not what they were, and gone. */
function alarmChanges(before: ClusterRules | undefined, after: ClusterRules) {
  const old = new Map(before?.alarms.map((alarm) => [alarm.id, alarm]));
  const ids = new Set(after.alarms.map(({ id }) => id));
  return {
    added: after.alarms.filter(({ id }) => !old.has(id)).map(({ name }) => name),
    changed: after.alarms
      .filter((alarm) => old.has(alarm.id) && JSON.stringify(old.get(alarm.id)) !== JSON.stringify(alarm))
      .map(({ name }) => name),
    removed: [...old.values()].filter(({ id }) => !ids.has(id)).map(({ name }) => name),
  };
}

/** A clash with its place in the newcomer's text. */
export function clashDiagnostics(version: Version, { path, code, message, hint }: Clash): readonly Diagnostic[] {
  const file = YamlFile.parse(version.text, version.cluster.rules.file);
  file.error(path, code, message, hint);
  return file.diagnostics;
}

/** Without the line of the file itself, which may hold a URL. */
function lineOf({ line, column, code, message, hint }: Diagnostic): string {
  return `${line}:${column} ${code} ${message}${hint === undefined ? "" : `: ${hint}`}`;
}
