import { describe, expect, it } from "vitest";
import { anAlarm, control, theRules } from "../helpers/rules.ts";
import { Simulation, settled } from "../helpers/simulation.ts";

const rules = theRules([
  anAlarm({
    name: "in",
    comparison: "lt",
    threshold: 10,
    actions: { ok: [], alarm: [control("in", "in")], "insufficient data": [] },
  }),
]);

describe("R4: a commit that fails", () => {
  it("is tried again first; what it decided is not sent on the evidence of then", async () => {
    const simulation = new Simulation(rules);
    await simulation.start();
    await simulation.tick(50);
    simulation.fate = "refused";
    await simulation.tick(1);
    expect(simulation.degraded()).toEqual(["web: the disk is full"]);
    // The load rises while nothing can be recorded: these ticks are downtime.
    for (let tick = 0; tick < 5; tick++) await simulation.tick(50);
    expect(simulation.attempts).toEqual([]);
    simulation.fate = "kept";
    simulation.clock.advance(1000);
    await settled();
    expect(simulation.degraded()).toEqual([]);
    const [attempt] = simulation.attempts;
    expect(simulation.heldBecause(attempt!)).toContain("no tick has been judged");
    await simulation.answer(attempt!, "cancelled", false);
    await simulation.tick(50);
    await simulation.tick(50);
    expect(simulation.attempts).toHaveLength(1);
  });

  it("the ticks it cost are downtime, and their bytes count afterwards", async () => {
    const simulation = new Simulation(rules);
    await simulation.start();
    await simulation.tick(50);
    simulation.fate = "refused";
    await simulation.tick(1);
    for (let tick = 0; tick < 3; tick++) await simulation.tick(50);
    simulation.fate = "kept";
    simulation.clock.advance(1000);
    await settled();
    await simulation.tick(50);
    await settled();
    const ticks = await simulation.store.ticks("web", -Infinity);
    expect(ticks.at(-1)?.tick.values["network.services.lb.incoming.bytes"]).toBe((50 + 1 + 4 * 50) * 1000);
  });
});

it("a store that fails is told, holds nothing up, and gets everything in the end", async () => {
  const simulation = new Simulation(rules);
  await simulation.start();
  await simulation.tick(50);
  simulation.storeRefuses = true;
  for (let tick = 0; tick < 3; tick++) await simulation.tick(50);
  expect(simulation.degraded()).toEqual(["web: the disk is full"]);
  await simulation.tick(1);
  expect(simulation.attempts).toHaveLength(1);
  simulation.storeRefuses = false;
  simulation.clock.advance(1000);
  await settled();
  expect(simulation.degraded()).toEqual([]);
  expect(await simulation.store.ticks("web", -Infinity)).toHaveLength(5);
});

it("a store that takes nothing for hours ends no judging: ticks that a commit has brought along wait for it no more", async () => {
  const simulation = new Simulation(rules);
  await simulation.start();
  await simulation.tick(50);
  simulation.storeRefuses = true;
  for (let tick = 0; tick < 1200; tick++) await simulation.tick(50);
  await simulation.tick(1);
  expect(simulation.attempts).toHaveLength(1);
  simulation.storeRefuses = false;
  simulation.clock.advance(1000);
  await settled();
  expect(simulation.degraded()).toEqual([]);
  const stored = (await simulation.store.ticks("web", -Infinity)).map(({ seq }) => seq);
  const recorded = (await simulation.ledger.inputs("web")).map(({ seq }) => seq);
  const last = Math.max(...recorded);
  const missing = Array.from({ length: last }, (_, index) => index + 1).filter(
    (seq) => !stored.includes(seq) && !recorded.includes(seq),
  );
  expect(missing).toEqual([]);
});
