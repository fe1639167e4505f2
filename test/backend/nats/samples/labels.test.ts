import fc from "fast-check";
import { expect, it } from "vitest";
import type { AgentTick } from "../../../../src/backend/nats/samples/labels.ts";
import { Labels } from "../../../../src/backend/nats/samples/labels.ts";

const I = 10_000;
const START = 170_000_000;

/** What happens to an agent from one tick to the next. */
interface Turn {
  /** Its clock is set by so much, ms. */
  readonly stepMs: number;
  /** Ticks that it could not run. */
  readonly skipped: number;
  readonly restarts: boolean;
  /** Scraping, and waiting for the bus, before it published; and what the bus took to store it, ms. */
  readonly waitMs: number;
  readonly delayMs: number;
}

interface Told extends AgentTick {
  /** True skew, ms. */
  readonly skewMs: number;
}

/** The ticks of one agent as they come over the bus, of which the clock is the true one. */
function ticksOf(firstSkewMs: number, turns: readonly Turn[]): Told[] {
  let [run, skewMs, firesAt] = [0, firstSkewMs, START * I];
  let number = Math.round((firesAt + skewMs) / I);
  let at = number * I;
  return turns.map(({ stepMs, skipped, restarts, waitMs, delayMs }) => {
    skewMs += stepMs;
    number += 1 + skipped;
    // As the ticker does it: a small step moves the tick, a large one the label.
    at += (1 + skipped) * I;
    firesAt += (1 + skipped) * I;
    if (Math.abs(stepMs) >= I) at = Math.round((firesAt + skewMs) / I) * I;
    else firesAt = Math.max(at - skewMs, firesAt - I / 2);
    if (restarts) {
      run++;
      // Its own count begins with its clock.
      at = Math.ceil((firesAt + skewMs) / I) * I;
      number = at / I;
      firesAt = at - skewMs;
    }
    const labelAt = at - skewMs;
    const storedAt = Math.max(labelAt, firesAt) + waitMs + delayMs;
    return { run: `r${run}`, number, at, sinceMs: storedAt - delayMs - labelAt, storedAt, skewMs };
  });
}

/** Numbers of what is handed out of a source; `undefined`: left out. */
function numbersOf(told: readonly Told[]): (number | undefined)[] {
  const labels = new Labels(I);
  return told.map((tick) => {
    const labelled = labels.label(tick);
    return labelled && labels.admits("a/s", tick.run, labelled.number) ? labelled.number : undefined;
  });
}

const turn = (steps: fc.Arbitrary<number>, delays: fc.Arbitrary<number>, restarts = fc.boolean()) =>
  fc.record({
    stepMs: steps,
    skipped: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(50) }),
    restarts: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: restarts }),
    waitMs: fc.oneof(fc.nat(50), fc.nat(3_600_000)),
    delayMs: delays,
  });
const never = fc.constant(0);
const small = fc.nat(I / 4 - 1);
const anyDelay = fc.oneof(small, fc.nat(600_000));

it("every report of a source has a larger number than the one before, whatever clocks and delays do", () => {
  const steps = fc.oneof(
    never,
    fc.integer({ min: -2 * I, max: 2 * I }),
    fc.integer({ min: -3_600_000, max: 3_600_000 }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: -3_600_000, max: 3_600_000 }),
      fc.array(turn(steps, anyDelay), { minLength: 1, maxLength: 60 }),
      (skewMs, turns) => {
        const numbers = numbersOf(ticksOf(skewMs, turns)).filter((number) => number !== undefined);
        for (const [index, number] of numbers.entries())
          if (index > 0) expect(number).toBeGreaterThan(numbers[index - 1]!);
      },
    ),
    { numRuns: 500 },
  );
});

it("a clock that is off by a quarter of an interval at the most: exactly the label, nothing left out", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -I / 4, max: I / 4 }),
      fc.array(turn(never, small, fc.constant(false)), { minLength: 1, maxLength: 60 }),
      (skewMs, turns) => {
        const told = ticksOf(skewMs, turns);
        expect(numbersOf(told)).toEqual(told.map(({ at }) => at / I));
      },
    ),
    { numRuns: 500 },
  );
});

it("once a message came soon, others may take as long as they like", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -I / 4, max: I / 4 }),
      fc.array(turn(never, anyDelay, fc.constant(false)), { minLength: 1, maxLength: 11 }),
      (skewMs, turns) => {
        const soon: Turn = { stepMs: 0, skipped: 0, restarts: false, waitMs: 0, delayMs: 1 };
        const told = ticksOf(Math.max(skewMs, 1 - I / 4), [soon, ...turns]);
        expect(numbersOf(told)).toEqual(told.map(({ at }) => at / I));
      },
    ),
    { numRuns: 500 },
  );
});

it("a clock that is off by whatever it likes: nothing left out, within a tick of the truth", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -86_400_000, max: 86_400_000 }),
      fc.array(turn(never, fc.nat(50), fc.constant(false)), { minLength: 1, maxLength: 60 }),
      (skewMs, turns) => {
        const told = ticksOf(skewMs, turns);
        const numbers = numbersOf(told);
        for (const [index, { at }] of told.entries()) {
          expect(Math.abs(numbers[index]! - (at - skewMs) / I)).toBeLessThanOrEqual(0.76);
        }
      },
    ),
    { numRuns: 500 },
  );
});

it("the skew that is told is the true one, less the least delay of late", () => {
  const labels = new Labels(I);
  const tick = (index: number, delayMs: number): AgentTick => ({
    run: "r",
    number: START + index,
    at: (START + index) * I,
    sinceMs: 100,
    storedAt: (START + index) * I - 7000 + 100 + delayMs,
  });
  expect([900, 3, 400, 0, 50].map((delayMs, index) => labels.label(tick(index, delayMs))?.skewMs)).toEqual([
    6100, 6997, 6997, 7000, 7000,
  ]);
});

it("a tick's reports may come in several messages, and late ones keep their place", () => {
  const labels = new Labels(I);
  const label = (index: number, skewMs = 0) =>
    labels.label({
      run: "r",
      number: START + index,
      at: (START + index) * I + skewMs,
      sinceMs: 5,
      storedAt: (START + index) * I + 5,
    })?.number;
  expect([0, 0, 1, 3, 2, 3, 1].map((index) => label(index))).toEqual(
    [0, 0, 1, 3, 2, 3, 1].map((index) => START + index),
  );
});

it("two runs that tell of one source at once: each number is told once", () => {
  const labels = new Labels(I);
  expect(labels.admits("a/s", "old", 5)).toBe(true);
  expect(labels.admits("a/s", "new", 5)).toBe(false);
  expect(labels.admits("a/s", "new", 6)).toBe(true);
  expect(labels.admits("a/s", "old", 6)).toBe(false);
  expect(labels.admits("a/t", "old", 6)).toBe(true);
  // A late one of the same run: the sealing knows what to do with it.
  expect(labels.admits("a/s", "new", 5)).toBe(true);
});
