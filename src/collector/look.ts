/** One look at every source, for people: who answers, which row goes where by which rule, and what is worth a word. */

import { glob } from "node:fs/promises";
import { isGlob } from "../lib/globs.ts";
import { wait } from "../lib/wait.ts";
import type { SourceEntry } from "../model/source.ts";
import type { ProcessIdentity, RowKind } from "../model/tick.ts";
import type { Clock } from "../ports.ts";
import { CONTSTATS_S, contstatsHints, failureHints, hasOpenSessions } from "./hints.ts";
import type { SecretsOf } from "./link.ts";
import { transportOf } from "./link.ts";
import type { Mapping } from "./mapping.ts";
import type { Row } from "./rows.ts";
import type { Transport } from "./transport.ts";
import type { Sign } from "./twins.ts";
import { sameProcess, signOf, Twins } from "./twins.ts";

export interface LookOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly secretsOf: SecretsOf;
  readonly mapping: Mapping;
  /** How long after the first look a second one is taken where sessions are open, ms; `undefined`: none is. */
  readonly secondLookMs?: number;
  /** Called before each such wait. */
  readonly onSecondLook?: () => void;
}

/** Where one row goes. */
export interface RowTarget {
  readonly proxy: string;
  readonly server: string;
  readonly kind: RowKind;
  /** `undefined`: to nobody. */
  readonly clusterId: string | undefined;
  /** The rule in words; `undefined`: none says so. */
  readonly by: string | undefined;
  /** It belongs to nobody on purpose. */
  readonly ignored: boolean;
}

/** What one look at a source brought. */
export interface SourceLook {
  readonly name: string;
  readonly kind: SourceEntry["kind"];
  /** Path, host and port, or URL, without secrets. */
  readonly address: string;
  /** A built-in default: its absence is no news. */
  readonly quiet: boolean;
  readonly ok: boolean;
  /** Empty: all is well; `duplicate`, of one that answers: another leads to the same process. */
  readonly code: string;
  readonly reason: string;
  readonly durationMs: number;
  /** HAProxy's own; empty: it does not say. */
  readonly version: string;
  /** `undefined`: there was no answer. */
  readonly process: ProcessIdentity | undefined;
  readonly rows: number;
  /** Every row but those of listeners, in HAProxy's order. */
  readonly rowsByTarget: readonly RowTarget[];
  /** Lines that were no rows. */
  readonly skipped: number;
  readonly hints: readonly string[];
}

/** How long a second look has to wait to tell something, ms. */
export const SECOND_LOOK_MS = CONTSTATS_S * 1000;

/** Looks at every source, all at once; a glob is as many sources as match it now, and none that fails where none does. */
export async function lookAtSources(
  entries: readonly SourceEntry[],
  options: LookOptions,
): Promise<readonly SourceLook[]> {
  const found = await Promise.all(entries.map(placesOf));
  const looked = await Promise.all(found.flat().map((place) => lookAt(place, options)));
  return withTwins(looked, options);
}

/** A look, and what tells whether another one was at the same process. */
interface Looked {
  readonly look: SourceLook;
  readonly transport: Transport;
  readonly sign: Sign | undefined;
}

/** Marks those that lead where another does. */
async function withTwins(looked: readonly Looked[], options: LookOptions): Promise<readonly SourceLook[]> {
  const twins = new Twins();
  const looks: SourceLook[] = [];
  for (const one of looked) {
    const { look } = one;
    const suspected = twins.otherNameOf(look.name, one.sign, 1);
    const other = looked.find(({ look: { name } }) => name === suspected);
    const isSame = other !== undefined && (await isBorneOut(twins, one, other, options));
    const reason = isSame ? sameProcess(other.look.name) : "";
    looks.push(isSame ? { ...look, code: "duplicate", reason, hints: [...look.hints, reason] } : look);
  }
  return looks;
}

/** Asks both in turn, until what the one says lies between two answers of the other: only then counters tell. */
async function isBorneOut(twins: Twins, one: Looked, other: Looked, options: LookOptions): Promise<boolean> {
  let last: string | undefined;
  for (const { look, transport } of [other, one, other, one]) {
    last = twins.otherNameOf(look.name, (await asked(transport, options)).sign, 1);
  }
  return last === other.look.name;
}

async function asked(transport: Transport, { clock, timeoutMs }: LookOptions) {
  const fromMs = clock.monotonic();
  const answer = await transport.ask(timeoutMs);
  const toMs = clock.monotonic();
  const sign = answer.ok ? signOf(answer.dump, { host: transport.host, fromMs, toMs }) : undefined;
  return { answer, sign, durationMs: toMs - fromMs };
}

interface Place {
  readonly name: string;
  readonly entry: SourceEntry;
  readonly path: string;
}

async function placesOf(entry: SourceEntry): Promise<readonly Place[]> {
  if (entry.kind !== "socket") return [{ name: entry.name, entry, path: "" }];
  if (!isGlob(entry.socket)) return [{ name: entry.name, entry, path: entry.socket }];
  const paths: string[] = [];
  try {
    for await (const path of glob(entry.socket)) paths.push(path);
  } catch {
    // A folder that cannot be searched is one without a match.
  }
  const ordered = paths.sort();
  // A glob without a match is shown as what it is.
  if (ordered.length === 0) return [{ name: entry.name, entry, path: entry.socket }];
  return ordered.map((path) => ({ name: `${entry.name}:${path}`, entry, path }));
}

async function lookAt({ name, entry, path }: Place, options: LookOptions): Promise<Looked> {
  const { clock, timeoutMs, secretsOf, mapping, secondLookMs } = options;
  const { kind, quiet } = entry;
  const transport = transportOf(entry, path, clock, secretsOf);
  const shown = { name, kind, quiet, address: transport.address };
  if (kind === "socket" && isGlob(path)) {
    const reason = `no socket matches ${path}: HAProxy is not running, or its stats socket is elsewhere`;
    return { look: { ...shown, ...NOTHING, code: "absent", reason, durationMs: 0 }, transport, sign: undefined };
  }
  const { answer, sign, durationMs } = await asked(transport, options);
  if (!answer.ok) {
    const { code, reason } = answer;
    const look = { ...shown, ...NOTHING, code, reason, durationMs, hints: failureHints(answer) };
    return { look, transport, sign };
  }
  const { dump } = answer;
  // Only rows that go somewhere matter: nobody judges the others.
  const isWatched = (proxy: string) =>
    !mapping.isIgnored(proxy) && mapping.clustersOf(name, proxy).frontend !== undefined;
  const own = kind === "page" || kind === "prometheus" ? 1 : 0;
  let hints: readonly string[] = [];
  if (secondLookMs !== undefined && hasOpenSessions(dump, isWatched, own)) {
    options.onSecondLook?.();
    await wait(clock, secondLookMs);
    const second = await transport.ask(timeoutMs);
    if (second.ok) hints = contstatsHints(dump, second.dump, isWatched);
  }
  const look = {
    ...shown,
    ok: true,
    code: "",
    reason: "",
    durationMs,
    version: dump.process.version,
    process: dump.process,
    rows: dump.rows.length,
    rowsByTarget: dump.rows.filter((row) => row.kind !== "listener").map((row) => targetOf(row, name, mapping)),
    skipped: dump.skipped,
    hints,
  };
  return { look, transport, sign };
}

const NOTHING = {
  ok: false,
  version: "",
  process: undefined,
  rows: 0,
  rowsByTarget: [],
  skipped: 0,
  hints: [],
} as const;

function targetOf(row: Row, source: string, mapping: Mapping): RowTarget {
  const { proxy, server, kind } = row;
  const side = kind === "frontend" ? "frontend" : "backend";
  const goesTo = mapping.clustersOf(source, proxy);
  return {
    proxy,
    server,
    kind,
    clusterId: goesTo[side],
    by: goesTo.by?.[side],
    ignored: mapping.isIgnored(proxy),
  };
}
