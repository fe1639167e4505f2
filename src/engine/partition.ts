/**
 * One partition that this process owns: its record, its samples, and the evaluator that works on them.
 *
 *   beginning  the record is read up to now, the samples since its newest ticks begin to come, the start is recorded
 *   working    samples and ticks are taken; what was published before the takeover is folded late, and nothing is sent
 *   ending     no more ticks; what is under way comes to its end and is recorded
 *   gone       another process has it: nothing of it is folded, recorded or sent any more
 */

import { Evaluator } from "../evaluator/evaluator.ts";
import { ticksBetweenCommits } from "../evaluator/options.ts";
import { partitionOf } from "../lib/partition.ts";
import { wait } from "../lib/wait.ts";
import type { ClusterRules } from "../model/alarm.ts";
import type { Start } from "../model/decision.ts";
import type { ScrapeReport, Tick } from "../model/tick.ts";
import { maxGapS } from "../model/tick.ts";
import type { Ledger } from "../ports.ts";
import { Deadlines } from "./deadlines.ts";
import { Intake } from "./intake.ts";
import { lateLedger } from "./lateLedger.ts";
import { pauseAfterLoss } from "./loss.ts";
import type { EngineOptions } from "./options.ts";
import { withoutKept } from "./slim.ts";
import { Telling } from "./telling.ts";

/** The longest time between the newest record of one cluster and of another that are both worked on, ms. */
const SPREAD_MS = 5 * 60_000;
/** Ticks that may wait for a commit of their cluster. */
const MOST_WAITING = 1000;
/** Longest wait for requests under way when it is given back, ms. */
const ENDING_MS = 5000;
/** And for all of it to be recorded, ms. */
const ENDED_MS = 8000;
const LOOK_MS = 25;
/** After silence that was as long, what comes is the past, ms. */
const LONG_SILENCE_MS = 3000;

export interface PartitionOptions extends EngineOptions {
  readonly partition: number;
  /** Rules of all clusters, as they are now. */
  readonly rulesNow: () => Iterable<ClusterRules>;
  /** An append was refused: it is another's by now. */
  readonly onRefused: () => void;
}

export class OwnedPartition {
  readonly evaluator: Evaluator;
  /** Settles when it has begun to work, or does not. */
  readonly begun: Promise<void>;
  readonly #options: PartitionOptions;
  readonly #deadlines: Deadlines;
  readonly #telling: Telling;
  readonly #intake: Intake;
  #ledger: Ledger | undefined;
  #handle: ((report: ScrapeReport) => void) | undefined;
  #unsubscribe: (() => void) | undefined;
  #state: "beginning" | "working" | "ending" | "gone" = "beginning";
  #stopped: Promise<void> | undefined;
  #newest: Tick | undefined;
  #lateBefore = -Infinity;
  #lateUntilMs = -Infinity;
  /** What came before it may be in the record, and was shown to others already. */
  #recordedAt = -Infinity;
  #lose: (error: Error) => void = () => {};
  readonly #gone: Promise<never>;

  /** `newest`: the tick that began last, if any. */
  constructor(options: PartitionOptions, newest: Tick | undefined) {
    const { clock, log, dispatcher, intervalMs, evaluationDelayMs, coordination, onTicks, onDecision } = options;
    this.#options = options;
    this.#newest = newest;
    this.#gone = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.#gone.catch(() => {});
    this.evaluator = new Evaluator({
      clock,
      log,
      dispatcher,
      intervalMs,
      evaluationDelayMs,
      bus: { publish() {}, subscribe: (handle) => this.#taken(handle) },
      ledger: lateLedger(() => this.#ledger),
      ticksPerCommit: ticksBetweenCommits(intervalMs),
      isLate: (number) => this.#isLate(number),
      isSilent: () => !this.#deadlines.isQuiet && this.#intake.silentMs > this.#mostBehind() * intervalMs,
      mostWaiting: MOST_WAITING,
      isCatchingUp: () => clock.monotonic() < this.#lateUntilMs,
      ...(onTicks ? { onTicks } : {}),
      onDecision: (clusterId, decision) => {
        if (decision.d === "source") this.#telling.again();
        onDecision?.(clusterId, decision);
      },
    });
    this.#intake = new Intake(clock, (report) => this.#report(report));
    this.#deadlines = new Deadlines({
      clock,
      delayMs: evaluationDelayMs,
      isFresh: () => coordination.isFresh() && options.samples.isListening(options.partition),
      onBack: (waitedMs, silentMs) => {
        // Ticks that come one after another, each long after it is due, are not the past: our clock is ahead of them.
        if (waitedMs >= LONG_SILENCE_MS && silentMs >= intervalMs + LONG_SILENCE_MS) this.#catchUp();
      },
      seal: (number) => this.evaluator.deadline(number),
    });
    this.#telling = new Telling({ ...options, isOver: () => this.#state !== "working" });
    this.begun = this.#begin();
    this.begun.catch(() => {});
  }

  get isBeginning(): boolean {
    return this.#state === "beginning";
  }

  get isWorking(): boolean {
    return this.#state === "working";
  }

  /** Why nothing of it may be sent now, of what its clusters know nothing of; `undefined`: nothing holds it. */
  waitsBecause(clusterId: string, deliveryId: string): string | undefined {
    if (this.#state === "ending") return "its partition is being given to another engine";
    return this.evaluator.waitsBecause(clusterId, deliveryId);
  }

  tick(tick: Tick): void {
    this.#newest = tick;
    if (this.#state !== "working") return;
    this.evaluator.openTick(tick, !this.#deadlines.isWaiting);
    this.#deadlines.open(tick.number);
    this.#telling.tick(() => this.evaluator.knownSources());
  }

  /** Its record; `undefined`: it has not been opened, or is another's. */
  get ledger(): Ledger | undefined {
    return this.#state === "gone" ? undefined : this.#ledger;
  }

  /** New rules of one of its clusters; `undefined`: it has none any more. Resolves when they are recorded. */
  async revise(clusterId: string, rules: ClusterRules | undefined): Promise<void> {
    try {
      await this.begun;
      await this.evaluator.revise(clusterId, rules);
    } catch (error) {
      // Whoever has the partition now has the rules, too.
      if (this.#state === "gone") return;
      throw error;
    }
    this.#telling.changed(clusterId, rules);
  }

  /** Resolves when what was under way has come to its end, and everything is recorded. */
  async release(): Promise<void> {
    await this.begun.catch(() => {});
    if (this.#state === "gone") return;
    this.#state = "ending";
    this.#stopTaking();
    this.evaluator.stopTicks();
    const { clock } = this.#options;
    const tooLong = wait(clock, ENDED_MS);
    await Promise.race([this.#end(), this.#gone, tooLong]).catch(() => {});
    await this.abandon();
  }

  /** From this call on nothing of it is folded, recorded or sent. Resolves when its record is closed. */
  abandon(): Promise<void> {
    this.#state = "gone";
    this.#stopTaking();
    this.evaluator.abandon();
    this.#lose(new Error(`partition ${this.#options.partition} is another engine's`));
    return this.#ledger?.close() ?? Promise.resolve();
  }

  #stopTaking(): void {
    this.#deadlines.stop();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#intake.close();
  }

  /** Records that nothing more is to be sent: outcomes of what is under way are still folded. */
  stopSending(): Promise<void> {
    this.#stopped ??= this.evaluator.stopSending(true);
    return this.#stopped;
  }

  async #end(): Promise<void> {
    await this.stopSending();
    const { clock } = this.#options;
    const until = clock.monotonic() + ENDING_MS;
    while (this.evaluator.isSending() && clock.monotonic() < until) await wait(clock, LOOK_MS);
    await this.evaluator.close();
  }

  async #begin(): Promise<void> {
    const { clock, log, sharedLog, samples, partition, intervalMs, onRefused, rulesNow, coordination } = this.#options;
    const opening = sharedLog.partition(partition, onRefused);
    // Lost meanwhile: nobody else would close it.
    opening.then((ledger) => (this.#state === "gone" ? ledger.close() : undefined)).catch(() => {});
    this.#ledger = await this.#unlessGone(opening);
    const newest = await this.#unlessGone(this.evaluator.restore());
    const now = this.#newest ?? tickAt(clock.now(), intervalMs);
    const since = this.#since(now);
    this.#recordedAt = newest?.at ?? -Infinity;
    const subscribing = samples.subscribe(partition, since, (report) => this.#intake.add(report));
    subscribing.then((unsubscribe) => (this.#state === "gone" ? unsubscribe() : undefined)).catch(() => {});
    this.#unsubscribe = await this.#unlessGone(subscribing);
    const rules = [...rulesNow()].filter(
      ({ clusterId }) => partitionOf(clusterId, coordination.partitions) === partition,
    );
    await this.#unlessGone(this.evaluator.start(rules, this.#startAt(since, now, newest), () => true));
    if (sharedLog.takeLoss(partition)) await this.#unlessGone(pauseAfterLoss(this.evaluator, clock.now(), log));
    this.#catchUp();
    this.#state = "working";
    this.#telling.begin(rules);
    const opened = this.#newest ?? now;
    // Where no report of it comes, it is we who were not there.
    this.evaluator.openTick(opened, false);
    this.#deadlines.open(opened.number, Math.max(0, clock.now() - opened.at));
    this.#intake.open();
  }

  /**
   * Samples of the past come now: of ticks that should have been sealed by now the newest is acted upon, and those before
   * it are only judged. That goes by this machine's clock, and so for a short time only: it may be wrong.
   */
  #catchUp(): void {
    const { clock, intervalMs, evaluationDelayMs } = this.#options;
    this.#lateBefore = tickAt(clock.now() - evaluationDelayMs, intervalMs).number;
    this.#lateUntilMs = clock.monotonic() + 2 * (intervalMs + evaluationDelayMs);
  }

  /** Whether a tick is long past, by the clock or by what has come. */
  #isLate(number: number): boolean {
    const { clock } = this.#options;
    if (number < this.#lateBefore && clock.monotonic() < this.#lateUntilMs) return true;
    return this.#intake.newest - number > this.#mostBehind();
  }

  /** So many ticks may be heard of, or be to be heard of, since the one that an action goes by. */
  #mostBehind(): number {
    const { intervalMs, evaluationDelayMs } = this.#options;
    return 2 + Math.ceil(evaluationDelayMs / intervalMs);
  }

  /** Rejects as soon as it is another's. */
  #unlessGone<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#gone]);
  }

  /** Samples from then on may not be in the record, epoch ms. */
  #since(now: Tick): number {
    const { backlogMs, intervalMs } = this.#options;
    const oldest = now.at - backlogMs;
    // Increases that came late may have waited for their source's next answer: as long as they make a rate.
    const marginMs = maxGapS(intervalMs) * 1000;
    const recorded = this.evaluator.recordedAt;
    const newest = recorded.reduce((most, at) => Math.max(most, at), -Infinity);
    const least = recorded.reduce((min, at) => (at >= newest - SPREAD_MS ? Math.min(min, at) : min), newest);
    return Math.max(oldest, Number.isFinite(least) ? least - marginMs : oldest);
  }

  #startAt(since: number, now: Tick, newest: Tick | undefined): Start {
    const { intervalMs, takeoverS, shadow } = this.#options;
    return {
      kind: "start",
      ...tickAt(Math.min(since, now.at), intervalMs),
      intervalMs,
      ...(shadow ? { shadow: true } : {}),
      // The tick that has begun may be nearly over, or our clock behind the one of the owner before.
      takeover: { number: Math.max(now.number, newest?.number ?? -Infinity) + 1, leastS: takeoverS() },
    };
  }

  #taken(handle: (report: ScrapeReport) => void): () => void {
    this.#handle = handle;
    return () => {
      this.#handle = undefined;
    };
  }

  #report(said: ScrapeReport): void {
    const { mapping, onReport } = this.#options;
    const report = mapping.current(this.#own(said));
    this.#handle?.(withoutKept(report));
    this.#deadlines.heard(report.tick.number);
    if (report.tick.at > this.#recordedAt) onReport?.(report);
  }

  /** Without clusters of other partitions: somebody counts otherwise. */
  #own(report: ScrapeReport): ScrapeReport {
    const { outcome } = report;
    const { partition, coordination } = this.#options;
    if (!outcome.ok) return report;
    const own = outcome.slices.filter(({ clusterId }) => partitionOf(clusterId, coordination.partitions) === partition);
    return own.length === outcome.slices.length ? report : { ...report, outcome: { ok: true, slices: own } };
  }
}

/** The newest tick at an instant, epoch ms. */
function tickAt(at: number, intervalMs: number): Tick {
  const number = Math.floor(at / intervalMs);
  return { number, at: number * intervalMs };
}
