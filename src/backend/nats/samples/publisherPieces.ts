/** Reports as messages that a server takes: as many together as fit, a large one in pieces. */

import { stalely } from "../../../model/staleSlice.ts";
import type { ClusterSlice } from "../../../model/tick.ts";
import type { Logger } from "../../../ports.ts";
import type { SampleMessage, WireReport } from "./wire.ts";
import { decodeMessage, encodeMessage } from "./wire.ts";
import { ServerLines } from "./wireUnpack.ts";

type Head = Omit<SampleMessage, "reports">;

/** A message as it is sent, and its number. */
export interface Fitted {
  readonly bytes: Uint8Array;
  readonly seq: number;
}

/**
 * Encodes them, each message at most `most` bytes; `next` begins each. Of a cluster that fits in no message rows by
 * themselves are left out, and if that is not enough it is reported as unknown.
 */
export function* fitted(
  reports: readonly WireReport[],
  next: () => Head,
  most: number,
  log: Logger,
): Generator<Fitted> {
  const whole = encoded(reports, next, most);
  const [first, ...others] = reports;
  if (whole) yield whole;
  else if (first && others.length > 0) {
    const half = Math.ceil(reports.length / 2);
    yield* fitted(reports.slice(0, half), next, most, log);
    yield* fitted(reports.slice(half), next, most, log);
  } else if (first?.outcome.ok) yield* pieces(first, first.outcome.slices, next, most, log);
}

/**
 * Encodes anew what was encoded for messages of another size; `next` numbers each. Empty: it cannot be made smaller, as a
 * piece of a report cannot.
 */
export function refitted(bytes: Uint8Array, next: () => number, most: number, log: Logger): readonly Fitted[] {
  const message = decodeMessage(bytes, new ServerLines());
  if (typeof message === "string") return [];
  const { reports, ...head } = message;
  if (bytes.length > most && reports.some(({ piece }) => piece)) return [];
  return [...fitted(reports, () => ({ ...head, seq: next() }), most, log)];
}

function encoded(reports: readonly WireReport[], next: () => Head, most: number): Fitted | undefined {
  const head = next();
  const bytes = encodeMessage({ ...head, reports }, most);
  return bytes && { bytes, seq: head.seq };
}

function* pieces(
  report: WireReport,
  slices: readonly ClusterSlice[],
  next: () => Head,
  most: number,
  log: Logger,
): Generator<Fitted> {
  for (let count = 2; count < 2 * slices.length; count *= 2) {
    const each = Math.ceil(slices.length / count);
    const messages = piecesOf(report, slices, each).map((piece) => encoded([piece], next, most));
    const fitting = messages.filter((message) => message !== undefined);
    if (fitting.length < messages.length) continue;
    yield* fitting;
    return;
  }
  const small = slices.map((slice) => smallEnough(report, slice, next, most, log));
  for (const piece of piecesOf(report, small, 1)) {
    const message = encoded([piece], next, most);
    if (message) yield message;
  }
}

function piecesOf(report: WireReport, slices: readonly ClusterSlice[], each: number): WireReport[] {
  const count = Math.ceil(slices.length / each);
  return Array.from({ length: count }, (_, index) => ({
    ...report,
    outcome: { ok: true, slices: slices.slice(index * each, (index + 1) * each) },
    piece: [index, count] as const,
  }));
}

function smallEnough(
  report: WireReport,
  slice: ClusterSlice,
  next: () => Head,
  most: number,
  log: Logger,
): ClusterSlice {
  const fits = (one: ClusterSlice) => {
    const piece = { ...report, outcome: { ok: true as const, slices: [one] }, piece: [9999, 10_000] as const };
    return encoded([piece], next, most) !== undefined;
  };
  if (fits(slice)) return slice;
  const { kept: _, ...rest } = slice;
  const isRest = fits(rest);
  const what = isRest ? "its rows by themselves are left out" : "it is reported as unknown";
  log.error("a cluster is too large for a message of the bus", {
    ...{ code: "E632", cluster_id: slice.clusterId, source: report.source, reason: what },
  });
  return isRest ? rest : stalely(slice);
}
