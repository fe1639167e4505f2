import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Folded, sends } from "../helpers/folded.ts";
import { BOUND_TICKS, LaneRun } from "../helpers/laneRun.ts";
import { anAlarm, control, RATE, theRules, withRule } from "../helpers/rules.ts";

const schedules = process.env.TOCSIN_TEST_FULL ? 100_000 : 600;

describe("rule L: whatever happens to a lane", () => {
  it("never two actions at once, none that a gate holds, none too early, and none is forgotten", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let steps = 0;
    let longest = 0;
    let asked = 0;
    const number = fc.nat(2 ** 31 - 1);
    const holds = fc.property(number, fc.array(number, { minLength: 20, maxLength: 60 }), (rules, numbers) => {
      const run = new LaneRun(rules);
      for (const one of numbers) run.step(one);
      steps += numbers.length;
      asked += run.asked;
      const ticks = run.end();
      if (run.monitor.violations.length > 0 || ticks === undefined) {
        const owed = run.monitor.owed().map((one) => `after ${BOUND_TICKS} ticks owed: ${one}`);
        throw new Error([...run.monitor.violations, ...owed, ...run.log.slice(0, 150)].join("\n"));
      }
      longest = Math.max(longest, ticks ?? Infinity);
    });
    fc.assert(holds, { numRuns: schedules, seed });
    console.log(
      `lane schedules=${schedules} seed=${seed} violations=0 mean_steps=${Math.round(steps / schedules)} ` +
        `asked_by_people=${asked} ` +
        `longest_owed_ticks=${longest} bound=${BOUND_TICKS}`,
    );
  }, 600_000);
});

const actions = (...alarm: ReturnType<typeof control>[]) => ({ ok: [], alarm, "insufficient data": [] });
const out = anAlarm({ name: "out", threshold: 5, actions: actions(control("out", "out")) });
const inward = anAlarm({ name: "in", comparison: "lt", threshold: 2, actions: actions(control("in", "in")) });

describe("what goes ahead, comes later, or is changed meanwhile", () => {
  it("a cooldown goes on behind a scale-out that went ahead of it and never ran", () => {
    const folded = new Folded(theRules([out, inward], { settleS: 10, cooldownS: { in: 600, out: 0 } }));
    folded.tick({ sessions: 3 });
    expect(sends(folded.tick({ sessions: 1 }))).toEqual(["in"]);
    folded.outcome("accepted");
    folded.ticks(3, { sessions: 3 });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
    folded.outcome("rejected");
    folded.tick({ sessions: 3 });
    expect(sends(folded.ticks(10, { sessions: 1 }))).toEqual([]);
  });

  it("a Retry-After is waited for where another receiver of the action was busy", () => {
    const pair = { ...out, repeatIntervalS: 10, actions: actions(control("first", "out"), control("second", "out")) };
    const folded = new Folded([pair]);
    folded.tick({ sessions: 3 });
    folded.tick({ sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 300 });
    folded.outcome("busy");
    expect(sends(folded.ticks(10, { sessions: 9 }))).toEqual([]);
  });

  it("an alarm that is disabled between two ticks sends nothing of what it owes", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 3 });
    folded.input({ kind: "command", command: "pause" });
    folded.tick({ sessions: 9 });
    folded.input({ kind: "command", command: "rules", rules: theRules([{ ...out, enabled: false }]) });
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual([]);
  });

  it("a scale-in that may not have run is owed again after a scale-out that went ahead of its settling", () => {
    const folded = new Folded([out, withRule(inward, { meterName: RATE })]);
    folded.tick({ sessions: 3, rate: 9 });
    expect(sends(folded.tick({ sessions: 3, rate: 1 }))).toEqual(["in"]);
    folded.outcome("uncertain");
    expect(sends(folded.tick({ sessions: 9, rate: 1 }))).toEqual(["out"]);
    folded.outcome("rejected");
    expect(sends(folded.ticks(40, { sessions: 3, rate: 1 }))).toEqual(["in"]);
  });

  it("a limit that comes later counts what was repeated before it", () => {
    const repeating = { ...out, repeatActions: true, repeatIntervalS: 60 };
    const folded = new Folded([repeating]);
    folded.tick({ sessions: 3 });
    for (let tick = 0; tick < 20; tick++) {
      if (sends(folded.tick({ sessions: 9 })).length > 0) folded.outcome("accepted");
    }
    folded.input({ kind: "command", command: "rules", rules: theRules([{ ...repeating, maxRepeats: 2 }]) });
    expect(sends(folded.ticks(10, { sessions: 9 }))).toEqual([]);
  });
});
