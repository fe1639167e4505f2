import { afterEach, describe, expect, it } from "vitest";
import type { PersonCommand } from "../../src/evaluator/person.ts";
import { wasDone, whyNotDeliver } from "../../src/evaluator/person.ts";
import type { Action, Alarm } from "../../src/model/alarm.ts";
import type { Delivery } from "../../src/model/decision.ts";
import { replay } from "../../src/replay/replay.ts";
import { ends, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice } from "../helpers/rules.ts";
import { Recorded } from "./recorded.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const two = { a: "up", b: "up" } as const;
const one = anAlarm({ name: "out", actions: inAlarm(control("x", "out")) });
const pair = anAlarm({ name: "out", actions: inAlarm(control("x", "out"), control("y", "out")) });

const played: Recorded[] = [];

/** Whatever people do replays from the record, to the byte. */
afterEach(() => {
  for (const { inputs, log } of played.splice(0)) {
    const recorded = inputs.map((input, index) => ({ seq: index + 1, input: JSON.parse(JSON.stringify(input)) }));
    expect(replay("web", recorded)).toEqual(log.map((decision) => JSON.stringify(decision)));
  }
});

function calling(alarm: Alarm = one): Recorded {
  const folded = new Recorded([alarm]);
  played.push(folded);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

function asked(command: "retry" | "drop", delivery: Delivery): PersonCommand {
  return { kind: "command", command, delivery };
}

describe("an action that a person has made again", () => {
  it("needs nobody any more, and is not made again by a second person", () => {
    const folded = calling();
    folded.outcome("rejected", { status: 404, reason: "404" });
    const old = folded.delivery("x");
    const decisions = folded.person("retry", "x");
    expect(ends(decisions)).toEqual(["superseded"]);
    expect(sends(decisions)).toEqual(["x"]);
    const after = folded.ledger.get(old.id)!;
    expect(after.reason).toBe("made again by a person; it had ended rejected: 404");
    expect(wasDone(asked("retry", old), after)).toBe(true);
    folded.outcome("accepted");
    // Whether he has read the list anew or not.
    for (const seen of [old, after]) {
      expect(whyNotDeliver(folded.cluster, asked("retry", seen))).toContain("was called again since");
      expect(folded.input(asked("retry", seen))).toEqual([]);
    }
    expect(sends(folded.ticks(30, { sessions: 9 }))).toEqual([]);
  });

  it.each(["busy", "uncertain"] as const)("nor one that was %s, and was made again by itself", (outcome) => {
    const folded = calling();
    folded.outcome(outcome);
    const old = folded.delivery("x");
    expect(sends(folded.ticks(7, { sessions: 9 }))).toEqual(["x"]);
    folded.outcome("accepted");
    expect(whyNotDeliver(folded.cluster, asked("retry", old))).toContain("was called again since");
  });

  it("is called in the order of the rule, and waits for nothing that another receiver of it waits for", () => {
    const folded = calling(pair);
    folded.outcome("rejected");
    folded.outcome("not_run", { retryAfterS: 300 });
    expect(sends(folded.person("retry", "x"))).toEqual(["x"]);
    expect(sends(folded.outcome("accepted"))).toEqual(["y"]);
  });

  it("what is owed again anyhow is called in the order of the rule, too", () => {
    const folded = calling(pair);
    folded.outcome("busy");
    folded.outcome("not_run", { retryAfterS: 20 });
    const order: string[] = [];
    for (let tick = 0; tick < 10; tick++) {
      const decisions = folded.tick({ sessions: 9 });
      order.push(...sends(decisions));
      if (sends(decisions).length > 0) order.push(...sends(folded.outcome("rejected")));
    }
    expect(order).toEqual(["x", "y"]);
  });
});

describe("an action that a person has given up", () => {
  it.each(["uncertain", "busy"] as const)("is not called again by itself: it was %s", (outcome) => {
    const folded = calling();
    folded.outcome(outcome);
    expect(ends(folded.person("drop", "x"))).toEqual(["dropped"]);
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
    expect(folded.delivery("x").status).toBe("dropped");
  });

  it("that may have run is settled all the same", () => {
    const folded = calling();
    folded.outcome("uncertain");
    folded.person("drop", "x");
    expect(folded.cluster.lane).toMatchObject({ phase: "settling", unsure: [] });
    const decisions = folded.tick({ sessions: 9, members: { ...two, c: "up" } });
    expect(decisions).toMatchObject([{ d: "effect", effect: "effective" }]);
  });

  it("is not owed when settling has ended without effect, either", () => {
    const folded = calling();
    folded.outcome("uncertain");
    folded.input({ kind: "command", command: "pause" });
    folded.ticks(8, { sessions: 9 });
    expect(folded.cluster.alarms.get("id-out")?.owed).toBeDefined();
    expect(folded.person("drop", "x").map(({ d }) => d)).toEqual(["end", "release"]);
    folded.input({ kind: "command", command: "resume" });
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
  });

  it.each([
    { first: "uncertain", phase: "settling" },
    { first: "busy", phase: "idle" },
  ] as const)("while the next receiver is called: the first was $first", ({ first, phase }) => {
    const folded = calling(pair);
    folded.outcome(first);
    expect(ends(folded.person("drop", "x"))).toEqual(["dropped"]);
    folded.outcome("rejected");
    expect(folded.cluster.lane.phase).toBe(phase);
    expect(sends(folded.ticks(20, { sessions: 9 }))).toEqual([]);
  });

  it("takes nothing with it that was called since, or that a slot makes due", () => {
    const folded = calling({ ...pair, repeatActions: true });
    folded.outcome("rejected");
    folded.outcome("rejected");
    const [x, y] = [folded.delivery("x"), folded.delivery("y")];
    // A repeat is under way, its second receiver still to be called.
    expect(sends(folded.ticks(6, { sessions: 9 }))).toEqual(["x"]);
    folded.input(asked("drop", y));
    expect(sends(folded.outcome("busy"))).toEqual(["y"]);
    folded.outcome("rejected");
    folded.input(asked("drop", x));
    expect(sends(folded.ticks(6, { sessions: 9 }))).toEqual(["x"]);
  });
});

describe("whether a person's word was done", () => {
  const told = anAlarm({ name: "out", actions: inAlarm(notice("x")) });

  it.each([
    { name: "a waiting action, called", alarm: one, play: ["not_run"], command: "retry", after: [], done: true },
    { name: "a waiting notice, sent", alarm: told, play: ["not_run"], command: "retry", after: [], done: true },
    {
      name: "an ended notice, sent",
      alarm: told,
      play: ["rejected"],
      command: "retry",
      after: ["rejected"],
      done: true,
    },
    { name: "an ended action, dropped", alarm: one, play: ["rejected"], command: "drop", after: [], done: true },
    { name: "a waiting notice, dropped", alarm: told, play: ["not_run"], command: "drop", after: [], done: true },
  ] as const)("$name: $done", ({ alarm, play, command, after, done }) => {
    const folded = calling(alarm);
    for (const outcome of play) folded.outcome(outcome);
    const before = folded.delivery("x");
    folded.input(asked(command, before));
    for (const outcome of after) folded.outcome(outcome);
    expect(wasDone(asked(command, before), folded.ledger.get(before.id)!)).toBe(done);
  });

  it.each([
    { name: "a waiting action whose state is over", alarm: one, play: ["not_run"], command: "retry" },
    { name: "an ended action whose state is over", alarm: one, play: ["rejected"], command: "retry" },
    { name: "a notice that goes out at last", alarm: told, play: ["not_run"], command: "drop" },
  ] as const)("$name since the list was read: it was not", ({ alarm, play, command }) => {
    const folded = calling(alarm);
    for (const outcome of play) folded.outcome(outcome);
    const before = folded.delivery("x");
    folded.tick({ sessions: alarm === told ? 9 : 1 });
    folded.input(asked(command, before));
    const after = folded.ledger.get(before.id)!;
    expect(wasDone(asked(command, before), after)).toBe(false);
  });
});
