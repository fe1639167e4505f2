import { expect, it } from "vitest";
import { busClock } from "../../src/engine/busClock.ts";
import { Ticker } from "../../src/lib/ticker.ts";
import { FakeClock } from "../helpers/fakeClock.ts";

const INTERVAL_MS = 10_000;

function aRig(offset: number) {
  const rig = { clock: new FakeClock(), offset, lines: [] as string[], now: () => 0 };
  const say = (text: string, fields: object = {}) => void rig.lines.push(`${text} ${JSON.stringify(fields)}`);
  const log = { debug: say, info: say, warn: say, error: say };
  const bus = busClock({ clock: rig.clock, log, intervalMs: INTERVAL_MS, offsetMs: () => rig.offset });
  return { ...rig, bus, set: (ms: number) => (rig.offset = ms) };
}

it("is this machine's own while the bus's is near", () => {
  const { bus, clock, lines, set } = aRig(0);
  for (const offset of [2500, -2500, 100]) {
    set(offset);
    expect(bus.now()).toBe(clock.now());
  }
  expect(bus.degraded()).toEqual([]);
  expect(lines).toEqual([]);
});

it("is the bus's when they are too far apart, says so once, and not for some ms around the limit", () => {
  const { bus, clock, lines, set } = aRig(-20_000);
  expect(bus.now()).toBe(clock.now() - 20_000);
  expect(bus.now()).toBe(clock.now() - 20_000);
  expect(bus.degraded()).toEqual(["the clock of this machine is 20 s ahead of the bus: ticks go by the bus's time"]);
  set(2400);
  expect(bus.now()).toBe(clock.now() + 2400);
  expect(bus.degraded()).toEqual(["the clock of this machine is 2.4 s behind the bus: ticks go by the bus's time"]);
  set(1200);
  expect(bus.now()).toBe(clock.now());
  expect(lines).toEqual([
    'the clock of this machine is off: ticks go by the time of the bus {"ahead_s":20}',
    'the clock of this machine is right again {"ahead_s":-1.2}',
  ]);
});

it("labels ticks by the bus, also when that is known later", () => {
  const { bus, clock, set } = aRig(0);
  const labels: number[] = [];
  const onTick = ({ at }: { readonly at: number }) => void labels.push(at - (clock.now() - 40_000));
  const ticker = new Ticker({ clock: bus, intervalMs: INTERVAL_MS, after: undefined, onTick, onStep: () => {} });
  ticker.start();
  clock.advance(30_000);
  set(-40_000);
  clock.advance(50_000);
  ticker.stop();
  expect(labels.slice(-4)).toEqual([0, 0, 0, 0]);
});
