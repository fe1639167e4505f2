import type { SourceEntry } from "../model/source.ts";

/** What is known of a source, for people; nothing in it is a secret. */
export interface SourceStatus {
  readonly name: string;
  readonly kind: SourceEntry["kind"];
  /** Path, host and port, or URL, without secrets. */
  readonly address: string;
  readonly ok: boolean;
  /** Empty: all is well. */
  readonly code: string;
  readonly reason: string;
  /** HAProxy's own; empty: it has not answered yet, or does not say. */
  readonly version: string;
  /** The process that answered last; `undefined`: none has, or it does not say. */
  readonly pid: number | undefined;
  /** At its last answer, seconds. */
  readonly uptimeS: number | undefined;
  /** When it started, epoch ms: to a second or two. */
  readonly since: number | undefined;
  /** In the last answer, also those of no cluster. */
  readonly rows: number;
  readonly unmapped: readonly string[];
  readonly skippedRows: number;
  /** Scrapes that failed since the start; ticks at which it was left alone are none. */
  readonly errors: number;
  /** How long the last scrape took, ms. */
  readonly durationMs: number;
  readonly hints?: readonly string[];
}
