/** The path of a sample, from real sockets to sealed ticks in memory: what the service does, without its disk. */

import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { Collector } from "../../src/collector/collector.ts";
import { createMapping } from "../../src/collector/mapping.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { Ticker } from "../../src/lib/ticker.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { Decision } from "../../src/model/decision.ts";
import type { ScrapeReport, SealedTick, Tick } from "../../src/model/tick.ts";
import type { Clock, Dispatch, Logger, SampleBus } from "../../src/ports.ts";
import { rowsOf } from "../../src/ruleChanges.ts";

export interface WatchOptions {
  readonly clock: Clock;
  /** Paths or globs, by name. */
  readonly sockets: Readonly<Record<string, string>>;
  readonly rules: ClusterRules;
  readonly intervalMs: number;
  /** Scrapes start so long after their tick at the most. */
  readonly maxOffsetMs?: number;
  /** What a receiver does before it says that it has taken it. */
  readonly onSend?: (dispatch: Dispatch) => void | Promise<void>;
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** The one place that knows what a collector is made of. */
function collectorOver(
  { clock, sockets, rules, intervalMs, maxOffsetMs = 20 }: WatchOptions,
  bus: SampleBus,
): Collector {
  return new Collector({
    clock,
    log: SILENT,
    bus,
    entries: Object.entries(sockets).map(([name, socket]) => ({ kind: "socket", name, socket, quiet: false })),
    secretsOf: () => ({}),
    intervalMs,
    timeoutMs: 0.6 * intervalMs,
    maxOffsetMs,
    mapping: createMapping({ clusters: [rowsOf(rules)], families: [], ignore: [], unmapped: "warn" }),
    baselines: new Map(),
    known: [],
  });
}

export class Watch implements AsyncDisposable {
  readonly reports: ScrapeReport[] = [];
  readonly decisions: Decision[] = [];
  readonly sent: Dispatch[] = [];
  readonly #options: WatchOptions;
  readonly #bus = createMemoryBus();
  readonly #store = createMemoryStore();
  readonly #ledger = createMemoryLedger();
  readonly #collector: Collector;
  readonly #evaluator: Evaluator;
  #ticker: Ticker | undefined;
  #last: Tick;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { clock, intervalMs, onSend = () => {} } = options;
    this.#bus.subscribe((report) => this.reports.push(report));
    this.#collector = collectorOver(options, this.#bus);
    this.#evaluator = new Evaluator({
      clock,
      log: SILENT,
      bus: this.#bus,
      ledger: this.#ledger,
      store: this.#store,
      intervalMs,
      evaluationDelayMs: 0.75 * intervalMs,
      dispatcher: {
        dispatch: async (dispatch) => {
          this.sent.push(dispatch);
          await onSend(dispatch);
          const { clusterId, deliveryId, attempt } = dispatch;
          const accepted = { outcome: "accepted", reason: "taken" } as const;
          this.#evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, ...accepted });
        },
        cancel: () => {},
      },
      onDecision: (_clusterId, decision) => {
        this.decisions.push(decision);
        // As the service does: what no cluster waits for need not be asked, once its path is gone.
        if (decision.d === "source") void this.#collector.forget(decision.source);
      },
    });
    const number = Math.floor(clock.now() / intervalMs);
    this.#last = { number, at: number * intervalMs };
  }

  async begin(): Promise<void> {
    const { rules, intervalMs } = this.#options;
    await this.#evaluator.start([rules], { kind: "start", ...this.#last, intervalMs }, () => true);
  }

  /** Ticks as the service does, from the next one on, until it is told to pause. */
  run(): void {
    const { clock, intervalMs } = this.#options;
    const onTick = (tick: Tick) => this.tick(tick);
    this.#ticker = new Ticker({ clock, intervalMs, after: this.#last, onTick, onStep() {} });
    this.#ticker.start();
  }

  pause(): void {
    this.#ticker?.stop();
  }

  /** One tick, now. */
  tick(tick: Tick = { number: this.#last.number + 1, at: this.#last.at + this.#options.intervalMs }): void {
    this.#last = tick;
    this.#evaluator.tick(tick);
    void this.#collector.tick(tick);
  }

  /** Number of the newest tick that was called out. */
  get last(): number {
    return this.#last.number;
  }

  /** The cluster as it is now. Read only. */
  get cluster() {
    const [cluster] = this.#evaluator.clusters();
    if (!cluster) throw new Error("the cluster is gone");
    return cluster;
  }

  /** A person says that a source is gone. */
  async forget(source: string): Promise<void> {
    await this.#evaluator.command(this.cluster.clusterId, { kind: "command", command: "forget", source });
  }

  /** Every sealed tick, in order, wherever it was recorded. */
  async ticks(): Promise<readonly SealedTick[]> {
    const { clusterId } = this.cluster;
    const stored = (await this.#store.ticks(clusterId, -Infinity)).map(({ tick }) => tick);
    const committed = (await this.#ledger.ticks(clusterId, -Infinity)).flatMap(({ input }) =>
      input.kind === "tick" ? [input] : [],
    );
    const byNumber = new Map([...stored, ...committed].map((tick) => [tick.number, tick]));
    return [...byNumber.values()].sort((a, b) => a.number - b.number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pause();
    this.#collector.stop();
    await this.#evaluator.close();
  }
}
