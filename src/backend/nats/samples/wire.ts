/**
 * Reports as they go over the bus: lines of JSON, deflated where that is worth it. The first line is the message, the
 * others are servers that it refers to. What comes in is checked whole before anything of it is believed.
 */

import { deflateSync, inflateSync } from "node:zlib";
import type { ScrapeReport, Tick } from "../../../model/tick.ts";
import { isStorable } from "../log/codecShape.ts";
import { pack } from "./wirePack.ts";
import type { ServerLines } from "./wireUnpack.ts";
import { Unreadable, unpack } from "./wireUnpack.ts";

/** What one message says: reports of one tick, of one agent. */
export interface SampleMessage {
  /** The agent's name, and its run: another after each start. */
  readonly agent: string;
  readonly run: string;
  /** Counts the messages of a run to one partition: 1, 2, 3, … */
  readonly seq: number;
  readonly intervalMs: number;
  readonly tick: Tick;
  /** Revision of the mappings that its rows were told by, 0: there was nothing in them; absent: of none. */
  readonly mapping?: number;
  readonly reports: readonly WireReport[];
}

/** A report without what the message says already. */
export interface WireReport extends Pick<ScrapeReport, "source" | "durationMs" | "outcome"> {
  /** Which piece of how many: one that is too large for a message comes in several, in order. */
  readonly piece?: readonly [index: number, count: number];
}

/** Header of every message: ms from the instant of the tick's label to publishing. */
export const SINCE_HEADER = "Tocsin-Since";

const VERSION = 1;
/** From here on deflating saves more than it costs, bytes. */
const DEFLATE_FROM = 1024;
/** Text of one message at the most, bytes: what a megabyte can be inflated to is much more. */
const MOST_TEXT = 32 * 1024 * 1024;
const MOST_TEXT_FIELD = 8192;
/** What text begins with; what is deflated begins otherwise. */
const BRACE = 0x7b;

/** `undefined`: it is larger than `most` bytes, or than anybody would inflate it. */
export function encodeMessage({ reports, ...head }: SampleMessage, most: number): Uint8Array | undefined {
  const { lines, ...packed } = pack(reports);
  const text = Buffer.from([JSON.stringify({ v: VERSION, ...head, ...packed }), ...lines].join("\n"));
  if (text.length > MOST_TEXT) return undefined;
  const bytes = text.length < DEFLATE_FROM ? text : deflateSync(text, { level: 1 });
  return bytes.length <= most ? bytes : undefined;
}

/** The message, or in words why it is none. Never throws. `known`: servers that were read before. */
export function decodeMessage(data: Uint8Array, known: ServerLines): SampleMessage | string {
  try {
    const text = data[0] === BRACE ? data : inflateSync(data, { maxOutputLength: MOST_TEXT });
    const lines = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("utf8").split("\n");
    return messageFrom(JSON.parse(lines[0] ?? ""), lines.slice(1), known);
  } catch (error) {
    return error instanceof Unreadable ? error.message : "it is no JSON, deflated or not";
  }
}

function messageFrom(value: unknown, lines: readonly string[], known: ServerLines): SampleMessage {
  if (typeof value !== "object" || value === null) throw new Unreadable("it is no object");
  const { v, agent, run, seq, intervalMs, tick, mapping, shapes, reports } = Object.fromEntries(Object.entries(value));
  if (v !== VERSION) throw new Unreadable("it is of another version");
  if (!isText(agent) || !isText(run) || !isCount(seq) || !isCount(intervalMs))
    throw new Unreadable("it does not say whose it is");
  if (mapping !== undefined && !(isWhole(mapping) && mapping >= 0)) throw new Unreadable("its mapping is no revision");
  const own = { agent, run, seq, intervalMs, tick: tickFrom(tick), reports: unpack(shapes, reports, lines, known) };
  return mapping === undefined ? own : { ...own, mapping };
}

function tickFrom(value: unknown): Tick {
  if (typeof value !== "object" || value === null) throw new Unreadable("it has no tick");
  const { number, at } = Object.fromEntries(Object.entries(value));
  if (!isWhole(number) || !isWhole(at)) throw new Unreadable("it has no tick");
  return { number, at };
}

/** Of the header: `undefined` when it says nothing that can be. */
export function sinceOf(header: string | undefined): number | undefined {
  const sinceMs = Number(header === undefined || header === "" ? Number.NaN : header);
  return Number.isFinite(sinceMs) && Math.abs(sinceMs) < 1e12 ? sinceMs : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MOST_TEXT_FIELD && isStorable(value);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): value is number {
  return isWhole(value) && value > 0;
}
