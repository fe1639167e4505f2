import { describe, expect, it } from "vitest";
import { ends, Folded, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice, withRule } from "../helpers/rules.ts";

const told = (maxAgeS?: number) => ({
  ok: [notice("ops", maxAgeS)],
  alarm: [notice("ops", maxAgeS)],
  "insufficient data": [],
});

function current(folded: Folded): string[] {
  return folded.log.flatMap((one) => (one.d === "send" ? [`${one.notification.current} ${one.attempt}`] : []));
}

describe("D4: notices", () => {
  it("every transition, in order, one in flight at a time for each receiver", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told() })]);
    folded.tick({ sessions: 1 });
    folded.tick({ sessions: 9 });
    folded.tick({ sessions: 1 });
    expect(current(folded)).toEqual(["ok 1"]);
    folded.outcome("accepted");
    folded.outcome("accepted");
    folded.outcome("accepted");
    expect(current(folded)).toEqual(["ok 1", "alarm 1", "ok 1"]);
    expect(ends(folded.log)).toEqual(["delivered", "delivered", "delivered"]);
  });

  it("what did not run, or may have, is tried again with its id, and holds what comes after", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told() })]);
    folded.tick({ sessions: 9 });
    folded.outcome("uncertain");
    folded.tick({ sessions: 1 });
    expect(current(folded)).toEqual(["alarm 1", "alarm 2"]);
    expect(new Set(folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : []))).size).toBe(1);
    folded.outcome("accepted");
    expect(current(folded)).toEqual(["alarm 1", "alarm 2", "ok 1"]);
  });

  it("ends expired after max_age, and the ok of a notice that was never delivered is dropped", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told(60) })]);
    folded.tick({ sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 300 });
    folded.ticks(3, { sessions: 9 });
    folded.ticks(5, { sessions: 1 });
    expect(ends(folded.log)).toEqual(["expired", "dropped"]);
  });

  it("an undelivered repeat is replaced by the next, which waits for as long as the receiver asked", () => {
    const repeating = { repeatActions: true, repeatIntervalS: 20 };
    const folded = new Folded([anAlarm({ name: "a", actions: told(), ...repeating })]);
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.ticks(2, { sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 50 });
    folded.ticks(4, { sessions: 9 });
    expect(ends(folded.log)).toEqual(["delivered", "superseded", "superseded"]);
    expect(current(folded)).toEqual(["alarm 1", "alarm 1"]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["ops"]);
  });

  it("an ok is told to who was told of any state that is not ok", () => {
    const actions = { ok: [notice("ops")], alarm: [notice("ops")], "insufficient data": [notice("ops")] };
    const folded = new Folded([anAlarm({ name: "a", actions })]);
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.ticks(3, { sessions: null });
    folded.outcome("rejected");
    folded.ticks(2, { sessions: 1 });
    folded.outcome("accepted");
    expect(current(folded)).toEqual(["alarm 1", "insufficient data 1", "ok 1"]);
  });

  it("a rejected one is not tried again and holds nobody", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told() })]);
    folded.tick({ sessions: 9 });
    folded.outcome("rejected", { status: 404 });
    expect(sends(folded.ticks(3, { sessions: 9 }))).toEqual([]);
  });

  it("D3: at a start those under way are sent again with their ids", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told() })]);
    folded.tick({ sessions: 9 });
    expect(sends(folded.restart(3))).toEqual(["ops"]);
    expect(current(folded)).toEqual(["alarm 1", "alarm 2"]);
    expect(new Set(folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : []))).size).toBe(1);
  });

  it("one receiver that is down holds no other", () => {
    const actions = { ok: [], alarm: [notice("down"), notice("up")], "insufficient data": [] };
    const folded = new Folded([anAlarm({ name: "a", actions })]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["down", "up"]);
    folded.outcome("not_run", { receiver: "down" });
    folded.outcome("accepted", { receiver: "up" });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["down"]);
  });
});

describe("whichever notice is the next, its receiver is left alone for as long as it asked", () => {
  const alarms = [8, 5].map((threshold) => anAlarm({ name: `above ${threshold}`, threshold, actions: told(20) }));

  /** One waits because the receiver asked for five minutes, another comes behind it. */
  function asked(): Folded {
    const folded = new Folded(alarms);
    folded.tick({ sessions: 7 });
    folded.outcome("accepted");
    folded.outcome("not_run", { status: 429, retryAfterS: 300 });
    folded.tick({ sessions: 9 });
    expect(folded.cluster.notices.get("ops")).toHaveLength(2);
    return folded;
  }

  it("the first expires", () => {
    const folded = asked();
    expect(ends(folded.tick({ sessions: 9 }))).toEqual([]);
    const decisions = folded.tick({ sessions: 9 });
    expect(ends(decisions)).toEqual(["expired"]);
    expect(sends(decisions)).toEqual([]);
  });

  it("a person gives the first up", () => {
    const folded = asked();
    const [first] = folded.cluster.notices.get("ops")!;
    const decisions = folded.input({ kind: "command", command: "drop", delivery: first!.delivery });
    expect([ends(decisions), sends(decisions)]).toEqual([["dropped"], []]);
  });

  it("the alarm of the first is gone, or does not name it any more", () => {
    const [above8, above5] = alarms;
    const other = { ...above5!, actions: { ...told(20), alarm: [notice("pager")], ok: [] } };
    for (const left of [[above8!], [above8!, other]]) {
      const folded = asked();
      const rules = { ...folded.cluster.rules!, alarms: left };
      const decisions = folded.input({ kind: "command", command: "rules", rules });
      expect([ends(decisions), sends(decisions)]).toEqual([["dropped"], []]);
    }
  });
});

describe("a waiting notice whose alarm does not name its receiver any more", () => {
  const alarm = (actions: ReturnType<typeof told>) => anAlarm({ name: "a", actions });
  const other = anAlarm({ name: "b", threshold: 100, actions: { ...told(), ok: [] } });

  it.each([
    { name: "is told by nobody", receiver: notice("pager") },
    { name: "is called for scaling", receiver: control("ops", "out") },
  ])("is dropped: the receiver $name", ({ receiver }) => {
    const folded = new Folded([alarm(told()), other]);
    folded.tick({ sessions: 9 });
    folded.outcome("not_run");
    const rules = { ...folded.cluster.rules!, alarms: [alarm({ ...told(), ok: [], alarm: [receiver] }), other] };
    const decisions = folded.input({ kind: "command", command: "rules", rules });
    expect(decisions).toMatchObject([
      { d: "end", end: "dropped", reason: "alarm a does not tell receiver ops any more" },
    ]);
    expect(sends(folded.ticks(3, { sessions: 9 }))).toEqual([]);
  });

  it("is sent where it is told of another state only", () => {
    const folded = new Folded([alarm(told())]);
    folded.tick({ sessions: 9 });
    folded.outcome("not_run");
    const rules = { ...folded.cluster.rules!, alarms: [alarm({ ...told(), alarm: [] })] };
    folded.input({ kind: "command", command: "rules", rules });
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["ops"]);
  });
});

describe("A4: repeats", () => {
  it("say that the alarm remains, with previous equal to current, only in repeat_states", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: told(), repeatActions: true, repeatIntervalS: 20 })]);
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    folded.ticks(2, { sessions: 9 });
    folded.outcome("accepted");
    folded.tick({ sessions: 1 });
    folded.outcome("accepted");
    expect(sends(folded.ticks(6, { sessions: 1 }))).toEqual([]);
    const notifications = folded.log.flatMap((one) => (one.d === "send" ? [one.notification] : []));
    expect(notifications[1]).toMatchObject({
      previous: "alarm",
      current: "alarm",
      reason: "Remaining as alarm due to 1 samples outside threshold, most recent: 9.0",
    });
  });
});

describe("rule revisions", () => {
  it("an alarm that comes back goes on with its transition numbers: no id is used twice", () => {
    const alarm = anAlarm({ name: "a", actions: told() });
    const folded = new Folded([alarm]);
    folded.tick({ sessions: 9 });
    folded.outcome("accepted");
    const rules = folded.cluster.rules!;
    folded.input({ kind: "command", command: "rules", rules: { ...rules, alarms: [] } });
    folded.input({ kind: "command", command: "rules", rules });
    folded.ticks(4, { sessions: 9 });
    const ids = folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : []));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
  });

  it("another repeat_interval goes by the same beginning", () => {
    const alarm = anAlarm({ name: "a", actions: told(), repeatActions: true });
    const folded = new Folded([alarm]);
    const hour = () => folded.ticks(1, { sessions: 9 }).some((one) => one.d === "send");
    for (let tick = 0; tick < 30; tick++) {
      hour();
      if ([...folded.cluster.deliveries.values()].length > 0) folded.outcome("accepted");
    }
    const rules = folded.cluster.rules!;
    folded.input({
      kind: "command",
      command: "rules",
      rules: { ...rules, alarms: [{ ...alarm, repeatIntervalS: 600 }] },
    });
    const sent = Array.from({ length: 60 }, () => hour());
    // 29 ticks have passed since the transition; the next slot of ten minutes is at 60.
    expect(sent.indexOf(true)).toBe(30);
  });

  it("another threshold keeps the state; another meter starts anew, journalled and without actions", () => {
    const alarm = anAlarm({ name: "a", actions: told() });
    const folded = new Folded([alarm]);
    folded.tick({ sessions: 9 });
    const rules = folded.cluster.rules!;
    folded.input({
      kind: "command",
      command: "rules",
      rules: { ...rules, alarms: [withRule(alarm, { threshold: 8 })] },
    });
    expect(folded.state("a")).toBe("alarm");
    const decisions = folded.input({
      kind: "command",
      command: "rules",
      rules: { ...rules, alarms: [withRule(alarm, { statistic: "max" })] },
    });
    expect(folded.state("a")).toBe("insufficient data");
    expect(decisions).toMatchObject([{ d: "transition", to: "insufficient data", by: "rule change", transition: 2 }]);
  });
});
