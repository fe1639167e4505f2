/** What people are told of the sources: their status, and in the log every change once. */

import type { SourceEntry } from "../model/source.ts";
import type { ProcessIdentity } from "../model/tick.ts";
import type { Logger } from "../ports.ts";
import type { Mapping } from "./mapping.ts";
import { elapsed } from "./process.ts";
import type { Answered, Scrape, Source } from "./source.ts";
import type { SourceStatus } from "./status.ts";
import { sameProcess } from "./twins.ts";

/** A process that answered, and when it was asked. */
type Seen = Pick<Answered, "process" | "askedMs">;

export class Journal {
  readonly #log: Logger;
  readonly #status = new Map<string, SourceStatus>();
  readonly #seen = new Map<string, Seen>();

  constructor(log: Logger) {
    this.#log = log;
  }

  status(): readonly SourceStatus[] {
    return [...this.#status.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** It is no source any more. */
  forget(name: string): void {
    this.#status.delete(name);
    this.#seen.delete(name);
  }

  /** Takes a scrape; `other`: the source that reports for the same process. Says what changed. */
  add(entry: SourceEntry, source: Source, scrape: Scrape, other: string | undefined, mapping: Mapping): void {
    const { name, address } = source;
    const before = this.#status.get(name);
    const { answered } = scrape;
    const seen = this.#seen.get(name);
    const isAnother = seen !== undefined && answered !== undefined && areTwo(seen, answered);
    const now = statusOf(entry, source, scrape, other, mapping, isAnother ? { ...before, ...NOBODY } : before);
    this.#status.set(name, now);
    if (answered) this.#seen.set(name, answered);
    const { ok, code, reason } = now;
    if (code !== (before?.code ?? "") || (!before && ok)) {
      if (ok && code !== "") this.#log.warn("source is not used", { source: name, reason });
      else if (ok) this.#log.info("source answers", { source: name, kind: entry.kind, address });
      else if (!(entry.quiet && code === "absent" && !before?.ok))
        this.#log.warn("source does not answer", { source: name, code, reason });
    }
    if (isAnother) {
      // Not "pid": that is ours in a log.
      const pids = { pid_before: seen.process.pid, pid_after: now.pid };
      this.#log.info("source answers with another process", { source: name, ...pids, uptime_s: now.uptimeS });
    }
    if (mapping.warnsOfUnmapped && now.unmapped.length > 0 && now.unmapped.join() !== (before?.unmapped ?? []).join()) {
      this.#log.warn("proxies that no rule file maps", {
        source: name,
        proxies: now.unmapped.slice(0, 20),
        count: now.unmapped.length,
      });
    }
    if (now.skippedRows > 0 && now.skippedRows !== before?.skippedRows) {
      this.#log.warn("rows skipped: another number of fields than the header, or an unknown type", {
        source: name,
        rows: now.skippedRows,
      });
    }
  }
}

/** What was known of a process does not hold for the next one. */
const NOBODY = { pid: undefined, uptimeS: undefined, since: undefined } as const;

/** Whether these are two processes, as far as they tell themselves. */
function areTwo(seen: Seen, now: Seen): boolean {
  return elapsed(seen.process, now.process, false, (now.askedMs - seen.askedMs) / 1000).same === false;
}

/** When the process that answered at a tick started, epoch ms; `undefined`: it does not say. */
function startOf({ startTimeS, uptimeS }: ProcessIdentity, at: number): number | undefined {
  if (startTimeS !== undefined) return startTimeS * 1000;
  return uptimeS === undefined ? undefined : at - uptimeS * 1000;
}

function statusOf(
  entry: SourceEntry,
  { name, address }: Source,
  { report, answered, hints, isRepeated }: Scrape,
  other: string | undefined,
  mapping: Mapping,
  before: Partial<SourceStatus> | undefined,
): SourceStatus {
  const { outcome, tick } = report;
  const twice = other === undefined ? "" : sameProcess(other);
  const isNewFailure = !outcome.ok && !isRepeated;
  return {
    name,
    kind: entry.kind,
    address,
    ok: outcome.ok,
    code: outcome.ok ? twice && "duplicate" : outcome.code,
    reason: outcome.ok ? twice : outcome.reason,
    version: answered?.version ?? before?.version ?? "",
    pid: answered ? answered.process.pid : before?.pid,
    uptimeS: answered ? answered.process.uptimeS : before?.uptimeS,
    since: before?.since ?? (answered && startOf(answered.process, tick.at)),
    rows: answered?.rows ?? before?.rows ?? 0,
    unmapped: answered?.unmapped.filter((proxy) => !mapping.isIgnored(proxy)) ?? before?.unmapped ?? [],
    skippedRows: answered?.skippedRows ?? 0,
    errors: (before?.errors ?? 0) + (isNewFailure ? 1 : 0),
    durationMs: isRepeated ? (before?.durationMs ?? 0) : report.durationMs,
    ...(hints.length > 0 ? { hints } : {}),
  };
}
