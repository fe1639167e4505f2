/**
 * Keeps the rules in force up with their files: looks at them again and again, and has every change of what is in
 * force applied. What cannot be applied yet is tried again at the next look. Copies of what is in force are kept for
 * the next start. What to conclude from a look is decided in `reconcile`; here is what touches files.
 */

import { basename, join, relative } from "node:path";
import { messageOf, TocsinError } from "../lib/errors.ts";
import { wait } from "../lib/wait.ts";
import type { Clock, Logger, Timer } from "../ports.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { Copies } from "./lastGood.ts";
import type { Reading, RuleChange, RuleNews, RulesState, Scan, Version } from "./reconcile.ts";
import { changesFrom, GONE_MS, inForce, initialState, reconcile, toRead } from "./reconcile.ts";
import type { LoadedCluster, RuleDefaults } from "./ruleFile.ts";
import { clashDiagnostics, tellChange, tellNews } from "./ruleNews.ts";
import type { RulePlace } from "./scan.ts";
import { readingOf, readRule, scanRules } from "./scan.ts";

export interface WatchOptions {
  /** The folder of the rule files, or the one file. */
  readonly path: string;
  readonly cwd: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly defaults: RuleDefaults;
  /** `undefined`: none are kept. */
  readonly copies: Copies | undefined;
  /** Changes are taken up while the service runs. */
  readonly watch: boolean;
}

/** Resolves when a change is in force and recorded; rejects when that cannot be now. */
export type ApplyChange = (change: RuleChange) => Promise<void>;

/** Between two looks at least, ms: a change is read at the second that finds it. */
const LOOK_MS = 250;
/** Looking takes this part of the time at most, one in so many; but a disk that hung once is looked at again. */
const LOOK_SHARE = 20;
const LOOK_MAX_MS = 10_000;
/** So many looks at a start: what is still being written then has to wait. */
const FIRST_LOOKS = 8;
/** How long a stop waits for revisions that are being recorded, ms. */
const STOP_MS = 1000;

export class RuleWatcher {
  readonly #options: WatchOptions;
  #state: RulesState;
  /** Versions that the service works by, by cluster. */
  #applied: Map<string, Version> = new Map();
  readonly #underWay = new Map<string, Promise<void>>();
  /** Why a cluster's change could not be applied the last time. */
  readonly #failing = new Map<string, string>();
  /** Copies as they are on disk. */
  readonly #copies: Map<string, string>;
  /** Names of files whose versions are not in force any more: only their copies go. */
  readonly #retired = new Set<string>();
  #saving: Promise<void> = Promise.resolve();
  #savingFails = "";
  #untold: RuleNews[] = [];
  #apply: ApplyChange | undefined;
  #timer: Timer | undefined;
  #turn: Promise<void> = Promise.resolve();
  /** The look to come is earlier than its turn. */
  #soon = false;
  #stopped = false;

  private constructor(options: WatchOptions, copies: ReadonlyMap<string, string>, state: RulesState) {
    this.#options = options;
    this.#copies = new Map(copies);
    this.#state = state;
  }

  /**
   * Reads the files as they are; where one is broken its last good copy is in force. Throws `E105` when nothing can
   * be read and there are no copies.
   */
  static async open(options: WatchOptions): Promise<RuleWatcher> {
    const { path, clock, defaults } = options;
    const copies = (await options.copies?.read()) ?? new Map<string, string>();
    let scan = await scanRules(path);
    const kept = [...copies].flatMap(([name, text]): readonly Version[] => {
      const reading = readingOf(placeOf(options, name), text, defaults);
      return reading.kind === "good" ? [reading.version] : [];
    });
    const isThere = (name: string) => scan.kind === "listed" && scan.stamps.has(name);
    const watcher = new RuleWatcher(options, copies, initialState(kept, isThere, clock.monotonic()));
    await watcher.#take(scan);
    for (let looks = 1; looks < FIRST_LOOKS && !watcher.#hasRead(scan); looks++) {
      await wait(clock, LOOK_MS);
      scan = await scanRules(path);
      await watcher.#take(scan);
    }
    if (scan.kind === "unreadable" && watcher.clusters.length === 0)
      throw new TocsinError("E105", `cannot read the rules at ${path}: ${scan.reason}`);
    return watcher;
  }

  /** Clusters in force, in order of their files' names. */
  get clusters(): readonly LoadedCluster[] {
    return [...inForce(this.#state).values()].map(({ cluster }) => cluster);
  }

  /** How many files there are, whatever they hold. */
  get files(): number {
    return [...this.#state.files.values()].filter(({ stamp }) => stamp !== undefined).length;
  }

  /** Why the files cannot be seen; `undefined`: they can. */
  get trouble(): string | undefined {
    return this.#state.trouble;
  }

  /** Files that are not in force as they are, one line each; empty: all are. */
  degraded(): readonly string[] {
    const { trouble, files } = this.#state;
    if (trouble !== undefined) return [`the rule files cannot be seen (${trouble}): the rules in force stay`];
    return [...files.values()].flatMap(({ name, stamp, read, refusal, good }) => {
      if (stamp === undefined || (read?.reading.kind !== "broken" && !refusal)) return [];
      const why = read?.reading.kind === "broken" ? "is broken" : `is refused (${refusal?.message})`;
      const rest = good ? "its last good version is in force" : "nothing of it is in force";
      return [`${placeOf(this.#options, name).shownAs} ${why}: ${rest}`];
    });
  }

  /** All that is wrong with the files that are there. */
  get diagnostics(): readonly Diagnostic[] {
    const there = [...this.#state.files.values()].filter(({ stamp }) => stamp !== undefined);
    const names = new Set(there.map(({ name }) => placeOf(this.#options, name).shownAs));
    return there.flatMap(({ read, refusal }) => {
      if (!read) return [];
      if (read.reading.kind === "broken") return read.reading.diagnostics;
      const { version } = read.reading;
      return [...version.warnings, ...(refusal && names.has(refusal.other) ? clashDiagnostics(version, refusal) : [])];
    });
  }

  /** The service works by `clusters` now: from here on it is told of changes. Resolves when the copies are written. */
  async start(apply: ApplyChange): Promise<void> {
    this.#apply = apply;
    this.#applied = new Map(inForce(this.#state));
    this.#tell();
    await this.#save();
    if (this.#options.watch) this.#lookIn(LOOK_MS);
  }

  /** Nothing is looked at or applied afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#turn;
    const limit = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(STOP_MS, limit.resolve);
    await Promise.race([Promise.all(this.#underWay.values()), limit.promise]);
    timer.cancel();
    await this.#saving;
  }

  #lookIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#turn = this.#look();
    });
  }

  async #look(): Promise<void> {
    const { clock, log, path } = this.#options;
    const began = clock.monotonic();
    let delayMs = LOOK_MAX_MS;
    try {
      const scan = await scanRules(path);
      const tookMs = clock.monotonic() - began;
      await this.#take(scan);
      // A large folder is looked at less often, but what has just changed in it need not wait that long: once.
      this.#soon = !this.#soon && !this.#hasRead(scan);
      delayMs = this.#soon ? LOOK_MS : Math.min(Math.max(LOOK_MS, LOOK_SHARE * tookMs), LOOK_MAX_MS);
      this.#tell();
      this.#pursue();
      if (this.#savingFails !== "") void this.#save();
    } catch (error) {
      log.error("looking at the rule files failed", { reason: messageOf(error) });
    }
    this.#lookIn(delayMs);
  }

  /** Takes a look in, with the files that are to be read at it: one after another, so that others get their turn. */
  async #take(scan: Scan): Promise<void> {
    const { clock, defaults, watch } = this.#options;
    const readings = new Map<string, Reading>();
    for (const name of toRead(this.#state, scan, clock.monotonic())) {
      const stamp = scan.kind === "listed" ? scan.stamps.get(name) : undefined;
      const reading =
        stamp && (await readRule(placeOf(this.#options, name), stamp, defaults, this.#state.files.get(name)?.good));
      if (reading) readings.set(name, reading);
    }
    const before = this.#state;
    const { state, news } = reconcile(before, scan, readings, clock.monotonic(), watch ? GONE_MS : 0);
    this.#state = state;
    for (const { name, good } of before.files.values())
      if (good && !state.files.get(name)?.good) this.#retired.add(name);
    for (const { name, good } of state.files.values()) if (good) this.#retired.delete(name);
    this.#untold.push(...news);
  }

  #hasRead(scan: Scan): boolean {
    if (scan.kind === "unreadable") return true;
    return [...scan.stamps].every(([name, stamp]) => this.#state.files.get(name)?.read?.stamp === stamp);
  }

  #tell(): void {
    const { log } = this.#options;
    for (const news of this.#untold.splice(0)) tellNews(log, news, (name) => placeOf(this.#options, name).shownAs);
  }

  /** Has applied what is in force and not applied yet, of each cluster one change at a time. */
  #pursue(): void {
    for (const change of changesFrom(this.#applied, this.#state)) {
      const { clusterId } = change;
      if (!this.#apply || this.#underWay.has(clusterId)) continue;
      const applying = this.#apply(change)
        .then(
          () => this.#hasApplied(change),
          (error) => this.#hasFailed(clusterId, messageOf(error)),
        )
        .finally(() => this.#underWay.delete(clusterId));
      this.#underWay.set(clusterId, applying);
    }
  }

  #hasApplied(change: RuleChange): Promise<void> {
    const { clusterId } = change;
    this.#failing.delete(clusterId);
    if (change.kind === "apply") this.#applied.set(clusterId, change.version);
    else this.#applied.delete(clusterId);
    tellChange(this.#options.log, change);
    return this.#save();
  }

  #hasFailed(clusterId: string, reason: string): void {
    if (this.#failing.get(clusterId) === reason) return;
    this.#failing.set(clusterId, reason);
    this.#options.log.error("rules cannot be applied now", { cluster_id: clusterId, reason });
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      try {
        await this.#saveCopies();
        this.#savingFails = "";
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== this.#savingFails) this.#options.log.error("a copy of the rules cannot be kept", { reason });
        this.#savingFails = reason;
      }
    });
    return this.#saving;
  }

  /** Brings the copies in line with what is applied: a new one is there before an old one goes. */
  async #saveCopies(): Promise<void> {
    const { copies } = this.#options;
    if (!copies) return;
    const applied = [...this.#applied.values()];
    for (const { name, good } of this.#state.files.values()) {
      if (!good || this.#applied.get(good.cluster.rules.clusterId) !== good || this.#copies.get(name) === good.text)
        continue;
      await copies.write(name, good.text);
      this.#copies.set(name, good.text);
    }
    for (const name of [...this.#copies.keys()]) {
      if (!this.#isRetired(name) || applied.some((version) => version.name === name)) continue;
      await copies.remove(name);
      this.#copies.delete(name);
    }
  }

  /** A copy that says nothing now may be of use when what it needs is there again: while its file is there it stays. */
  #isRetired(name: string): boolean {
    const { files, looked } = this.#state;
    return this.#retired.has(name) || (looked && !files.has(name));
  }
}

function placeOf({ path, cwd }: WatchOptions, name: string): RulePlace {
  const whole = basename(path) === name ? path : join(path, name);
  return { path: whole, name, shownAs: relative(cwd, whole) || whole };
}
