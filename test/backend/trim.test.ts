import fc from "fast-check";
import { expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { StateDb } from "../../src/backend/sqlite/stateDb.ts";
import { loadCheckpoint } from "../../src/evaluator/checkpoint.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { fold } from "../../src/evaluator/fold.ts";
import { fillFromRecord, restoreCluster } from "../../src/evaluator/restore.ts";
import { saveCluster, ticksToRead } from "../../src/evaluator/snapshot.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { OutcomeKind } from "../../src/model/decision.ts";
import type { Dispatch, Ledger } from "../../src/ports.ts";
import { explain } from "../../src/replay/explain.ts";
import type { SampleStore } from "../../src/seriesPorts.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { aFailure, aReport } from "../helpers/reports.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

const INTERVAL_MS = 10_000;
const FIRST = 170_000_000;
const actions = (...alarm: ReturnType<typeof control>[]) => ({
  ok: [notice("ops")],
  alarm: [...alarm, notice("ops")],
  "insufficient data": [],
});
/** Revisions that runs take turns with. */
const REVISIONS = [3, 1].map((evaluationPeriods) =>
  theRules([
    anAlarm({
      name: "out",
      threshold: 50,
      evaluationPeriods,
      repeatActions: true,
      actions: actions(control("out", "out")),
    }),
    anAlarm({ name: "in", comparison: "lt", threshold: 10, actions: actions(control("in", "in")) }),
  ]),
);
const ALARMS = ["id-out", "id-in"];

/** `state.db` without its worker. */
function overDb(db: StateDb): Ledger {
  return {
    load: async () => db.load(),
    ticks: async (...asked) => db.ticks(...asked),
    async commit(commit) {
      const [error] = db.commit([commit]);
      if (typeof error === "string") throw new Error(error);
    },
    deliveries: async (query) => db.deliveries(query),
    delivery: async (id) => db.delivery(id),
    inputs: async (...asked) => db.inputs(...asked),
    checkpoint: async (...asked) => db.checkpoint(...asked),
    rulesAt: async (...asked) => db.rulesAt(...asked),
    decisions: async (...asked) => db.decisions(...asked),
    baselines: async () => db.baselines(),
    decisionLog: async (clusterId) => db.decisionLog(clusterId),
    trim: async (before) => db.trim(before),
    close: async () => db.close(),
  };
}

/** What happens at one tick. */
interface Step {
  readonly load: number | "silent";
  readonly answer: OutcomeKind | "none";
}

const step: fc.Arbitrary<Step> = fc.record({
  load: fc.constantFrom(30, 30, 90, 90, 90, 5, "silent" as const),
  answer: fc.constantFrom<Step["answer"]>("accepted", "accepted", "uncertain", "not_run", "rejected", "none"),
});
const history = fc.array(fc.array(step, { minLength: 3, maxLength: 14 }), { minLength: 2, maxLength: 5 });

/** Runs the evaluator again and again on a record: each start leaves a checkpoint. Returns the newest tick. */
async function record(runs: readonly (readonly Step[])[], ledger: Ledger, store: SampleStore): Promise<number> {
  let number = FIRST;
  for (const [at, steps] of runs.entries()) {
    const clock = new FakeClock(number * INTERVAL_MS);
    const bus = createMemoryBus();
    const sent: Dispatch[] = [];
    const dispatcher = { dispatch: (dispatch: Dispatch) => void sent.push(dispatch), cancel: () => {} };
    const common = { clock, log: silentLogger, bus, ledger, store, dispatcher };
    const evaluator = new Evaluator({ ...common, intervalMs: INTERVAL_MS, evaluationDelayMs: 4000 });
    const settled = async () => {
      for (let turn = 0; turn < 12; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    await evaluator.restore();
    const start = { kind: "start", number, at: number * INTERVAL_MS, intervalMs: INTERVAL_MS } as const;
    await evaluator.start([REVISIONS[at % 2]!], start, () => true);
    for (const { load, answer } of steps) {
      const tick = { number: ++number, at: number * INTERVAL_MS };
      evaluator.tick(tick);
      bus.publish(load === "silent" ? aFailure(tick) : aReport(tick, load, { a: "up", b: "up" }));
      await settled();
      if (answer === "none") continue;
      for (const { clusterId, deliveryId, attempt } of sent.splice(0)) {
        evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome: answer, reason: answer });
      }
      await settled();
    }
    await evaluator.close();
    number += 2;
  }
  return number;
}

/** All that a record says of the time after a seq and a tick. */
async function saysOf(ledger: Ledger, store: SampleStore, seq: number, from: number, to: number): Promise<unknown> {
  const [loaded] = await ledger.load();
  if (!loaded) return "nothing";
  const past = { ledger, store, pause: async () => {} };
  const explained: unknown[] = [];
  for (let number = from + 1; number <= to; number += 3) {
    for (const alarmId of ALARMS) explained.push(await explain("web", alarmId, number * INTERVAL_MS, past));
  }
  const log = await ledger.decisionLog("web");
  const later = (await ledger.inputs("web", seq)).map(({ seq: own }) => own);
  const revisions = await Promise.all([seq, ...later].map((own) => ledger.rulesAt("web", own)));
  const open = await ledger.deliveries({ statuses: ["waiting", "claimed"], limit: 999 });
  const restored = saveCluster(await restoreCluster(loaded, { ledger, store }, silentLogger));
  const history = await Promise.all(ALARMS.map((alarmId) => ledger.decisions("web", { alarmId, limit: 3 })));
  return {
    loaded,
    explained,
    later,
    revisions,
    open,
    restored,
    history,
    newest: log.slice(-5),
  };
}

/** The decisions that the oldest checkpoint, and what came after it, lead to. */
async function replayed(ledger: Ledger, store: SampleStore, seq: number): Promise<string[]> {
  const checkpoint = await ledger.checkpoint("web", Infinity, seq + 1);
  if (!checkpoint) return [];
  const cluster = loadCheckpoint(checkpoint, await ledger.rulesAt("web", checkpoint.seq));
  await fillFromRecord(cluster, { ledger, store }, ticksToRead(cluster) + 1);
  const ticks = (await store.ticks("web", checkpoint.number)).map(({ seq: own, tick }) => ({ seq: own, input: tick }));
  const all = new Map([...ticks, ...(await ledger.inputs("web", checkpoint.seq))].map((one) => [one.seq, one]));
  return [...all.values()]
    .sort((a, b) => a.seq - b.seq)
    .flatMap(({ seq: own, input }) => {
      cluster.seq = own - 1;
      return fold(cluster, input).decisions.map((decision) => JSON.stringify(decision));
    });
}

it("what is forgotten changes nothing of what is kept: explanations, restarts, replays", async () => {
  let forgotten = 0;
  const property = fc.asyncProperty(history, fc.double({ min: 0.4, max: 1, noNaN: true }), async (runs, share) => {
    using folder = temporaryFolder();
    const whole = createMemoryLedger();
    const memory = createMemoryLedger();
    const sqlite = overDb(new StateDb(folder.path));
    const all = createMemoryStore();
    const committed = new Set<number>();
    // A crash after a commit leaves its ticks in the ledger alone.
    const store: SampleStore = {
      ...all,
      put: (one) => (committed.has(one.seq) && one.seq % 3 > 0 ? Promise.resolve() : all.put(one)),
    };
    const tee: Ledger = {
      ...whole,
      async commit(commit) {
        for (const one of [whole, memory, sqlite]) await one.commit(commit);
        for (const { seq } of commit.inputs) committed.add(seq);
      },
    };
    const last = await record(runs, tee, store);
    const before = (FIRST + Math.floor(share * (last - FIRST + 1))) * INTERVAL_MS;
    const oldest = await whole.checkpoint("web", before - 1, Infinity);
    const [seq, from] = [oldest?.seq ?? 0, oldest?.number ?? FIRST];
    const expected = await saysOf(whole, store, seq, from, last);
    const log = oldest ? await replayed(whole, store, seq) : [];
    for (const trimmed of [memory, sqlite]) {
      for (let more = true; more; ) {
        const slice = await trimmed.trim(before);
        forgotten += slice.deleted;
        more = slice.more;
      }
      expect(await saysOf(trimmed, store, seq, from, last)).toEqual(expected);
      expect(oldest ? await replayed(trimmed, store, seq) : []).toEqual(log);
      const kept = await trimmed.decisionLog("web");
      expect(kept.slice(kept.length - log.length)).toEqual(log);
      if (oldest) expect((await trimmed.checkpoint("web", before - 1, Infinity))?.seq).toBe(oldest.seq);
      // Nothing more goes, and what is older than the oldest checkpoint is not made up.
      expect((await trimmed.trim(before)).deleted).toBe(0);
      const past = { ledger: trimmed, store, pause: async () => {} };
      if (oldest && oldest.seq > 1)
        expect(await explain("web", "id-out", oldest.at - INTERVAL_MS, past)).toBeUndefined();
    }
    expect(await memory.decisionLog("web")).toEqual(await sqlite.decisionLog("web"));
    const ids = async (ledger: Ledger) => (await ledger.deliveries({ limit: 9999 })).map(({ id }) => id);
    expect(await ids(memory)).toEqual(await ids(sqlite));
    await sqlite.close();
  });
  await fc.assert(property, { numRuns: process.env.TOCSIN_TEST_FULL ? 40 : 5 });
  expect(forgotten).toBeGreaterThan(0);
}, 600_000);
