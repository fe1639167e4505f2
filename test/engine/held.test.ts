import { describe, expect, it } from "vitest";
import { withoutKept } from "../../src/engine/slim.ts";
import { replay } from "../../src/replay/replay.ts";
import type { EngineRun } from "../helpers/engineWorld.ts";
import { EngineWorld, INTERVAL_MS, settled } from "../helpers/engineWorld.ts";
import { anAlarm, BYTES, control, theRules } from "../helpers/rules.ts";

const out = anAlarm({ name: "out", actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] } });
const rules = theRules([out]);

async function working(world: EngineWorld): Promise<EngineRun> {
  const run = world.start();
  await run.engine.acquire(0);
  await settled();
  return run;
}

const cluster = ({ engine }: EngineRun) => engine.clusters()[0]!;

/** Appends wait from now on. Returns what lets them through. */
function closeLog({ log }: EngineWorld): () => Promise<void> {
  let open = () => {};
  log.gate = new Promise((resolve) => {
    open = resolve;
  });
  return async () => {
    open();
    await settled();
  };
}

async function replays(world: EngineWorld): Promise<void> {
  const inputs = await world.log.ledger.inputs("web");
  expect(replay("web", inputs)).toEqual(await world.log.ledger.decisionLog("web"));
}

/** The bus is away for so many ticks: no samples come, and nothing is appended. */
async function outage(world: EngineWorld, run: EngineRun, ticks: number): Promise<void> {
  run.isFresh = false;
  for (let tick = 0; tick < ticks; tick++) await world.tick(1, { reports: false });
  run.isFresh = true;
}

describe("what was decided before an outage (rules R4, N6)", () => {
  it("is not written after it, on what was known then", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    const open = closeLog(world);
    await world.tick(9);
    await outage(world, run, 60);
    await open();
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toEqual(expect.any(String));
    await run.answer("cancelled");
    // The load had gone meanwhile.
    await world.tick(1);
    expect(run.sent).toEqual([]);
    await replays(world);
  });

  it("goes out when a tick since then asks for it still", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    const open = closeLog(world);
    await world.tick(9);
    run.isFresh = false;
    for (let tick = 0; tick < 6; tick++) await world.tick(9, { reports: false });
    run.isFresh = true;
    await open();
    await run.answer("cancelled");
    expect(run.sent).toEqual([]);
    for (let tick = 0; tick < 3; tick++) await world.tick(9);
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
    await replays(world);
  });

  it("nor are the next receivers of an action whose first has answered in it", async () => {
    const alarm = [control("first", "out"), control("second", "out")];
    const world = new EngineWorld([theRules([{ ...out, actions: { ...out.actions, alarm } }])]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    const open = closeLog(world);
    await run.answer("rejected");
    await outage(world, run, 60);
    await open();
    for (const _ of run.sent) expect(run.held()).toEqual(expect.any(String));
    await replays(world);
  });

  it("is not written when the bus is back and the samples are not, though it was recorded before", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
    await outage(world, run, 4);
    expect(run.held()).toBe("no samples have come for a while");
    await run.answer("cancelled");
    expect(run.sent).toEqual([]);
    for (let tick = 0; tick < 8 && run.sent.length === 0; tick++) await world.tick(9);
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
    await replays(world);
  });

  it("a short wait for the log changes nothing", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    const open = closeLog(world);
    await world.tick(9);
    world.clock.advance(3000);
    await open();
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
    const inputs = await world.log.ledger.inputs("web");
    expect(inputs.filter(({ input }) => input.kind === "stall")).toEqual([]);
  });
});

describe("what is held by what no tick tells", () => {
  it("is claimed again once a tick, not over and over", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    run.isFresh = false;
    const before = world.log.commits.length;
    for (let turn = 0; turn < 20 && run.sent.length > 0; turn++) {
      expect(run.held()).toBe("another engine may have taken over");
      await run.answer("cancelled");
    }
    expect(world.log.commits.length - before).toBe(1);
    await world.tick(9);
    expect(run.sent).toHaveLength(1);
    run.held();
    await run.answer("cancelled");
    expect(run.sent).toEqual([]);
    run.isFresh = true;
    await world.tick(9);
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
    await replays(world);
  });

  it("what a gate of the cluster called off is free to go when the gate opens, as ever", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    await run.engine.command("web", { kind: "command", command: "pause" });
    expect(run.held()).toContain("paused");
    await run.answer("cancelled");
    await run.engine.command("web", { kind: "command", command: "resume" });
    await settled();
    expect(run.sent).toHaveLength(1);
    expect(run.held()).toBeUndefined();
  });

  it("while its partition is given back, nothing is claimed anew, whatever comes", async () => {
    const hears = anAlarm({
      name: "hears",
      rule: { kind: "event", eventType: "*", query: [], autoOkAfterS: undefined },
      actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] },
    });
    const busy = { ...theRules([out]), clusterId: "busy", clusterName: "busy" };
    const world = new EngineWorld([theRules([hears]), busy]);
    const run = await working(world);
    await world.tick(1);
    await world.tick(9);
    expect(run.sent.map(({ clusterId }) => clusterId)).toEqual(["busy"]);
    const giving = run.engine.release(0);
    await settled();
    const stopped = world.log.commits.filter(({ inputs }) => inputs.some(({ input }) => input.kind === "stop"));
    expect(stopped.map(({ clusterId }) => clusterId).sort()).toEqual(["busy", "web"]);
    await run.answer("accepted");
    world.clock.advance(100);
    await settled();
    await giving;
  });
});

it("a takeover late in a tick settles for the whole time all the same (rule N3)", async () => {
  const world = new EngineWorld([rules]);
  const first = await working(world);
  await world.tick(1);
  await world.tick(9);
  expect(first.sent).toHaveLength(1);
  first.engine.lose(0);
  world.clock.advance(INTERVAL_MS - 501);
  const takenAt = world.clock.now();
  const second = await working(world);
  const { lane, intervalMs } = cluster(second);
  expect(lane.phase === "settling" && lane.untilTick! * intervalMs).toBeGreaterThanOrEqual(takenAt + 32_000);
  await replays(world);
});

describe("while the log alone waits", () => {
  it("the cluster is degraded, and commands are refused, those that wait too", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    const open = closeLog(world);
    await world.tick(9);
    expect(run.engine.degraded()).toEqual([]);
    const waiting = run.engine.command("web", { kind: "command", command: "pause" });
    const refused = expect(waiting).rejects.toMatchObject({ code: "E404" });
    await world.tick(9);
    await refused;
    expect(run.engine.degraded()).toEqual([expect.stringContaining("web: ")]);
    await expect(run.engine.command("web", { kind: "command", command: "pause" })).rejects.toMatchObject({
      code: "E404",
    });
    await open();
    expect(run.engine.degraded()).toEqual([]);
    await run.engine.command("web", { kind: "command", command: "pause" });
    expect([...cluster(run).pauses.keys()].sort()).toEqual(["in", "out"]);
    await replays(world);
  });

  it("what protects after a loss is not refused: it waits", async () => {
    const world = new EngineWorld([rules]);
    let open = async () => {};
    world.log.takeLoss = () => {
      open = closeLog(world);
      return true;
    };
    const run = world.start();
    const acquiring = run.engine.acquire(0);
    await settled();
    for (let tick = 0; tick < 3; tick++) await world.tick(1);
    await open();
    await acquiring;
    expect([...cluster(run).pauses.keys()].sort()).toEqual(["in", "out"]);
  });

  it("rows of which only series are kept do not wait with what is judged", () => {
    const world = new EngineWorld([rules]);
    const report = world.reportOf({ number: 1, at: INTERVAL_MS }, 0, 1);
    if (!report.outcome.ok) throw new Error("it is one that came");
    const slices = report.outcome.slices.map((slice) => ({ ...slice, kept: [] }));
    expect(withoutKept({ ...report, outcome: { ok: true, slices } })).toEqual(report);
  });

  it("only so many ticks wait, and no increase is lost", async () => {
    const world = new EngineWorld([rules]);
    const run = await working(world);
    await world.tick(1);
    const open = closeLog(world);
    await world.tick(9);
    for (let tick = 0; tick < 100; tick++) await world.tick(1);
    await open();
    await world.tick(1);
    const inputs = await world.log.ledger.inputs("web");
    expect(inputs.filter(({ input }) => input.kind === "tick").length).toBeLessThan(70);
    expect(cluster(run).tick).toBe(world.number);
    expect(cluster(run).values[BYTES]).toBe(world.counted("web"));
    await replays(world);
  });
});
