import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import { Guests } from "../../src/evaluator/guests.ts";
import { silentLogger } from "../../src/lib/log.ts";
import type { ClusterRules } from "../../src/model/alarm.ts";
import type { Ledger, Logger } from "../../src/ports.ts";
import type { SampleStore } from "../../src/seriesPorts.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { aSlice } from "../helpers/reports.ts";
import { anAlarm, BYTES, SESSIONS, theRules } from "../helpers/rules.ts";

const INTERVAL_MS = 10_000;

/** A service over a record; nothing but slices says that there are clusters. */
class Run {
  readonly bus = createMemoryBus();
  readonly clock: FakeClock;
  readonly evaluator: Evaluator;
  number: number;

  constructor(ledger: Ledger, store: SampleStore, number: number, log: Logger = silentLogger) {
    this.number = number;
    this.clock = new FakeClock(number * INTERVAL_MS);
    const dispatcher = { dispatch: () => {}, cancel: () => {} };
    const { bus, clock } = this;
    const options = { clock, log, bus, ledger, store, dispatcher, intervalMs: INTERVAL_MS, evaluationDelayMs: 4000 };
    this.evaluator = new Evaluator(options);
  }

  async start(rules: readonly ClusterRules[] = [], isConfigured = (_: string) => true): Promise<this> {
    await this.evaluator.restore();
    const at = this.number * INTERVAL_MS;
    await this.evaluator.start(
      rules,
      { kind: "start", number: this.number, at, intervalMs: INTERVAL_MS },
      isConfigured,
    );
    return this;
  }

  /** A tick at which a source has rows of these clusters, with so many sessions each. */
  async tick(sessions: Readonly<Record<string, number>>, source = "s"): Promise<void> {
    this.number++;
    const tick = { number: this.number, at: this.number * INTERVAL_MS };
    this.evaluator.tick(tick);
    const slices = Object.entries(sessions).map(([clusterId, now]) =>
      aSlice({ clusterId, sums: { [SESSIONS]: now }, increases: { [BYTES]: 100 }, members: { a: "up" } }),
    );
    this.bus.publish({ tick, source, durationMs: 1, outcome: { ok: true, slices } });
    await this.settled();
  }

  async settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  ids(): readonly string[] {
    return this.evaluator.clusters().map(({ clusterId }) => clusterId);
  }
}

const records = () => ({ ledger: createMemoryLedger(), store: createMemoryStore() });
const numbersOf = async (store: SampleStore, clusterId: string) =>
  (await store.ticks(clusterId, -Infinity)).map(({ tick }) => tick.number);

describe("clusters that no rule file has", () => {
  it("are there when their first rows come, are listed, and keep their series", async () => {
    const { ledger, store } = records();
    const run = await new Run(ledger, store, 100).start();
    expect(run.ids()).toEqual([]);
    await run.tick({ nova: 3, glance: 1 });
    await run.tick({ nova: 4, glance: 1 });
    expect(run.ids()).toEqual(["nova", "glance"]);
    expect(run.evaluator.clusters()[0]?.values).toMatchObject({ [SESSIONS]: 4, [BYTES]: 200 });
    expect(await numbersOf(store, "nova")).toEqual([101, 102]);
    await run.evaluator.close();
  });

  it("go on after a restart where they were: one sequence, totals that never fall, sources that are waited for", async () => {
    const { ledger, store } = records();
    const first = await new Run(ledger, store, 100).start();
    for (const sessions of [3, 4, 5]) await first.tick({ nova: sessions });
    await first.evaluator.close();
    const second = await new Run(ledger, store, first.number).start();
    expect(second.ids()).toEqual([]);
    for (const sessions of [6, 7]) await second.tick({ nova: sessions });
    const [cluster] = second.evaluator.clusters();
    expect(cluster?.values).toMatchObject({ [SESSIONS]: 7, [BYTES]: 500 });
    expect([...(cluster?.lastOk.keys() ?? [])]).toEqual(["s"]);
    const ticks = await store.ticks("nova", -Infinity);
    expect(ticks.map(({ tick }) => tick.number)).toEqual([101, 102, 103, 104, 105]);
    const seqs = ticks.map(({ seq }) => seq);
    expect(new Set(seqs).size).toBe(seqs.length);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(second.evaluator.degraded()).toEqual([]);
    await second.evaluator.close();
  });

  it("do not wait after a restart for a source that is configured no more", async () => {
    const { ledger, store } = records();
    const first = await new Run(ledger, store, 100).start();
    await first.tick({ nova: 3 }, "old");
    await first.evaluator.close();
    const second = await new Run(ledger, store, first.number).start([], (source) => source !== "old");
    await second.tick({ nova: 4 }, "new");
    expect([...(second.evaluator.clusters()[0]?.lastOk.keys() ?? [])]).toEqual(["new"]);
    await second.evaluator.close();
  });

  it("a rule file that claims one begins its alarms, and its totals go on", async () => {
    const { ledger, store } = records();
    const run = await new Run(ledger, store, 100).start();
    for (const sessions of [3, 4]) await run.tick({ nova: sessions });
    const alarm = anAlarm({ name: "busy" });
    await run.evaluator.revise("nova", { ...theRules([alarm]), clusterId: "nova" });
    await run.tick({ nova: 5 });
    const [cluster] = run.evaluator.clusters();
    expect([...(cluster?.alarms.keys() ?? [])]).toEqual([alarm.id]);
    expect(cluster?.values[BYTES]).toBe(300);
    await run.evaluator.close();
    const again = await new Run(ledger, store, run.number).start([{ ...theRules([alarm]), clusterId: "nova" }]);
    await again.tick({ nova: 6 });
    expect(again.evaluator.clusters()[0]?.values[BYTES]).toBe(400);
    await again.evaluator.close();
  });

  it("claimed after a restart before a row of theirs has come, they are told of the start all the same", async () => {
    const { ledger, store } = records();
    const first = await new Run(ledger, store, 100).start();
    await first.tick({ nova: 3 });
    await first.evaluator.close();
    const second = await new Run(ledger, store, first.number + 5).start();
    await second.evaluator.revise("nova", { ...theRules([anAlarm({ name: "busy" })]), clusterId: "nova" });
    expect(second.evaluator.clusters()[0]?.tick).toBe(first.number + 5);
    await second.evaluator.close();
  });

  it("whose rows stay away for an hour are clusters no more, and go on when they come again", async () => {
    const { ledger, store } = records();
    const run = await new Run(ledger, store, 100).start();
    await run.tick({ nova: 3, glance: 1 });
    for (let tick = 0; tick < 420; tick++) await run.tick({ glance: 1 });
    expect(run.ids()).toEqual(["glance"]);
    const before = (await numbersOf(store, "nova")).at(-1) ?? 0;
    expect(before).toBeLessThan(run.number);
    await run.tick({ nova: 5, glance: 1 });
    expect(run.ids()).toContain("nova");
    const numbers = await numbersOf(store, "nova");
    expect(numbers.at(-1)).toBe(run.number);
    expect(new Set(numbers).size).toBe(numbers.length);
    await run.evaluator.close();
  }, 20_000);

  it("leave nothing behind when they are gone, and are the same when they come again", async () => {
    const { ledger, store } = records();
    const run = await new Run(ledger, store, 100).start();
    const churned = Array.from({ length: 30 }, (_, churn) => `c${churn}`);
    for (const id of churned) await run.tick({ [id]: 1, always: 2 });
    expect(churned.map((id) => run.evaluator.holds(id))).not.toContain(false);
    for (let tick = 0; tick < 425; tick++) await run.tick({ always: 2 });
    expect(churned.map((id) => run.evaluator.holds(id))).not.toContain(true);
    expect(run.ids()).toContain("always");
    expect(run.evaluator.degraded()).toEqual([]);

    for (const sessions of [7, 8]) await run.tick({ c3: sessions, always: 2 });
    const again = run.evaluator.clusters().find(({ clusterId }) => clusterId === "c3");
    expect(again?.values).toMatchObject({ [SESSIONS]: 8, [BYTES]: 300 });
    const ticks = await store.ticks("c3", -Infinity);
    const seqs = ticks.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(ticks.slice(-2).map(({ tick }) => tick.number)).toEqual([run.number - 1, run.number]);
    const inputs = await ledger.inputs("c3");
    expect(inputs.flatMap(({ input }) => (input.kind === "tick" ? [] : [input.kind]))).toEqual([
      "start",
      "stop",
      "start",
    ]);
    await run.evaluator.close();

    // A restart does not take in what had been let go of: its ticks are known all the same.
    const next = new Run(ledger, store, run.number);
    expect(await next.evaluator.restore()).toMatchObject({ number: run.number });
    expect(["c3", "c4", "always"].map((id) => next.evaluator.holds(id))).toEqual([true, false, true]);
    await next.evaluator.close();
  }, 60_000);

  it("one that was let go of is claimed by a rule file, at once or after a restart: its record goes on", async () => {
    const { ledger, store } = records();
    const run = await new Run(ledger, store, 100).start();
    await run.tick({ nova: 3, glance: 1 });
    for (let tick = 0; tick < 421; tick++) await run.tick({ keystone: 1 });
    expect(["nova", "glance"].map((id) => run.evaluator.holds(id))).toEqual([false, false]);
    const rules = (clusterId: string) => ({ ...theRules([anAlarm({ name: "busy" })]), clusterId });
    await run.evaluator.revise("nova", rules("nova"));
    await run.tick({ nova: 9 });
    const { evaluator } = run;
    expect(evaluator.clusters().find(({ clusterId }) => clusterId === "nova")?.values[BYTES]).toBe(200);
    await evaluator.close();
    const next = await new Run(ledger, store, run.number).start([rules("nova"), rules("glance")]);
    await next.tick({ glance: 9 });
    expect(next.evaluator.clusters().find(({ clusterId }) => clusterId === "glance")?.values[BYTES]).toBe(200);
    await next.evaluator.close();
  }, 60_000);

  it("rows that come while one is still leaving, or cannot be read, are no harm", async () => {
    const { ledger: memory, store } = records();
    let release = () => {};
    let isSlow = false;
    let fails = false;
    const ledger: Ledger = {
      ...memory,
      async commit(commit) {
        if (isSlow && commit.clusterId === "nova") await new Promise<void>((resolve) => (release = resolve));
        return memory.commit(commit);
      },
      async load() {
        if (fails) throw new Error("disk");
        return memory.load();
      },
    };
    const run = await new Run(ledger, store, 100).start();
    await run.tick({ nova: 3, glance: 1 });
    isSlow = true;
    while (run.evaluator.holds("nova")) await run.tick({ glance: 1 });
    await run.tick({ nova: 4, glance: 1 });
    expect(run.ids()).toEqual(["glance"]);
    isSlow = false;
    release();
    await run.settled();
    await run.tick({ nova: 5, glance: 1 });
    expect(run.ids()).toEqual(["glance", "nova"]);
    const total = () => run.evaluator.clusters().find(({ clusterId }) => clusterId === "nova")?.values[BYTES];
    expect(total()).toBe(300);

    while (run.evaluator.holds("nova")) await run.tick({ glance: 1 });
    fails = true;
    await run.tick({ nova: 6, glance: 1 });
    expect(run.ids()).toEqual(["glance"]);
    fails = false;
    await run.tick({ nova: 7, glance: 1 });
    expect(total()).toBe(400);
    await run.evaluator.close();
  }, 60_000);

  it("more than there is room for are refused, which is said once", async () => {
    const { ledger, store: memory } = records();
    const store = { ...memory, put: async () => {} };
    const said: unknown[] = [];
    const log = { ...silentLogger, warn: (text: string, fields?: object) => said.push([text, fields]) };
    const run = await new Run(ledger, store, 100, log).start();
    const many = Object.fromEntries(Array.from({ length: 10_002 }, (_, index) => [`c${index}`, 1]));
    await run.tick(many);
    await run.tick(many);
    expect(run.ids()).toHaveLength(10_000);
    expect(said).toEqual([["more clusters than are kept without rule files", { cluster_id: "c10000", most: 10_000 }]]);
    await run.evaluator.close();
  }, 60_000);
});

it("room is made by those that leave, and by those whose rows stay away", () => {
  const guests = new Guests(2);
  expect([guests.admit("a", 1), guests.admit("b", 1), guests.admit("c", 1)]).toEqual([true, true, false]);
  guests.leave("a");
  expect(guests.admit("c", 2)).toBe(true);
  guests.saw("b", 500);
  expect(guests.gone(700)).toEqual(["c"]);
  expect(guests.gone(701)).toEqual([]);
  expect([guests.has("b"), guests.has("c")]).toEqual([true, false]);
  // Those that the record has take room before a row of theirs comes.
  guests.expect("d", 701);
  expect([guests.has("d"), guests.admit("e", 702), guests.admit("d", 702), guests.has("d")]).toEqual([
    false,
    false,
    true,
    true,
  ]);
});
