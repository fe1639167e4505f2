import fc from "fast-check";
import { expect, it } from "vitest";
import { BusTime } from "../../../../src/backend/nats/coordination/busTime.ts";

it("knows nothing before something came back", () => {
  expect(new BusTime().offsetMs(1_000_000, 5)).toBe(0);
});

it("says no more than is certain, whatever the way there and back took", () => {
  const trip = fc.record({ there: fc.integer({ min: 0, max: 500 }), back: fc.integer({ min: 0, max: 500 }) });
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), fc.array(trip, { minLength: 1 }), (offset, trips) => {
      const time = new BusTime();
      let ms = 0;
      for (const { there, back } of trips) {
        ms += 1000;
        time.heard({ sentMs: ms, heardMs: ms + there + back, storedAt: 1_000_000 + offset + ms + there });
      }
      const said = time.offsetMs(1_000_000 + ms, ms);
      const least = Math.min(...trips.slice(-12).map(({ there, back }) => there + back));
      expect(Math.abs(said)).toBeLessThanOrEqual(Math.abs(offset));
      expect(Math.abs(said - offset)).toBeLessThanOrEqual(least);
    }),
  );
});

it("follows its own machine's clock at once when that is set, and the bus's when that is", () => {
  const time = new BusTime();
  time.heard({ sentMs: 10, heardMs: 12, storedAt: 1_000_011 });
  expect(time.offsetMs(1_000_020, 20)).toBe(0);
  expect(time.offsetMs(1_040_020, 20)).toBe(-39_999);
  time.heard({ sentMs: 1010, heardMs: 1030, storedAt: 1_021_020 });
  expect(time.offsetMs(1_001_040, 1040)).toBe(19_990);
});

it("leaves out what no clock can say", () => {
  const time = new BusTime();
  time.heard({ sentMs: 10, heardMs: 12, storedAt: Number.NaN });
  time.heard({ sentMs: 10, heardMs: 9, storedAt: 5 });
  expect(time.offsetMs(1_000_020, 20)).toBe(0);
});
