/** A record as a running service leaves it: the evaluator over the embedded store, told of loads, answering itself. */

import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { OutcomeKind } from "../../src/model/decision.ts";
import type { Dispatch, Logger } from "../../src/ports.ts";
import { FakeClock } from "./fakeClock.ts";
import { aReport } from "./reports.ts";
import { anAlarm, control, notice, theRules } from "./rules.ts";

const INTERVAL_MS = 10_000;
const actions = (...alarm: ReturnType<typeof control>[]) => ({
  ok: [notice("ops")],
  alarm: [...alarm, notice("ops")],
  "insufficient data": [],
});

export const RULES = theRules([
  anAlarm({ name: "out", threshold: 50, actions: actions(control("out", "out")) }),
  anAlarm({ name: "in", comparison: "lt", threshold: 10, actions: actions(control("in", "in")) }),
]);

/** One run of the service on a data folder. */
export class StorageRun {
  /** What was written to receivers and is not answered yet. */
  readonly sent: Dispatch[] = [];
  /** Delivery ids that a gate held at the last moment. */
  readonly held: string[] = [];
  readonly #claimed: Dispatch[] = [];
  readonly damaged: readonly string[];
  readonly #clock: FakeClock;
  readonly #bus = createMemoryBus();
  readonly #evaluator: Evaluator;
  readonly #writing = new Set<Promise<void>>();
  readonly #close: () => Promise<void>;
  /** Tick number. */
  number: number;

  static async start(folder: string, number: number, log: Logger = silentLogger): Promise<StorageRun> {
    const backend = await openSqlite(folder, { at: number * INTERVAL_MS });
    const run = new StorageRun(backend, number, log);
    await run.#evaluator.restore();
    const start = { kind: "start", number, at: number * INTERVAL_MS, intervalMs: INTERVAL_MS } as const;
    await run.#evaluator.start([RULES], start, () => true);
    return run;
  }

  private constructor(backend: Awaited<ReturnType<typeof openSqlite>>, number: number, log: Logger) {
    const { ledger, store, damaged } = backend;
    this.number = number;
    this.damaged = damaged;
    this.#clock = new FakeClock(number * INTERVAL_MS);
    this.#evaluator = new Evaluator({
      clock: this.#clock,
      log,
      bus: this.#bus,
      ledger: { ...ledger, commit: (commit) => this.#watched(ledger.commit(commit)) },
      store: { ...store, put: (record) => this.#watched(store.put(record)) },
      dispatcher: { dispatch: (dispatch) => this.#claimed.push(dispatch), cancel: () => {} },
      intervalMs: INTERVAL_MS,
      evaluationDelayMs: 4000,
    });
    this.#close = async () => {
      await this.#evaluator.close();
      await store.close();
      await ledger.close();
    };
  }

  get cluster() {
    return this.#evaluator.clusters()[0];
  }

  degraded(): readonly string[] {
    return this.#evaluator.degraded();
  }

  /** One tick with so many sessions, folded and recorded when it resolves. */
  async tick(sessions: number): Promise<void> {
    this.number++;
    const tick = { number: this.number, at: this.number * INTERVAL_MS };
    this.#evaluator.tick(tick);
    this.#bus.publish(aReport(tick, sessions, { a: "up", b: "up" }));
    await this.recorded();
  }

  /** The answer to everything that is under way. */
  async answer(outcome: OutcomeKind): Promise<void> {
    for (const { clusterId, deliveryId, attempt } of this.sent.splice(0)) {
      this.#evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome, reason: outcome });
    }
    await this.recorded();
  }

  /** A turn of the loop passes, and one of the clock's retries. */
  async retry(): Promise<void> {
    this.#clock.advance(1000);
    await this.recorded();
  }

  /** Resolves when nothing is being written any more. */
  async recorded(): Promise<void> {
    do {
      await Promise.allSettled(this.#writing);
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (const claim of this.#claimed.splice(0)) this.#send(claim);
    } while (this.#writing.size > 0);
  }

  /** As the notifier does: the gates are read again before anything is written (rule A5). */
  #send(claim: Dispatch): void {
    const { clusterId, deliveryId, attempt } = claim;
    const reason = this.#evaluator.heldBecause(clusterId, deliveryId);
    if (reason === undefined) {
      this.sent.push(claim);
      return;
    }
    this.held.push(deliveryId);
    this.#evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome: "cancelled", reason });
  }

  async #watched(write: Promise<void>): Promise<void> {
    this.#writing.add(write);
    try {
      await write;
    } finally {
      this.#writing.delete(write);
    }
  }

  stop(): Promise<void> {
    return this.#close();
  }
}

/** The files of a data folder as they are now: what a crash at this moment leaves. */
export function copyOf(folder: string, to: string): string {
  mkdirSync(to, { recursive: true });
  for (const name of ["state.db", "metrics.db"]) {
    for (const file of [name, `${name}-wal`]) cpSync(join(folder, file), join(to, file), { force: true });
  }
  cpSync(join(folder, "state.mark"), join(to, "state.mark"));
  return to;
}
