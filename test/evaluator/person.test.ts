import { afterEach, describe, expect, it } from "vitest";
import { emptyCluster } from "../../src/evaluator/cluster.ts";
import { whyNotDeliver } from "../../src/evaluator/person.ts";
import type { Action, Alarm } from "../../src/model/alarm.ts";
import { replay } from "../../src/replay/replay.ts";
import { ends, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice } from "../helpers/rules.ts";
import { Recorded } from "./recorded.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const out = anAlarm({ name: "out", actions: inAlarm(control("out", "out")) });
const told = (maxAgeS = 60) => ({
  ok: [notice("ops", maxAgeS)],
  alarm: [notice("ops", maxAgeS)],
  "insufficient data": [],
});
const two = { a: "up", b: "up" } as const;

const played: Recorded[] = [];

/** Whatever people do replays from the record, to the byte. */
afterEach(() => {
  for (const { inputs, log } of played.splice(0)) {
    const recorded = inputs.map((input, index) => ({ seq: index + 1, input: JSON.parse(JSON.stringify(input)) }));
    expect(replay("web", recorded)).toEqual(log.map((one) => JSON.stringify(one)));
  }
});

function started(alarm: Alarm): Recorded {
  const folded = new Recorded([alarm]);
  played.push(folded);
  return folded;
}

function calling(alarm = out): Recorded {
  const folded = started(alarm);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

function telling(actions = told()): Recorded {
  const folded = started(anAlarm({ name: "a", actions }));
  folded.tick({ sessions: 9 });
  return folded;
}

describe("a person's retry", () => {
  it("of a waiting action: now, under the same id", () => {
    const folded = calling();
    folded.outcome("not_run", { retryAfterS: 300 });
    expect(sends(folded.person("retry", "out"))).toEqual(["out"]);
    expect(folded.delivery("out")).toMatchObject({ attempts: 2, repeat: 0 });
  });

  it("of a waiting action whose gates are closed: they hold it", () => {
    const folded = calling();
    folded.outcome("not_run", { retryAfterS: 300 });
    folded.input({ kind: "command", command: "pause" });
    expect(sends(folded.person("retry", "out"))).toEqual([]);
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual(["out"]);
  });

  it("of a receiver that waits while the next one is called: it waits no longer than for that", () => {
    const folded = calling(
      anAlarm({ name: "out", actions: inAlarm(control("first", "out"), control("second", "out")) }),
    );
    folded.outcome("not_run", { retryAfterS: 300 });
    folded.person("retry", "first");
    expect(sends(folded.outcome("rejected"))).toEqual(["first"]);
  });

  it("of a waiting notice: now, under the same id", () => {
    const folded = telling();
    folded.outcome("not_run", { retryAfterS: 300 });
    expect(sends(folded.person("retry", "ops"))).toEqual(["ops"]);
    expect(folded.delivery("ops").attempts).toBe(2);
  });

  it.each([
    { name: "rejected", play: (folded: Recorded) => folded.outcome("rejected") },
    {
      name: "expired",
      play: (folded: Recorded) => {
        folded.outcome("not_run", { retryAfterS: 300 });
        return folded.ticks(8, { sessions: 9 });
      },
    },
  ])("of a notice that ended $name: again under its id, for as long as a new one", ({ name, play }) => {
    const folded = telling();
    expect(ends(play(folded))).toEqual([name]);
    const { id } = folded.delivery("ops");
    folded.ticks(20, { sessions: 9 });
    expect(sends(folded.person("retry", "ops"))).toEqual(["ops"]);
    expect(folded.delivery("ops")).toMatchObject({ id, attempts: 2, status: "claimed" });
    folded.outcome("not_run", { retryAfterS: 60 });
    folded.ticks(5, { sessions: 9 });
    expect(folded.delivery("ops").status).toBe("waiting");
    expect(ends(folded.ticks(3, { sessions: 9 }))).toEqual([]);
    expect(ends(folded.outcome("accepted"))).toEqual(["delivered"]);
    // It has been told: the return to ok is news.
    expect(sends(folded.tick({ sessions: 1 }))).toEqual(["ops"]);
  });

  it("of an ok that was dropped because the alarm was never told: it is told", () => {
    const folded = telling();
    folded.outcome("rejected");
    expect(ends(folded.tick({ sessions: 1 }))).toEqual(["dropped"]);
    expect(sends(folded.person("retry", "ops"))).toEqual(["ops"]);
    expect(ends(folded.outcome("accepted"))).toEqual(["delivered"]);
  });

  it("of a notice goes behind what waits for its receiver", () => {
    const folded = telling(told(3600));
    folded.outcome("rejected");
    const first = folded.delivery("ops");
    for (const sessions of [1, 9]) folded.tick({ sessions });
    folded.input({ kind: "command", command: "retry", delivery: first });
    expect(folded.cluster.notices.get("ops")?.map(({ delivery }) => delivery.transition)).toEqual([3, 1]);
  });

  it("of an action that ended: decided anew under a new id, as the gates allow", () => {
    const folded = calling();
    folded.outcome("rejected", { status: 404 });
    const { id } = folded.delivery("out");
    folded.input({ kind: "command", command: "pause" });
    expect(sends(folded.person("retry", "out"))).toEqual([]);
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual(["out"]);
    expect(folded.delivery("out").id).not.toBe(id);
    expect(folded.delivery("out").notification).toMatchObject({ previous: "ok", current: "alarm" });
  });

  it("of an action whose state is over is refused", () => {
    const folded = calling();
    folded.outcome("rejected", { status: 404 });
    folded.tick({ sessions: 1 });
    expect(() => folded.person("retry", "out")).toThrow(/transition 2 to alarm, and alarm out is at 3, ok/);
    folded.tick({ sessions: 9 });
    const ended = [...folded.ledger.values()].find(({ transition }) => transition === 2)!;
    expect(whyNotDeliver(folded.cluster, { kind: "command", command: "retry", delivery: ended })).toContain("is at 4");
  });

  it.each([
    { name: "owed again already", play: ["busy"], why: /owed again already/ },
    { name: "settling, and may have run", play: ["uncertain"], why: /may have run/ },
    { name: "delivered", play: ["accepted"], why: /was delivered/ },
    { name: "under way", play: [], why: /under way/ },
  ] as const)("of an action that is $name is refused", ({ play, why }) => {
    const folded = calling();
    for (const outcome of play) folded.outcome(outcome);
    expect(() => folded.person("retry", "out")).toThrow(why);
    expect(sends(folded.ticks(2, { sessions: 9 }))).toEqual([]);
  });

  it("of an action that may have run is allowed when its settling has ended, unless it is owed again by then", () => {
    const folded = calling();
    folded.outcome("uncertain");
    folded.tick({ sessions: 9, members: { ...two, c: "up" } });
    expect(folded.cluster.lane.phase).toBe("idle");
    expect(sends(folded.person("retry", "out"))).toEqual(["out"]);
  });

  it("of what was never anything but in shadow, or is another cluster's, is refused", () => {
    const folded = calling({ ...out, shadow: true });
    expect(() => folded.person("retry", "out")).toThrow(/in shadow/);
    expect(() => folded.person("drop", "out")).toThrow(/in shadow/);
    const delivery = { ...folded.delivery("out"), status: "rejected" as const };
    expect(whyNotDeliver(emptyCluster("api"), { kind: "command", command: "retry", delivery })).toContain("web");
  });

  it("of what a rule has no word for any more is refused", () => {
    const folded = calling(anAlarm({ name: "out", actions: inAlarm(control("out", "out"), notice("ops")) }));
    folded.outcome("rejected", { receiver: "ops" });
    folded.outcome("rejected", { receiver: "out" });
    const rules = folded.cluster.rules!;
    folded.input({ kind: "command", command: "rules", rules: { ...rules, alarms: [{ ...out, actions: inAlarm() }] } });
    expect(() => folded.person("retry", "ops")).toThrow(/does not tell receiver ops any more/);
    expect(() => folded.person("retry", "out")).toThrow(/does not call receiver out any more/);
    folded.input({ kind: "command", command: "rules", rules: { ...rules, alarms: [] } });
    expect(() => folded.person("retry", "ops")).toThrow(/alarm out is gone/);
    expect(() => folded.person("retry", "out")).toThrow(/alarm out is gone/);
  });

  it("that knows less than the fold: what it takes for waiting has ended", () => {
    const folded = calling();
    folded.outcome("not_run");
    const stale = folded.delivery("out");
    folded.tick({ sessions: 1 });
    expect(whyNotDeliver(folded.cluster, { kind: "command", command: "retry", delivery: stale })).toContain(
      "meanwhile",
    );
    expect(folded.input({ kind: "command", command: "retry", delivery: stale })).toEqual([]);
  });
});

describe("a person's drop", () => {
  it("of a waiting notice: it ends, and the next goes when the receiver is not left alone any more", () => {
    const folded = telling(told(3600));
    folded.outcome("accepted");
    folded.tick({ sessions: 1 });
    folded.outcome("not_run", { retryAfterS: 20 });
    folded.tick({ sessions: 9 });
    const decisions = folded.input({
      kind: "command",
      command: "drop",
      delivery: [...folded.ledger.values()].find(({ transition }) => transition === 2)!,
    });
    expect(decisions).toMatchObject([{ d: "end", end: "dropped", reason: "dropped by a person" }]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["ops"]);
  });

  it("of a waiting action: it is owed no more, and comes again with the next repeat", () => {
    const folded = calling({ ...out, repeatActions: true });
    folded.outcome("not_run", { retryAfterS: 300 });
    const decisions = folded.person("drop", "out");
    expect(decisions.map((one) => one.d)).toEqual(["end", "release"]);
    expect(folded.cluster.deliveries.size).toBe(0);
    const { id } = folded.delivery("out");
    expect(sends(folded.ticks(6, { sessions: 9 }))).toEqual(["out"]);
    expect(folded.delivery("out").id).not.toBe(id);
  });

  it("of one receiver of an action leaves the others", () => {
    const pair = anAlarm({ name: "out", actions: inAlarm(control("first", "out"), control("second", "out")) });
    const folded = calling(pair);
    folded.outcome("not_run", { retryAfterS: 20 });
    expect(ends(folded.person("drop", "first"))).toEqual(["dropped"]);
    folded.outcome("not_run", { retryAfterS: 20 });
    expect(sends(folded.ticks(4, { sessions: 9 }))).toEqual(["second"]);
    folded.outcome("accepted");
    expect(sends(folded.ticks(10, { sessions: 9 }))).toEqual([]);
    expect(folded.cluster.deliveries.size).toBe(0);
  });

  it("of one whose state is over leaves what the alarm owes by now", () => {
    const pair = anAlarm({ name: "out", actions: inAlarm(control("first", "out"), control("second", "out")) });
    const folded = calling(pair);
    folded.outcome("not_run", { retryAfterS: 20 });
    const first = folded.delivery("first");
    for (const sessions of [1, 9]) folded.tick({ sessions });
    expect(folded.cluster.alarms.get("id-out")?.owed?.transition).toBe(4);
    folded.input({ kind: "command", command: "drop", delivery: first });
    expect(sends(folded.outcome("rejected"))).toEqual(["first"]);
    expect(folded.delivery("first")).toMatchObject({ transition: 4, attempts: 1 });
    expect(sends(folded.outcome("accepted"))).toEqual(["second"]);
  });

  it("of what has ended says what it was; what is dropped stays so", () => {
    const folded = calling();
    folded.outcome("rejected", { status: 404, reason: "404" });
    expect(folded.person("drop", "out")).toMatchObject([
      { d: "end", end: "dropped", reason: "dropped by a person; it had ended rejected: 404" },
    ]);
    expect(folded.delivery("out").status).toBe("dropped");
    expect(() => folded.person("drop", "out")).toThrow(/dropped already/);
    expect(sends(folded.person("retry", "out"))).toEqual(["out"]);
  });

  it.each([
    { outcome: undefined, why: /under way/ },
    { outcome: "accepted", why: /was delivered/ },
  ] as const)("after $outcome is refused", ({ outcome, why }) => {
    const folded = calling();
    if (outcome) folded.outcome(outcome);
    expect(() => folded.person("drop", "out")).toThrow(why);
  });
});
