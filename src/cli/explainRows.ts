/** `tocsin collect --once --explain`, for people. */

import type { ExplainedSource, Explanation } from "../explainedRows.ts";
import { formatDuration } from "../lib/durations.ts";
import { printableLine } from "./printable.ts";
import { shortIds } from "./shortened.ts";
import { formatTable } from "./table.ts";

/** For people. Long ids are cut to their first eight characters where nobody has to copy them. */
export function explanationText({ sources, claimed_twice: claims, unmapped }: Explanation): string {
  const away = sources.filter(({ ok, quiet, code }) => !ok && quiet && code === "absent");
  const shown = sources.filter((source) => !away.includes(source));
  const blocks = shown.map(sourceText);
  if (away.length > 0) {
    const places = away.map(({ name, address }) => [`  ${name}`, address] as const);
    blocks.push(["Well-known sockets that are not here:", ...columns(places)].join("\n"));
  }
  if (claims.length > 0)
    blocks.push(
      claims
        .map(({ source, proxy, file, others }) => {
          const also = `${others.join(", ")} ${others.length === 1 ? "claims" : "claim"}`;
          return `error  ${source}: rows of ${proxy} belong to ${file}, and ${also} them, too: a row belongs to one cluster only`;
        })
        .join("\n"),
    );
  if (unmapped.proxies.length > 0) blocks.push(unmappedText(unmapped));
  if (sources.length === 0) blocks.push("No source is configured.");
  return blocks.join("\n\n");
}

function sourceText(source: ExplainedSource): string {
  const { name, address, ok, code, reason, version, rows, duration_ms: ms, uptime_s: uptimeS, skipped } = source;
  const title = name.endsWith(address) ? name : `${name}  ${address}`;
  const hints = source.hints.map((hint) => `  hint: ${hint}`);
  if (!ok) return [`${title}  FAILED: ${code}`, `  ${printableLine(reason)}`, ...hints].join("\n");
  const age = uptimeS === undefined ? "" : `, up ${formatDuration(uptimeS * 1000)}`;
  const facts = `HAProxy ${version || "of unknown version"}${age}: ${count(rows, "row")} in ${ms} ms`;
  const table = source.proxies.map(({ proxy, rows: kinds, servers, cluster_name: cluster, by }) => [
    shortIds(proxy),
    kinds.join("+"),
    servers === undefined ? "-" : String(servers),
    shortIds(cluster ?? "-"),
    shortIds(by ?? "no rule has it"),
  ]);
  return [
    `${title}  ok`,
    `  ${facts}`,
    ...(table.length > 0 ? ["", indented(formatTable(["PROXY", "ROWS", "SERVERS", "CLUSTER", "BY"], table)), ""] : []),
    ...(source.ignored.length > 0 ? [`  ignored: ${source.ignored.map(shortIds).join(", ")}`] : []),
    ...(skipped > 0 ? [`  ${count(skipped, "line")} skipped that ${skipped === 1 ? "is no row" : "are no rows"}`] : []),
    ...hints,
  ]
    .join("\n")
    .trimEnd();
}

function unmappedText({ proxies, haproxy, families }: Explanation["unmapped"]): string {
  const lines = [
    `${count(proxies.length, "proxy", "proxies")} of no cluster. For a rule file, one for each cluster:`,
    "",
  ];
  lines.push("haproxy:", ...haproxy.map((line) => `  ${line}`));
  if (families.length > 0) lines.push("", "Or for all of that kind at once, in tocsin.yaml:", "");
  if (families.length > 0) lines.push("collector:", "  families:", ...families.map((line) => `    ${line}`));
  return lines.join("\n");
}

function count(n: number, word: string, words = `${word}s`): string {
  return `${n} ${n === 1 ? word : words}`;
}

function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `${first.padEnd(width)}  ${second}`);
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}
