import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roomFor, serversAsked } from "../../src/evaluator/proportional.ts";
import type { Action, Alarm, ClusterRules } from "../../src/model/alarm.ts";
import type { MemberState } from "../../src/model/meters.ts";
import { ends, Folded, holds, sends } from "../helpers/folded.ts";
import { anAlarm, control, theRules } from "../helpers/rules.ts";

const inAlarm = (...alarm: Action[]) => ({ ok: [], alarm, "insufficient data": [] });
const scaled = (receiver: string, direction: "in" | "out"): Action => ({
  ...control(receiver, direction),
  scale: "proportional",
});
/** Alarm above 10 sessions for each server, below 2. */
const out = anAlarm({ name: "out", per: "active_server", threshold: 10, actions: inAlarm(scaled("out", "out")) });
const inward = anAlarm({
  name: "in",
  per: "active_server",
  comparison: "lt",
  threshold: 2,
  actions: inAlarm(scaled("in", "in")),
});

function servers(count: number): Readonly<Record<string, MemberState>> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`s${index}`, "up" as const]));
}

function counts(folded: Folded): (number | undefined)[] {
  return folded.log.flatMap((one) => (one.d === "send" ? [one.notification.count] : []));
}

function running(alarms: readonly Alarm[], count: number, capacity: ClusterRules["capacity"] = { min: 1, max: 20 }) {
  const folded = new Folded(theRules(alarms, { capacity }));
  folded.ticks(3, { sessions: 5 * count, members: servers(count) });
  return folded;
}

describe("how many servers are asked for", () => {
  it.each([
    ["out", 4, 15, 10, 2],
    ["out", 4, 10, 10, 1],
    ["out", 4, 10.001, 10, 1],
    ["out", 4, 60, 10, 20],
    ["in", 4, 2, 10, 3],
    ["in", 4, 9, 10, 1],
    ["in", 4, 0, 10, 4],
    // The median of two ticks may be a half (rule J6).
    ["out", 2.5, 20, 10, 3],
    ["in", 2.5, 2, 10, 2],
    // No proportion.
    ["out", 4, 15, 0, 1],
    ["out", 4, 0, 0, 1],
    ["out", 4, Number.NaN, 10, 1],
    ["out", 4, Infinity, 10, 1],
    ["out", 4, 15, -10, 1],
    ["out", 4, 1e300, 1e-300, 1],
    ["out", 0, 15, 10, 1],
  ] as const)("%s of %d servers at %d for a threshold of %d: %d", (direction, n, value, threshold, count) =>
    expect(serversAsked(direction, n, value, threshold)).toBe(count),
  );

  it("the noise of a division is not a server", () => {
    const bears = 3 * 0.1;
    expect(bears / 0.1).toBeGreaterThan(3);
    expect(serversAsked("out", 1, bears, 0.1)).toBe(2);
    expect(serversAsked("in", 5, bears / 5, 0.1)).toBe(2);
  });

  it("is what a search by hand finds", () => {
    const runs = process.env.TOCSIN_TEST_FULL ? 200_000 : 5000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const whole = fc.integer({ min: 0, max: 400 });
    // Whole numbers, so that the search is exact: what n servers bear against n + k thresholds.
    const finds = fc.property(
      fc.integer({ min: 1, max: 60 }),
      whole,
      fc.integer({ min: 1, max: 400 }),
      fc.constantFrom(1, 0.1, 1 / 3, 1e9),
      (n, value, threshold, unit) => {
        let more = 1;
        while (n * value > threshold * (n + more)) more++;
        expect(serversAsked("out", n, value * unit, threshold * unit)).toBe(more);
        let fewer = 1;
        while (fewer < n && n * value <= threshold * (n - fewer - 1)) fewer++;
        expect(serversAsked("in", n, value * unit, threshold * unit)).toBe(fewer);
      },
    );
    fc.assert(finds, { numRuns: runs, seed });
    console.log(`proportional cases=${runs} seed=${seed} differing=0`);
  });

  it.each([
    ["out", 8, { max: 10 }, 2],
    ["out", 10, { max: 10 }, 0],
    ["out", 12, { max: 10 }, -2],
    ["out", 9.5, { max: 10 }, 0],
    ["in", 4, { min: 2 }, 2],
    ["in", 2, { min: 2 }, 0],
    ["in", 2.5, { min: 2 }, 0],
    ["in", 4, {}, 3],
    ["in", 4, { min: 0 }, 4],
  ] as const)("%s: %d servers of %o leave room for %d", (direction, n, capacity, room) =>
    expect(roomFor(direction, n, capacity)).toBe(room),
  );
});

describe("a proportional action", () => {
  it("says by how many when it is sent, and again with every repeat", () => {
    const folded = running([{ ...out, repeatActions: true }], 4);
    folded.tick({ sessions: 72 });
    folded.outcome("accepted");
    folded.ticks(6, { sessions: 100 });
    expect(counts(folded)).toEqual([4, 6]);
  });

  it("that was not run is tried again with the count of then", () => {
    const folded = running([out], 4);
    folded.tick({ sessions: 72 });
    folded.outcome("not_run", { retryAfterS: 20 });
    folded.ticks(2, { sessions: 55 });
    expect(counts(folded)).toEqual([4, 2]);
    const ids = new Set(folded.log.flatMap((one) => (one.d === "send" ? [one.delivery] : [])));
    expect(ids.size).toBe(1);
  });

  it("stays within the capacity, both ways", () => {
    const up = running([out], 8, { min: 2, max: 10 });
    up.tick({ sessions: 400 });
    const down = running([inward], 8, { min: 6, max: 10 });
    down.tick({ sessions: 0 });
    expect([...counts(up), ...counts(down)]).toEqual([2, 2]);
  });

  it("without room is held, with the reason, until there is room", () => {
    const folded = running([out], 10, { min: 2, max: 10 });
    const decisions = folded.tick({ sessions: 400 });
    expect(sends(decisions)).toEqual([]);
    expect(decisions.find((one) => one.d === "hold")).toMatchObject({
      gate: "capacity",
      reason: "the cluster has 10 of at most 10 servers",
    });
    expect(sends(folded.ticks(10, { sessions: 400 }))).toEqual([]);
    // The median of three ticks says so after two.
    expect(sends(folded.ticks(2, { sessions: 400, members: servers(9) }))).toEqual(["out"]);
    expect(counts(folded)).toEqual([1]);
  });

  it("a repeat without room is dropped", () => {
    const folded = running([{ ...out, repeatActions: true }], 9, { max: 10 });
    folded.tick({ sessions: 400 });
    folded.outcome("accepted");
    const decisions = folded.ticks(20, { sessions: 400, members: servers(10) });
    expect(sends(decisions)).toEqual([]);
    expect(holds(decisions)).toEqual(["capacity"]);
    expect(folded.cluster.alarms.get("id-out")?.owed).toBeUndefined();
  });

  it("is held while no tick says how many servers are active", () => {
    const folded = new Folded(theRules([anAlarm({ name: "out", threshold: 10, actions: out.actions })]));
    const decisions = folded.ticks(2, { sessions: 40 });
    expect(decisions.find((one) => one.d === "hold")).toMatchObject({
      gate: "capacity",
      reason: "no tick of the window says how many servers are active",
    });
  });

  it("holds a list with other receivers as a whole", () => {
    const actions = inAlarm(control("first", "out"), scaled("out", "out"));
    const folded = running([{ ...out, actions }], 10, { max: 10 });
    expect(sends(folded.tick({ sessions: 400 }))).toEqual([]);
  });

  it("of which nobody knows the way asks for one server", () => {
    const folded = running(
      [{ ...out, actions: inAlarm({ ...control("some", "unknown"), scale: "proportional" }) }],
      10,
      {
        min: 2,
        max: 10,
      },
    );
    folded.tick({ sessions: 400 });
    expect(counts(folded)).toEqual([1]);
  });

  it("other actions have no such gate and no count", () => {
    const folded = running([{ ...out, actions: inAlarm(control("out", "out")) }], 10, { max: 10 });
    folded.tick({ sessions: 400 });
    expect(counts(folded)).toEqual([undefined]);
    expect(ends(folded.outcome("accepted"))).toEqual(["delivered"]);
  });
});
