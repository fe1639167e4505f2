import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counterText, increaseInProcess } from "../../src/collector/counters.ts";
import { wasCarried } from "../../src/collector/increases.ts";
import { elapsed, sinceOf } from "../../src/collector/process.ts";
import type { ProcessIdentity } from "../../src/model/tick.ts";
import { rowWith } from "../helpers/baselines.ts";

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
  ])("$name", ({ before, after, carried }) => expect(wasCarried(rowWith(before), 0, rowWith(after), 0)).toBe(carried));
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

describe("what passed since the scrape before", () => {
  const old = { pid: 100, uptimeS: 1000, startTimeS: undefined, version: "2.0.0" };
  const page: ProcessIdentity = { pid: undefined, uptimeS: undefined, startTimeS: undefined, version: "" };
  const timed = (uptimeS: number): ProcessIdentity => ({ ...page, startTimeS: 7000, uptimeS });
  const HOUR = 3_600_000;
  it.each([
    { name: "by our own clock", ours: true, uptimeS: 1010, ranMs: 10_000, wallMs: 10_000, same: true, seconds: 10 },
    {
      name: "the wall clock set meanwhile",
      ours: true,
      uptimeS: 1010,
      ranMs: 10_400,
      wallMs: -HOUR,
      same: true,
      seconds: 10.4,
    },
    { name: "whole seconds, rounded up", ours: true, uptimeS: 1011, ranMs: 9_500, wallMs: 0, same: true, seconds: 9.5 },
    {
      name: "after a restart of ours",
      ours: false,
      uptimeS: 1030,
      ranMs: 0,
      wallMs: 29_600,
      same: true,
      seconds: 29.6,
    },
    {
      name: "after one, the clock set back",
      ours: false,
      uptimeS: 1030,
      ranMs: 0,
      wallMs: -HOUR,
      same: true,
      gap: true,
    },
    {
      name: "after one, the clock set forward",
      ours: false,
      uptimeS: 1030,
      ranMs: 0,
      wallMs: HOUR,
      same: true,
      gap: true,
    },
    { name: "too soon", ours: true, uptimeS: 1001, ranMs: 1_900, wallMs: 1_900 },
    { name: "too soon after a restart", ours: false, uptimeS: 1001, ranMs: 0, wallMs: 1_900 },
    { name: "a gap", ours: true, uptimeS: 1500, ranMs: 500_000, wallMs: 500_000, same: true, seconds: 500, gap: true },
    {
      name: "another process",
      ours: true,
      pid: 107,
      uptimeS: 4,
      ranMs: 10_000,
      wallMs: 10_000,
      same: false,
      seconds: 10,
    },
    {
      name: "another, that ran already",
      ours: true,
      pid: 90,
      uptimeS: 400,
      ranMs: 10_000,
      wallMs: 10_000,
      same: false,
      seconds: 10,
      older: true,
    },
  ])("$name", ({ ours, pid = 100, uptimeS, ranMs, wallMs, same, seconds, gap = false, older }) => {
    const baseline = { process: old, at: 1_000_000_000, open: false, rows: "" };
    const asked = {
      process: { ...old, pid, uptimeS },
      preciseUptime: false,
      sentMs: 5_000 + ranMs,
      wallAt: baseline.at + wallMs,
    };
    const since = sinceOf({ baseline, monotonicMs: ours ? 5_000 : undefined }, asked, 10_000);
    expect([since.elapsed?.same, since.gap, since.elapsed?.older]).toEqual([same, gap, older]);
    if (seconds !== undefined) expect(since.elapsed?.seconds).toBe(seconds);
  });

  it.each<[string, ProcessIdentity, ProcessIdentity, number, boolean]>([
    ["a page", page, page, 10_000, true],
    ["a page, and the wall was set", page, page, 60_000, true],
    ["only a start", { ...page, startTimeS: 7000 }, { ...page, startTimeS: 7000 }, 60_000, true],
    ["a start and an uptime", timed(60), timed(70), 10_000, false],
    ["a start and an uptime, and the wall was set", timed(60), timed(70), 60_000, true],
  ])("over a restart of ours the wall alone makes no rate: %s", (_what, before, now, wallMs, gap) => {
    const baseline = { process: before, at: 1_000_000, open: false, rows: "" };
    const asked = { process: now, preciseUptime: false, sentMs: 5, wallAt: baseline.at + wallMs };
    expect(sinceOf({ baseline, monotonicMs: undefined }, asked, 10_000).gap).toBe(gap);
  });

  it("a page says nothing of its process; one that says when it began does", () => {
    const asked = { process: page, preciseUptime: false, sentMs: 15_000, wallAt: 0 };
    const sinceThen = (process: ProcessIdentity, now: ProcessIdentity) =>
      sinceOf(
        { baseline: { process, at: 0, open: false, rows: "" }, monotonicMs: 5_000 },
        { ...asked, process: now },
        10_000,
      ).elapsed;
    const began = (startTimeS: number) => ({ ...page, startTimeS });
    expect(sinceThen(page, page)).toEqual({ same: undefined, seconds: 10 });
    expect(sinceThen(began(7000), began(7000))).toEqual({ same: true, seconds: 10 });
    expect(sinceThen(began(7000), began(7020))).toEqual({ same: false, seconds: 10 });
    expect(sinceThen(old, page)).toEqual({ same: undefined, seconds: 10 });
  });
});
