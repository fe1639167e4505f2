import { describe, expect, it } from "vitest";
import { ends, Folded, holds, sends } from "../helpers/folded.ts";
import { anAlarm, control, theRules, withRule } from "../helpers/rules.ts";

const alarmActions = (...actions: ReturnType<typeof control>[]) => ({
  ok: [],
  alarm: actions,
  "insufficient data": [],
});
/** Alarm above 5 sessions, scale out. */
const out = anAlarm({ name: "out", actions: alarmActions(control("out", "out")) });
/** Alarm below 2 sessions, scale in. */
const inward = anAlarm({ name: "in", comparison: "lt", threshold: 2, actions: alarmActions(control("in", "in")) });
const two = { a: "up", b: "up" } as const;

describe("rule L: the lane with effect", () => {
  it("a transition is sent at once, and again only when it is asked for", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
    folded.outcome("accepted");
    expect(folded.cluster.lane.phase).toBe("settling");
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
  });

  it("L2: without effect and cooldown repeats come every 60 s, as Aodh's", () => {
    const folded = new Folded([{ ...out, repeatActions: true }]);
    folded.tick({ sessions: 1 });
    const sentAt: number[] = [];
    for (let tick = 0; tick < 30; tick++) {
      if (sends(folded.tick({ sessions: 9 })).length > 0) {
        sentAt.push(tick);
        folded.outcome("accepted");
      }
    }
    expect(sentAt).toEqual([0, 6, 12, 18, 24]);
  });

  it("L4: the effect is seen: a server that was absent is active", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1, members: two });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.tick({ sessions: 9 });
    const [effect] = folded.tick({ sessions: 9, members: { ...two, c: "up" } });
    expect(effect).toMatchObject({ d: "effect", effect: "effective", direction: "out", servers: ["c"], ticks: 2 });
    expect(folded.cluster.lane.phase).toBe("idle");
  });

  it.each([
    {
      name: "a sick server that got well",
      before: { a: "up", b: "down" },
      after: { a: "up", b: "up" },
      effect: "no_effect",
    },
    {
      name: "a server out of maintenance",
      before: { a: "up", b: "maint" },
      after: { a: "up", b: "up" },
      effect: "effective",
    },
    { name: "a server gone", before: two, after: { a: "up" }, effect: "unclear" },
    { name: "nothing", before: two, after: two, effect: "no_effect" },
  ] as const)("L4: after a scale-out, $name: $effect", ({ before, after, effect }) => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1, members: before });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    const decisions = folded.ticks(6, { sessions: 9, members: after });
    expect(decisions.find((one) => one.d === "effect")).toMatchObject({ effect });
  });

  it("busy: owed again at the next repeat slot, also without repeat_actions, under a new id", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("busy"))).toEqual(["busy"]);
    expect(sends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
    const ids = new Set(folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : [])));
    expect(ids.size).toBe(2);
  });

  it("not run: tried again under the same id, after a wait, while the state holds", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 25 });
    expect(sends(folded.ticks(2, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
    const all = folded.log.filter((one) => one.d === "send");
    expect(all.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(all.map(({ delivery }) => delivery)).size).toBe(1);
  });

  it("not run, and the alarm leaves the state: superseded, never sent", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 25 });
    const decisions = folded.tick({ sessions: 1 });
    expect(ends(decisions)).toEqual(["superseded"]);
    expect(sends(folded.ticks(10, { sessions: 1 }))).toEqual([]);
  });

  it("a 403 is a passing fault for ten minutes", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    for (let tick = 0; tick < 80; tick++) {
      if (folded.cluster.lane.phase === "in flight") folded.outcome("not_run", { status: 403 });
      folded.tick({ sessions: 9 });
    }
    expect(ends(folded.log)).toEqual(["dead"]);
  });

  it("uncertain: settled first, sent anew under a new id only when no effect was seen", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1, members: two });
    folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("uncertain"))).toEqual(["uncertain"]);
    expect(sends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
    expect(new Set(folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : []))).size).toBe(2);
  });

  it("uncertain, and the effect is seen: it ran, and is not sent again", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1, members: two });
    folded.tick({ sessions: 9 });
    folded.outcome("uncertain");
    folded.tick({ sessions: 9, members: { ...two, c: "up" } });
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
  });

  it("uncertain, and nobody sees the servers: waits as long again, then goes by the evidence gate", () => {
    const folded = new Folded([out], ["s", "t"]);
    folded.tick({ sessions: 1, members: two });
    folded.tick({ sessions: 9 });
    folded.outcome("uncertain");
    folded.ticks(11, { sessions: 9, failed: ["t"] });
    expect(folded.cluster.lane.phase).toBe("settling");
    const decisions = folded.ticks(2, { sessions: 9, failed: ["t"] });
    expect(folded.cluster.lane.phase).toBe("idle");
    expect(decisions.find((one) => one.d === "effect")).toMatchObject({ effect: "unclear" });
  });

  it("rejected: done", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("rejected"))).toEqual(["rejected"]);
    expect(folded.cluster.lane.phase).toBe("idle");
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
  });

  it("cooldown holds the next action of any direction; a scale-out does not wait for a scale-in's", () => {
    const rules = theRules([out, inward], { settleS: 10, cooldownS: { in: 600, out: 60 } });
    const folded = new Folded(rules);
    folded.tick({ sessions: 3 });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.tick({ sessions: 3 });
    expect(holds(folded.tick({ sessions: 1 }))).toEqual(["cooldown"]);
    expect(sends(folded.ticks(4, { sessions: 1 }))).toEqual(["in"]);
    folded.outcome("accepted");
    folded.ticks(3, { sessions: 1 });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
  });
});

describe("L1: no scale-in while a scale-out asks", () => {
  const both = [
    withRule(out, { threshold: 5, clearThreshold: 5 }),
    withRule(inward, { comparison: "lt", threshold: 100, clearThreshold: 100 }),
  ];

  it("holds the scale-in as long as the scale-out is in alarm", () => {
    const folded = new Folded(both);
    const decisions = folded.tick({ sessions: 9 });
    expect(sends(decisions)).toEqual(["out"]);
    expect(holds(decisions)).toEqual(["opposite"]);
    folded.outcome("accepted");
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 3 }))).toEqual(["in"]);
  });

  it("asks that an unsent scale-in be left, and goes when that is sure", () => {
    const folded = new Folded(both);
    expect(sends(folded.tick({ sessions: 3 }))).toEqual(["in"]);
    const decisions = folded.tick({ sessions: 9 });
    expect(decisions.some((one) => one.d === "cancel")).toBe(true);
    expect(sends(decisions)).toEqual([]);
    const after = folded.outcome("cancelled");
    expect(ends(after)).toEqual(["superseded"]);
    expect(sends(after)).toEqual(["out"]);
  });

  it("a scale-in that was written all the same runs its course", () => {
    const folded = new Folded(both);
    folded.tick({ sessions: 3 });
    folded.tick({ sessions: 9 });
    const after = folded.outcome("accepted");
    expect(ends(after)).toEqual(["delivered"]);
    expect(sends(after)).toEqual(["out"]);
  });
});

describe("the receivers of a lane action", () => {
  const pair = anAlarm({ name: "pair", actions: alarmActions(control("first", "out"), control("second", "out")) });

  it("are called one after another, in order, never two at a time", () => {
    const folded = new Folded([pair]);
    folded.tick({ sessions: 1 });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["first"]);
    expect(sends(folded.outcome("accepted"))).toEqual(["second"]);
    expect(sends(folded.outcome("accepted"))).toEqual([]);
    expect(folded.cluster.lane.phase).toBe("settling");
  });

  it("one that is down does not keep the action from the next, and is tried again", () => {
    const folded = new Folded([pair]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    expect(sends(folded.outcome("not_run"))).toEqual(["second"]);
    folded.outcome("accepted");
    expect(sends(folded.ticks(8, { sessions: 9 }))).toEqual(["first"]);
  });

  it.each([
    { first: "accepted", second: "busy", later: 6 },
    { first: "uncertain", second: "busy", later: 6 },
    { first: "accepted", second: "cancelled", later: 6 },
    { first: "uncertain", second: "not_run", later: 6 },
  ] as const)(
    "the second is called again when the first was $first and it was $second itself",
    ({ first, second, later }) => {
      const folded = new Folded([pair]);
      folded.tick({ sessions: 1, members: two });
      folded.tick({ sessions: 9 });
      folded.outcome(first);
      folded.outcome(second);
      // The effect of the first is seen at once; the second is still owed.
      const decisions = folded.ticks(later, { sessions: 9, members: { ...two, c: "up" } });
      expect(sends(decisions)).toEqual(["second"]);
    },
  );

  it("a repeat that is called off at the last moment is dropped", () => {
    const folded = new Folded([{ ...out, repeatActions: true }]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    expect(sends(folded.ticks(6, { sessions: 9 }))).toEqual(["out"]);
    folded.outcome("cancelled");
    expect(sends(folded.ticks(5, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
  });

  it("A3: without data only a scale-out is sent", () => {
    const actions = { ok: [], alarm: [], "insufficient data": [control("in", "in")] };
    const folded = new Folded([
      { ...pair, actions },
      { ...pair, id: "id-o", name: "o", actions: { ...actions, "insufficient data": [control("out", "out")] } },
    ]);
    folded.tick({ sessions: 1 });
    const decisions = folded.ticks(4, { sessions: null });
    expect(sends(decisions)).toEqual(["out"]);
    expect(holds(decisions)).toEqual(["direction"]);
  });
});

describe("D3: at a start", () => {
  it("a claimed control attempt without outcome is uncertain", () => {
    const folded = new Folded([out]);
    folded.tick({ sessions: 1, members: two });
    folded.tick({ sessions: 9 });
    const decisions = folded.restart(1);
    expect(ends(decisions)).toEqual(["uncertain"]);
    expect(sends(decisions)).toEqual([]);
    expect(folded.cluster.lane).toMatchObject({ phase: "settling", unsure: [{ action: { receiver: "out" } }] });
  });

  it("nothing is sent because of it: repeats that were due meanwhile are gone", () => {
    const folded = new Folded([{ ...out, repeatActions: true }]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.ticks(2, { sessions: 9 });
    folded.restart(10);
    expect(sends(folded.tick({ sessions: 9, source: { coveredS: 100 } }))).toEqual([]);
    // The next slot of the same rhythm: 18 ticks after the transition.
    expect(sends(folded.ticks(4, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
  });
});
