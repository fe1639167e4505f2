import { describe, expect, it } from "vitest";
import type { Datapoint } from "../../src/evaluator/datapoint.ts";
import { judgePoints } from "../../src/evaluator/judge.ts";
import type { ThresholdRule } from "../../src/model/alarm.ts";
import { compare } from "../../src/model/alarm.ts";
import { Folded } from "../helpers/folded.ts";
import { anAlarm, aRule, RATE } from "../helpers/rules.ts";

function points(rule: ThresholdRule, values: readonly (number | "?" | "high" | "low")[]): Datapoint[] {
  return values.map((value) => {
    if (typeof value !== "number") {
      const proved = value === "high" ? true : value === "low" ? false : undefined;
      return { kind: "unknown", reason: "a source is silent", silentTicks: 1, proved, clears: false, value: undefined };
    }
    const breaches = compare(value, rule.comparison, rule.threshold);
    return { kind: "value", value, breaches, clears: !compare(value, rule.comparison, rule.clearThreshold) };
  });
}

describe("J3–J5: M of N, the newest first", () => {
  const twoOfThree = { evaluationPeriods: 3, datapointsToAlarm: 2, threshold: 5, clearThreshold: 3 };
  it.each([
    { name: "M breach", values: [9, 1, 9], verdict: "alarm" },
    { name: "M breach, the rest unknown", values: [9, "?", 9], verdict: "alarm" },
    { name: "a lower bound counts as breaching", values: ["high", 1, 9], verdict: "alarm" },
    { name: "none breaches the clear threshold", values: [1, 2, 3], verdict: "ok" },
    { name: "below the threshold but not clear", values: [4, 1, 1], verdict: "undecided" },
    { name: "one unknown could still make it an alarm", values: [9, "?", 1], verdict: "unknown" },
    { name: "one unknown could still keep it from clear", values: [1, "?", 1], verdict: "unknown" },
  ] as const)("$name", ({ values, verdict }) => {
    const rule = aRule(twoOfThree);
    expect(judgePoints(rule, points(rule, values)).kind).toBe(verdict);
  });
});

describe("J1, J2: missing datapoints", () => {
  it.each([
    { policy: "missing", verdict: "insufficient data" },
    { policy: "breaching", verdict: "alarm" },
    { policy: "not_breaching", verdict: "ok" },
    { policy: "ignore", verdict: "unknown" },
  ] as const)("policy $policy: windows that hold nothing are $verdict", ({ policy, verdict }) => {
    const folded = new Folded([anAlarm({ name: "a", treatMissingData: policy, evaluationPeriods: 2 })]);
    folded.ticks(4, { sessions: null });
    expect(folded.verdict("a")).toBe(verdict);
  });

  it("Aodh's look-back: one missing datapoint is stood in for by the one before the windows", () => {
    const folded = new Folded([anAlarm({ name: "a", evaluationPeriods: 3 })]);
    folded.ticks(4, { sessions: 9 });
    expect(folded.state("a")).toBe("alarm");
    folded.tick({ sessions: null });
    expect(folded.verdict("a")).toBe("alarm");
    folded.tick({ sessions: null });
    expect(folded.verdict("a")).toBe("insufficient data");
  });

  it("with M < N the alarm stands as soon as M breach, whatever is missing", () => {
    const folded = new Folded([anAlarm({ name: "a", evaluationPeriods: 3, datapointsToAlarm: 1 })]);
    folded.ticks(3, { sessions: null });
    folded.tick({ sessions: 9 });
    expect(folded.verdict("a")).toBe("alarm");
  });
});

describe("J6: per active server", () => {
  const perServer = { meterName: RATE, per: "active_server", periodS: 30, comparison: "ge", threshold: 100 } as const;
  const alarm = anAlarm({ name: "a", ...perServer });
  const two = { a: "up", b: "up" } as const;

  it("divides by the active servers", () => {
    const folded = new Folded([alarm]);
    folded.ticks(3, { rate: 190, members: two });
    expect(folded.verdict("a")).toBe("ok");
    folded.ticks(3, { rate: 210, members: two });
    expect(folded.verdict("a")).toBe("alarm");
  });

  it("takes the median of the last three complete ticks: one bad reading moves nothing", () => {
    const folded = new Folded([alarm]);
    folded.ticks(3, { rate: 190, members: two });
    folded.tick({ rate: 190, members: { a: "up", b: "down" } });
    expect(folded.verdict("a")).toBe("ok");
    folded.tick({ rate: 190 });
    expect(folded.verdict("a")).toBe("alarm");
  });

  it("counts neither draining nor maintenance nor standby", () => {
    const folded = new Folded([alarm]);
    folded.ticks(3, { rate: 190, members: { a: "up", b: "draining", c: "maint", d: "standby" } });
    expect(folded.verdict("a")).toBe("alarm");
  });

  it("is unknown when the cluster has no server row", () => {
    const folded = new Folded([alarm]);
    folded.ticks(5, { rate: 500 });
    expect(folded.verdict("a")).toBe("unknown");
  });

  it("with no server active any load is too much, and nothing else can be said", () => {
    const folded = new Folded([
      alarm,
      anAlarm({ name: "low", ...perServer, comparison: "le", threshold: 10, clearThreshold: 10 }),
    ]);
    folded.ticks(3, { rate: 5, members: { a: "down" } });
    expect(folded.verdict("a")).toBe("alarm");
    expect(folded.verdict("low")).toBe("unknown");
  });
});
