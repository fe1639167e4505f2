import { describe, expect, it } from "vitest";
import { loadCluster, saveCluster } from "../../src/evaluator/snapshot.ts";
import { rfc3339 } from "../../src/lib/clock.ts";
import { gatesOf, laneUntil } from "../../src/replay/gateList.ts";
import { Folded, holds, INTERVAL_S, sends } from "../helpers/folded.ts";
import { anAlarm, control, RATE, theRules } from "../helpers/rules.ts";
import { Recorded } from "./recorded.ts";

const INTERVAL_MS = INTERVAL_S * 1000;
/** What test rules say. */
const SETTLE_MS = 60_000;
const inAlarm = (...alarm: ReturnType<typeof control>[]) => ({ ok: [], alarm, "insufficient data": [] });
const two = { a: "up", b: "up" } as const;
const busy = { sessions: 9 };
const list = anAlarm({ name: "out", actions: inAlarm(control("first", "out"), control("second", "out")) });
const three = { ...list, actions: inAlarm(...["first", "second", "third"].map((name) => control(name, "out"))) };
/** Asks for a scale-in by the rate, so that another alarm may ask for a scale-out by the sessions. */
const inward = (...receivers: string[]) =>
  anAlarm({
    name: "in",
    meterName: RATE,
    comparison: "lt",
    threshold: 10,
    actions: inAlarm(...receivers.map((name) => control(name, "in"))),
  });
const grow = anAlarm({ name: "out", actions: inAlarm(control("grow", "out")) });

/** The second receiver of a list is under way, called three ticks after the first, which has accepted. */
function calledLate<F extends Folded>(folded: F): F {
  folded.tick({ sessions: 1, members: two });
  folded.tick(busy);
  folded.ticks(3, busy);
  expect(sends(folded.outcome("accepted"))).toEqual(["second"]);
  return folded;
}

describe("settling of what may have run", () => {
  it("counts from its own call, not from that of a receiver before it in the list", () => {
    const folded = calledLate(new Folded([list]));
    const calledAt = folded.cluster.at;
    folded.tick(busy);
    folded.outcome("uncertain");
    expect(laneUntil(folded.cluster)).toBe(rfc3339(calledAt + SETTLE_MS));
    expect(sends(folded.ticks(4, busy))).toEqual([]);
    expect(folded.cluster.lane.phase).toBe("settling");
    expect(sends(folded.tick(busy))).toEqual(["second"]);
  });

  it("counts from the send where it was accepted, however late: repeats keep their rhythm", () => {
    const folded = calledLate(new Folded([{ ...list, repeatActions: true }]));
    folded.outcome("accepted");
    expect(sends(folded.ticks(2, busy))).toEqual([]);
    expect(sends(folded.tick(busy))).toEqual(["first"]);
  });

  it("goes on when a person gives it up while the next receiver is called", () => {
    const folded = calledLate(new Recorded([three]));
    const calledAt = folded.cluster.at;
    folded.outcome("uncertain");
    folded.person("drop", "second");
    folded.tick(busy);
    folded.outcome("rejected");
    expect(laneUntil(folded.cluster)).toBe(rfc3339(calledAt + SETTLE_MS));
    folded.ticks(4, busy);
    expect(folded.cluster.lane.phase).toBe("settling");
    folded.tick(busy);
    expect(folded.cluster.lane.phase).toBe("idle");
  });

  it("a scale-in that a scale-out overtakes is owed again when its own settling is over", () => {
    const folded = new Folded([inward("first", "second"), grow]);
    const quiet = { sessions: 1, rate: 5 };
    folded.tick({ sessions: 1, rate: 100, members: two });
    folded.tick(quiet);
    folded.ticks(3, quiet);
    folded.outcome("accepted");
    const { tick: calledTick, at: calledAt } = folded.cluster;
    folded.outcome("uncertain");
    expect(sends(folded.tick({ sessions: 9, rate: 5 }))).toEqual(["grow"]);
    folded.outcome("rejected");
    expect(folded.cluster.alarms.get("id-in")?.owed?.notBefore).toBe(calledTick + SETTLE_MS / INTERVAL_MS);
    expect(folded.cluster.lane.phase).toBe("cooldown");
    expect(laneUntil(folded.cluster)).toBe(rfc3339(calledAt + SETTLE_MS));
    expect(sends(folded.ticks(4, quiet))).toEqual([]);
    expect(sends(folded.tick(quiet))).toEqual(["second"]);
  });

  it("where the servers cannot be seen, ends when it said, at the latest", () => {
    const folded = new Folded([list], ["s", "t"]);
    folded.tick({ sessions: 1, members: two });
    folded.tick(busy);
    folded.outcome("uncertain");
    folded.outcome("rejected");
    const said: (string | null)[] = [];
    while (folded.cluster.lane.phase !== "idle") {
      said.push(laneUntil(folded.cluster));
      folded.tick({ ...busy, failed: ["t"] });
      expect(said.length).toBeLessThan(20);
    }
    const { at } = folded.cluster;
    expect(said).toEqual([
      ...Array.from({ length: 6 }, () => rfc3339(at - SETTLE_MS)),
      ...Array.from({ length: 6 }, () => rfc3339(at)),
    ]);
  });

  it("a lane of before, of which nobody noted when a receiver was called, settles from the send", () => {
    const folded = calledLate(new Folded([list]));
    const sentAt = folded.cluster.at - 3 * INTERVAL_MS;
    expect(folded.cluster.lane).toHaveProperty("calledTick");
    const saved = saveCluster(folded.cluster).replaceAll(/,"calledTick":\d+/g, "");
    expect(saved).not.toContain("calledTick");
    Object.assign(folded.cluster, loadCluster("web", 1, saved, theRules([list])));
    folded.outcome("uncertain");
    expect(laneUntil(folded.cluster)).toBe(rfc3339(sentAt + SETTLE_MS));
  });
});

describe("settling over a start", () => {
  it.each(
    [1000, 5000, 7000, 10_000, 20_000, 60_000].flatMap((intervalMs) =>
      [true, false].map((answered) => ({ intervalMs, answered })),
    ),
  )("is not cut short by ticks of $intervalMs ms; answered before: $answered", ({ intervalMs, answered }) => {
    const folded = calledLate(new Folded([list]));
    const { cluster } = folded;
    const calledAt = cluster.at;
    if (answered) folded.outcome("uncertain");
    folded.tick(busy);
    folded.input({ kind: "start", number: cluster.tick, at: cluster.at, intervalMs });
    const until = Date.parse(laneUntil(cluster) ?? "");
    expect(until).toBeGreaterThanOrEqual(calledAt + SETTLE_MS);
    expect(until).toBeLessThan(calledAt + SETTLE_MS + 2 * intervalMs);
  });

  it.each([1000, 60_000])("nor that of one called before the one under way, by ticks of %d ms", (intervalMs) => {
    const folded = calledLate(new Folded([three]));
    const { cluster } = folded;
    const calledAt = cluster.at;
    folded.outcome("uncertain");
    const { lane } = cluster;
    if (lane.phase !== "in flight") throw new Error("nothing is under way");
    // As if the third had been called with the first: only what is known of the second counts.
    cluster.lane = { ...lane, calledTick: lane.sentTick };
    folded.tick(busy);
    folded.input({ kind: "start", number: cluster.tick, at: cluster.at, intervalMs });
    const until = Date.parse(laneUntil(cluster) ?? "");
    expect(until).toBeGreaterThanOrEqual(calledAt + SETTLE_MS);
    expect(until).toBeLessThan(calledAt + SETTLE_MS + 2 * intervalMs);
  });
});

describe("settling after a takeover", () => {
  const takeOver = (folded: Folded, leastS: number) => {
    const { tick: number, at } = folded.cluster;
    folded.input({ kind: "start", number, at, intervalMs: INTERVAL_MS, takeover: { number, leastS } });
  };

  it.each([5000, 10_000, 20_000])("lasts as long as was said, also in ticks of %d ms", (intervalMs) => {
    const folded = calledLate(new Folded([list]));
    const { cluster } = folded;
    const { tick: number, at } = cluster;
    takeOver(folded, 80);
    folded.input({ kind: "start", number, at, intervalMs });
    expect(laneUntil(cluster)).toBe(rfc3339(at + 80_000));
  });

  it("goes on when an effect is seen: another process may still be calling the next receiver", () => {
    const third = anAlarm({ name: "more", threshold: 20, actions: inAlarm(control("third", "out")) });
    const folded = calledLate(new Folded([list, third]));
    takeOver(folded, 80);
    const grown = { sessions: 30, members: { ...two, c: "up" } } as const;
    const during = folded.ticks(7, grown);
    expect(sends(during)).toEqual([]);
    expect(holds(during)).toContain("lane");
    const after = folded.tick(grown);
    expect(after.map(({ d }) => d)).toEqual(["effect", "send"]);
    expect(after[0]).toMatchObject({ effect: "effective", servers: ["c"] });
  });

  it("a scale-out behind a scale-in waits for what was said, and is told so", () => {
    const folded = new Folded([inward("shrink"), grow]);
    folded.tick({ sessions: 1, rate: 100, members: two });
    folded.tick({ sessions: 1, rate: 5 });
    const { cluster } = folded;
    const { at } = cluster;
    takeOver(folded, 20);
    expect(sends(folded.tick({ sessions: 9, rate: 5 }))).toEqual([]);
    const alarm = cluster.alarms.get("id-out")!;
    const lane = gatesOf(cluster, alarm, alarm.owed!).find(({ gate }) => gate === "lane");
    expect(lane).toMatchObject({ passed: false, opens_at: rfc3339(at + 20_000) });
    expect(sends(folded.tick({ sessions: 9, rate: 5 }))).toEqual(["grow"]);
  });
});
