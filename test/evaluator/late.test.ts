import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../src/backend/memory/bus.ts";
import { createMemoryLedger } from "../../src/backend/memory/ledger.ts";
import { createMemoryStore } from "../../src/backend/memory/store.ts";
import { Evaluator } from "../../src/evaluator/evaluator.ts";
import type { EvaluatorOptions } from "../../src/evaluator/options.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { FakeClock } from "../helpers/fakeClock.ts";
import { Folded } from "../helpers/folded.ts";
import { aReport } from "../helpers/reports.ts";
import { anAlarm, control } from "../helpers/rules.ts";
import { settled } from "../helpers/simulation.ts";
import { RULES } from "../helpers/storageRun.ts";

describe("a repeat whose slot is at a late tick", () => {
  const repeating = anAlarm({
    name: "out",
    repeatActions: true,
    repeatIntervalS: 20,
    actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] },
  });

  /** A cluster in alarm whose action has come to its end, and whose repeats are due every second tick. */
  function repeated(): Folded {
    const folded = new Folded([repeating]);
    folded.tick({ sessions: 1, members: { a: "up" } });
    folded.tick({ sessions: 9 });
    const [delivery] = folded.cluster.deliveries.values();
    folded.input({ kind: "outcome", deliveryId: delivery!.id, attempt: 1, outcome: "rejected", reason: "no" });
    return folded;
  }

  it("is dropped, and the journal says once that it was", () => {
    const folded = repeated();
    const late = Array.from({ length: 8 }, () =>
      folded.input({ ...(folded.sealed({ sessions: 9 }) as object), late: true } as never),
    ).flat();
    expect(late).toEqual([expect.objectContaining({ d: "hold", alarmId: "id-out", what: "repeat", gate: "evidence" })]);
    expect(folded.cluster.alarms.get("id-out")?.owed).toBeUndefined();
    const after = folded.ticks(3, { sessions: 9 });
    expect(after.filter(({ d }) => d === "send")).toHaveLength(1);
  });
});

describe("series that go elsewhere for a while, and come back", () => {
  const INTERVAL_MS = 10_000;

  class World {
    readonly ledger = createMemoryLedger();
    readonly store = createMemoryStore();
    readonly errors: string[] = [];
    number = 170_000_000;

    async run(mode: Pick<EvaluatorOptions, "store" | "ticksPerCommit">, ticks: number): Promise<Evaluator> {
      const bus = createMemoryBus();
      const note = (text: string) => void this.errors.push(text);
      const evaluator = new Evaluator({
        clock: new FakeClock(this.number * INTERVAL_MS),
        log: { ...silentLogger, error: note, warn: note },
        bus,
        ledger: this.ledger,
        ...mode,
        dispatcher: { dispatch() {}, cancel() {} },
        intervalMs: INTERVAL_MS,
        evaluationDelayMs: 4000,
      });
      await evaluator.restore();
      const at = this.number * INTERVAL_MS;
      await evaluator.start([RULES], { kind: "start", number: this.number, at, intervalMs: INTERVAL_MS }, () => true);
      for (let done = 0; done < ticks; done++) {
        const tick = { number: ++this.number, at: this.number * INTERVAL_MS };
        evaluator.tick(tick);
        bus.publish(aReport(tick, 30, { a: "up", b: "up" }));
        await settled();
      }
      await evaluator.close();
      this.number += 2;
      return evaluator;
    }
  }

  const pausesOf = (evaluator: Evaluator) => [...evaluator.clusters()[0]!.pauses];

  it("nothing is lost either way, and nothing is paused", async () => {
    const world = new World();
    const { ledger, store } = world;
    const before = await world.run({ store }, 60);
    const { seq } = before.clusters()[0]!;
    const elsewhere = await world.run({ store, ticksPerCommit: 6 }, 6);
    expect(elsewhere.clusters()[0]!.seq).toBeGreaterThanOrEqual(seq + 6);
    const back = await world.run({ store }, 3);
    expect(world.errors).toEqual([]);
    expect(pausesOf(back)).toEqual([]);
    expect(await store.ticks("web", -Infinity)).toHaveLength(63);
    const inputs = await recordedInputs("web", ledger, store);
    expect(inputs.filter(({ input }) => input.kind === "tick")).toHaveLength(69);
    expect(inputs.map(({ seq }) => seq)).toEqual(inputs.map((_, index) => index + 1));
    expect(replay("web", inputs)).toEqual(await ledger.decisionLog("web"));
  });

  it("nor is anything paused where the series of before were not there meanwhile", async () => {
    const world = new World();
    const { store } = world;
    await world.run({ store }, 60);
    await world.run({ ticksPerCommit: 6 }, 6);
    const back = await world.run({ store }, 3);
    expect(world.errors).toEqual([]);
    expect(pausesOf(back)).toEqual([]);
  });
});
