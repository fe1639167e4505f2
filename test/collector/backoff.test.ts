import { describe, expect, it } from "vitest";
import type { Backoff } from "../../src/collector/backoff.ts";
import { afterAsking, askEvery, isCostly, isDue, NO_BACKOFF } from "../../src/collector/backoff.ts";
import { parseDump } from "../../src/collector/dump.ts";
import { Source } from "../../src/collector/source.ts";
import type { Answer, Failure, Transport } from "../../src/collector/transport.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const ANSWER = parseDump("Version: 2.6.12\nPid: 7\nUptime_sec: 60\n\n# pxname,svname,type,\n\n");

/** Numbers of the ticks at which a source is asked that always fails so. */
function askedAt(costly: boolean, intervalMs: number, ticks: number): readonly number[] {
  const asked: number[] = [];
  let backoff: Backoff = NO_BACKOFF;
  for (let number = 1; number <= ticks; number++) {
    if (!isDue(backoff, number, intervalMs)) continue;
    asked.push(number);
    backoff = afterAsking(backoff, number, costly);
  }
  return asked;
}

describe("how often a failing source is asked", () => {
  it.each([
    {
      what: "every second, then every fourth, every eighth tick…",
      intervalMs: 1000,
      ticks: 40,
      asked: [1, 2, 3, 5, 9, 17, 33],
    },
    { what: "at least once a minute", intervalMs: 10_000, ticks: 30, asked: [1, 2, 3, 5, 9, 15, 21, 27] },
    { what: "at every tick of more than half a minute", intervalMs: 40_000, ticks: 6, asked: [1, 2, 3, 4, 5, 6] },
  ])("$what", ({ intervalMs, ticks, asked }) => {
    expect(askedAt(true, intervalMs, ticks)).toEqual(asked);
  });

  it("what costs nothing is asked at every tick", () => {
    expect(askedAt(false, 1000, 50)).toHaveLength(50);
  });

  it.each([
    [true, "absent", false],
    [true, "refused", false],
    [true, "truncated", false],
    [true, "timeout", true],
    [false, "refused", true],
    [false, "timeout", true],
    [false, "unauthorized", true],
  ])("on this machine: %s, %s: costs %s", (isLocal, code, costs) => {
    expect(isCostly(isLocal, code)).toBe(costs);
  });

  it("is asked at once when ticks are counted anew, and never less than once a minute", () => {
    expect(isDue({ failures: 9, askedAt: 1000 }, 5, 1000)).toBe(true);
    for (const failures of [3, 10, 100, 1e6]) expect(askEvery(failures, 10_000)).toBeLessThanOrEqual(6);
  });
});

describe("a source that is left alone", () => {
  const failed: Failure = { ok: false, code: "timeout", reason: "no byte of an answer within 500 ms" };

  function over(answers: readonly Answer[]) {
    let asked = 0;
    const transport: Transport = {
      address: "nowhere",
      isLocal: true,
      ask: () => Promise.resolve(answers[Math.min(asked++, answers.length - 1)]!),
    };
    const source = new Source({
      name: "s",
      transport,
      intervalMs: 1000,
      timeoutMs: 500,
      clock: new FakeClock(),
      clustersOf: () => ({ frontend: undefined, backend: undefined }),
      baselines: new Map(),
    });
    const scrape = async (number: number) => {
      const { report, isRepeated } = await source.scrape({ number, at: number });
      return { asked, isRepeated, outcome: report.outcome };
    };
    return { scrape };
  }

  it("reports its last error at every tick, without being asked", async () => {
    const { scrape } = over([failed]);
    const seen = [];
    for (let number = 1; number <= 9; number++) seen.push(await scrape(number));
    expect(seen.map(({ asked }) => asked)).toEqual([1, 2, 3, 3, 4, 4, 4, 4, 5]);
    expect(seen.map(({ isRepeated }) => isRepeated)).toEqual([
      false,
      false,
      false,
      true,
      false,
      true,
      true,
      true,
      false,
    ]);
    for (const { outcome } of seen) expect(outcome).toEqual(failed);
  });

  it("is asked at every tick again after one answer", async () => {
    const { scrape } = over([failed, failed, failed, ANSWER as Answer, failed]);
    for (let number = 1; number <= 4; number++) await scrape(number);
    expect((await scrape(5)).outcome.ok).toBe(true);
    const seen = [];
    for (let number = 6; number <= 9; number++) seen.push((await scrape(number)).asked);
    expect(seen).toEqual([5, 6, 7, 7]);
  });
});
