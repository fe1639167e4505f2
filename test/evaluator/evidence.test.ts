import { describe, expect, it } from "vitest";
import { Folded, holds, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice, RATE, withRule } from "../helpers/rules.ts";

const busy = anAlarm({ name: "busy", meterName: RATE, comparison: "ge", threshold: 100, periodS: 60 });
const quiet = anAlarm({ name: "quiet", meterName: RATE, comparison: "le", threshold: 20, periodS: 60 });
const scaleIn = { actions: { ok: [], alarm: [control("in", "in")], "insufficient data": [] } };

describe("E1: a window is complete when every known source covered 90 % of it", () => {
  it("first start: unknown until the window has filled, and then judged at once", () => {
    const folded = new Folded([quiet]);
    folded.ticks(5, { rate: 5 });
    expect(folded.verdict("quiet")).toBe("unknown");
    folded.tick({ rate: 5 });
    expect(folded.verdict("quiet")).toBe("alarm");
  });

  it("one of two sources gone is an incomplete picture", () => {
    const folded = new Folded([quiet], ["s", "t"]);
    folded.ticks(8, { rate: 5 });
    expect(folded.verdict("quiet")).toBe("alarm");
    folded.tick({ rate: 5, failed: ["t"] });
    expect(folded.verdict("quiet")).toBe("unknown");
  });

  it("a missed poll whose bytes came with the next one costs nothing", () => {
    const folded = new Folded([quiet]);
    folded.ticks(8, { rate: 5 });
    folded.tick({ failed: ["s"] });
    folded.tick({ rate: 5, source: { coveredS: 20 } });
    expect(folded.verdict("quiet")).toBe("alarm");
  });
});

describe("E1: answers that reach out of the window", () => {
  const average = anAlarm({ name: "low", meterName: RATE, comparison: "lt", threshold: 80, periodS: 10 });

  it("of several sources, when only one of them does: nobody can say whose bytes lie outside", () => {
    const folded = new Folded([average], ["a", "b"]);
    folded.ticks(3, { rate: 101 });
    expect(folded.verdict("low")).toBe("ok");
    const sealed = folded.sealed({ rate: 101 });
    const sources = [
      { name: "a", coveredS: 10, moved: true as const },
      { name: "b", coveredS: 100, moved: true as const },
    ];
    folded.input({ ...sealed, sources });
    expect(folded.verdict("low")).toBe("unknown");
  });

  it("the order in which sources were found decides nothing", () => {
    const alarm = anAlarm({ name: "a", meterName: RATE, comparison: "ge", threshold: 100, periodS: 60 });
    const verdicts = [
      ["s", "t"],
      ["t", "s"],
    ].map((sources) => {
      const folded = new Folded([alarm], sources);
      folded.ticks(8, { rate: 5 });
      folded.ticks(7, { rate: 5, failed: ["t"] });
      folded.ticks(2, { failed: ["s", "t"] });
      return folded.verdict("a");
    });
    expect(verdicts[0]).toBe(verdicts[1]);
  });
});

describe("E1: a tick at which one of several sources covered nothing", () => {
  it.each([
    { statistic: "min", threshold: 50 },
    { statistic: "first", threshold: 50 },
    { statistic: "sum", threshold: 1150 },
  ] as const)("shows a part of a rate: its $statistic is not low by that", ({ statistic, threshold }) => {
    const alarm = anAlarm({ name: "low", meterName: RATE, comparison: "le", statistic, threshold, periodS: 120 });
    const folded = new Folded([alarm], ["a", "b"]);
    folded.ticks(12, { rate: 100 });
    const sealed = folded.sealed({ rate: 0 });
    const sources = [
      { name: "a", coveredS: 0, fresh: true as const, gap: true as const },
      { name: "b", coveredS: 10 },
    ];
    folded.input({ ...sealed, sources });
    folded.ticks(11, { rate: 100 });
    expect(folded.verdict("low")).not.toBe("alarm");
  });
});

describe("E3: a lower bound proves what it can", () => {
  it("too much, seen in half a window, is too much", () => {
    const folded = new Folded([busy]);
    folded.ticks(3, { rate: 500 });
    expect(folded.verdict("busy")).toBe("alarm");
  });

  it("more than little, seen in half a window, is not little", () => {
    const folded = new Folded([quiet]);
    folded.ticks(3, { rate: 500 });
    expect(folded.verdict("quiet")).toBe("ok");
  });

  it("little, seen in half a window, proves nothing", () => {
    const folded = new Folded([quiet, busy]);
    folded.ticks(3, { rate: 5 });
    expect([folded.verdict("quiet"), folded.verdict("busy")]).toEqual(["unknown", "unknown"]);
  });
});

describe("E4: a low reading while traffic may be hidden is unknown", () => {
  it("sessions open and no byte counted in the window", () => {
    const folded = new Folded([quiet]);
    folded.ticks(8, { rate: 0, source: { open: true } });
    expect(folded.verdict("quiet")).toBe("unknown");
    folded.ticks(1, { rate: 0 });
    expect(folded.verdict("quiet")).toBe("alarm");
  });

  it("for one period after a reload that left sessions behind", () => {
    const folded = new Folded([quiet]);
    folded.ticks(8, { rate: 5 });
    folded.tick({ rate: 5, source: { reload: true } });
    expect(folded.verdict("quiet")).toBe("unknown");
    folded.ticks(5, { rate: 5 });
    expect(folded.verdict("quiet")).toBe("unknown");
    folded.tick({ rate: 5 });
    expect(folded.verdict("quiet")).toBe("alarm");
  });

  it("a high reading says what it says", () => {
    const folded = new Folded([busy]);
    folded.ticks(6, { rate: 500, source: { reload: true } });
    expect(folded.verdict("busy")).toBe("alarm");
  });
});

describe("E5: what silence turns into", () => {
  it.each([
    { policy: "missing", verdict: "insufficient data" },
    { policy: "not_breaching", verdict: "ok" },
    { policy: "breaching", verdict: "unknown" },
    { policy: "ignore", verdict: "unknown" },
  ] as const)("policy $policy: after more than 3 silent ticks $verdict", ({ policy, verdict }) => {
    const folded = new Folded([anAlarm({ name: "a", periodS: 10, threshold: 5, treatMissingData: policy })]);
    folded.ticks(3, { sessions: 9 });
    folded.ticks(3, { failed: ["s"], sessions: null });
    expect(folded.verdict("a")).toBe("unknown");
    expect(folded.state("a")).toBe("alarm");
    folded.tick({ failed: ["s"], sessions: null });
    expect(folded.verdict("a")).toBe(verdict);
  });

  it("seconds that we did not see never turn into a policy", () => {
    const folded = new Folded([withRule(quiet, { treatMissingData: "not_breaching" })]);
    folded.ticks(8, { rate: 500 });
    folded.restart(30);
    folded.ticks(5, { rate: 5 });
    expect(folded.verdict("quiet")).toBe("unknown");
  });

  it("a restart with a source away stays unknown until the gap has left the window, then follows the policy", () => {
    const folded = new Folded([quiet]);
    folded.ticks(8, { rate: 500 });
    folded.restart(3);
    folded.ticks(5, { failed: ["s"] });
    expect(folded.verdict("quiet")).toBe("unknown");
    folded.tick({ failed: ["s"] });
    expect(folded.verdict("quiet")).toBe("insufficient data");
  });
});

describe("E6: Tocsin's own meters are always complete", () => {
  it("a watchdog fires when everything else is blind", () => {
    const watchdog = anAlarm({
      name: "w",
      meterName: "tocsin.source.age",
      treatMissingData: "breaching",
      threshold: 30,
    });
    const folded = new Folded([watchdog], []);
    folded.tick();
    expect(folded.state("w")).toBe("alarm");
  });
});

describe("A5: the evidence gate", () => {
  it("holds a control action on an incomplete picture, and lets it go when the picture is whole", () => {
    const folded = new Folded([{ ...withRule(quiet, { periodS: 10 }), ...scaleIn }], ["s", "t"]);
    folded.tick({ rate: 500 });
    const held = folded.tick({ rate: 5 });
    expect(sends(held)).toEqual(["in"]);
    folded.outcome("not_run");
    expect(holds(folded.tick({ rate: 5, failed: ["t"] }))).toEqual(["evidence"]);
    expect(folded.state("quiet")).toBe("alarm");
    expect(sends(folded.tick({ rate: 5, source: { coveredS: 20 } }))).toEqual(["in"]);
  });

  it("does not hold notices", () => {
    const actions = { ok: [], alarm: [notice("ops")], "insufficient data": [] };
    const folded = new Folded([{ ...withRule(quiet, { periodS: 10 }), actions }], ["s", "t"]);
    folded.tick({ rate: 5 });
    folded.outcome("not_run");
    expect(sends(folded.tick({ rate: 5, failed: ["t"] }))).toEqual(["ops"]);
  });
});
