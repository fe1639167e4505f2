/** Engines over one log and one stream of samples, all in memory, on a clock that stands still until told to go on. */

import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import type { Mapping } from "../../src/engine/engine.ts";
import { Engine } from "../../src/engine/engine.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { partitionOf } from "../../src/lib/partition.ts";
import { Refused } from "../../src/lib/refused.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { OutcomeKind } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import type { ClusterSlice, ScrapeReport } from "../../src/model/tick.ts";
import type { Commit, Dispatch, Ledger } from "../../src/ports.ts";
import type { PartitionSamples, SharedLog } from "../../src/scalePorts.ts";
import type { TickRecord } from "../../src/seriesPorts.ts";
import { FakeClock } from "./fakeClock.ts";
import { aSlice } from "./reports.ts";
import { BYTES, SESSIONS } from "./rules.ts";

export const INTERVAL_MS = 10_000;
export const DELAY_MS = 4000;

/** A log in memory that refuses whoever is not the last to have appended. */
export class FakeLog implements Pick<SharedLog, "partition" | "takeLoss"> {
  readonly ledger = createMemoryLedger();
  readonly commits: Commit[] = [];
  refusals = 0;
  /** It was found to have lost what had been read of it. */
  isLost = false;
  /** Appends wait for this. */
  gate: Promise<void> = Promise.resolve();
  readonly #partitions: number;
  readonly #heads = new Map<string, number>();

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  takeLoss(): boolean {
    const was = this.isLost;
    this.isLost = false;
    return was;
  }

  /** Somebody appends for a cluster. */
  appended(clusterId: string): void {
    this.#heads.set(clusterId, (this.#heads.get(clusterId) ?? 0) + 1);
  }

  async partition(partition: number, onRefused: (clusterId: string) => void): Promise<Ledger> {
    const expected = new Map<string, number>();
    let closed = false;
    const isOwn = (clusterId: string) => partitionOf(clusterId, this.#partitions) === partition;
    return {
      ...this.ledger,
      load: async () => {
        const all = (await this.ledger.load()).filter(({ snapshot }) => isOwn(snapshot.clusterId));
        for (const [clusterId, head] of this.#heads)
          if (isOwn(clusterId) && !expected.has(clusterId)) expected.set(clusterId, head);
        return all;
      },
      baselines: async () => (await this.ledger.baselines()).filter(({ clusterId }) => isOwn(clusterId)),
      commit: async (commit) => {
        await this.gate;
        const { clusterId } = commit;
        if (closed) throw new Error("the claim is closed");
        if ((this.#heads.get(clusterId) ?? 0) !== (expected.get(clusterId) ?? 0)) {
          this.refusals++;
          onRefused(clusterId);
          throw new Refused(clusterId);
        }
        this.appended(clusterId);
        expected.set(clusterId, this.#heads.get(clusterId) ?? 0);
        this.commits.push(structuredClone(commit));
        await this.ledger.commit(commit);
      },
      close: async () => {
        closed = true;
      },
    };
  }
}

/** The stream of samples: kept, and handed to whoever listens. */
export class FakeStream implements PartitionSamples {
  readonly #clock: FakeClock;
  readonly #kept: { readonly partition: number; readonly at: number; readonly report: ScrapeReport }[] = [];
  readonly #listeners = new Set<{ readonly partition: number; readonly handle: (report: ScrapeReport) => void }>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** Whether the connection stands. */
  isListening: (partition: number) => boolean = () => true;

  publish(partition: number, report: ScrapeReport): void {
    this.#kept.push({ partition, at: this.#clock.now(), report });
    for (const one of this.#listeners) if (one.partition === partition) one.handle(report);
  }

  async subscribe(partition: number, since: number, handle: (report: ScrapeReport) => void): Promise<() => void> {
    for (const one of this.#kept) if (one.partition === partition && one.at >= since) handle(one.report);
    const listener = { partition, handle };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** One engine process. */
export class EngineRun {
  readonly engine: Engine;
  readonly sent: Dispatch[] = [];
  readonly ticks: TickRecord[] = [];
  readonly shown: ScrapeReport[] = [];
  readonly reloads: number[] = [];
  readonly mapped: string[] = [];
  isFresh = true;

  constructor(world: EngineWorld) {
    const say = async (text: string) => void this.mapped.push(text);
    const mapping: Mapping = {
      put: (rules) => say(`put ${rules.clusterId}`),
      remove: (clusterId) => say(`remove ${clusterId}`),
      clusters: async () => [...this.mapped].flatMap((said) => (said.startsWith("put ") ? [said.slice(4)] : [])),
      putKnown: (partition, sources) => say(`known ${partition} ${sources.join(" ")}`),
      current: (report) => report,
    };
    this.engine = new Engine({
      clock: world.clock,
      log: silentLogger,
      coordination: {
        partitions: world.partitions,
        isFresh: () => this.isFresh,
        reload: (partition) => this.reloads.push(partition),
      },
      sharedLog: world.log,
      samples: world.samples,
      mapping,
      dispatcher: { dispatch: (dispatch) => this.sent.push(dispatch), cancel: () => {} },
      intervalMs: INTERVAL_MS,
      evaluationDelayMs: DELAY_MS,
      backlogMs: 600_000,
      takeoverS: () => 32,
      shadow: false,
      rules: world.rules,
      onReport: (report) => this.shown.push(report),
      onTicks: (records) => this.ticks.push(...records),
    });
  }

  /** The answer to the oldest send that has none, as the notifier reports it. */
  async answer(outcome: OutcomeKind): Promise<void> {
    const dispatch = this.sent.shift();
    if (!dispatch) throw new Error("nothing was sent");
    const { clusterId, deliveryId, attempt } = dispatch;
    this.engine.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome, reason: outcome });
    await settled();
  }

  /** Why the oldest send that has no answer must not be written. */
  held(): string | undefined {
    const [dispatch] = this.sent;
    return dispatch && this.engine.heldBecause(dispatch.clusterId, dispatch.deliveryId);
  }
}

export class EngineWorld {
  readonly clock = new FakeClock(1_700_000_000_000);
  readonly partitions: number;
  readonly log: FakeLog;
  readonly samples: FakeStream;
  readonly rules: readonly ClusterRules[];
  readonly engines: EngineRun[] = [];
  number = 170_000_000;
  members: Readonly<Record<string, MemberState>> = { a: "up", b: "up" };
  readonly #counted = new Map<string, number>();

  constructor(rules: readonly ClusterRules[], partitions = 1) {
    this.rules = rules;
    this.partitions = partitions;
    this.log = new FakeLog(partitions);
    this.samples = new FakeStream(this.clock);
  }

  start(): EngineRun {
    const run = new EngineRun(this);
    this.engines.push(run);
    return run;
  }

  /** Reports that the source could not publish yet. */
  readonly #waiting: (() => void)[] = [];

  /** One tick: engines are told, and after half a second the source reports, or will when it does the next time. */
  async tick(sessions: number, { reports = true, source = "agent/s" } = {}): Promise<void> {
    this.clock.advance(INTERVAL_MS - (this.clock.now() % INTERVAL_MS));
    this.number = this.clock.now() / INTERVAL_MS;
    const tick = { number: this.number, at: this.clock.now() };
    for (const { engine } of this.engines) engine.tick(tick);
    await settled();
    this.clock.advance(500);
    for (const { clusterId } of this.rules) {
      this.#counted.set(clusterId, (this.#counted.get(clusterId) ?? 0) + sessions * 1000);
    }
    for (let partition = 0; partition < this.partitions; partition++) {
      const report = this.reportOf(tick, partition, sessions, source);
      this.#waiting.push(() => this.samples.publish(partition, report));
    }
    if (reports) for (const publish of this.#waiting.splice(0)) publish();
    await settled();
  }

  /** Bytes that were counted of a cluster by now. */
  counted(clusterId: string): number {
    return this.#counted.get(clusterId) ?? 0;
  }

  reportOf(tick: ScrapeReport["tick"], partition: number, sessions: number, source = "agent/s"): ScrapeReport {
    const own = this.rules.filter(({ clusterId }) => partitionOf(clusterId, this.partitions) === partition);
    const baseline: ClusterSlice["baseline"] = { ...aSlice().baseline, at: tick.at + 500 };
    const slices = own.map(({ clusterId }) =>
      aSlice({
        clusterId,
        sums: { [SESSIONS]: sessions },
        increases: { [BYTES]: sessions * 1000 },
        members: this.members,
        baseline,
      }),
    );
    return { tick, source, durationMs: 1, outcome: { ok: true, slices } };
  }
}

/** Lets everything that is ready happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
