import { describe, expect, it } from "vitest";
import { Ticker } from "../../src/lib/ticker.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const INTERVAL = 10_000;

function start(clock: FakeClock, after?: { number: number; at: number }) {
  const ticks: { number: number; at: number; wall: number }[] = [];
  const steps: number[] = [];
  const ticker = new Ticker({
    clock,
    intervalMs: INTERVAL,
    after,
    onTick: (tick) => ticks.push({ ...tick, wall: clock.now() }),
    onStep: (byMs) => steps.push(byMs),
  });
  ticker.start();
  return { ticks, steps, ticker };
}

describe("T1: ticks", () => {
  it("fall on the wall clock's multiples of the interval, each with the next number", () => {
    const clock = new FakeClock(1_000_003_456);
    const { ticks } = start(clock);
    clock.advance(35_000);
    expect(ticks.map(({ at }) => at)).toEqual([1_000_010_000, 1_000_020_000, 1_000_030_000]);
    expect(ticks.map(({ wall }) => wall)).toEqual(ticks.map(({ at }) => at));
    expect(ticks.map(({ number }) => number)).toEqual([100_001, 100_002, 100_003]);
  });

  it.each([
    { name: "after a restart of a minute", last: { number: 500, at: 1_000_003_456 - 60_000 }, first: 507 },
    { name: "after a quick restart", last: { number: 500, at: 1_000_000_000 }, first: 501 },
    {
      name: "after a change of the interval",
      last: { number: 5_000_000, at: 1_000_000_000 - 3_600_000 },
      first: 5_000_361,
    },
    { name: "when the clock was set back meanwhile, far ahead", last: { number: 500, at: 1_000_600_000 }, first: 9140 },
  ])("numbers go on above those of an earlier run, as time did: $name", ({ last, first }) => {
    expect(start(new FakeClock(1_000_003_456), last).ticker.first).toBe(first);
  });

  it.each([
    { name: "an hour forward", byMs: 3_600_000 },
    { name: "an hour back", byMs: -3_600_000 },
  ])("a wall clock that steps $name re-anchors labels; numbers go on", ({ byMs }) => {
    const clock = new FakeClock(1_000_000_000);
    const { ticks, steps } = start(clock);
    clock.advance(20_000);
    clock.stepWall(byMs);
    clock.advance(20_000);
    expect(steps).toEqual([byMs]);
    expect(ticks.map(({ number }) => number)).toEqual([100_001, 100_002, 100_003, 100_004]);
    expect(ticks.at(-1)?.at).toBe(1_000_040_000 + byMs);
  });

  it("a slow drift moves ticks, not labels", () => {
    const clock = new FakeClock(1_000_000_000);
    const { ticks, steps } = start(clock);
    clock.advance(10_000);
    clock.stepWall(300);
    clock.advance(30_000);
    expect(steps).toEqual([]);
    expect(ticks.map(({ at }) => at)).toEqual([1_000_010_000, 1_000_020_000, 1_000_030_000, 1_000_040_000]);
    expect(ticks.at(-1)?.wall).toBe(1_000_040_000);
  });

  it("stops", () => {
    const clock = new FakeClock();
    const { ticks, ticker } = start(clock);
    ticker.stop();
    clock.advance(60_000);
    expect(ticks).toEqual([]);
  });
});
