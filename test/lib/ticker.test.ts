import { describe, expect, it } from "vitest";
import { Ticker } from "../../src/lib/ticker.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const INTERVAL = 10_000;

function start(clock: FakeClock, after = -Infinity) {
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

  it("numbers go on above those of an earlier run, also when the clock was set back", () => {
    const { ticker } = start(new FakeClock(1_000_003_456), 100_500);
    expect(ticker.first).toBe(100_501);
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
