/** A service without a collector for benchmarks: reports on the bus → seal, judge, real ledger, real notifier. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryBus } from "../src/backend/memory/bus.ts";
import { openSqlite } from "../src/backend/sqlite/backend.ts";
import { Evaluator } from "../src/evaluator/evaluator.ts";
import { createAddressPolicy } from "../src/lib/addressPolicy.ts";
import { parseHttpDate, systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/log.ts";
import type { ClusterRules } from "../src/model/alarm.ts";
import type { Decision } from "../src/model/decision.ts";
import type { ScrapeReport } from "../src/model/tick.ts";
import { Notifier } from "../src/notifier/notifier.ts";
import type { Ledger, WebhookTarget } from "../src/ports.ts";

const METER = "network.services.lb.active.connections";
const INTERVAL_MS = 1000;

export interface RigOptions {
  readonly clusters: number;
  /** Where the receiver of each cluster is. */
  readonly urlOf: (clusterId: string) => string;
  readonly isControl: boolean;
  readonly timeoutMs?: number;
  readonly wrapLedger?: (ledger: Ledger) => Ledger;
  readonly onDecision?: (clusterId: string, decision: Decision) => void;
}

export interface Rig extends AsyncDisposable {
  /** Publishes the next tick: every cluster has so many sessions. Returns the tick's number. */
  tick(sessions: number | ((index: number) => number)): number;
}

function clusterIdOf(index: number): string {
  return `cluster-${index}`;
}

export async function startRig(options: RigOptions): Promise<Rig> {
  const { clusters, urlOf, isControl, timeoutMs = 30_000, wrapLedger = (ledger) => ledger, onDecision } = options;
  const folder = mkdtempSync(join(tmpdir(), "tocsin-bench-"));
  const backend = await openSqlite(folder);
  const { store } = backend;
  const ledger = wrapLedger(backend.ledger);
  const bus = createMemoryBus();
  const target = (clusterId: string): WebhookTarget => ({
    kind: "webhook",
    url: urlOf(clusterId),
    headers: {},
    timeoutMs,
    body: { kind: "aodh" },
    labels: {},
    clusterName: clusterId,
    secrets: [],
  });
  const notifier = new Notifier({
    clock: systemClock,
    parseDate: parseHttpDate,
    log: silentLogger,
    receivers: { resolve: target },
    policy: createAddressPolicy({ allow: [], deny: [] }),
    version: "bench",
    connectTimeoutMs: 5000,
    concurrency: 1024,
    perOrigin: 32,
  });
  const evaluator = new Evaluator({
    clock: systemClock,
    log: silentLogger,
    bus,
    ledger,
    store,
    dispatcher: notifier,
    intervalMs: INTERVAL_MS,
    evaluationDelayMs: 60_000,
    ...(onDecision === undefined ? {} : { onDecision }),
  });
  notifier.connect(evaluator);
  const ids = Array.from({ length: clusters }, (_, index) => clusterIdOf(index));
  let number = 1000;
  const start = { kind: "start", number, at: 0, intervalMs: INTERVAL_MS } as const;
  await evaluator.start(
    ids.map((id) => rulesOf(id, isControl)),
    start,
    () => true,
  );
  return {
    tick(sessions) {
      number++;
      bus.publish(report(number, ids, typeof sessions === "number" ? () => sessions : sessions));
      return number;
    },
    async [Symbol.asyncDispose]() {
      await notifier.stop(0);
      await evaluator.close();
      await store.close();
      await ledger.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function rulesOf(clusterId: string, isControl: boolean): ClusterRules {
  const action = isControl
    ? ({ receiver: "r", class: "control", direction: "out", maxAgeS: 60 } as const)
    : ({ receiver: "r", class: "notice", direction: "unknown", maxAgeS: 600 } as const);
  return {
    clusterId,
    clusterName: clusterId,
    file: "bench.yaml",
    rows: [],
    expect: 0,
    settleS: 60,
    cooldownS: { in: 0, out: 0 },
    alarms: [
      {
        id: `${clusterId}-alarm`,
        name: "busy",
        description: "",
        type: "threshold",
        severity: "low",
        enabled: true,
        rule: {
          kind: "threshold",
          meterName: METER,
          statistic: "avg",
          per: "total",
          periodS: 1,
          evaluationPeriods: 1,
          datapointsToAlarm: 1,
          threshold: 5,
          clearThreshold: 5,
          comparison: "gt",
          treatMissingData: "missing",
          excludeOutliers: false,
        },
        timeConstraints: [],
        suppressedBy: [],
        repeatActions: false,
        repeatIntervalS: 60,
        repeatStates: ["alarm"],
        maxRepeats: undefined,
        actions: { ok: isControl ? [] : [action], alarm: [action], "insufficient data": [] },
      },
    ],
  };
}

function report(number: number, ids: readonly string[], sessions: (index: number) => number): ScrapeReport {
  const baseline = {
    process: { pid: 1, uptimeS: 1, startTimeS: undefined, version: "2.6" },
    at: 0,
    open: false,
    rows: "",
  };
  const slices = ids.map((clusterId, index) => ({
    clusterId,
    coveredS: 1,
    increases: {},
    sums: { [METER]: sessions(index) },
    means: {},
    members: {},
    reload: false,
    gap: false,
    open: true,
    moved: true,
    baseline,
  }));
  return { tick: { number, at: number * INTERVAL_MS }, source: "s", durationMs: 1, outcome: { ok: true, slices } };
}
