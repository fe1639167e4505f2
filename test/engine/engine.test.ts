import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { partitionOf } from "../../src/lib/partition.ts";
import type { ScrapeReport } from "../../src/model/tick.ts";
import { replay } from "../../src/replay/replay.ts";
import type { EngineRun } from "../helpers/engineWorld.ts";
import { DELAY_MS, EngineWorld, INTERVAL_MS, settled } from "../helpers/engineWorld.ts";
import { anAlarm, BYTES, control, notice, theRules } from "../helpers/rules.ts";

const out = anAlarm({ name: "out", actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] } });
const rules = theRules([out]);
const told = theRules([
  anAlarm({ name: "told", actions: { ok: [notice("ops")], alarm: [notice("ops")], "insufficient data": [] } }),
]);

async function working(world: EngineWorld, partition = 0): Promise<EngineRun> {
  const run = world.start();
  await run.engine.acquire(partition);
  await settled();
  return run;
}

const cluster = ({ engine }: EngineRun) => engine.clusters()[0]!;
const increaseOf = (run: EngineRun) => cluster(run).values[BYTES] ?? 0;

/** What is recorded of a cluster folds to the decisions that were recorded with it. */
async function replays(world: EngineWorld): Promise<void> {
  for (const { snapshot } of await world.log.ledger.load()) {
    const { clusterId } = snapshot;
    const inputs = await world.log.ledger.inputs(clusterId);
    expect(inputs.map(({ seq }) => seq)).toEqual(inputs.map((_, index) => index + 1));
    expect(replay(clusterId, inputs)).toEqual(await world.log.ledger.decisionLog(clusterId));
  }
}

describe("an owned partition", () => {
  it("judges, acts, and records ticks in the log alone, once a minute at the latest", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    for (let tick = 0; tick < 13; tick++) await world.tick(1);
    const ticks = world.log.commits.map(({ inputs }) => inputs.filter(({ input }) => input.kind === "tick").length);
    expect(Math.max(...ticks)).toBeLessThanOrEqual(6);
    expect(ticks.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(8);
    await world.tick(9);
    expect(run.sent.map(({ receiver }) => receiver)).toEqual(["out"]);
    expect(run.held()).toBeUndefined();
    expect(run.ticks.map(({ seq }) => seq)).toEqual(
      [...new Set(run.ticks.map(({ seq }) => seq))].sort((a, b) => a - b),
    );
    expect(run.shown).toHaveLength(14);
    await replays(world);
  });

  it("is given back whole: the next owner begins where it ended, and folds nothing twice", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    for (let tick = 0; tick < 4; tick++) await world.tick(1);
    await release(world, first);
    expect(first.engine.owned()).toEqual([]);
    const second = await working(world);
    for (let tick = 0; tick < 7; tick++) await world.tick(1);
    expect(increaseOf(second)).toBe(world.counted("web"));
    expect(cluster(second).values["tocsin.source.errors"]).toBe(0);
    const numbers = (await world.log.ledger.inputs("web")).flatMap(({ input }) =>
      input.kind === "tick" ? [input.number] : [],
    );
    expect(numbers).toEqual([...new Set(numbers)]);
    await replays(world);
  });

  it("given back while a request is under way, it waits for the outcome", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    await world.tick(9);
    const giving = first.engine.release(0);
    await settled();
    expect(first.held()).toContain("given to another");
    await first.answer("accepted");
    world.clock.advance(100);
    await settled();
    await giving;
    const second = await working(world);
    expect(cluster(second).lane.phase).toBe("settling");
    expect(second.sent).toEqual([]);
    await replays(world);
  });

  it("lost, it does nothing more: not what was decided, not what comes back", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    let open = () => {};
    world.log.gate = new Promise((resolve) => {
      open = resolve;
    });
    await world.tick(9);
    first.engine.lose(0);
    open();
    await settled();
    expect(first.sent).toEqual([]);
    const recorded = world.log.commits.length;
    for (let tick = 0; tick < 10; tick++) await world.tick(9);
    expect(world.log.commits).toHaveLength(recorded);
    expect(first.engine.heldBecause("web", "any")).toBe("another engine has taken over");
    await expect(first.engine.command("web", { kind: "command", command: "pause" })).rejects.toMatchObject({
      code: "E650",
    });
  });

  it("a command that is under way when it is lost says that nobody knows", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    world.log.gate = new Promise(() => {});
    const [doing, waiting] = ["pause", "resume"].map((command) =>
      first.engine.command("web", { kind: "command", command: command as "pause" }),
    );
    await Promise.all([
      expect(doing).rejects.toMatchObject({ code: "E651" }),
      expect(waiting).rejects.toMatchObject({ code: "E650" }),
      settled().then(() => first.engine.lose(0)),
    ]);
  });

  it("an append that is refused ends the work at once, and has the owner looked up", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    world.log.appended("web");
    await world.tick(9);
    expect(first.sent).toEqual([]);
    expect(first.reloads).toEqual([0]);
    expect(world.log.refusals).toBe(1);
    expect(first.engine.clusters()).toEqual([]);
  });

  it("nothing is written while another engine may have taken over", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    run.isFresh = false;
    expect(run.held()).toBe("another engine may have taken over");
    expect(run.engine.degraded()).toEqual(["the bus does not answer: nothing is sent"]);
  });
});

async function release(world: EngineWorld, run: EngineRun): Promise<void> {
  const giving = run.engine.release(0);
  let isDone = false;
  void giving.then(() => {
    isDone = true;
  });
  for (let looks = 0; looks < 60 && !isDone; looks++) {
    await settled();
    world.clock.advance(100);
  }
  await giving;
}

describe("a takeover (rule N3)", () => {
  it("an action under way is uncertain, and settles from the takeover", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    await world.tick(9);
    expect(first.sent).toHaveLength(1);
    first.engine.lose(0);
    for (let tick = 0; tick < 3; tick++) await world.tick(9);
    const second = await working(world);
    const taken = world.number;
    expect(cluster(second).lane).toMatchObject({ phase: "settling", sentTick: taken + 1, untilTick: taken + 5 });
    for (let tick = 0; tick < 6; tick++) await world.tick(9);
    expect(second.sent).toEqual([]);
    await world.tick(9);
    expect(second.sent.map(({ receiver, repeat }) => [receiver, repeat])).toEqual([["out", 1]]);
    expect(world.number - taken).toBe(7);
    await replays(world);
  });

  it("after a log that has lost what was read of it, scaling is paused, in until it is resumed", async () => {
    const world = new EngineWorld([rules]);
    world.log.isLost = true;
    const run = await working(world);
    expect([...cluster(run).pauses]).toEqual([
      ["in", null],
      ["out", expect.any(Number)],
    ]);
    // Told once: a person's word is not undone by the next takeover.
    await run.engine.command("web", { kind: "command", command: "resume" });
    await release(world, run);
    expect([...cluster(await working(world)).pauses]).toEqual([]);
    await replays(world);
  });

  it("a scale-out does not go ahead of a scale-in that another may still be writing", async () => {
    const down = anAlarm({
      name: "in",
      comparison: "lt",
      threshold: 2,
      actions: { ok: [], alarm: [control("in", "in")], "insufficient data": [] },
    });
    const world = new EngineWorld([theRules([out, down])]);
    const first = await working(world);
    await world.tick(3);
    await world.tick(1);
    expect(first.sent.map(({ receiver }) => receiver)).toEqual(["in"]);
    first.engine.lose(0);
    const second = await working(world);
    for (let tick = 0; tick < 4; tick++) await world.tick(9);
    expect(second.sent).toEqual([]);
    await world.tick(9);
    expect(second.sent.map(({ receiver }) => receiver)).toEqual(["out"]);
    await replays(world);
  });

  it("what was published while nobody worked is judged, and only what still holds is sent", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    first.engine.lose(0);
    // It rises and falls, and rises again.
    for (const load of [9, 9, 9, 9, 1, 1, 9]) await world.tick(load);
    const second = await working(world);
    expect(cluster(second).alarms.get("id-out")).toMatchObject({ state: "alarm", transition: 4 });
    expect(second.sent.map(({ transition }) => transition)).toEqual([4]);
    expect(second.held()).toBeUndefined();
    expect(increaseOf(second)).toBe(world.counted("web"));
    await replays(world);
  });

  it("by itself makes nobody act: a quiet cluster stays quiet, a settled one is left alone", async () => {
    const world = new EngineWorld([rules]);
    let run = await working(world);
    await world.tick(1);
    await world.tick(9);
    await run.answer("accepted");
    for (let round = 0; round < 5; round++) {
      run.engine.lose(0);
      run = await working(world);
      for (let tick = 0; tick < 3; tick++) await world.tick(9);
      expect(run.sent).toEqual([]);
    }
    await replays(world);
  });

  it("notices that were under way are sent again under their ids", async () => {
    const world = new EngineWorld([told]);
    const first = await working(world);
    await world.tick(1);
    await world.tick(9);
    const [sent] = first.sent;
    first.engine.lose(0);
    const second = await working(world);
    expect(second.sent.map(({ deliveryId, attempt }) => [deliveryId, attempt])).toEqual([[sent?.deliveryId, 2]]);
    await replays(world);
  });

  it("samples that come while it begins are taken in order", async () => {
    const world = new EngineWorld([rules]);
    const first = await working(world);
    await world.tick(1);
    first.engine.lose(0);
    const second = world.start();
    let open = () => {};
    world.log.gate = new Promise((resolve) => {
      open = resolve;
    });
    const acquiring = second.engine.acquire(0);
    for (const load of [2, 3, 4]) await world.tick(load);
    expect(second.engine.owned()).toEqual([]);
    open();
    await acquiring;
    await settled();
    expect(second.engine.owned()).toEqual([0]);
    expect(increaseOf(second)).toBe(world.counted("web"));
    await replays(world);
  });

  it("lost while it begins, it is rejected, and nothing is left", async () => {
    const world = new EngineWorld([rules]);
    const run = world.start();
    world.log.gate = new Promise(() => {});
    const acquiring = run.engine.acquire(0);
    await settled();
    run.engine.lose(0);
    await expect(acquiring).rejects.toThrow(/another/);
    expect(run.engine.owned()).toEqual([]);
  });

  it("loses no increase and counts none twice, whenever it comes and however late reports are", async () => {
    const step = fc.record({
      load: fc.integer({ min: 0, max: 9 }),
      reports: fc.boolean(),
      ends: fc.constantFrom("nothing", "nothing", "nothing", "crash", "give back"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const world = new EngineWorld([rules]);
        let run = await working(world);
        await world.tick(1);
        for (const { load, reports, ends } of steps) {
          await world.tick(load, { reports });
          if (ends === "nothing") continue;
          if (ends === "crash") run.engine.lose(0);
          else await release(world, run);
          run = await working(world);
        }
        await world.tick(1);
        await world.tick(1);
        world.clock.advance(5000);
        await settled();
        expect(increaseOf(run)).toBe(world.counted("web"));
        expect(world.log.refusals).toBe(0);
        await replays(world);
      }),
      { numRuns: 200 },
    );
  });
});

it("what came late, before errors of its source, is not lost with who had it", async () => {
  const world = new EngineWorld([rules]);
  const first = await working(world);
  const publish = async (report: ScrapeReport, afterMs = 500) => {
    world.clock.advance(afterMs);
    world.samples.publish(0, report);
    await settled();
  };
  const tick = async () => {
    world.clock.advance(INTERVAL_MS - (world.clock.now() % INTERVAL_MS));
    const one = { number: world.clock.now() / INTERVAL_MS, at: world.clock.now() };
    for (const { engine } of world.engines) engine.tick(one);
    await settled();
    return one;
  };
  const failed = { ok: false, code: "E501", reason: "away" } as const;
  await publish(world.reportOf(await tick(), 0, 1));
  const late = world.reportOf(await tick(), 0, 7);
  await publish({ ...late, source: "agent/t", outcome: failed });
  world.clock.advance(DELAY_MS);
  await settled();
  expect(cluster(first).tick).toBe(late.tick.number);
  await publish(late);
  for (let errors = 0; errors < 5; errors++) await publish({ ...late, tick: await tick(), outcome: failed });
  expect(cluster(first).tick).toBe(late.tick.number + 5);
  await release(world, first);
  const second = await working(world);
  await publish(world.reportOf(await tick(), 0, 1));
  expect(increaseOf(second)).toBe(9000);
  await replays(world);
});

describe("samples that do not come", () => {
  const silent = theRules([
    anAlarm({
      name: "silent",
      actions: { ok: [], alarm: [notice("ops")], "insufficient data": [notice("ops")] },
    }),
  ]);

  it("a bus that stalls says nothing of the sources: what comes later is judged as it was", async () => {
    const world = new EngineWorld([silent]);
    const run = await working(world);
    for (let tick = 0; tick < 3; tick++) await world.tick(1);
    run.isFresh = false;
    for (let tick = 0; tick < 10; tick++) await world.tick(1, { reports: false });
    run.isFresh = true;
    await world.tick(1);
    expect(run.sent).toEqual([]);
    expect(cluster(run).alarms.get("id-silent")?.state).toBe("ok");
    expect(cluster(run).tick).toBe(world.number);
    expect(increaseOf(run)).toBe(world.counted("web"));
    await replays(world);
  });

  it("where the connection of the samples alone is cut, nobody takes that for the sources' silence", async () => {
    const world = new EngineWorld([silent]);
    const run = await working(world);
    for (let tick = 0; tick < 3; tick++) await world.tick(1);
    world.samples.isListening = () => false;
    for (let tick = 0; tick < 12; tick++) await world.tick(1, { reports: false });
    expect(cluster(run).alarms.get("id-silent")?.state).toBe("ok");
    expect(run.engine.degraded()).toEqual(["no samples can be read from the bus: partitions 0 wait"]);
    world.samples.isListening = () => true;
    await world.tick(1);
    expect(run.engine.degraded()).toEqual([]);
    expect(run.sent).toEqual([]);
    expect(increaseOf(run)).toBe(world.counted("web"));
    await replays(world);
  });

  it("silence that lasts while the bus answers is the sources'", async () => {
    const world = new EngineWorld([silent]);
    const run = await working(world);
    for (let tick = 0; tick < 3; tick++) await world.tick(1);
    for (let tick = 0; tick < 12; tick++) await world.tick(1, { reports: false });
    expect(cluster(run).alarms.get("id-silent")?.state).toBe("insufficient data");
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
  });
});

it("one whose clock is ahead of the samples acts all the same", async () => {
  for (const ahead of [1, 2, 3]) {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    for (let tick = 0; tick < 20; tick++) {
      world.clock.advance(INTERVAL_MS - (world.clock.now() % INTERVAL_MS));
      const number = world.clock.now() / INTERVAL_MS;
      run.engine.tick({ number, at: world.clock.now() });
      await settled();
      world.clock.advance(800);
      const said = { number: number - ahead, at: (number - ahead) * INTERVAL_MS };
      world.samples.publish(0, world.reportOf(said, 0, tick < 10 ? 1 : 9));
      await settled();
    }
    expect(run.sent.map(({ receiver }) => receiver)).toEqual(["out"]);
    expect(run.held()).toBeUndefined();
  }
});

describe("many partitions", () => {
  const names = ["web", "db", "mail", "search", "shop", "wiki"];
  const many = names.map((clusterId) => {
    const own = theRules([{ ...out, id: `id-${clusterId}` }]);
    return { ...own, clusterId, clusterName: clusterId };
  });

  it("each engine works on its own, and is told of the rules of all", async () => {
    const world = new EngineWorld(many, 3);
    const [a, b] = [world.start(), world.start()];
    await Promise.all([a.engine.acquire(0), a.engine.acquire(1), b.engine.acquire(2)]);
    await world.tick(1);
    const idsOf = (run: EngineRun) => run.engine.clusters().map(({ clusterId }) => clusterId);
    expect([...idsOf(a), ...idsOf(b)].sort()).toEqual([...names].sort());
    const idle = names.find((name) => partitionOf(name, 3) === 2) ?? "";
    expect(a.engine.holds(idle)).toBe(idsOf(a).includes(idle));
    await a.engine.revise(idle, undefined);
    await b.engine.revise(idle, undefined);
    expect(b.mapped).toContain(`remove ${idle}`);
    expect(a.mapped).not.toContain(`remove ${idle}`);
    expect(a.engine.knownSources()).toEqual(["agent/s"]);
    b.engine.lose(2);
    await a.engine.acquire(2);
    const taken = a.engine.clusters().find(({ clusterId }) => clusterId === idle);
    expect(taken?.alarms.size).toBe(0);
  });
});

it("a cluster without rules that was let go of and comes back while nobody worked: nothing of that is lost", async () => {
  const world = new EngineWorld([]);
  const rows = new EngineWorld([rules]);
  const tick = async (sessions?: number) => {
    await world.tick(0, { source: "agent/other" });
    const said = { number: world.number, at: world.number * INTERVAL_MS };
    const report = rows.reportOf(said, 0, sessions ?? 0);
    world.samples.publish(0, sessions === undefined ? { ...report, outcome: { ok: true, slices: [] } } : report);
    await settled();
  };
  const first = await working(world);
  await tick(1);
  await tick(1);
  for (let quiet = 0; quiet < 425; quiet++) await tick();
  expect(first.engine.clusters()).toEqual([]);
  await release(world, first);
  const back = world.number + 1;
  for (let sessions = 1; sessions <= 12; sessions++) await tick(sessions);
  const second = await working(world);
  await settled();
  await tick(13);
  await release(world, second);
  const inputs = (await world.log.ledger.inputs("web")).map(({ input }) => input);
  const returned = inputs.slice(inputs.findLastIndex(({ kind }) => kind === "start"));
  expect(returned.flatMap((input) => (input.kind === "tick" ? [input.number] : []))).toEqual(
    Array.from({ length: 13 }, (_, index) => back + index),
  );
  expect(returned[0]).toMatchObject({ kind: "start", number: back - 1 });
  await replays(world);
});

it("while the process ends nothing is begun any more, nor what was beginning", async () => {
  const world = new EngineWorld([rules]);
  const run = world.start();
  let open = () => {};
  world.log.gate = new Promise((resolve) => {
    open = resolve;
  });
  const acquiring = run.engine.acquire(0);
  await settled();
  const stopping = run.engine.stopSending();
  await expect(acquiring).rejects.toThrow(/another|ends/);
  open();
  await stopping;
  await settled();
  expect(run.engine.owned()).toEqual([]);
  await expect(run.engine.acquire(0)).rejects.toThrow("the process ends");
  for (let tick = 0; tick < 5; tick++) await world.tick(9);
  expect(run.sent).toEqual([]);
});

it("a tick that is folded long after its time says so in the record", async () => {
  const world = new EngineWorld([rules]);
  const first = await working(world);
  await world.tick(1);
  first.engine.lose(0);
  for (let tick = 0; tick < 6; tick++) await world.tick(9);
  const second = await working(world);
  await world.tick(9);
  const inputs = await world.log.ledger.inputs("web");
  const late = inputs.flatMap(({ input }) => (input.kind === "tick" ? [input.late === true] : []));
  expect(late.filter(Boolean).length).toBeGreaterThan(0);
  expect(late.at(-1)).toBe(false);
  expect(second.sent).toHaveLength(1);
});
