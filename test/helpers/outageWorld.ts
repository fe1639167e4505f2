/**
 * The evaluator and the notifier, with a ledger, on a clock that is told to go on, and real sockets to receivers that
 * go away for ten minutes. After every step of the clock it waits for all that really happens, so nothing depends on
 * how fast the machine is.
 */

import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { createAddressPolicy } from "../../src/lib/addressPolicy.ts";
import { parseHttpDate } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import { Notifier } from "../../src/notifier/notifier.ts";
import type { Dispatch, Ledger, OutcomeSink } from "../../src/ports.ts";
import type { SampleStore } from "../../src/seriesPorts.ts";
import { FakeClock } from "./fakeClock.ts";
import type { Outage } from "./outageReceivers.ts";
import { OutageReceivers } from "./outageReceivers.ts";
import { aSlice } from "./reports.ts";
import { anAlarm, BYTES, control, notice, SESSIONS, theRules } from "./rules.ts";

export const INTERVAL_S = 10;
export const REPEAT_TICKS = 6;
export const OUTAGE_TICKS = 60;
const BEFORE_TICKS = 12;
/** After the outage: some under the same load, and some in which all are calm and everything comes to its end. */
const AFTER_TICKS = 30;
const CALM_TICKS = 30;
const TIMEOUT_MS = 30_000;
/** For how long `page` is told of what has happened, seconds; `ops` is for a day. */
export const PAGE_MAX_AGE_S = 120;

/** Label of a tick, epoch ms. */
export function labelOf(tick: number): number {
  return 1_700_000_000_000 + tick * INTERVAL_S * 1000;
}

/** How the load of a cluster goes, by the tick since the start of the outage. */
type Load = (tick: number) => boolean;

interface ClusterPlan {
  readonly clusterId: string;
  readonly origin: string;
  readonly isBusy: Load;
}

const KINDS: readonly ((index: number) => Load)[] = [
  // In alarm all the time.
  () => () => true,
  // Since some tick of the outage.
  (index) => (tick) => tick >= 3 + (index % 50),
  // Until the outage is nearly over.
  (index) => (tick) => tick < 40 + (index % 19),
  // To and fro, each at its own pace.
  (index) => (tick) => Math.floor((tick + 100 + index) / (2 + (index % 9))) % 2 === 0,
  // During the outage alone, and not for long.
  (index) => (tick) => tick >= 5 + (index % 20) && tick < 12 + (index % 40),
];

/** One attempt that the evaluator asked for. */
interface Asked {
  readonly dispatch: Dispatch;
  readonly tick: number;
}

export class OutageWorld {
  readonly clock = new FakeClock();
  readonly receivers = new OutageReceivers();
  readonly asked: Asked[] = [];
  readonly plans: readonly ClusterPlan[];
  /** Longest queue of repeats of one alarm that waited for one receiver. */
  stackedRepeats = 0;
  recoveredAt = 0;
  #tick = 0;
  #underWay = new Set<string>();
  #writing = 0;

  constructor(clusters: number) {
    this.plans = Array.from({ length: clusters }, (_, index) => {
      const kind = KINDS[index % KINDS.length] ?? (() => () => true);
      // Many clusters behind one receiver, others each behind their own.
      const origin = Math.floor(index / KINDS.length) % 5 < 3 ? "shared" : `own-${index}`;
      return { clusterId: `cluster-${index}`, origin, isBusy: kind(index) };
    });
  }

  /** Whether the load of a cluster is high at a tick. */
  isBusy({ isBusy }: ClusterPlan, tick: number): boolean {
    return tick <= BEFORE_TICKS + OUTAGE_TICKS + AFTER_TICKS && isBusy(tick - BEFORE_TICKS);
  }

  /** Plays it to the end. */
  async play(outage: Outage, backend: { readonly ledger: Ledger; readonly store: SampleStore }): Promise<void> {
    await using _receivers = this.receivers;
    const origins = [...new Set(this.plans.map(({ origin }) => origin))];
    for (const [index, origin] of origins.entries()) await this.receivers.add(origin, `127.78.0.${index + 1}`);
    const { clock } = this;
    const bus = createMemoryBus();
    const notifier = this.#notifier();
    const evaluator = new Evaluator({
      clock,
      log: silentLogger,
      bus,
      ledger: this.#watched(backend.ledger, "commit"),
      store: this.#watched(backend.store, "put"),
      dispatcher: {
        dispatch: (dispatch) => {
          this.asked.push({ dispatch, tick: this.#tick });
          notifier.dispatch(dispatch);
        },
        cancel: (deliveryId) => notifier.cancel(deliveryId),
      },
      intervalMs: INTERVAL_S * 1000,
      evaluationDelayMs: 4000,
    });
    notifier.connect(this.#sink(evaluator));
    const start = { kind: "start", number: 0, at: labelOf(0), intervalMs: INTERVAL_S * 1000 } as const;
    await evaluator.start(this.plans.map(rulesOf), start, () => true);
    const end = BEFORE_TICKS + OUTAGE_TICKS + AFTER_TICKS + CALM_TICKS;
    for (let number = 1; number <= end; number++) {
      if (number === BEFORE_TICKS + 1) await this.receivers.turn(outage);
      if (number === BEFORE_TICKS + OUTAGE_TICKS + 1) {
        await this.receivers.turn(undefined);
        this.recoveredAt = number;
      }
      this.#tick = number;
      this.receivers.tick = number;
      const tick = { number, at: labelOf(number) };
      evaluator.tick(tick);
      const slices = this.plans.map((plan) => {
        const sessions = this.isBusy(plan, number) ? 90 : 1;
        const counted = { sums: { [SESSIONS]: sessions }, increases: { [BYTES]: sessions * 1000 } };
        return aSlice({ clusterId: plan.clusterId, members: { a: "up", b: "up" }, ...counted });
      });
      bus.publish({ tick, source: "s", durationMs: 1, outcome: { ok: true, slices } });
      for (const stepMs of STEPS_MS) {
        await this.#quiet();
        clock.advance(stepMs);
      }
      await this.#quiet();
      for (const cluster of evaluator.clusters()) {
        for (const queue of cluster.notices.values()) {
          const repeats = queue.filter(({ isRepeat, delivery }) => isRepeat && delivery.status === "waiting").length;
          this.stackedRepeats = Math.max(this.stackedRepeats, repeats);
        }
      }
    }
    await evaluator.close();
    await notifier.stop(0);
  }

  #notifier(): Notifier {
    const { clock, receivers } = this;
    const origins = new Map(this.plans.map(({ clusterId, origin }) => [clusterId, origin]));
    return new Notifier({
      clock,
      parseDate: parseHttpDate,
      log: silentLogger,
      policy: createAddressPolicy({ allow: [], deny: [] }),
      receivers: {
        resolve: (clusterId, receiver) => ({
          kind: "webhook",
          url: receivers.url(origins.get(clusterId) ?? "", clusterId, receiver),
          headers: {},
          timeoutMs: TIMEOUT_MS,
          body: { kind: "aodh" },
          labels: {},
          secrets: [],
          clusterName: clusterId,
        }),
      },
      version: "1.2.3",
      connectTimeoutMs: 5000,
      concurrency: 1024,
      perOrigin: 32,
    });
  }

  /** An attempt is under way from when its gates are read to its outcome; until then it waits for its turn. */
  #sink(evaluator: Evaluator): OutcomeSink {
    return {
      heldBecause: (clusterId, deliveryId) => {
        this.#underWay.add(deliveryId);
        return evaluator.heldBecause(clusterId, deliveryId);
      },
      outcome: (clusterId, outcome) => {
        this.#underWay.delete(outcome.deliveryId);
        evaluator.outcome(clusterId, outcome);
      },
    };
  }

  /** The same with its writes counted while they are under way. */
  #watched<K extends string, T extends Record<K, (record: never) => Promise<void>>>(backend: T, name: K): T {
    const write = backend[name];
    const watched = async (record: never) => {
      this.#writing++;
      await write(record).finally(() => {
        this.#writing--;
      });
    };
    return { ...backend, [name]: watched };
  }

  /** Nothing happens any more but by the clock: all that is under way hangs, and all is written. */
  async #quiet(): Promise<void> {
    for (let turns = 0; turns < 4; ) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const isQuiet = this.#writing === 0 && this.#underWay.size === this.receivers.hanging;
      turns = isQuiet ? turns + 1 : 0;
    }
  }
}

/** Of one tick: small at first, for requests that begin one after another. */
const STEPS_MS: readonly number[] = [...Array<number>(20).fill(50), ...Array<number>(9).fill(1000)];

function rulesOf({ clusterId }: ClusterPlan): ClusterRules {
  const told = [notice("ops"), notice("page", PAGE_MAX_AGE_S)];
  const alarm = anAlarm({
    name: "busy",
    id: `id-${clusterId}`,
    threshold: 50,
    repeatActions: true,
    repeatIntervalS: REPEAT_TICKS * INTERVAL_S,
    actions: { ok: told, alarm: [control("scale", "out"), ...told], "insufficient data": [] },
  });
  return theRules([alarm], {
    clusterId,
    clusterName: clusterId,
    rows: [{ kind: "proxy", pattern: clusterId, source: undefined }],
    settleS: REPEAT_TICKS * INTERVAL_S,
  });
}
