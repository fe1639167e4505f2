/**
 * Which versions of the rule files are in force: decided from what each look at them finds, without touching a file.
 *
 * A file is *unsettled* until two looks in a row find it the same; then it is read. A reading that is good becomes the
 * version in force, unless it claims what another file has: then it is *refused* and waits, as the newcomer, until the
 * other lets go. A reading that is broken changes nothing: the good version before stays in force. A file that is
 * *gone* keeps its version for `GONE_MS`; a look that finds no file at all, or cannot look, says nothing about any.
 * A file that appears with the cluster of one that is gone is the same under another name, and takes over at once;
 * one that was there before, a copy beside it, has to wait: the other may only be on its way of being written again.
 */

import type { Clash } from "./clash.ts";
import { clashBetween } from "./clash.ts";
import type { Diagnostic } from "./diagnostics.ts";
import { settle } from "./precedence.ts";
import type { LoadedCluster } from "./ruleFile.ts";

/** For how long a file that is gone keeps its rules in force, ms: editors and tools delete, then write. */
export const GONE_MS = 10_000;
/** A file that cannot be used is read again after so long, ms: what it needs elsewhere may have come. */
const READ_AGAIN_MS = 10_000;

/** What one look found: for each rule file by name a text that changes with it. */
export type Scan =
  | { readonly kind: "listed"; readonly stamps: ReadonlyMap<string, string> }
  | { readonly kind: "unreadable"; readonly reason: string };

/** A rule file without errors, as it was written and what it says. */
export interface Version {
  readonly name: string;
  readonly text: string;
  readonly cluster: LoadedCluster;
  readonly warnings: readonly Diagnostic[];
}

/** A file as it was read. */
export type Reading =
  | { readonly kind: "good"; readonly version: Version }
  | { readonly kind: "broken"; readonly diagnostics: readonly Diagnostic[] };

export interface KnownFile {
  readonly name: string;
  /** As of the newest look; `undefined`: gone. */
  readonly stamp: string | undefined;
  /** Since when it is there, or gone: monotonic ms. */
  readonly since: number;
  /** As it was when it was read last. */
  readonly read: { readonly stamp: string; readonly at: number; readonly reading: Reading } | undefined;
  /** In force. */
  readonly good: Version | undefined;
  /** Why its newest reading is not in force although it is good. */
  readonly refusal: Clash | undefined;
  /** What was last said of it. */
  readonly said: string;
}

export interface RulesState {
  /** By name, in order of names. */
  readonly files: ReadonlyMap<string, KnownFile>;
  /** Why the newest look said nothing; `undefined`: it did, or there was none. */
  readonly trouble: string | undefined;
  /** There was a look, and it said which files are there. */
  readonly looked: boolean;
}

/** What is to be told, once for each change. */
export type RuleNews =
  | { readonly kind: "broken"; readonly file: KnownFile; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: "refused"; readonly file: KnownFile; readonly version: Version; readonly clash: Clash }
  | { readonly kind: "mended" | "gone"; readonly file: KnownFile }
  | { readonly kind: "trouble"; readonly reason: string | undefined };

export interface Reconciled {
  readonly state: RulesState;
  readonly news: readonly RuleNews[];
}

/** What is to be done so that what is in force is applied. */
export type RuleChange =
  | {
      readonly kind: "apply";
      readonly clusterId: string;
      readonly version: Version;
      readonly before: Version | undefined;
    }
  | { readonly kind: "retire"; readonly clusterId: string; readonly before: Version };

/** Nothing looked at yet; these last good versions are in force. Of two that clash, one that `isThere` stays. */
export function initialState(kept: readonly Version[], isThere: (name: string) => boolean, now: number): RulesState {
  const inOrder = [...kept].sort((a, b) => Number(isThere(b.name)) - Number(isThere(a.name)));
  const versions: Version[] = [];
  for (const version of inOrder) {
    const clashes = versions.some((other) => clashBetween(version.cluster.rules, other.cluster.rules));
    if (!clashes) versions.push(version);
  }
  const files = versions.map((good) => ({ ...unknownFile(good.name, now), good }));
  return { files: inNameOrder(files), trouble: undefined, looked: false };
}

function unknownFile(name: string, since: number): KnownFile {
  return { name, stamp: undefined, since, read: undefined, good: undefined, refusal: undefined, said: "" };
}

/** Names of the files that are settled and have not been read like that, or could not be used when they were. */
export function toRead(state: RulesState, scan: Scan, now: number): readonly string[] {
  if (scan.kind === "unreadable") return [];
  return [...scan.stamps].flatMap(([name, stamp]) => {
    const file = state.files.get(name);
    if (file?.stamp !== stamp) return [];
    const { read } = file;
    const again = read?.reading.kind === "broken" && now - read.at >= READ_AGAIN_MS;
    return read?.stamp !== stamp || again ? [name] : [];
  });
}

/**
 * Takes in a look and the files that were read at it. `now`: monotonic ms; `goneMs`: for how long a file that is gone
 * keeps its rules.
 */
export function reconcile(
  state: RulesState,
  scan: Scan,
  readings: ReadonlyMap<string, Reading>,
  now: number,
  goneMs = GONE_MS,
): Reconciled {
  const trouble = troubleOf(state, scan);
  const told: RuleNews[] = trouble === state.trouble ? [] : [{ kind: "trouble", reason: trouble }];
  if (scan.kind === "unreadable" || trouble !== undefined) {
    // Nobody knows which files are there: what is gone has to be missed anew.
    const files = [...state.files.values()].map((file) => ({ ...file, stamp: undefined, since: now }));
    return { state: { files: inNameOrder(files), trouble, looked: false }, news: told };
  }
  const { looked } = state;
  const names = new Set([...state.files.keys(), ...scan.stamps.keys()]);
  // What a first look finds was there before: it is no file that has just been renamed.
  const appeared = looked ? now : -Infinity;
  const seen = [...names].map((name) => {
    const known = state.files.get(name) ?? unknownFile(name, now);
    return look(known, scan.stamps.get(name), readings.get(name), now, appeared);
  });
  const left = seen.filter(
    ({ stamp, good, since }) => stamp !== undefined || (good !== undefined && now - since < goneMs),
  );
  const { versions, refusals } = settle([...inNameOrder(left).values()]);
  const files: KnownFile[] = [];
  for (const file of left) {
    const good = versions.get(file.name);
    if (file.stamp === undefined && !good) continue;
    const next = { ...file, good, refusal: refusals.get(file.name) };
    const news = newsOf(looked ? state.files.get(file.name) : undefined, next);
    if (news) told.push(news.news);
    files.push(news ? { ...next, said: news.said } : next);
  }
  return { state: { files: inNameOrder(files), trouble, looked: true }, news: told };
}

/** A folder from which everything has gone is taken for one that is not there: nothing is concluded from it. */
function troubleOf(state: RulesState, scan: Scan): string | undefined {
  if (scan.kind === "unreadable") return scan.reason;
  const inForce = [...state.files.values()].some(({ good }) => good !== undefined);
  return scan.stamps.size === 0 && inForce ? "no rule file is left" : undefined;
}

function look(
  known: KnownFile,
  stamp: string | undefined,
  reading: Reading | undefined,
  now: number,
  appeared: number,
): KnownFile {
  if (stamp === undefined) return { ...known, stamp, since: known.stamp === undefined ? known.since : now };
  const since = known.stamp === undefined ? appeared : known.since;
  if (!reading) return { ...known, stamp, since };
  // The same text is the same version: nothing changes by reading it again.
  const isSame = reading.kind === "good" && reading.version.text === known.good?.text;
  const newest: Reading = isSame && known.good ? { kind: "good", version: known.good } : reading;
  return { ...known, stamp, since, read: { stamp, at: now, reading: newest } };
}

function newsOf(before: KnownFile | undefined, file: KnownFile): { news: RuleNews; said: string } | undefined {
  if (file.stamp === undefined)
    return before && before.stamp === undefined ? undefined : { news: { kind: "gone", file }, said: file.said };
  const reading = file.read?.reading;
  if (!reading) return undefined;
  if (reading.kind === "broken") {
    const { diagnostics } = reading;
    const said = JSON.stringify(diagnostics.map(({ line, column, code, message }) => [line, column, code, message]));
    return said === file.said ? undefined : { news: { kind: "broken", file, diagnostics }, said };
  }
  if (file.refusal) {
    const said = file.refusal.message;
    const { refusal: clash } = file;
    return said === file.said ? undefined : { news: { kind: "refused", file, version: reading.version, clash }, said };
  }
  return file.said === "" ? undefined : { news: { kind: "mended", file }, said: "" };
}

/** Versions in force, by cluster. */
export function inForce(state: RulesState): ReadonlyMap<string, Version> {
  const versions = [...state.files.values()].flatMap(({ good }) => good ?? []);
  return new Map(versions.map((version) => [version.cluster.rules.clusterId, version]));
}

/** What lies between the versions that are applied, by cluster, and those in force. */
export function changesFrom(applied: ReadonlyMap<string, Version>, state: RulesState): readonly RuleChange[] {
  const wanted = inForce(state);
  const changes: RuleChange[] = [];
  for (const [clusterId, version] of wanted) {
    const before = applied.get(clusterId);
    if (before !== version) changes.push({ kind: "apply", clusterId, version, before });
  }
  for (const [clusterId, before] of applied)
    if (!wanted.has(clusterId)) changes.push({ kind: "retire", clusterId, before });
  return changes;
}

function inNameOrder(files: readonly KnownFile[]): Map<string, KnownFile> {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(sorted.map((file) => [file.name, file]));
}
