import { describe, expect, it } from "vitest";
import type { Action, Alarm } from "../../src/model/alarm.ts";
import type { Decision } from "../../src/model/decision.ts";
import { ends, Folded, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const shadowed = (action: Action): Action => ({ ...action, shadow: true });
const out = (fields: Partial<Alarm> = {}) =>
  anAlarm({ name: "out", actions: inAlarm(control("out", "out")), ...fields });
const two = { a: "up", b: "up" } as const;

function reasons(decisions: readonly Decision[]): string[] {
  return decisions.flatMap((one) => (one.d === "end" ? [`${one.end}: ${one.reason}`] : []));
}

function rising(alarm: Alarm): Folded {
  const folded = new Folded([alarm]);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

describe("shadow", () => {
  it("of an alarm: nothing is sent, the end names it, and the lane behaves as if it had been accepted", () => {
    const folded = rising(out({ shadow: true, repeatActions: true }));
    expect(sends(folded.log)).toEqual([]);
    expect(reasons(folded.log)).toEqual(["shadow: alarm out is in shadow: nothing is sent"]);
    expect(folded.cluster.lane.phase).toBe("settling");
    const decisions = folded.ticks(6, { sessions: 9 });
    expect(decisions.find((one) => one.d === "effect")).toMatchObject({ effect: "no_effect", ticks: 6 });
    expect(ends(decisions)).toEqual(["shadow"]);
  });

  it("of a receiver: the others of the action are called, in their order", () => {
    const actions = inAlarm(control("first", "out"), shadowed(control("tried", "out")), control("last", "out"));
    const folded = rising(out({ actions }));
    expect(sends(folded.log)).toEqual(["first"]);
    const decisions = folded.outcome("accepted");
    expect(reasons(decisions)).toEqual(["delivered: accepted", "shadow: receiver tried is in shadow: nothing is sent"]);
    expect(sends(decisions)).toEqual(["last"]);
    folded.outcome("accepted");
    expect(folded.cluster.lane.phase).toBe("settling");
  });

  it("of the service: named before the others", () => {
    const folded = new Folded([out({ shadow: true })]);
    const { number, at } = folded.sealed({});
    folded.input({ kind: "start", number, at, intervalMs: 10_000, shadow: true });
    folded.tick({ sessions: 9 });
    expect(reasons(folded.log)).toEqual(["shadow: the service is in shadow: nothing is sent"]);
  });

  it("of a receiver that is called again: one that was tried in earnest before is not any more", () => {
    const folded = rising(out());
    folded.outcome("not_run", { retryAfterS: 25 });
    const rules = theRules([out({ actions: inAlarm(shadowed(control("out", "out"))) })]);
    folded.input({ kind: "command", command: "rules", rules });
    const decisions = folded.ticks(3, { sessions: 9 });
    expect(sends(decisions)).toEqual([]);
    expect(ends(decisions)).toEqual(["shadow"]);
    expect(folded.cluster.deliveries.size).toBe(0);
  });

  it("of a notice receiver: the others are told, and its ok is shown as told, too", () => {
    const to = [shadowed(notice("tried")), notice("ops")];
    const folded = new Folded([anAlarm({ name: "a", actions: { ok: to, alarm: to, "insufficient data": [] } })]);
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.tick({ sessions: 1 });
    expect(sends(folded.log)).toEqual(["ops", "ops"]);
    expect(ends(folded.log)).toEqual(["shadow", "delivered", "shadow"]);
  });

  it("of a notice receiver, put there while a notice waits: it is not sent again", () => {
    const alarm = (action: Action) => anAlarm({ name: "a", actions: inAlarm(action) });
    const folded = new Folded([alarm(notice("ops"))]);
    folded.tick({ sessions: 9 });
    folded.outcome("not_run");
    folded.input({ kind: "command", command: "rules", rules: theRules([alarm(shadowed(notice("ops")))]) });
    expect(sends(folded.ticks(3, { sessions: 9 }))).toEqual([]);
    expect(ends(folded.log)).toEqual(["shadow"]);
  });
});

describe("on_no_effect", () => {
  const told = (action: Action): Action => ({ ...action, onNoEffect: [notice("ops")] });

  it.each([
    { name: "a receiver that accepted", receivers: [told(control("real", "out"))], tells: ["ops"] },
    { name: "one in shadow", receivers: [shadowed(told(control("tried", "out")))], tells: [] },
    {
      name: "one in shadow beside one that accepted and names nobody",
      receivers: [shadowed(told(control("tried", "out"))), control("real", "out")],
      tells: [],
    },
  ])("is told of $name: $tells", ({ receivers, tells }) => {
    const folded = rising(out({ actions: inAlarm(...receivers) }));
    if (folded.cluster.lane.phase === "in flight") folded.outcome("accepted");
    expect(sends(folded.ticks(8, { sessions: 9 }))).toEqual(tells);
  });
});
