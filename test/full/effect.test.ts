import { describe, expect, it } from "vitest";
import type { Decision } from "../../src/model/decision.ts";
import type { MemberState } from "../../src/model/meters.ts";
import { isComplete } from "../../src/model/tick.ts";
import type { Plan } from "../helpers/effectPlans.ts";
import { PLANS, SETTLE_S } from "../helpers/effectPlans.ts";
import type { Run } from "../helpers/effectRun.ts";
import { playPlans } from "../helpers/effectRun.ts";
import { randomFrom } from "../helpers/trueLoad.ts";

type Effect = Extract<Decision, { readonly d: "effect" }>;
type Send = Extract<Decision, { readonly d: "send" }>;

/** A command of the runtime API and an answer to a scrape may cross by so much, ms. */
const CROSSING_MS = 400;

/** The two actions of a run, each with the effect that was decided next. */
function actionsOf(run: Run): readonly { readonly send: Send; readonly effect: Effect }[] {
  const told = run.decisions.filter((one) => (one.d === "send" && one.class === "control") || one.d === "effect");
  expect(
    told.map(({ d }) => d),
    run.name,
  ).toEqual(["send", "effect", "send", "effect"]);
  return [told.slice(0, 2), told.slice(2)].map(([send, effect]) => ({ send: send as Send, effect: effect as Effect }));
}

/** Servers as the record shows them, tick by tick; `undefined` where a tick does not show them all. */
function recorded(
  run: Run,
): readonly { readonly at: number; readonly members: Map<string, MemberState> | undefined }[] {
  const members = new Map<string, MemberState>();
  return run.inputs.flatMap((input) => {
    if (input.kind !== "tick") return [];
    for (const [name, state] of input.members) {
      if (state === null) members.delete(name);
      else members.set(name, state);
    }
    return [{ at: input.at, members: isComplete(input, 0) ? new Map(members) : undefined }];
  });
}

/** Rule L4 said anew: label of the first complete tick after the send that shows what was asked for. */
function firstSign(run: Run, { at }: Send): number | undefined {
  const ticks = recorded(run);
  const before = ticks.findLast((tick) => tick.at <= at && tick.members)?.members ?? new Map<string, MemberState>();
  const shows = (now: Map<string, MemberState>) =>
    run.plan.direction === "out"
      ? [...now].some(([name, state]) => state === "up" && ["maint", undefined].includes(before.get(name)))
      : [...before].some(([name, state]) => state === "up" && ["draining", undefined].includes(now.get(name)));
  return ticks.find((tick) => tick.at > at && tick.at <= at + SETTLE_S * 1000 && tick.members && shows(tick.members))
    ?.at;
}

/** Whether the sick server was seen to change on its own while the effect was awaited. */
function sawSickness(run: Run, { send, effect }: { readonly send: Send; readonly effect: Effect }): boolean {
  const seen = recorded(run).filter(({ at }) => at >= send.at && at <= effect.at);
  return new Set(seen.map(({ members }) => members?.get("sick")).filter(Boolean)).size > 1;
}

/** The machine was too slow for the plan, which is then played again: what was to be early came late, or a tick saw nothing. */
function isOffPlan(run: Run, actions: Actions): boolean {
  const [first, second] = actions.map(({ send }) => send);
  if (recorded(run).some(({ at, members }) => !members && at >= (first?.at ?? 0))) return true;
  if (!run.done || !first || !second) return false;
  const endMs = first.at + SETTLE_S * 1000;
  const { fromMs, toMs } = run.done;
  const isLate = run.plan.label === "no_effect" || run.plan.steps.length > 1;
  return isLate ? fromMs < endMs + CROSSING_MS || toMs > second.at - CROSSING_MS : toMs > endMs - CROSSING_MS;
}

type Actions = ReturnType<typeof actionsOf>;

/** Whether each action truly had an effect: of the second nothing came, whatever else appeared or recovered. */
function truths({ plan }: Run): readonly boolean[] {
  return [plan.label === "effective", false];
}

function verify(run: Run, actions: Actions): void {
  const { name, plan, told } = run;
  const [first, second] = actions.map(({ effect }) => effect);
  expect([name, first?.effect, second?.effect]).toEqual([name, plan.label, "no_effect"]);
  expect([name, first?.servers, second?.servers]).toEqual([name, plan.servers, []]);
  expect(told, name).toBe(actions.filter(({ effect }) => effect.effect === "no_effect").length);
  // Decided at the very tick that shows it, or at the end of settling; the next action is not before.
  for (const { send, effect } of actions) {
    const endAt = send.at + SETTLE_S * 1000;
    expect([name, effect.at]).toEqual([name, firstSign(run, send) ?? endAt]);
    expect([name, effect.ticks]).toEqual([name, (effect.at - send.at) / 1000]);
  }
  expect(actions[1]?.send.at, name).toBeGreaterThanOrEqual(first?.at ?? Infinity);
}

describe("the effect of an action, on a real HAProxy", () => {
  it("is seen when there is one, and never when there is none", async () => {
    const times = process.env.TOCSIN_TEST_FULL ? 25 : 2;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomFrom(seed);
    const onPlan: { readonly run: Run; readonly actions: Actions }[] = [];
    const runsOf = (plan: Plan) => onPlan.filter(({ run }) => run.plan === plan);
    let offPlan = 0;
    for (let round = 0; round < 3; round++) {
      const lacking = PLANS.filter((plan) => runsOf(plan).length < times);
      for (const run of lacking.length > 0 ? await playPlans(lacking, times, random) : []) {
        expect([run.name, run.faults]).toEqual([run.name, []]);
        expect([run.name, new Set(run.posts).size]).toEqual([run.name, 2]);
        const actions = actionsOf(run);
        if (isOffPlan(run, actions)) offPlan++;
        else onPlan.push({ run, actions });
      }
    }
    const judged = onPlan.flatMap(({ run, actions }) =>
      actions.map((action, index) => ({ run, ...action, isTrue: truths(run)[index] })),
    );
    const seen = judged.filter(({ effect }) => effect.effect === "effective");
    const falseEffective = seen.filter(({ isTrue }) => !isTrue).length;
    const missedEffective = judged.filter(({ isTrue }) => isTrue).length - (seen.length - falseEffective);
    const sicknessSeen = judged.filter(({ run, ...action }) => sawSickness(run, action)).length;
    const rows = PLANS.map((plan) => {
      const own = runsOf(plan);
      const labels = Map.groupBy(own, ({ actions }) => actions.map(({ effect }) => effect.effect).join(", then "));
      return `  ${plan.name.padEnd(12)}${[...labels].map(([label, all]) => `${all.length} × ${label}`).join("; ")}`;
    });
    const lagsMs = seen.flatMap(({ run, effect }) => (run.done ? [effect.at - run.done.fromMs] : []));
    console.log(
      `effects: ${times} runs of each, seed=${seed}\n${rows.join("\n")}\n  false_effective=${falseEffective} ` +
        `missed_effective=${missedEffective} sickness_seen=${sicknessSeen} off_plan=${offPlan}; ` +
        `from the change to the tick that shows it: ${Math.min(...lagsMs)}…${Math.max(...lagsMs)} ms`,
    );
    expect([falseEffective, missedEffective]).toEqual([0, 0]);
    for (const { run, actions } of onPlan) verify(run, actions);
    // The tick that shows it is the next one after the change, give or take one that was being asked for.
    expect(Math.min(...lagsMs)).toBeGreaterThan(-CROSSING_MS);
    expect(sicknessSeen).toBeGreaterThan(onPlan.length / 2);
    for (const plan of PLANS) expect(runsOf(plan).length, plan.name).toBeGreaterThanOrEqual(times);
  }, 240_000);
});
