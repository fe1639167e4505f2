import { describe, expect, it } from "vitest";
import type { Alarm, Expression } from "../../src/model/alarm.ts";
import { Folded, sends } from "../helpers/folded.ts";
import { anAlarm, aRule, control, notice, RATE, SESSIONS, theRules } from "../helpers/rules.ts";

function actions(...alarm: Alarm["actions"]["alarm"]): Alarm["actions"] {
  return { ok: [], alarm, "insufficient data": [] };
}

function revise(folded: Folded, ...alarms: readonly Alarm[]) {
  return folded.input({ kind: "command", command: "rules", rules: theRules(alarms) });
}

describe("an edit reaches what is owed and what is about to be sent", () => {
  const busy = anAlarm({ name: "busy", actions: actions(control("a", "out"), control("b", "out")) });

  it("a receiver that the rule no longer calls is not called", () => {
    const folded = new Folded([busy]);
    folded.tick({ sessions: 1 });
    folded.input({ kind: "command", command: "pause" });
    folded.tick({ sessions: 9 });
    revise(folded, { ...busy, actions: actions(control("b", "out")) });
    folded.tick({ sessions: 9 });
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual(["b"]);
  });

  it("nor is it the next of an action that is under way", () => {
    const folded = new Folded([busy]);
    folded.tick({ sessions: 1 });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["a"]);
    revise(folded, { ...busy, actions: actions(control("a", "out")) });
    expect(sends(folded.outcome("accepted"))).toEqual([]);
  });

  it("what was judged by the rule before sends nothing by the new one", () => {
    const folded = new Folded([busy]);
    folded.tick({ sessions: 1 });
    folded.input({ kind: "command", command: "pause" });
    folded.tick({ sessions: 9 });
    revise(folded, { ...busy, rule: aRule({ threshold: 100 }) });
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual([]);
    expect(folded.state("busy")).toBe("ok");
  });

  it("an alarm that goes and comes back does not use a webhook-id again", () => {
    const repeats = { repeatActions: true, repeatIntervalS: 10, repeatStates: ["insufficient data"] as const };
    const empty = anAlarm({
      name: "empty",
      ...repeats,
      actions: { ...actions(), "insufficient data": [notice("ops")] },
    });
    const folded = new Folded([empty]);
    const ids: string[] = [];
    const hear = () => {
      for (const one of folded.tick({ sessions: null })) if (one.d === "send") ids.push(one.delivery);
      if ([...folded.cluster.deliveries.values()].some(({ status }) => status === "claimed"))
        folded.outcome("accepted");
    };
    for (let tick = 0; tick < 3; tick++) hear();
    revise(folded);
    revise(folded, empty);
    for (let tick = 0; tick < 3; tick++) hear();
    expect(ids.length).toBeGreaterThan(3);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("J8: a leaf that remembers", () => {
  it("is judged at every tick, also where the expression is decided without it", () => {
    const first: Expression = { op: "rule", rule: aRule({ threshold: 5 }), written: {} };
    const second: Expression = {
      op: "rule",
      rule: aRule({ meterName: RATE, threshold: 100, clearThreshold: 50 }),
      written: {},
    };
    const rule = { kind: "composite", expression: { op: "and", parts: [first, second] } } as const;
    const folded = new Folded([anAlarm({ name: "both", rule })]);
    folded.ticks(3, { sessions: 9, rate: 200 });
    expect(folded.state("both")).toBe("alarm");
    folded.ticks(5, { sessions: 1, rate: 10 });
    folded.tick({ sessions: 9, rate: 70 });
    expect(folded.state("both")).toBe("ok");
  });
});

describe("A4: repeats", () => {
  const repeating = { repeatActions: true, repeatIntervalS: 60 };

  it("one that a gate stops at its first receiver is not made to its second", () => {
    const busy = anAlarm({ name: "busy", ...repeating, actions: actions(control("a", "out"), control("b", "out")) });
    const folded = new Folded([busy]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.outcome("accepted");
    expect(sends(folded.ticks(6, { sessions: 9 }))).toEqual(["a"]);
    expect(sends(folded.outcome("cancelled"))).toEqual([]);
    expect(sends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
  });

  it("max_repeats counts each slot once, whomever it calls", () => {
    const both = actions(control("a", "out"), notice("ops"));
    const folded = new Folded([anAlarm({ name: "busy", ...repeating, maxRepeats: 1, actions: both })]);
    folded.tick({ sessions: 1 });
    folded.input({ kind: "command", command: "pause" });
    const told: string[] = [];
    for (let tick = 0; tick < 40; tick++) {
      told.push(...sends(folded.tick({ sessions: 9 })));
      if ([...folded.cluster.deliveries.values()].some(({ status }) => status === "claimed"))
        folded.outcome("accepted");
    }
    expect(told).toEqual(["ops", "ops"]);
  });
});

describe("what comes before the first tick of a run", () => {
  it("a pause for a while begins now, however long nobody was there", () => {
    const folded = new Folded([anAlarm({ name: "busy", actions: actions(control("a", "out")) })]);
    folded.tick({ sessions: 1 });
    folded.restart(100);
    folded.input({ kind: "command", command: "pause", forS: 300 });
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.ticks(15, { sessions: 9 }))).toEqual(["a"]);
  });
});

describe("J7: per server", () => {
  it("silence turns into what the policy says, however short the window", () => {
    const rule = { meterName: SESSIONS, per: "server" as const, periodS: 10 };
    const folded = new Folded([anAlarm({ name: "each", ...rule })]);
    const servers = { a: { [SESSIONS]: 1 } };
    for (let tick = 0; tick < 4; tick++) folded.input({ ...folded.sealed({ sessions: 1 }), servers });
    expect(folded.state("each")).toBe("ok");
    folded.ticks(8, { failed: ["s"] });
    expect(folded.state("each")).toBe("insufficient data");
  });
});

describe("L4: an effect", () => {
  it("is not seen in servers of which nobody knows whether they were there before", () => {
    const busy = anAlarm({ name: "busy", statistic: "max", actions: actions(control("a", "out")) });
    const folded = new Folded(theRules([busy]), ["s", "t"]);
    folded.ticks(2, { sessions: 9, failed: ["t"], members: { x: "up" } });
    folded.outcome("accepted");
    const decisions = folded.ticks(8, { sessions: 9, members: { x: "up", y: "up" } });
    expect(decisions.flatMap((one) => (one.d === "effect" ? [one.effect] : []))).toEqual(["unclear"]);
  });
});
