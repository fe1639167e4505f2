/**
 * One request that writes lines, and what its answer means. The client serializes nothing and retries nothing here: it
 * sends one text and says how that ended. (Left to itself it drops batches after five failures, reads `Retry-After` as
 * milliseconds, and has no bound of requests under way.)
 */

import { HttpError, InfluxDB } from "@influxdata/influxdb-client";
import { parseHttpDate } from "../../lib/clock.ts";
import { messageOf, TocsinError } from "../../lib/errors.ts";
import type { Clock } from "../../ports.ts";
import { reasonIn } from "./answer.ts";
import type { Flavor, InfluxServer } from "./server.ts";
import { failureOf, masked } from "./server.ts";

/** How a request ended. */
export type Written =
  | { readonly kind: "written" }
  /** Some lines are bad; others may have been stored. */
  | { readonly kind: "bad"; readonly reason: string }
  | { readonly kind: "too large"; readonly reason: string }
  /** It is there, and does not let us. */
  | { readonly kind: "refused"; readonly code: "E205" | "E671" | "E672"; readonly reason: string }
  /** It may take them later. `afterMs`: not before. */
  | { readonly kind: "away"; readonly reason: string; readonly afterMs?: number };

/** Nobody is waited for longer than that, whatever he says, ms. */
const MOST_AFTER_MS = 300_000;

/** `lines`: one or more, each ended but the last. `ended`: nobody waits for it any more. Never rejects. */
export async function writeLines(
  server: InfluxServer,
  lines: string,
  clock: Clock,
  ended: AbortSignal,
): Promise<Written> {
  let secrets: readonly string[] = [];
  const { settings } = server;
  const stop = new AbortController();
  let deadline: { cancel(): void } | undefined;
  let failure: Error | undefined;
  try {
    const access = server.access();
    secrets = access.secrets;
    const flavor = await server.flavor();
    const influx = new InfluxDB({
      url: settings.url,
      timeout: settings.timeoutMs,
      headers: access.authorization === undefined ? {} : { authorization: access.authorization },
      transportOptions: {
        signal: AbortSignal.any([stop.signal, ended]),
        ...(access.ca === undefined ? {} : { ca: access.ca }),
      },
    });
    const api = influx.getWriteApi("", "", "ns", {
      // One record, which is flushed by hand.
      batchSize: 2,
      maxBatchBytes: Number.MAX_SAFE_INTEGER,
      flushInterval: 0,
      maxRetries: 0,
      gzipThreshold: Number.MAX_SAFE_INTEGER,
      async writeFailed(error) {
        failure = error;
      },
    });
    api.path = pathOf(flavor, server);
    deadline = clock.after(settings.timeoutMs, () => stop.abort());
    api.writeRecord(lines);
    await api.flush();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(messageOf(error));
  } finally {
    deadline?.cancel();
  }
  if (failure === undefined) return { kind: "written" };
  const meaning = meaningOf(failure, clock.now(), stop.signal.aborted ? settings.timeoutMs : undefined);
  return "reason" in meaning ? { ...meaning, reason: masked(meaning.reason, secrets) } : meaning;
}

function pathOf(flavor: Flavor, { settings }: InfluxServer): string {
  const { database, retentionPolicy, org } = settings;
  if (flavor === 1) {
    const rp = retentionPolicy === undefined ? {} : { rp: retentionPolicy };
    return `/write?${new URLSearchParams({ db: database, ...rp, precision: "ns" })}`;
  }
  const bucket = retentionPolicy === undefined ? database : `${database}/${retentionPolicy}`;
  return `/api/v2/write?${new URLSearchParams({ ...(org === undefined ? {} : { org }), bucket, precision: "ns" })}`;
}

/** `timeoutMs`: it was ended by us after so long. */
function meaningOf(failure: Error, now: number, timeoutMs: number | undefined): Written {
  if (timeoutMs !== undefined) return { kind: "away", reason: `no answer within ${timeoutMs / 1000} s` };
  if (failure instanceof TocsinError) {
    const { code } = failure;
    const isRefused = code === "E205" || code === "E671" || code === "E672";
    return isRefused
      ? { kind: "refused", code, reason: failure.message }
      : { kind: "away", reason: failure.message.replace(/^the store of series does not answer: /, "") };
  }
  if (!(failure instanceof HttpError)) return { kind: "away", reason: failureOf(failure) };
  const status = failure.statusCode;
  const reason = `it answered ${status}: ${reasonIn(failure.body ?? failure.message)}`;
  switch (status) {
    case 400:
    case 422:
      return { kind: "bad", reason };
    case 413:
      return { kind: "too large", reason };
    case 401:
    case 403:
      return { kind: "refused", code: "E671", reason };
    case 404:
      return { kind: "refused", code: "E672", reason };
    default: {
      const afterMs = afterOf(failure.headers?.["retry-after"], now);
      return { kind: "away", reason, ...(afterMs === undefined ? {} : { afterMs }) };
    }
  }
}

/** `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). */
function afterOf(header: unknown, now: number): number | undefined {
  if (typeof header !== "string") return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseHttpDate(text) - now;
  return Number.isFinite(ms) ? Math.max(0, Math.min(MOST_AFTER_MS, ms)) : undefined;
}
