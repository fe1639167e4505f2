import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Decision } from "../../src/model/decision.ts";
import { recordedInputs, replay } from "../../src/replay/replay.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";
import type { Attempt } from "../helpers/simulation.ts";
import { Simulation } from "../helpers/simulation.ts";

const SETTLE_TICKS = 6;
const actions = (...alarm: ReturnType<typeof control>[]) => ({
  ok: [notice("ops")],
  alarm: [...alarm, notice("ops")],
  "insufficient data": [],
});
const rules = theRules([
  anAlarm({ name: "out", threshold: 50, actions: actions(control("out", "out")) }),
  anAlarm({ name: "in", comparison: "lt", threshold: 10, actions: actions(control("in", "in")) }),
]);

type Step =
  | { readonly kind: "write" }
  | { readonly kind: "tick"; readonly sessions: number }
  | {
      readonly kind: "answer";
      readonly with: "accepted" | "busy" | "not_run" | "ran but unknown" | "not run but unknown" | "cancelled";
    }
  | {
      readonly kind: "crash";
      readonly at: "idle" | "before the commit" | "after the commit" | "after the POST ran";
      readonly downTicks: number;
      readonly sessions: number;
    };

const sessions = fc.constantFrom(1, 30, 90);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ kind: "write" as const }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("tick" as const), sessions }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      with: fc.constantFrom("accepted", "busy", "not_run", "ran but unknown", "not run but unknown", "cancelled"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      at: fc.constantFrom("idle", "before the commit", "after the commit", "after the POST ran"),
      downTicks: fc.integer({ min: 0, max: 3 }),
      sessions,
    }),
  },
);

async function play(steps: readonly Step[], lags: boolean): Promise<Simulation> {
  const simulation = new Simulation(rules, lags);
  await simulation.start();
  for (const one of steps) await playStep(simulation, one);
  // The weather clears: nothing fails any more, and everything that is due happens.
  for (let tick = 0; tick < 40; tick++) {
    for (let next = simulation.underWay(); next; next = simulation.underWay())
      await simulation.answer(next, "accepted", true);
    await simulation.tick(tick < 20 ? 90 : 30);
  }
  await simulation.write();
  return simulation;
}

async function playStep(simulation: Simulation, one: Step): Promise<void> {
  switch (one.kind) {
    case "write":
      return simulation.write();
    case "tick":
      return simulation.tick(one.sessions);
    case "answer": {
      const next = simulation.underWay();
      if (!next) return;
      if (one.with === "ran but unknown") return simulation.answer(next, "uncertain", true);
      if (one.with === "not run but unknown") return simulation.answer(next, "uncertain", false);
      // 409 is an answer to control deliveries only.
      if (one.with === "busy" && !next.dispatch.control) return simulation.answer(next, "not_run", false);
      return simulation.answer(next, one.with, one.with === "accepted");
    }
    case "crash": {
      if (one.at === "before the commit") simulation.fate = "lost";
      if (one.at === "after the commit") simulation.fate = "kept but never acknowledged";
      if (one.at === "before the commit" || one.at === "after the commit") await simulation.tick(one.sessions);
      const next = simulation.underWay();
      if (one.at === "after the POST ran" && next) next.ran = true;
      simulation.crash();
      return simulation.start(one.downTicks);
    }
  }
}

/** Everything that must hold, whatever happened. */
async function verify(simulation: Simulation): Promise<void> {
  const log = (await simulation.ledger.decisionLog("web")).map((line) => JSON.parse(line) as Decision);
  verifyNotices(simulation, log);
  verifyControl(simulation, log);
  const inputs = await recordedInputs("web", simulation.ledger, simulation.store);
  expect(replay("web", inputs)).toEqual(await simulation.ledger.decisionLog("web"));
}

function verifyNotices(simulation: Simulation, log: readonly Decision[]): void {
  const transitions = log.flatMap((one) =>
    one.d === "transition" && one.to !== "insufficient data" ? [`${one.name} ${one.transition}`] : [],
  );
  const told = simulation.attempts
    .filter(({ dispatch, ran }) => !dispatch.control && ran)
    .map(({ dispatch }) => dispatch.deliveryId);
  const nameOf = new Map(
    log.flatMap((one) =>
      one.d === "send" && one.class === "notice"
        ? [[one.delivery, `${one.notification.alarmName} ${one.transition}`] as const]
        : [],
    ),
  );
  const firstTold = [...new Set(told)].map((id) => nameOf.get(id));
  // Both alarms tell one receiver: every transition of both, once, in the order of their decisions.
  expect(firstTold).toEqual(transitions);
}

function verifyControl(simulation: Simulation, log: readonly Decision[]): void {
  const { attempts } = simulation;
  const controls = attempts.filter(({ dispatch }) => dispatch.control);
  const transitionOf = new Map(
    log.flatMap((one) =>
      one.d === "send" ? [[one.delivery, `${one.notification.alarmName} ${one.transition}`] as const] : [],
    ),
  );
  const mayHaveRun = (attempt: Attempt) =>
    attempt.ran || attempt.outcome === "uncertain" || attempt.outcome === undefined;
  controls.forEach((attempt, index) => {
    const before = controls.slice(0, index);
    const same = before.filter(
      (other) => transitionOf.get(other.dispatch.deliveryId) === transitionOf.get(attempt.dispatch.deliveryId),
    );
    for (const other of same) {
      // Never after it was accepted, and after anything doubtful only when its settling has ended.
      expect(other.outcome).not.toBe("accepted");
      if (mayHaveRun(other)) expect(attempt.tick - other.tick).toBeGreaterThanOrEqual(SETTLE_TICKS);
      // The same id only where it provably did not run.
      if (other.dispatch.deliveryId === attempt.dispatch.deliveryId) expect(other.outcome).toBe("not_run");
    }
  });
  // What the final state asks for has been done.
  const last = log.findLast((one) => one.d === "transition" && one.name === "out" && one.to === "alarm");
  if (last?.d === "transition") {
    const wanted = `out ${last.transition}`;
    expect(controls.some((attempt) => attempt.ran && transitionOf.get(attempt.dispatch.deliveryId) === wanted)).toBe(
      true,
    );
  }
}

describe("no schedule of crashes loses a transition, or sends again a control action that may have run before its settling ended", () => {
  it("any schedule, with and without answers", async () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 20_000 : 400;
    const holds = fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, lags) =>
      verify(await play(steps, lags)),
    );
    const seed = Math.floor(Math.random() * 2 ** 31);
    await fc.assert(holds, { numRuns: runs, seed });
    console.log(`crash schedules=${runs} seed=${seed} lost=0 resent_before_settling=0 replay_differs=0`);
  }, 600_000);

  it("an effect that is seen ends the doubt: the action is not sent again", async () => {
    const simulation = new Simulation(rules);
    await simulation.start();
    await simulation.tick(30);
    await simulation.tick(90);
    const sent = simulation.attempts.find(({ dispatch }) => dispatch.receiver === "out");
    expect(sent).toBeDefined();
    simulation.crash();
    simulation.members = { ...simulation.members, c: "up" };
    await simulation.start(1);
    for (let tick = 0; tick < 20; tick++) await simulation.tick(90);
    expect(simulation.attempts.filter(({ dispatch }) => dispatch.receiver === "out")).toHaveLength(1);
  });
});
