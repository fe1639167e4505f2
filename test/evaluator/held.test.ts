import { describe, expect, it } from "vitest";
import { heldBecause } from "../../src/evaluator/gates.ts";
import type { Action, Alarm, ClusterRules } from "../../src/model/alarm.ts";
import type { Delivery } from "../../src/model/decision.ts";
import { ends, Folded, holds, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const out = (fields: Partial<Alarm> = {}) =>
  anAlarm({ name: "out", actions: inAlarm(control("out", "out")), ...fields });
const two = { a: "up", b: "up" } as const;

function claimed(folded: Folded): Delivery | undefined {
  return [...folded.cluster.deliveries.values()].find(({ status }) => status === "claimed");
}

/** What holds the attempt that is under way. */
function held(folded: Folded): string | undefined {
  return heldBecause(folded.cluster, claimed(folded)!.id);
}

function edit(folded: Folded, ...alarms: Alarm[]): void {
  const rules: ClusterRules = { ...folded.cluster.rules!, alarms };
  folded.input({ kind: "command", command: "rules", rules });
}

function calling(rules: ClusterRules | readonly Alarm[] = [out()]): Folded {
  const folded = new Folded(rules);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

describe("an edit between claim and write", () => {
  it.each([
    { name: "shadow of the alarm", to: out({ shadow: true }), why: "alarm out is in shadow", ends: "shadow" },
    {
      name: "shadow of the receiver",
      to: out({ actions: inAlarm({ ...control("out", "out"), shadow: true }) }),
      why: "receiver out is in shadow",
      ends: "shadow",
    },
    {
      name: "a receiver that is gone",
      to: out({ actions: inAlarm(control("other", "out")) }),
      why: "does not call it any more",
      ends: undefined,
    },
    {
      name: "a receiver of notices that it is now",
      to: out({ actions: inAlarm(notice("out")) }),
      why: "does not call it any more",
      ends: undefined,
    },
    {
      name: "another direction",
      to: out({ actions: inAlarm(control("out", "in")) }),
      why: "direction has changed",
      ends: undefined,
    },
    {
      name: "another direction of the list",
      to: out({ actions: inAlarm(control("out", "out"), control("more", "in")) }),
      why: "direction has changed",
      ends: undefined,
    },
    {
      name: "a number to ask for",
      to: out({ actions: inAlarm({ ...control("out", "out"), scale: "proportional" }) }),
      why: "asks for a number of servers by now",
      ends: undefined,
    },
  ])("holds the call also after the next tick: $name", ({ to, why, ends: end }) => {
    const folded = calling();
    folded.input({ kind: "command", command: "pause", direction: "in" });
    edit(folded, to);
    expect(held(folded)).toBeDefined();
    folded.tick({ sessions: 9 });
    expect(held(folded)).toContain(why);
    const decisions = folded.outcome("cancelled");
    expect(ends(decisions)).toEqual(end === undefined ? ["superseded"] : ["superseded", end]);
    const again = decisions.flatMap((one) => (one.d === "send" ? [one] : []));
    if (to.actions.alarm.some(({ direction }) => direction === "in") || end !== undefined) expect(again).toEqual([]);
    for (const { notification } of again) expect(notification.count === undefined).toBe(!to.actions.alarm[0]?.scale);
  });

  it("that changes nothing for the call holds it for as long as nothing has been judged", () => {
    const folded = calling();
    edit(folded, out({ severity: "critical" }));
    expect(held(folded)).toContain("no tick has been judged");
    folded.tick({ sessions: 9 });
    expect(held(folded)).toBeUndefined();
  });

  it("that takes the number to ask for away: what was counted before is not asked for", () => {
    const scaled = out({ actions: inAlarm({ ...control("out", "out"), scale: "proportional" }) });
    const folded = calling(theRules([scaled], { capacity: { min: 1, max: 20 } }));
    expect(claimed(folded)?.notification.count).toBeGreaterThan(0);
    edit(folded, out());
    folded.tick({ sessions: 9 });
    expect(held(folded)).toContain("no number of servers");
    folded.outcome("not_run");
    const [again] = folded.ticks(3, { sessions: 9 }).filter((one) => one.d === "send");
    expect(again).toMatchObject({ attempt: 2 });
    expect(again?.notification).not.toHaveProperty("count");
  });

  it.each([
    {
      name: "shadow",
      to: [anAlarm({ name: "a", shadow: true, actions: inAlarm(notice("ops")) })],
      why: "in shadow",
      end: "shadow",
    },
    {
      name: "a receiver that is gone",
      to: [anAlarm({ name: "a", actions: inAlarm(notice("pager")) })],
      why: "does not tell receiver ops any more",
      end: "dropped",
    },
    { name: "an alarm that is gone", to: [], why: "alarm a is gone", end: "dropped" },
  ])("holds a notice, which ends as it would have in the queue: $name", ({ to, why, end }) => {
    const folded = new Folded([anAlarm({ name: "a", actions: inAlarm(notice("ops")) })]);
    folded.tick({ sessions: 9 });
    edit(folded, ...to);
    folded.tick({ sessions: 9 });
    expect(held(folded)).toContain(why);
    const decisions = folded.outcome("cancelled");
    expect([ends(decisions), sends(decisions)]).toEqual([[end], []]);
    expect(folded.cluster.notices.size).toBe(0);
  });
});

describe("the next receiver of an action is asked the gates when its turn comes", () => {
  const tried: Action = { ...control("tried", "out"), shadow: true };

  it.each([
    { name: "in shadow", next: tried },
    { name: "in earnest", next: control("second", "out") },
  ])("$name: a pause since the first was called holds it", ({ next }) => {
    const folded = calling([out({ actions: inAlarm(control("first", "out"), next) })]);
    folded.input({ kind: "command", command: "pause" });
    const decisions = folded.outcome("rejected");
    expect(ends(decisions)).toEqual(["rejected"]);
    expect(sends(decisions)).toEqual([]);
    expect(holds(decisions)).toEqual(["pause"]);
    expect(folded.cluster.lane.phase).toBe("idle");
    expect(ends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
    const resumed = folded.input({ kind: "command", command: "resume" });
    expect([...ends(resumed), ...sends(resumed)]).toEqual(next.shadow ? ["shadow"] : ["second"]);
  });

  it("one that is to ask for a number of servers is not called while nobody knows how many there are", () => {
    const scaled: Action = { ...control("scaled", "out"), scale: "proportional" };
    const alarm = out({ actions: inAlarm(control("first", "out"), scaled) });
    const folded = calling(theRules([alarm], { capacity: { min: 1, max: 20 } }));
    folded.tick({ sessions: 9, members: {} });
    const decisions = folded.outcome("accepted");
    expect([sends(decisions), holds(decisions)]).toEqual([[], ["capacity"]]);
    folded.ticks(12, { sessions: 9, members: two });
    const asked = folded.log.flatMap((one) => (one.d === "send" ? [[one.receiver, one.notification.count]] : []));
    expect(asked).toEqual([
      ["first", undefined],
      ["scaled", 2],
    ]);
  });

  it("one whose direction has changed meanwhile is another action", () => {
    const list = (direction: "in" | "out") =>
      out({ actions: inAlarm(control("first", "out"), control("second", direction)) });
    const folded = calling([list("out")]);
    edit(folded, list("in"));
    folded.input({ kind: "command", command: "pause", direction: "in" });
    folded.tick({ sessions: 9 });
    expect(sends(folded.outcome("rejected"))).toEqual([]);
    expect(sends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
    const resumed = folded.input({ kind: "command", command: "resume" });
    expect(resumed.flatMap((one) => (one.d === "send" ? [[one.receiver, one.direction]] : []))).toEqual([
      ["second", "in"],
    ]);
  });
});
