/** What a query may cost, however wide its range and long its windows. */
import { describe, expect, it } from "vitest";
import type { MetricQuery } from "../../src/model/metricQuery.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { answerQuery } from "../../src/query/answer.ts";
import { RATE, SESSIONS } from "../helpers/rules.ts";
import { ArrayReader } from "./reader.ts";

const FIRST = 360_000;
const DAY_S = 86_400;

/** `count` ticks, one in so many ms. */
function ticksOf(count: number, intervalMs = 10_000, first = FIRST): SealedTick[] {
  return Array.from({ length: count }, (_, index) => index + 1).map((n) => ({
    kind: "tick",
    number: first + n,
    at: FIRST * 10_000 + n * intervalMs,
    values: { [SESSIONS]: n, [RATE]: 1 },
    sources: [{ name: "lb1", coveredS: intervalMs / 1000 }],
    members: [],
  }));
}

/** Counts what it is asked. */
class CountingReader extends ArrayReader {
  calls = 0;

  override ticks(...asked: Parameters<ArrayReader["ticks"]>) {
    this.calls++;
    return super.ticks(...asked);
  }
}

const options = { intervalMs: 10_000, names: new Map([["web", "web"]]) };
const ask = (reader: ArrayReader, query: Partial<MetricQuery>, more: object = {}) =>
  answerQuery({ meterName: SESSIONS, cluster: "web", from: 0, to: 1, ...query }, reader, { ...options, ...more });

describe("a range far wider than what is kept", () => {
  const [from, to] = [FIRST * 10_000, FIRST * 10_000 + 600_000];
  it.each([
    { name: "from 1970 on", from: 0, to },
    { name: "up to the year 5138", from, to: 99_999_999_999_000 },
    { name: "from before the world began", from: -1e23, to },
    { name: "all time", from: -1e23, to: 1e23 },
  ])("$name: says the same, in a few reads", async ({ from: wideFrom, to: wideTo }) => {
    const reader = new CountingReader({ ticks: { web: ticksOf(30) } });
    const [narrow, wide] = [await ask(reader, { from, to }), await ask(reader, { from: wideFrom, to: wideTo })];
    expect(narrow.series[0]?.points).toHaveLength(30);
    expect(wide.series[0]?.points).toEqual(narrow.series[0]?.points);
    expect(reader.calls).toBeLessThan(200);
  });

  it("what lies beyond an empty stretch of years is found, from its first tick on", async () => {
    const late = ticksOf(30, 10_000, FIRST + 1000).map((tick) => ({ ...tick, at: tick.at + 3_000_000_000_000 }));
    const reader = new CountingReader({ ticks: { web: [...ticksOf(5000), ...late] } });
    const { series } = await ask(reader, { from: 0, to: 1e13 });
    expect(series[0]?.points).toHaveLength(5030);
    expect(reader.calls).toBeLessThan(300);
  });

  it("long windows over it", async () => {
    const reader = new CountingReader({ ticks: { web: ticksOf(30) } });
    const query = { from: -62_135_596_800_000, to: 253_402_300_799_000, periodS: 30 * DAY_S };
    await expect(ask(reader, { ...query, periodS: 3600, statistic: "max" })).rejects.toMatchObject({ code: "E410" });
    const { series } = await ask(reader, { ...query, from: 0, to: 800 * 30 * DAY_S * 1000, statistic: "p95" });
    expect(series[0]?.points.filter(({ value }) => value !== null)).toHaveLength(1);
    expect(reader.calls).toBeLessThan(300);
  });
});

describe("windows of very many ticks", () => {
  const query = { from: 0, to: 366 * DAY_S * 1000 * 2, periodS: 366 * DAY_S } as const;
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`c${n}`, ticksOf(20)]));

  it("are refused, with what would be less, where single ticks alone could tell", async () => {
    const reader = new ArrayReader({ ticks: { web: ticksOf(20) } });
    await expect(ask(reader, { ...query, statistic: "p95" })).rejects.toMatchObject({
      code: "E410",
      message: expect.stringMatching(/shorten the period/),
    });
    // Each by itself would do, all together do not.
    const all = { ...query, cluster: undefined, periodS: 10 * DAY_S, to: 50 * DAY_S * 1000, statistic: "p95" };
    const named = answerQuery(
      { meterName: SESSIONS, from: all.from, to: all.to, periodS: all.periodS, statistic: "p95" },
      new ArrayReader({ ticks: many }),
      options,
    );
    await expect(named).rejects.toMatchObject({ code: "E410", message: expect.stringMatching(/fewer series/) });
    await expect(ask(reader, { ...all, cluster: "web", statistic: "p95" })).resolves.toBeDefined();
  });

  it("come from rollups where these can tell", async () => {
    const reader = new ArrayReader({ ticks: { web: ticksOf(20) } });
    const { resolution, series } = await ask(reader, { ...query, statistic: "max" });
    expect(resolution).toBe("rollup");
    expect(series[0]?.points.map(({ value }) => value)).toEqual([20, null]);
  });

  it("end when their time is over", async () => {
    let now = 0;
    const monotonic = () => (now += 400);
    const reader = new ArrayReader({ ticks: { web: ticksOf(600) } });
    const windows = { from: FIRST * 10_000, to: FIRST * 10_000 + 6_000_000, periodS: 60, statistic: "p95" } as const;
    await expect(ask(reader, windows, { monotonic })).rejects.toMatchObject({
      code: "E410",
      message: expect.stringContaining("10 s"),
    });
  });
});

describe("ticks that were recorded at another interval", () => {
  const start = FIRST * 10_000;

  it("windows are of as many of them as they were then", async () => {
    const reader = new ArrayReader({ ticks: { web: ticksOf(120, 5000) } });
    const { series, periodS } = await ask(reader, {
      from: start,
      to: start + 600_000,
      periodS: 60,
      statistic: "count",
    });
    expect(periodS).toBe(60);
    expect(series[0]?.points.map(({ value, complete }) => [value, complete])).toEqual(
      Array.from({ length: 10 }, () => [12, true]),
    );
  });

  it("half of them missing is not complete", async () => {
    const ticks = ticksOf(120, 5000).filter(({ number }) => number % 12 < 6);
    const { series } = await ask(new ArrayReader({ ticks: { web: ticks } }), {
      from: start,
      to: start + 600_000,
      periodS: 60,
      statistic: "max",
    });
    expect(series[0]?.points.every(({ complete }) => !complete)).toBe(true);
  });

  it("a range over the change of the interval has both, and but the window between them is not complete", async () => {
    const [old, now] = [ticksOf(66, 5000), ticksOf(60, 10_000)];
    const changed = [...old, ...now.map((tick) => ({ ...tick, number: tick.number + 66, at: tick.at + 330_000 }))];
    const reader = new ArrayReader({ ticks: { web: changed } });
    const { series } = await ask(reader, { from: start, to: start + 900_000, periodS: 60, statistic: "count" });
    const points = series[0]?.points.map(({ value, complete }) => [value, complete]) ?? [];
    expect(points.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => [12, true]));
    expect(points[5]?.[1]).toBe(false);
    expect(points.slice(6)).toEqual(Array.from({ length: 9 }, () => [6, true]));
  });
});
