import { describe, expect, it } from "vitest";
import { Deadlines } from "../../src/engine/deadlines.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const INTERVAL_MS = 1000;
const DELAY_MS = 1200;

/** Ticks each second, and what is sealed when. */
class Rig {
  readonly clock = new FakeClock();
  readonly sealed: number[] = [];
  backs = 0;
  isFresh = true;
  number = 0;
  readonly deadlines = new Deadlines({
    clock: this.clock,
    delayMs: DELAY_MS,
    isFresh: () => this.isFresh,
    onBack: () => this.backs++,
    seal: (number) => this.sealed.push(number),
  });

  tick(heard = true): void {
    this.number++;
    this.deadlines.open(this.number);
    this.clock.advance(INTERVAL_MS / 2);
    if (heard) this.deadlines.heard(this.number);
    this.clock.advance(INTERVAL_MS / 2);
  }

  ticks(count: number, heard = true): void {
    for (let tick = 0; tick < count; tick++) this.tick(heard);
  }
}

describe("deadlines of ticks that come over a bus", () => {
  it("are kept while something is heard", () => {
    const rig = new Rig();
    rig.ticks(5);
    expect(rig.sealed).toEqual([1, 2, 3, 4]);
    expect(rig.deadlines.isWaiting).toBe(false);
    expect(rig.backs).toBe(0);
  });

  it("wait while nothing is heard, and what comes back is given time", () => {
    const rig = new Rig();
    rig.ticks(3);
    rig.ticks(8, false);
    expect(rig.sealed).toEqual([1, 2, 3]);
    expect(rig.deadlines.isWaiting).toBe(true);
    rig.tick();
    expect(rig.backs).toBe(1);
    expect(rig.sealed).toEqual([1, 2, 3]);
    rig.ticks(5);
    expect(rig.sealed.at(-1)).toBe(16);
    rig.ticks(3);
    expect(rig.sealed.at(-1)).toBe(19);
  });

  it("pass after long silence while the bus answers, and then each in time, until something is heard", () => {
    const rig = new Rig();
    rig.ticks(3);
    rig.ticks(14, false);
    expect(rig.sealed).toEqual([1, 2, 3]);
    rig.ticks(6, false);
    expect(rig.sealed.at(-1)).toBe(22);
    expect(rig.deadlines.isWaiting).toBe(false);
    rig.ticks(2);
    rig.ticks(4, false);
    expect(rig.deadlines.isWaiting).toBe(true);
  });

  it("wait however long it takes while we are cut off", () => {
    const rig = new Rig();
    rig.ticks(2);
    rig.isFresh = false;
    rig.ticks(300, false);
    expect(rig.sealed).toEqual([1, 2]);
    rig.isFresh = true;
    rig.ticks(10, false);
    expect(rig.sealed).toEqual([1, 2]);
    rig.tick();
    rig.ticks(6);
    expect(rig.sealed.at(-1)).toBeGreaterThan(310);
  });

  it("a partition that nothing is ever heard of is sealed in time, after the first silence", () => {
    const rig = new Rig();
    rig.ticks(30, false);
    expect(rig.sealed.at(-1)).toBe(29);
  });

  it("ended, they seal nothing", () => {
    const rig = new Rig();
    rig.tick();
    rig.deadlines.stop();
    rig.ticks(5);
    expect(rig.sealed).toEqual([]);
  });
});
