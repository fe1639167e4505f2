import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { openSqlite } from "../../src/backend/sqlite/backend.ts";
import { explainText, historyTable } from "../../src/cli/explain.ts";
import { loadCheckpoint } from "../../src/evaluator/checkpoint.ts";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { fold } from "../../src/evaluator/fold.ts";
import { gateOf } from "../../src/evaluator/gates.ts";
import { fillFromRecord } from "../../src/evaluator/restore.ts";
import { ticksToRead } from "../../src/evaluator/snapshot.ts";
import { rfc3339 } from "../../src/lib/clock.ts";
import { nextDown } from "../../src/lib/floats.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { Alarm, ClusterRules } from "../../src/model/alarm.ts";
import type { Delivery, Input, RecordedInput } from "../../src/model/decision.ts";
import type { Explanation } from "../../src/model/explanation.ts";
import type { Commit, Ledger } from "../../src/ports.ts";
import { explain } from "../../src/replay/explain.ts";
import { inputsAfter } from "../../src/replay/past.ts";
import type { SampleStore } from "../../src/seriesPorts.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import type { TickFields } from "../helpers/folded.ts";
import { Folded } from "../helpers/folded.ts";
import { aReport } from "../helpers/reports.ts";
import { anAlarm, aRule, BYTES, control, notice, RATE, SESSIONS, theRules } from "../helpers/rules.ts";
import { settled } from "../helpers/simulation.ts";
import { temporaryFolder } from "../helpers/sockets.ts";

/** Inputs of which nothing came but that they are recorded. */
function recorded(inputs: readonly RecordedInput[]): Commit {
  const snapshot = { clusterId: "web", seq: inputs.at(-1)?.seq ?? 0, doc: "{}" };
  return { clusterId: "web", inputs, decisions: [], snapshot, deliveries: [], attempts: [], baselines: [] };
}

const INTERVAL_MS = 10_000;
const out = (fields: Partial<Alarm> = {}) =>
  anAlarm({
    name: "out",
    threshold: 50,
    evaluationPeriods: 3,
    datapointsToAlarm: 2,
    repeatActions: true,
    actions: { ok: [notice("ops")], alarm: [control("scaler", "out"), notice("ops")], "insufficient data": [] },
    ...fields,
  });
const alarms = [
  out(),
  anAlarm({
    name: "in",
    comparison: "lt",
    threshold: 10,
    actions: { ok: [], alarm: [control("shrink", "in")], "insufficient data": [] },
  }),
  anAlarm({
    name: "both",
    rule: {
      kind: "composite",
      expression: {
        op: "or",
        parts: [
          { op: "rule", rule: aRule({ threshold: 80, evaluationPeriods: 2 }), written: {} },
          { op: "not", part: { op: "alarm", alarmId: "id-out", name: "out", state: undefined } },
        ],
      },
    },
  }),
];
const rules = theRules(alarms);

/** What the live fold said after a tick. */
interface Noted {
  readonly at: number;
  readonly alarms: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The evaluator on some backend, noting what it says after every tick. */
class Live {
  readonly noted: Noted[] = [];
  readonly ledger: Ledger;
  readonly store: SampleStore;
  number = 170_000_000;
  #bus = createMemoryBus();
  #evaluator: Evaluator | undefined;
  readonly #answers: (() => void)[] = [];

  constructor(ledger: Ledger, store: SampleStore) {
    this.ledger = ledger;
    this.store = store;
  }

  async start(revision: ClusterRules, downTicks = 0): Promise<void> {
    await this.#evaluator?.close();
    this.number += downTicks;
    this.#bus = createMemoryBus();
    const evaluator = new Evaluator({
      clock: new FakeClock(1_700_000_000_000),
      log: silentLogger,
      bus: this.#bus,
      ledger: this.ledger,
      store: this.store,
      dispatcher: {
        dispatch: ({ clusterId, deliveryId, attempt }) =>
          this.#answers.push(() =>
            evaluator.outcome(clusterId, { kind: "outcome", deliveryId, attempt, outcome: "accepted", reason: "202" }),
          ),
        cancel: () => {},
      },
      intervalMs: INTERVAL_MS,
      evaluationDelayMs: 4000,
    });
    this.#evaluator = evaluator;
    await evaluator.restore();
    const at = this.number * INTERVAL_MS;
    await evaluator.start([revision], { kind: "start", number: this.number, at, intervalMs: INTERVAL_MS }, () => true);
  }

  async revise(revision: ClusterRules): Promise<void> {
    await this.#evaluator?.revise("web", revision);
  }

  async tick(sessions: number): Promise<void> {
    this.number++;
    const tick = { number: this.number, at: this.number * INTERVAL_MS };
    this.#evaluator?.tick(tick);
    const before = this.#evaluator?.clusters()[0]?.tick;
    this.#bus.publish(aReport(tick, sessions, { a: "up", b: "up" }));
    await settled();
    const [cluster] = this.#evaluator?.clusters() ?? [];
    if (!cluster || cluster.tick === before) throw new Error("the tick was not folded");
    const views = [...cluster.alarms.values()].map((alarm) => {
      const { owed, state, verdict, transition } = alarm;
      const held = owed && gateOf(cluster, alarm, owed)?.gate;
      return [alarm.alarm.name, { state, transition, verdict: verdict.kind, held, lane: cluster.lane.phase }] as const;
    });
    this.noted.push({ at: tick.at, alarms: Object.fromEntries(views) });
    // Answers come before the next tick, and after what was noted.
    for (const answer of this.#answers.splice(0)) answer();
    await settled();
  }

  async stop(): Promise<void> {
    await this.#evaluator?.close();
  }
}

const pause = async () => {};

/** A day of a service: 900 ticks, two restarts, a revision of the rules, load that swings. */
async function played(ledger: Ledger, store: SampleStore): Promise<Live> {
  const live = new Live(ledger, store);
  await live.start(rules);
  const loads = [30, 90, 90, 60, 20, 5, 5, 55, 45, 70];
  const play = async (ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) await live.tick(loads[Math.floor(tick / 7) % loads.length] ?? 0);
  };
  await play(400);
  await live.start(rules, 3);
  await play(150);
  await live.revise(theRules([out({ rule: aRule({ threshold: 65, evaluationPeriods: 4 }) }), ...alarms.slice(1)]));
  await play(200);
  await live.start(theRules([out({ rule: aRule({ threshold: 65, evaluationPeriods: 4 }) }), ...alarms.slice(1)]));
  await play(150);
  await live.stop();
  return live;
}

/** The same day for all who only read its record. */
let day: Promise<Live> | undefined;
function aDay(): Promise<Live> {
  day ??= played(createMemoryLedger(), createMemoryStore());
  return day;
}

/** Explains past instants and compares them with what was noted then. */
async function compare(live: Live, every: number, pastOf: { ledger: Ledger; store: SampleStore }): Promise<number> {
  let compared = 0;
  for (let index = 3; index < live.noted.length; index += every) {
    const noted = live.noted[index];
    for (const [name, said] of Object.entries(noted?.alarms ?? {})) {
      // Any instant before the next tick is the same one.
      const at = (noted?.at ?? 0) + 9_999;
      const explanation = await explain("web", `id-${name}`, at, { ...pastOf, pause });
      if (!explanation) throw new Error(`nothing is known of ${name} at ${index}`);
      expect(explanation.tick.timestamp).toBe(rfc3339(noted?.at ?? 0));
      const { state, verdict, gates, lane, transition } = explanation;
      expect({ state, verdict, lane: lane.phase }, `${name} at ${index}`).toEqual({
        state: said.state,
        verdict: said.verdict,
        lane: said.lane,
      });
      if (transition) expect(transition.number).toBe(said.transition);
      if (said.held !== undefined) expect(gates.find(({ passed }) => !passed)?.gate).toBe(said.held);
      for (const rule of explanation.rules) if (name !== "both") expect(rule.verdict).toBe(verdict);
      compared++;
    }
  }
  return compared;
}

describe("an explanation of the past is what the fold said then", () => {
  it("across restarts and a revision, from checkpoints", async () => {
    const live = await aDay();
    const { ledger, store } = live;
    expect(await ledger.checkpoint("web", Infinity, Infinity)).toBeDefined();
    expect(await compare(live, 29, { ledger, store })).toBeGreaterThan(90);
  }, 60_000);

  it("from every checkpoint the rest of the record decides the same, to the byte", async () => {
    const live = await aDay();
    const { ledger, store } = live;
    const log = await ledger.decisionLog("web");
    let checkpoints = 0;
    for (let seq = Infinity; ; checkpoints++) {
      const checkpoint = await ledger.checkpoint("web", Infinity, seq);
      if (!checkpoint) break;
      seq = checkpoint.seq;
      const cluster = loadCheckpoint(checkpoint, await ledger.rulesAt("web", seq));
      await fillFromRecord(cluster, { ledger, store }, ticksToRead(cluster) + 1);
      const decided: string[] = [];
      for await (const one of inputsAfter(cluster, { ledger, store, pause }, Infinity)) {
        cluster.seq = one.seq - 1;
        decided.push(...fold(cluster, one.input).decisions.map((decision) => JSON.stringify(decision)));
      }
      expect(decided.length).toBeGreaterThan(0);
      expect(log.slice(-decided.length)).toEqual(decided);
    }
    // One at each start after the first, and between them.
    expect(checkpoints).toBeGreaterThanOrEqual(4);
    console.log(`checkpoints=${checkpoints} decisions=${log.length} differ=0`);
  }, 60_000);

  it("without any checkpoint", async () => {
    const live = await aDay();
    const { store } = live;
    const ledger = { ...live.ledger, checkpoint: async () => undefined };
    expect(await compare(live, 97, { ledger, store })).toBeGreaterThan(20);
  }, 60_000);

  it("from SQLite", async () => {
    using folder = temporaryFolder();
    const { ledger, store } = await openSqlite(folder.path);
    try {
      const live = await aDay();
      // The same record, copied: the simulation's turns are not the disk's.
      for (const record of await live.store.ticks("web", -Infinity)) await store.put(record);
      for (const { seq, input } of await live.ledger.inputs("web")) {
        const checkpoint = await live.ledger.checkpoint("web", Infinity, seq + 1);
        await ledger.commit({
          clusterId: "web",
          inputs: [{ seq, input }],
          decisions: [],
          snapshot: { clusterId: "web", seq, doc: "{}" },
          deliveries: [],
          attempts: [],
          baselines: [],
          ...(checkpoint?.seq === seq ? { checkpoint } : {}),
        });
      }
      expect(await compare(live, 61, { ledger, store })).toBeGreaterThan(30);
    } finally {
      await store.close();
      await ledger.close();
    }
  }, 120_000);

  it("reads no more than what is near, however long the record is", async () => {
    const live = await aDay();
    const read: number[] = [];
    let oldest = Infinity;
    const store = {
      ticks: async (clusterId: string, after: number, limit = Infinity) => {
        const ticks = await live.store.ticks(clusterId, after, limit);
        read.push(ticks.length);
        oldest = Math.min(oldest, after);
        return ticks;
      },
    };
    await explain("web", "id-out", live.noted.at(-40)?.at ?? 0, { ledger: live.ledger, store, pause });
    expect(Math.max(...read)).toBeLessThanOrEqual(200);
    expect(oldest).toBeGreaterThan(live.number - 400);
  }, 60_000);
});

describe("what an explanation tells", () => {
  const numberOf = async (live: Live, name: string, at: number | undefined): Promise<Explanation> => {
    const explanation = await explain("web", `id-${name}`, at, { ledger: live.ledger, store: live.store, pause });
    if (!explanation) throw new Error("nothing is known");
    return explanation;
  };

  it("windows with raw counters, gates, sends, and the nearest change", async () => {
    const live = new Live(createMemoryLedger(), createMemoryStore());
    await live.start(rules);
    for (const sessions of [30, 30, 30, 40, 90, 90, 90, 90, 90, 90, 90, 90]) await live.tick(sessions);
    await live.stop();
    const fired = await numberOf(live, "out", live.noted[5]?.at);
    expect([fired.state_before, fired.state, fired.transition?.to, fired.action.status]).toEqual([
      "ok",
      "alarm",
      "alarm",
      "sent",
    ]);
    expect(fired.rules[0]?.windows.map(({ value, breaches }) => [value, breaches])).toEqual([
      [90, true],
      [90, true],
      [40, false],
    ]);
    expect(fired.deliveries.map(({ receiver, end }) => [receiver, end])).toEqual([
      ["scaler", "delivered"],
      ["ops", "delivered"],
    ]);
    expect(fired.nearest.filter(({ change }) => change === "threshold")).toEqual([
      { change: "threshold", rule: null, from: 50, to: 90, verdict: "ok", with: { clear_threshold: 90 } },
    ]);
    const before = await numberOf(live, "out", live.noted[4]?.at);
    expect(before.nearest.map(({ change, to, verdict }) => [change, to, verdict])).toEqual([
      ["threshold", nextDown(40), "alarm"],
      ["datapoints_to_alarm", 1, "alarm"],
      ["time", 10, "alarm"],
    ]);
    const text = explainText(fired);
    expect(text.split("\n")[0]).toBe("out (web) at 2023-11-14T22:14:20Z  state ok -> alarm, action sent");
    expect(text).toContain("  nearest     would be ok with threshold >= 90.0\n");
    expect(text).toMatch(/^ {14}lane +BLOCKED {2}its own action is being sent$/m);
    expect(explainText(await numberOf(live, "both", undefined))).toMatchInlineSnapshot(`
      "both (web) at 2023-11-14T22:15:20Z  state alarm
        verdict     alarm
        state       alarm since 2023-11-14T22:13:50Z: Composite rule alarm with composition form: (rule1 or not rule2) transition to alarm, due to rules:  outside their threshold.
        composite   (rule1 or not rule2)
                    rule1             alarm
                    rule2, alarm out  not looked at
        rule1       avg of network.services.lb.active.connections per total > 80.0
                    alarm: 2 breach, 2 of 2 needed, each over 10 s, missing data: missing
        datapoints  2023-11-14T22:15:10Z .. 2023-11-14T22:15:20Z  90 connection  breach  1 sample
                    2023-11-14T22:15:00Z .. 2023-11-14T22:15:10Z  90 connection  breach  1 sample
        raw         s (10 of 10 s, pid 1)
        lane        in flight of out (out), sent 2023-11-14T22:15:20Z
        nearest     would be ok with threshold 90.0 of rule1
                    would be ok with evaluation_periods 9 of rule1, datapoints_to_alarm 9"
    `);
    const history = await live.ledger.decisions("web", { alarmId: "id-out", limit: 100 });
    expect(historyTable(history)).toMatchInlineSnapshot(`
      "TIMESTAMP             DECISION    WHAT                        REASON
      2023-11-14T22:15:20Z  end         2.1 to ops: delivered       202
      2023-11-14T22:15:20Z  end         2.1 to scaler: delivered    202
      2023-11-14T22:15:20Z  send        2.1 to ops (notice)         Remaining as alarm due to 3 samples outside threshold, most recent: 90.0
      2023-11-14T22:15:20Z  send        2.1 to scaler (control)     Remaining as alarm due to 3 samples outside threshold, most recent: 90.0
      2023-11-14T22:15:20Z  effect      2: no_effect                out, after 6 ticks
      2023-11-14T22:14:20Z  end         2.0 to ops: delivered       202
      2023-11-14T22:14:20Z  end         2.0 to scaler: delivered    202
      2023-11-14T22:14:20Z  send        2.0 to ops (notice)         Transition to alarm due to 2 samples outside threshold, most recent: 90.0
      2023-11-14T22:14:20Z  send        2.0 to scaler (control)     Transition to alarm due to 2 samples outside threshold, most recent: 90.0
      2023-11-14T22:14:20Z  transition  2: ok -> alarm              Transition to alarm due to 2 samples outside threshold, most recent: 90.0
      2023-11-14T22:13:50Z  end         1.0 to ops: delivered       202
      2023-11-14T22:13:50Z  send        1.0 to ops (notice)         Transition to ok due to 3 samples inside threshold, most recent: 30.0
      2023-11-14T22:13:50Z  transition  1: insufficient data -> ok  Transition to ok due to 3 samples inside threshold, most recent: 30.0"
    `);
    expect(await live.ledger.decisions("web", { alarmId: "id-out", limit: 2 })).toEqual(history.slice(0, 2));
  });

  it("an action that a gate holds: which, why, and when it opens", async () => {
    const live = new Live(createMemoryLedger(), createMemoryStore());
    await live.start(theRules(alarms, { cooldownS: { in: 600, out: 600 } }));
    for (const sessions of [30, 30, 30, 90, 90, 30, 30, 30, 30, 30, 30, 30, 30, 5, 5]) await live.tick(sessions);
    await live.stop();
    const held = await numberOf(live, "in", undefined);
    expect([held.state, held.action.status, held.verdict]).toEqual(["alarm", "held", "alarm"]);
    expect(held.gates.filter(({ passed }) => !passed)).toEqual([
      {
        gate: "cooldown",
        passed: false,
        reason: "the cooldown of the action before runs",
        opens_at: held.lane.until,
      },
    ]);
    expect(held.action.opens_at).toBe(held.lane.until);
    expect(explainText(held)).toContain("action HELD");
    expect(explainText(held)).toMatch(/nearest +would be sent at .*Z, if nothing else happens/);
  });

  it("a notice that a person asked for again has not ended until it has", async () => {
    const ledger = createMemoryLedger();
    const store = createMemoryStore();
    const told = anAlarm({ name: "a", actions: { ok: [], alarm: [notice("ops")], "insufficient data": [] } });
    const folded = new Folded([told]);
    folded.tick({ sessions: 9 });
    folded.outcome("rejected", { reason: "404" });
    const again = emptyCluster("web");
    let sent: Delivery | undefined;
    const record = async (input: Input) => {
      const { decisions, deliveries } = fold(again, input);
      sent = deliveries[0] ?? sent;
      const { clusterId, seq } = again;
      const snapshot = { clusterId, seq, doc: "{}" };
      const inputs = [{ seq, input }];
      await ledger.commit({ clusterId, inputs, decisions, snapshot, deliveries, attempts: [], baselines: [] });
    };
    const ends = async () =>
      (await explain("web", "id-a", undefined, { ledger, store, pause }))?.deliveries.map((one) => [
        one.end,
        one.reason,
        one.sent_at.length,
      ]);
    for (const input of folded.inputs) await record(input);
    expect(await ends()).toEqual([["rejected", "404", 1]]);
    await record({ kind: "command", command: "retry", delivery: sent! });
    await record(folded.sealed({ sessions: 9 }));
    expect(await ends()).toEqual([[null, null, 2]]);
    await record({ kind: "outcome", deliveryId: sent!.id, attempt: 2, outcome: "accepted", reason: "202" });
    expect(await ends()).toEqual([["delivered", "202", 2]]);
  });

  it("what lacks while windows fill, and when they are full", async () => {
    const live = new Live(createMemoryLedger(), createMemoryStore());
    await live.start(rules);
    for (const sessions of [30, 30, 30, 30]) await live.tick(sessions);
    await live.stop();
    const blind = await numberOf(live, "out", live.noted[0]?.at);
    const [full] = live.noted.filter((one) => one.alarms.out?.verdict !== "unknown");
    expect(blind.verdict).toBe("unknown");
    expect(blind.lacks[0]).toContain(rfc3339(full?.at ?? 0));
    expect(explainText(blind)).toContain("the window must fill");
  });

  it("of the windows: raw counters and processes at their ends, active servers, what a source did not cover", async () => {
    const rule = aRule({ meterName: RATE, per: "active_server", periodS: 30, comparison: "ge", threshold: 100 });
    const folded = new Folded([anAlarm({ name: "traffic", rule })]);
    const members = { a: "up", b: "up" } as const;
    let raw = 1000;
    const tick = (fields: TickFields) => {
      raw += (fields.rate ?? 0) * 10;
      folded.tick({ members, ...fields, source: { pid: 812, raw: { [BYTES]: raw }, ...fields.source } });
    };
    tick({ rate: 0, source: { coveredS: 0 } });
    for (const rate of [100, 100, 150, 300, 600]) tick({ rate });
    tick({ rate: 900, source: { pid: 900, fresh: true } });
    const ledger = createMemoryLedger();
    const inputs = folded.inputs.map((input, index) => ({ seq: index + 1, input }));
    await ledger.commit(recorded(inputs));
    const past = { ledger, store: createMemoryStore(), pause };
    const explanation = await explain("web", "id-traffic", undefined, past);
    const [window] = explanation?.rules[0]?.windows ?? [];
    expect(window).toMatchObject({ value: 300, breaches: true, divisor: 2, samples: 3, used: true, problem: null });
    expect(window?.sources).toEqual([
      { name: "s", covered: 30, pid: 900, restarted: true, raw_start: 4500, raw_end: 22500 },
    ]);
    const text = explanation ? explainText(explanation) : "";
    expect(text).toMatch(/300 B\/s\/server {2}breach {2}3 samples, ÷ 2 servers$/m);
    expect(text).toContain("raw         s 4500 -> 22500 (30 of 30 s, pid 900, restarted)");
    expect(text).toContain("would be ok with threshold > 300.0");
    // A source that fails says so, and for how long.
    folded.ticks(2, { failed: ["s"], members });
    const failing = folded.inputs.slice(-2).map((input, index) => ({ seq: inputs.length + 1 + index, input }));
    await ledger.commit(recorded(failing));
    const blind = await explain("web", "id-traffic", undefined, past);
    expect(blind?.rules[0]?.windows[0]).toMatchObject({ kind: "unknown", sources: [{ covered: 10, raw_end: null }] });
    expect(blind?.rules[0]?.windows[0]?.problem).toContain("covered 10 of 30 s: source s has not answered for 2 ticks");
  });

  it("raw counters are the cluster's: of one server there are none", async () => {
    const rule = aRule({ meterName: RATE, per: "server", periodS: 10, comparison: "ge", threshold: 100 });
    const folded = new Folded([anAlarm({ name: "each", rule })]);
    for (let tick = 0; tick < 4; tick++) {
      const sealed = folded.sealed({ rate: 200, source: { pid: 812, raw: { [BYTES]: 1000 * tick } } });
      folded.input({ ...sealed, servers: { a: { [BYTES]: 2000, [RATE]: 200 }, b: { [BYTES]: 10, [RATE]: 1 } } });
    }
    const ledger = createMemoryLedger();
    const inputs = folded.inputs.map((input, index) => ({ seq: index + 1, input }));
    await ledger.commit(recorded(inputs));
    const explanation = await explain("web", "id-each", undefined, { ledger, store: createMemoryStore(), pause });
    expect(explanation?.rules.map(({ server }) => server).sort()).toEqual(["a", "b"]);
    const sources = explanation?.rules.flatMap(({ windows }) => windows.flatMap((window) => window.sources)) ?? [];
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) expect(source).toMatchObject({ pid: 812, raw_start: null, raw_end: null });
  });

  it("nothing before the record begins, and nothing of an alarm that was not there", async () => {
    const live = new Live(createMemoryLedger(), createMemoryStore());
    await live.start(rules);
    await live.tick(30);
    await live.stop();
    const past = { ledger: live.ledger, store: live.store, pause };
    expect(await explain("web", "id-out", 0, past)).toBeUndefined();
    expect(await explain("web", "id-nobody", undefined, past)).toBeUndefined();
    expect(await explain("nobody", "id-out", undefined, past)).toBeUndefined();
    expect((await numberOf(live, "out", undefined)).rules[0]?.meter_name).toBe(SESSIONS);
  });

  it("nothing whose single ticks are not kept any more, and all that is after them", async () => {
    const live = await aDay();
    const first = live.noted[0]?.at ?? 0;
    const kept = (live.noted[500]?.at ?? 0) / INTERVAL_MS;
    // The store has deleted its oldest; those that decided something are in the ledger.
    const store: Pick<SampleStore, "ticks"> = {
      ticks: (clusterId, after, limit) => live.store.ticks(clusterId, Math.max(after, kept), limit),
    };
    const past = { ledger: live.ledger, store, pause };
    let told = 0;
    for (let index = 5; index < live.noted.length; index += 15) {
      const noted = live.noted[index];
      const at = noted?.at ?? 0;
      const explained = explain("web", "id-out", at, past);
      // The beginning, windows and the checkpoint before it: none of that is there.
      if (at / INTERVAL_MS <= kept) {
        await expect(explained).rejects.toThrow(/^E414|single ticks are not kept/);
        await expect(explained).rejects.toMatchObject({ code: "E414" });
        continue;
      }
      const said = noted?.alarms.out;
      const explanation = await explained.catch((error: { code?: string }) => error.code);
      if (explanation === "E414" || typeof explanation !== "object") continue;
      told++;
      expect(explanation.tick.timestamp).toBe(rfc3339(at));
      expect({ state: explanation.state, verdict: explanation.verdict }).toEqual({
        state: said?.state,
        verdict: said?.verdict,
      });
    }
    expect(told).toBeGreaterThan(8);
    expect(first / INTERVAL_MS).toBeLessThan(kept);
    await expect(explain("web", "id-out", first + 100 * INTERVAL_MS, past)).rejects.toThrow(
      `from ${rfc3339((kept + 1) * INTERVAL_MS)} on`,
    );
  }, 60_000);
});
