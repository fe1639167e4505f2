/** The evaluator stage on memory backends, with a receiver whose truth is known and crashes wherever they are asked for. */

import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { OutcomeKind } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import type { Dispatch, Ledger, SampleBus } from "../../src/ports.ts";
import type { TickRecord } from "../../src/seriesPorts.ts";
import { FakeClock } from "./fakeClock.ts";
import { aReport } from "./reports.ts";

const INTERVAL_MS = 10_000;

/** One attempt as the receiver knows it. */
export interface Attempt {
  readonly dispatch: Dispatch;
  readonly tick: number;
  /** Of which run of the process. */
  readonly run: number;
  ran: boolean;
  outcome: OutcomeKind | undefined;
}

/** What becomes of the next commit. */
type CommitFate = "kept" | "lost" | "kept but never acknowledged" | "refused";

export class Simulation {
  readonly clock = new FakeClock(1_700_000_000_000);
  readonly ledger = createMemoryLedger();
  readonly store = createMemoryStore();
  readonly attempts: Attempt[] = [];
  members: Readonly<Record<string, MemberState>> = { a: "up", b: "up" };
  number = 170_000_000;
  fate: CommitFate = "kept";
  storeRefuses = false;
  run = 0;
  /** Ticks that the store has been given but has not written: a crash loses them. */
  readonly #limbo: { record: TickRecord; written: () => void }[] = [];
  readonly #lags: boolean;
  readonly #rules: ClusterRules;
  #bus: SampleBus = createMemoryBus();
  #evaluator: Evaluator | undefined;

  /** `lags`: the store writes only when told to. */
  constructor(rules: ClusterRules, lags = false) {
    this.#rules = rules;
    this.#lags = lags;
  }

  /** The store catches up. */
  async write(): Promise<void> {
    for (const { record, written } of this.#limbo.splice(0)) {
      await this.store.put(record);
      written();
    }
    await settled();
  }

  /** Starts the process, `downTicks` after the last tick. */
  async start(downTicks = 0): Promise<void> {
    this.number += downTicks;
    this.run++;
    const { run } = this;
    this.fate = "kept";
    this.#bus = createMemoryBus();
    this.#evaluator = new Evaluator({
      clock: this.clock,
      log: silentLogger,
      bus: this.#bus,
      ledger: this.#faulty(),
      store: {
        ...this.store,
        put: async (record) => {
          if (this.storeRefuses) throw new Error("the disk is full");
          if (!this.#lags) return this.store.put(record);
          return new Promise((written) => this.#limbo.push({ record, written }));
        },
      },
      dispatcher: {
        dispatch: (dispatch) => {
          if (run === this.run)
            this.attempts.push({ dispatch, tick: this.number, run, ran: false, outcome: undefined });
        },
        cancel: () => {},
      },
      intervalMs: INTERVAL_MS,
      evaluationDelayMs: 4000,
    });
    await this.#evaluator.restore();
    const start = {
      kind: "start",
      number: this.number,
      at: this.number * INTERVAL_MS,
      intervalMs: INTERVAL_MS,
    } as const;
    await this.#evaluator.start([this.#rules], start, () => true);
    await settled();
  }

  /** One tick with so many sessions. */
  async tick(sessions: number): Promise<void> {
    this.number++;
    const tick = { number: this.number, at: this.number * INTERVAL_MS };
    this.#evaluator?.tick(tick);
    this.#bus.publish(aReport(tick, sessions, this.members));
    await settled();
  }

  /** What the service says of its health. */
  degraded(): readonly string[] {
    return this.#evaluator?.degraded() ?? [];
  }

  /** Why an attempt must not be written now. */
  heldBecause({ dispatch }: Attempt): string | undefined {
    return this.#evaluator?.heldBecause(dispatch.clusterId, dispatch.deliveryId);
  }

  /** The oldest attempt of this run that has no outcome yet and has not run. */
  underWay(): Attempt | undefined {
    return this.attempts.find(({ run, outcome, ran }) => run === this.run && outcome === undefined && !ran);
  }

  /** The receiver's answer to it, as the notifier reports it. */
  async answer(attempt: Attempt, outcome: OutcomeKind, ran: boolean): Promise<void> {
    attempt.outcome = outcome;
    attempt.ran = ran;
    const { clusterId, deliveryId, attempt: number } = attempt.dispatch;
    this.#evaluator?.outcome(clusterId, { kind: "outcome", deliveryId, attempt: number, outcome, reason: outcome });
    await settled();
  }

  /** kill -9: nothing of this process happens any more. */
  crash(): void {
    this.#evaluator?.stopTicks();
    this.#evaluator = undefined;
    this.#limbo.length = 0;
    this.run++;
  }

  #faulty(): Ledger {
    const { run } = this;
    return {
      ...this.ledger,
      commit: async (commit) => {
        const fate = run === this.run ? this.fate : "lost";
        if (fate === "refused") throw new Error("the disk is full");
        if (fate !== "lost") await this.ledger.commit(commit);
        if (fate !== "kept") await new Promise(() => {});
      },
    };
  }
}

/** Lets everything that is ready happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
