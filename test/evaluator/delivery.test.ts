import { describe, expect, it } from "vitest";
import { fold } from "../../src/evaluator/fold.ts";
import { heldBecause } from "../../src/evaluator/gates.ts";
import { loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import type { Action } from "../../src/model/alarm.ts";
import type { Input } from "../../src/model/decision.ts";
import { ends, Folded, holds, sends } from "../helpers/folded.ts";
import { anAlarm, control, notice, theRules } from "../helpers/rules.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const out = anAlarm({ name: "out", actions: inAlarm(control("out", "out")) });
const both = { ok: [notice("ops")], alarm: [notice("ops")], "insufficient data": [] };
const two = { a: "up", b: "up" } as const;

/** The lane's first call is under way. */
function calling(alarm = out): Folded {
  const folded = new Folded([alarm]);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

describe("D1: what provably did not run", () => {
  it.each([403, 401])("%d for ten minutes, counted from the first of them in a row, ends dead", (status) => {
    const folded = calling();
    const played: string[] = [];
    for (let tick = 0; tick < 140; tick++) {
      if (folded.cluster.lane.phase === "in flight") {
        const forbids = tick < 20 || tick >= 40;
        played.push(...ends(folded.outcome("not_run", { status: forbids ? status : 503 })));
        if (played.length > 0) expect(tick).toBeGreaterThanOrEqual(100);
      }
      folded.tick({ sessions: 9 });
    }
    expect(played).toEqual(["dead"]);
    expect(folded.cluster.deliveries.size).toBe(0);
    expect(folded.log.findLast((one) => one.d === "end")?.reason).toContain("for 600 s");
  });

  it("what is left alone for a while comes back with its wait and without a status", () => {
    const folded = calling();
    folded.outcome("not_run", { retryAfterS: 90 });
    expect(sends(folded.ticks(8, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.tick({ sessions: 9 }))).toEqual(["out"]);
  });
});

describe("D3: at a start", () => {
  it("an action that waits goes through the gates again", () => {
    const folded = calling();
    folded.outcome("not_run");
    expect(sends(folded.restart(3))).toEqual([]);
    expect(holds(folded.input({ kind: "command", command: "pause" }))).toEqual(["pause"]);
    expect(sends(folded.ticks(3, { sessions: 9 }))).toEqual([]);
    expect(sends(folded.input({ kind: "command", command: "resume" }))).toEqual(["out"]);
  });

  it("receivers of a crashed action that had been tried before wait on under their ids", () => {
    const folded = calling(
      anAlarm({ name: "out", actions: inAlarm(control("first", "out"), control("second", "out")) }),
    );
    folded.outcome("not_run");
    folded.outcome("not_run");
    expect(sends(folded.ticks(2, { sessions: 9 }))).toEqual(["first"]);
    folded.restart(1);
    folded.ticks(12, { sessions: 9 });
    folded.outcome("accepted");
    folded.outcome("accepted");
    // "first" is uncertain, and again under another id; "second" provably did not run.
    expect([...folded.cluster.deliveries.values()]).toEqual([]);
    const ids = folded.log.flatMap((one) => (one.d === "send" && one.receiver === "second" ? [one.delivery] : []));
    expect(new Set(ids).size).toBe(1);
  });

  it("a notice that waits is sent when its time has come, in order", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: both })]);
    folded.tick({ sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 60 });
    folded.tick({ sessions: 1 });
    expect(sends(folded.restart(2))).toEqual([]);
    folded.ticks(4, { sessions: 1 });
    folded.outcome("accepted");
    expect(folded.log.flatMap((one) => (one.d === "send" ? [one.notification.current] : []))).toEqual([
      "alarm",
      "alarm",
      "ok",
    ]);
  });
});

describe("D4: notices in an outage", () => {
  it("ten minutes of repeats and of actions without effect: the queues do not grow", () => {
    const scaler = { ...control("scaler", "out"), onNoEffect: [notice("ops")] };
    const alarms = ["a", "b", "c"].map((name) =>
      anAlarm({ name, repeatActions: true, repeatIntervalS: 20, actions: inAlarm(scaler, notice("ops")) }),
    );
    const folded = new Folded(theRules(alarms, { settleS: 20 }));
    folded.tick({ sessions: 1 });
    let attempts = 0;
    let longest = 0;
    for (let tick = 0; tick < 60; tick++) {
      folded.tick({ sessions: 9 });
      if (folded.cluster.lane.phase === "in flight") folded.outcome("accepted", { receiver: "scaler" });
      while ([...folded.cluster.deliveries.values()].some((one) => one.status === "claimed")) {
        folded.outcome("not_run", { receiver: "ops" });
        attempts++;
      }
      longest = Math.max(longest, folded.cluster.notices.get("ops")?.length ?? 0);
    }
    // Of each alarm the transition, one repeat, and that there was no effect.
    expect(longest).toBeLessThanOrEqual(9);
    expect(attempts).toBeLessThanOrEqual(60);
    // They come in the order of their decisions when the receiver is back.
    const before = folded.log.length;
    for (let tick = 0; tick < 20; tick++) {
      while ([...folded.cluster.deliveries.values()].some((one) => one.status === "claimed"))
        folded.outcome("accepted");
      folded.tick({ sessions: 3 });
    }
    const told = folded.log.slice(before).flatMap((one) => (one.d === "send" && one.class === "notice" ? [one] : []));
    expect(told.length).toBeGreaterThanOrEqual(6);
    expect(told.slice(0, 3).map(({ repeat, notification }) => [repeat, notification.alarmName])).toEqual([
      [0, "a"],
      [0, "b"],
      [0, "c"],
    ]);
    expect(folded.cluster.notices.size).toBe(0);
  });

  it.each([
    { name: "rejected", play: (folded: Folded) => folded.outcome("rejected") },
    {
      name: "expired",
      play: (folded: Folded) => {
        folded.outcome("not_run", { retryAfterS: 300 });
        return folded.ticks(8, { sessions: 9 });
      },
    },
    {
      name: "dropped by a person",
      play: (folded: Folded) => {
        folded.outcome("not_run", { retryAfterS: 300 });
        return drop(folded);
      },
    },
  ])("the ok of a notice that was $name is dropped", ({ play }) => {
    const actions = { ok: [notice("ops", 60)], alarm: [notice("ops", 60)], "insufficient data": [] };
    const folded = new Folded([anAlarm({ name: "a", actions })]);
    folded.tick({ sessions: 9 });
    expect(ends(play(folded))).toHaveLength(1);
    expect(ends(folded.tick({ sessions: 1 }))).toEqual(["dropped"]);
    expect(sends(folded.log)).toEqual(["ops"]);
  });

  it("the ok of one that may have arrived is told", () => {
    const actions = { ok: [notice("ops", 60)], alarm: [notice("ops", 60)], "insufficient data": [] };
    const folded = new Folded([anAlarm({ name: "a", actions })]);
    folded.tick({ sessions: 9 });
    folded.outcome("uncertain", { retryAfterS: 300 });
    expect(ends(folded.ticks(8, { sessions: 9 }))).toEqual(["expired"]);
    expect(sends(folded.tick({ sessions: 1 }))).toEqual(["ops"]);
  });
});

function drop(folded: Folded) {
  const [delivery] = [...folded.cluster.deliveries.values()];
  return folded.input({ kind: "command", command: "drop", delivery: delivery! });
}

describe("immediately before the first byte", () => {
  const scaled: Action = { ...control("out", "out"), scale: "proportional" };
  const alarm = anAlarm({ name: "out", per: "active_server", actions: inAlarm(scaled) });

  it("room that is gone holds a proportional action, and so does less room than it asks for", () => {
    const up = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`s${index}`, "up" as const]));
    const folded = new Folded(theRules([alarm], { capacity: { max: 8 } }));
    folded.ticks(3, { sessions: 4, members: up(4) });
    folded.tick({ sessions: 60 });
    const [delivery] = [...folded.cluster.deliveries.values()];
    expect(delivery?.notification.count).toBe(4);
    const held = () => heldBecause(folded.cluster, delivery!.id);
    expect(held()).toBeUndefined();
    folded.ticks(2, { sessions: 60, members: up(6) });
    expect(held()).toBe("there is room for 2 servers by now, and it asks for 4");
    folded.ticks(2, { sessions: 60, members: up(8) });
    expect(held()).toBe("the cluster has 8 of at most 8 servers");
  });
});

describe("what a restart keeps", () => {
  it("a snapshot of before is read: what it has no word for is as if nobody had said it", () => {
    const pair = anAlarm({
      name: "out",
      actions: inAlarm(control("first", "out"), control("second", "out"), notice("ops")),
    });
    const folded = calling(pair);
    folded.outcome("not_run", { receiver: "first", status: 403 });
    folded.outcome("uncertain", { receiver: "ops" });
    const older = JSON.parse(saveCluster(folded.cluster), (_key, value) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      const { forbiddenSince, isShadow, ...rest } = value;
      return "attempts" in value && "action" in value ? { ...rest, firstTick: 1002 } : rest;
    });
    const cluster = loadCluster("web", folded.cluster.seq, JSON.stringify(older), theRules([pair]));
    const { number, at } = folded.sealed({});
    const sent: string[] = [];
    const play = (input: Input) => {
      for (const one of fold(cluster, input).decisions) {
        if (one.d !== "send") continue;
        sent.push(one.receiver);
        const { delivery: deliveryId, attempt } = one;
        play({ kind: "outcome", deliveryId, attempt, outcome: "accepted", reason: "" });
      }
    };
    play({ kind: "start", number, at, intervalMs: 10_000 });
    for (let tick = 0; tick < 20; tick++) play(folded.sealed({ sessions: 9 }));
    expect(sent).toEqual(["ops", "first", "second"]);
    expect(cluster.deliveries.size).toBe(0);
  });

  it("what a new interval counts otherwise: ten minutes of a 403 stay ten minutes", () => {
    const folded = calling();
    folded.outcome("not_run", { status: 403 });
    const saved = loadCluster("web", folded.cluster.seq, saveCluster(folded.cluster), folded.cluster.rules);
    const number = 2003;
    fold(saved, { kind: "start", number, at: number * 1000, intervalMs: 1000 });
    const [pending] = saved.alarms.get("id-out")?.owed?.receivers ?? [];
    // One tick of 10 s ago at the least, none of the new ones later than now.
    expect(pending?.forbiddenSince).toBe(number);
    expect(saved.alarms.get("id-out")?.owed?.notBefore).toBe(
      number + 10 * (folded.cluster.alarms.get("id-out")!.owed!.notBefore - folded.cluster.tick),
    );
  });

  it("what is asked for by a person, what may have arrived, and who is in shadow", () => {
    const folded = new Folded([anAlarm({ name: "a", actions: both })]);
    folded.tick({ sessions: 9 });
    folded.outcome("uncertain");
    const { cluster } = folded;
    const again = loadCluster("web", cluster.seq, saveCluster(cluster), cluster.rules);
    expect(saveCluster(again)).toBe(saveCluster(cluster));
    expect(again.notices).toEqual(cluster.notices);
  });
});
