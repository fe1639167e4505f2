/** Reports out of what came over the bus, each field checked: whoever may publish may publish anything. */

import type { MemberState } from "../../../model/memberState.ts";
import { MEMBER_STATES } from "../../../model/memberState.ts";
import type { Baseline, ClusterSlice, MeanPart, RowKind, RowSample, ServerParts } from "../../../model/tick.ts";
import { isStorable } from "../log/codecShape.ts";
import type { WireReport } from "./wire.ts";
import type { Shape } from "./wirePack.ts";
import { FLAG } from "./wirePack.ts";

/** Thrown inside of here alone: what it says is told of the message. */
export class Unreadable extends Error {}

/** Names, ids and paths at the most. */
const MOST_TEXT = 8192;
const MOST_PIECES = 10_000;

/** The servers of a cluster. */
type Servers = Pick<ClusterSlice, "members" | "proxies">;

/** Servers that were read before, by their text: of those that do not change the same objects come again. */
export class ServerLines {
  readonly #known = new Map<string, Servers>();
  #characters = 0;

  read(line: string): Servers {
    const known = this.#known.get(line);
    if (known) return known;
    const servers = serversFrom(line);
    this.#characters += line.length;
    if (this.#characters > MOST_REMEMBERED) {
      this.#known.clear();
      this.#characters = line.length;
    }
    this.#known.set(line, servers);
    return servers;
  }
}

/** Texts that are remembered, characters. */
const MOST_REMEMBERED = 16 * 1024 * 1024;

/** Throws `Unreadable`. */
export function unpack(shapes: unknown, reports: unknown, lines: readonly string[], known: ServerLines): WireReport[] {
  const unpacker = new Unpacker(listOf(shapes, "shapes").map(shapeFrom), lines, known);
  return listOf(reports, "reports").map((report) => unpacker.report(report));
}

class Unpacker {
  readonly #shapes: readonly Shape[];
  readonly #lines: readonly string[];
  readonly #known: ServerLines;

  constructor(shapes: readonly Shape[], lines: readonly string[], known: ServerLines) {
    this.#shapes = shapes;
    this.#lines = lines;
    this.#known = known;
  }

  report(value: unknown): WireReport {
    const [source, durationMs, said, piece] = listOf(value, "a report");
    const own = { source: nameFrom(source), durationMs: amountFrom(durationMs), outcome: this.#outcome(said) };
    return piece === undefined ? own : { ...own, piece: pieceFrom(piece) };
  }

  #outcome(value: unknown): WireReport["outcome"] {
    if (Array.isArray(value)) return { ok: true, slices: value.map((slice) => this.#slice(slice)) };
    const { ok, code, reason, away } = mapOf(value, "an outcome");
    if (ok !== false || (away !== undefined && away !== true)) throw new Unreadable("an outcome is none");
    const failure = { ok, code: wordsFrom(code), reason: wordsFrom(reason) } as const;
    return away ? { ...failure, away } : failure;
  }

  #slice(value: unknown): ClusterSlice {
    const [clusterId, coveredS, flags, parts, line, baseline, counts, raw, servers, kept] = listOf(value, "a slice");
    const [rowCount = null, resets = null, skipped = null] = listOf(counts, "counts");
    const text = this.#lines[countFrom(line)];
    if (text === undefined) throw new Unreadable("servers are missing");
    return {
      clusterId: nameFrom(clusterId),
      coveredS: amountFrom(coveredS),
      ...this.#parts(parts),
      ...this.#known.read(text),
      ...(raw === null ? {} : { raw: numbersFrom(raw) }),
      ...(servers === null ? {} : { servers: this.#servers(servers) }),
      ...(rowCount === null ? {} : { rowCount: amountFrom(rowCount) }),
      ...(resets === null ? {} : { resets: amountFrom(resets) }),
      ...(skipped === null ? {} : { skipped: amountFrom(skipped) }),
      ...(kept === null ? {} : { kept: listOf(kept, "rows").map((row) => this.#row(row)) }),
      ...flagsFrom(flags),
      baseline: baselineFrom(baseline),
    };
  }

  #servers(value: unknown): NonNullable<ClusterSlice["servers"]> {
    return Object.fromEntries(
      listOf(value, "servers").map((server) => {
        const [name, parts] = listOf(server, "a server");
        return [labelFrom(name), this.#parts(parts)];
      }),
    );
  }

  #row(value: unknown): RowSample {
    const [resource, kind, parts, state] = listOf(value, "a row");
    if (!isKind(kind)) throw new Unreadable("a row is of no kind");
    const row = { resource: labelFrom(resource), kind, ...this.#parts(parts) };
    if (state === undefined) return row;
    const known = MEMBER_STATES.find((one) => one === state);
    if (known === undefined) throw new Unreadable("a server is in no state");
    return { ...row, state: known };
  }

  #parts(value: unknown): ServerParts {
    const values = listOf(value, "values");
    const shape = this.#shapes[countFrom(values[0])];
    if (!shape) throw new Unreadable("a shape is missing");
    const [increaseNames, sumNames, meanNames] = shape;
    if (values.length !== 1 + increaseNames.length + sumNames.length + 2 * meanNames.length)
      throw new Unreadable("values are of another shape");
    const increases: Record<string, number> = {};
    const sums: Record<string, number> = {};
    const means: Record<string, MeanPart> = {};
    let at = 1;
    for (const name of increaseNames) {
      const number = values[at++];
      if (number !== null) increases[name] = amountFrom(number);
    }
    for (const name of sumNames) {
      const number = values[at++];
      if (number !== null) sums[name] = numberFrom(number);
    }
    for (const name of meanNames) {
      const [sum, weight] = [values[at++], values[at++]];
      if (sum !== null && weight !== null) means[name] = { sum: numberFrom(sum), weight: numberFrom(weight) };
    }
    return { increases, sums, means };
  }
}

function shapeFrom(value: unknown): Shape {
  const [increases, sums, means] = listOf(value, "a shape").map((names) => listOf(names, "names").map(meterFrom));
  if (!increases || !sums || !means) throw new Unreadable("a shape is none");
  return [increases, sums, means];
}

/** A name that is assigned to: `__proto__` would be swallowed. */
function meterFrom(value: unknown): string {
  const name = nameFrom(value);
  if (name === "__proto__") throw new Unreadable("a meter has no name of a meter");
  return name;
}

function serversFrom(line: string): Servers {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Unreadable("servers are no JSON");
  }
  const [names, states, runs] = listOf(value, "servers");
  const own = listOf(names, "names").map(labelFrom);
  if (typeof states !== "string" || states.length !== own.length) throw new Unreadable("servers have no states");
  const members = Object.fromEntries(own.map((name, index): [string, MemberState] => [name, stateFrom(states[index])]));
  if (runs === null) return { members };
  const proxies: [string, string][] = [];
  let at = 0;
  for (const run of listOf(runs, "proxies")) {
    const [proxy, count] = listOf(run, "a proxy");
    const end = at + countFrom(count);
    if (end > own.length) throw new Unreadable("there are more proxies than servers");
    for (; at < end; at++) if (proxy !== null) proxies.push([own[at] ?? "", labelFrom(proxy)]);
  }
  return { members, proxies: Object.fromEntries(proxies) };
}

function stateFrom(digit: string | undefined): MemberState {
  const state = MEMBER_STATES[Number(digit)];
  if (state === undefined) throw new Unreadable("a server is in no state");
  return state;
}

type Flags = Pick<ClusterSlice, "reload" | "gap" | "open" | "moved" | "stale" | "fresh">;

function flagsFrom(value: unknown): Flags {
  const flags = countFrom(value);
  const has = (flag: number) => (flags & flag) !== 0;
  return {
    ...(has(FLAG.fresh) ? { fresh: true } : has(FLAG.notFresh) ? { fresh: false } : {}),
    reload: has(FLAG.reload),
    gap: has(FLAG.gap),
    open: has(FLAG.open),
    moved: has(FLAG.moved),
    ...(has(FLAG.stale) ? { stale: true as const } : {}),
  };
}

function baselineFrom(value: unknown): Baseline {
  const [pid, uptimeS, startTimeS, version, at, open] = listOf(value, "a baseline");
  const process = {
    pid: optionalFrom(pid),
    uptimeS: optionalFrom(uptimeS),
    startTimeS: optionalFrom(startTimeS),
    version: wordsFrom(version),
  };
  return { process, at: numberFrom(at), open: open === true, rows: "" };
}

function pieceFrom(value: unknown): readonly [number, number] {
  const [index, count] = listOf(value, "a piece").map(countFrom);
  if (index === undefined || count === undefined || index >= count || count > MOST_PIECES)
    throw new Unreadable("a piece is none");
  return [index, count];
}

function numbersFrom(value: unknown): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(mapOf(value, "numbers")).map(([name, number]) => [nameFrom(name), numberFrom(number)]),
  );
}

function isKind(value: unknown): value is RowKind {
  return value === "frontend" || value === "backend" || value === "server" || value === "listener";
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Unreadable(`${what} is no list`);
  return value;
}

function mapOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Unreadable(`${what} is none`);
  return Object.fromEntries(Object.entries(value));
}

function textFrom(value: unknown): string {
  if (typeof value !== "string" || value.length > MOST_TEXT) throw new Unreadable("a text is none, or too long");
  return value;
}

/** What is kept under it is found by it: it must be a text that a database gives back as it is. */
function nameFrom(value: unknown): string {
  const name = textFrom(value);
  if (name === "") throw new Unreadable("a name is empty");
  if (!isStorable(name)) throw new Unreadable("a name is no text that can be kept");
  return name;
}

/** What HAProxy and its errors say is not the agent's to choose: of its other sources nothing may be lost for it. */
function wordsFrom(value: unknown): string {
  const text = textFrom(value);
  return isStorable(text) ? text : text.toWellFormed().replaceAll("\0", "\ufffd");
}

/** Name of a server, row or proxy. */
function labelFrom(value: unknown): string {
  const label = wordsFrom(value);
  if (label === "") throw new Unreadable("a name is empty");
  return label;
}

function numberFrom(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Unreadable("a number is none");
  return value;
}

function optionalFrom(value: unknown): number | undefined {
  return value === null ? undefined : numberFrom(value);
}

function amountFrom(value: unknown): number {
  const amount = numberFrom(value);
  if (amount < 0) throw new Unreadable("an amount is below zero");
  return amount;
}

function countFrom(value: unknown): number {
  const count = amountFrom(value);
  if (!Number.isSafeInteger(count)) throw new Unreadable("a count is no whole number");
  return count;
}
