import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counterText, increaseInProcess, wasCarried } from "../../src/collector/counters.ts";
import { elapsed } from "../../src/collector/process.ts";

const WRAP = 2n ** 64n;

describe("increaseInProcess", () => {
  it("is what was added, over 2^53 and over 2^64", () => {
    const added = fc.property(
      fc.bigInt({ min: 0n, max: WRAP - 1n }),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (before, more) => {
        const after = (before + BigInt(more)) % WRAP;
        expect(increaseInProcess(String(before), String(after))).toBe(more);
      },
    );
    fc.assert(added, { numRuns: 2000 });
  });

  it("after a clear it is what came since", () => {
    const cleared = fc.property(fc.bigInt({ min: 1n, max: 2n ** 62n }), fc.nat(), (before, since) => {
      fc.pre(BigInt(since) < before);
      expect(increaseInProcess(String(before), String(since))).toBe(since);
    });
    fc.assert(cleared);
  });

  it("HAProxy's own wrap: …550000 → 1359", () => {
    expect(increaseInProcess("18446744073709550000", "1359")).toBe(2975);
  });
});

it.each([
  ["12", "12"],
  ["18446744073709551615", "18446744073709551615"],
  ["18446744073709551616", undefined],
  ["-5", undefined],
  ["NaN", undefined],
  ["", undefined],
])("counterText %s", (text, counter) => expect(counterText(text)).toBe(counter));

describe("wasCarried: a new process of 3.x that goes on with the old one's counters", () => {
  it.each([
    { name: "all grew", before: { stot: "5", bin: "100" }, after: { stot: "6", bin: "200" }, carried: true },
    { name: "one fell", before: { stot: "5", bin: "100" }, after: { stot: "6", bin: "20" }, carried: false },
    { name: "no traffic to tell by", before: { stot: "0", bin: "0" }, after: { stot: "6", bin: "20" }, carried: false },
  ])("$name", ({ before, after, carried }) => expect(wasCarried(before, after)).toBe(carried));
});

describe("process identity never asks the wall clock", () => {
  const process = { pid: 100, uptimeS: 1000, startTimeS: 5000, version: "2.6.12" };
  it.each([
    { name: "uptime went on as our time did", after: { uptimeS: 1010 }, ownS: 10, same: true },
    { name: "another pid", after: { pid: 101, uptimeS: 1010 }, ownS: 10, same: false },
    { name: "a smaller uptime", after: { uptimeS: 3 }, ownS: 10, same: false },
    { name: "another start time", after: { uptimeS: 1010, startTimeS: 5001 }, ownS: 10, same: false },
    {
      name: "no start time, uptime within 10 %",
      after: { uptimeS: 1101, startTimeS: undefined },
      ownS: 100,
      same: true,
    },
    { name: "no start time, uptime far off", after: { uptimeS: 1200, startTimeS: undefined }, ownS: 100, same: false },
  ])("$name", ({ after, ownS, same }) => {
    expect(elapsed(process, { ...process, ...after }, true, ownS).same).toBe(same);
  });

  it("HAProxy's uptime measures the time where it has a fraction, ours where it has none", () => {
    const after = { ...process, uptimeS: 1010.25 };
    expect(elapsed(process, after, true, 10).seconds).toBe(10.25);
    expect(elapsed(process, after, false, 10).seconds).toBe(10);
  });
});
