import { describe, expect, it } from "vitest";
import { waitTicks } from "../../src/evaluator/retry.ts";
import type { Outcome } from "../../src/model/decision.ts";
import { ends, Folded } from "../helpers/folded.ts";
import { anAlarm, control, notice } from "../helpers/rules.ts";

const out = anAlarm({ name: "out", actions: { ok: [], alarm: [control("out", "out")], "insufficient data": [] } });
const two = { a: "up", b: "up" } as const;

/** The lane's first call is under way. */
function calling(): Folded {
  const folded = new Folded([out]);
  folded.tick({ sessions: 1, members: two });
  folded.tick({ sessions: 9 });
  return folded;
}

function isClaimed({ cluster }: Folded): boolean {
  return [...cluster.deliveries.values()].some(({ status }) => status === "claimed");
}

describe("D1: how long a receiver is left alone", () => {
  it("what the receiver asked for, between 1 s and 5 min; our own wait is off by a fifth at the most", () => {
    const { cluster } = calling();
    const [delivery] = [...cluster.deliveries.values()];
    cluster.intervalMs = 100;
    const outcome: Outcome = { kind: "outcome", deliveryId: "", attempt: 1, outcome: "not_run", reason: "" };
    const wait = (failed: number, retryAfterS?: number, id = delivery!.id) => {
      const asked = { ...outcome, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
      return waitTicks(cluster, asked, { ...delivery!, id, attempts: failed }, failed);
    };
    expect([0, 2, 300, 86_400, Infinity].map((seconds) => wait(1, seconds))).toEqual([10, 20, 3000, 3000, 3000]);
    expect(wait(1, Number.NaN)).toBe(wait(1));
    const ids = Array.from({ length: 2000 }, (_, index) => `msg_${index}`);
    [1, 2, 5, 10, 20, 40, 60, 60].forEach((seconds, index) => {
      const waits = ids.map((id) => wait(index + 1, undefined, id));
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(8 * seconds);
      expect(Math.max(...waits)).toBeLessThanOrEqual(12 * seconds);
      expect(new Set(waits).size).toBeGreaterThanOrEqual(Math.min(4 * seconds, 50));
      // The same again: a replay waits as long.
      expect(ids.map((id) => wait(index + 1, undefined, id))).toEqual(waits);
    });
    expect(wait(Number.MAX_SAFE_INTEGER)).toBeLessThanOrEqual(720);
  });

  it.each(["control", "notice"] as const)("turns of a %s that did not come count for nothing", (kind) => {
    const told = { ok: [], alarm: [notice("ops", 3600)], "insufficient data": [] };
    const folded = kind === "control" ? calling() : new Folded([anAlarm({ name: "out", actions: told })]);
    folded.tick({ sessions: 9 });
    for (let turn = 0; turn < 6; turn++) {
      folded.outcome("not_run", { retryAfterS: 1 });
      folded.tick({ sessions: 9 });
    }
    const { cluster } = folded;
    const waits: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      folded.outcome("not_run");
      const { notBefore } = (
        kind === "control" ? cluster.alarms.get("id-out")?.owed : cluster.notices.get("ops")?.[0]
      )!;
      waits.push(notBefore - cluster.tick);
      while (!isClaimed(folded)) folded.tick({ sessions: 9 });
    }
    // 1, 2, 5, 10, 20 and 40 s, off by a fifth, in ticks of 10 s.
    expect(waits.slice(0, 3)).toEqual([1, 1, 1]);
    expect(waits[3]).toBeLessThanOrEqual(2);
    expect(waits[4]).toBeLessThanOrEqual(3);
    expect(waits[5]).toBeGreaterThanOrEqual(4);
  });
});

describe("D1: ten minutes of a 403", () => {
  it.each([
    { name: "turns that did not come", between: { retryAfterS: 1 } },
    { name: "tokens that could not be fetched", between: {} },
  ])("are no news: $name", ({ between }) => {
    const folded = calling();
    const startedAt = folded.cluster.tick;
    let calls = 0;
    while (!ends(folded.log).includes("dead") && folded.cluster.tick < startedAt + 200) {
      while (isClaimed(folded)) folded.outcome("not_run", ++calls % 5 === 0 ? between : { status: 403 });
      folded.tick({ sessions: 9 });
    }
    expect(ends(folded.log)).toEqual(["dead"]);
    expect(folded.cluster.tick - startedAt).toBeGreaterThanOrEqual(60);
    expect(folded.cluster.tick - startedAt).toBeLessThanOrEqual(80);
  });

  it("are counted over a new id: it was held at the last moment meanwhile", () => {
    const folded = calling();
    folded.outcome("not_run", { status: 403 });
    for (let tick = 0; tick < 62; tick++) {
      folded.tick({ sessions: 9 });
      if (isClaimed(folded)) folded.outcome("cancelled");
      if (isClaimed(folded)) folded.outcome("not_run", { retryAfterS: 1 });
    }
    while (!isClaimed(folded)) folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("not_run", { status: 403 }))).toEqual(["dead"]);
  });

  it("end by what is no refusal, and by an answer of another kind", () => {
    const folded = calling();
    folded.outcome("not_run", { status: 403 });
    folded.ticks(70, { sessions: 9 });
    folded.outcome("not_run", { retryAfterS: 1 });
    folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("not_run", { status: 503 }))).toEqual([]);
    while (!isClaimed(folded)) folded.tick({ sessions: 9 });
    expect(ends(folded.outcome("not_run", { status: 403 }))).toEqual([]);
  });
});

describe("a start with another interval", () => {
  const start = (intervalMs: number, downMs: number) => {
    const folded = new Folded([
      anAlarm({ name: "a", actions: { ok: [], alarm: [notice("ops", 9000)], "insufficient data": [] } }),
    ]);
    folded.tick({ sessions: 9, members: two });
    folded.outcome("not_run", { retryAfterS: 300 });
    folded.input({ kind: "command", command: "pause", forS: 600 });
    const { cluster } = folded;
    const number = cluster.tick + Math.floor(downMs / intervalMs);
    folded.input({ kind: "start", number, at: cluster.at + downMs, intervalMs });
    const leftS = (tick: number) => Math.max(0, ((tick - cluster.tick) * intervalMs) / 1000);
    return [
      leftS(cluster.notices.get("ops")![0]!.notBefore),
      ...[...cluster.pauses.values()].map((tick) => leftS(tick!)),
    ];
  };

  it.each([
    { downMs: 0, left: [300, 600, 600] },
    { downMs: 120_000, left: [180, 480, 480] },
    { downMs: 600_000, left: [0, 0, 0] },
    { downMs: 3_600_000, left: [0, 0, 0] },
  ])("what has passed meanwhile ($downMs ms) has passed", ({ downMs, left }) => {
    expect(start(10_000, downMs)).toEqual(left);
    expect(start(5000, downMs)).toEqual(left);
    expect(start(20_000, downMs)).toEqual(left);
  });

  it("a wait that ends within a tick of the new ones is not cut short", () => {
    expect(start(7000, 0)[0]).toBe(301);
  });
});
