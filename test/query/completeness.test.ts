/** What is told as complete was seen whole: of points and of windows, from ticks and from rollups. */
import { describe, expect, it } from "vitest";
import type { SealedTick, SourceAtTick } from "../../src/model/tick.ts";
import { answerQuery } from "../../src/query/answer.ts";
import { BYTES, RATE, SESSIONS } from "../helpers/rules.ts";
import type { KeptRow } from "./reader.ts";
import { ArrayReader } from "./reader.ts";

const UP = "tocsin.source.up";
const T = 10_000;
const FIRST = 360_000;
const at = (n: number) => (FIRST + n) * T;
const options = { intervalMs: T, names: new Map([["web", "web"]]) };

/** `count` ticks of a pair of sources; of the second one there may be something else. */
function pair(count: number, second: (n: number) => Partial<SourceAtTick>): SealedTick[] {
  return Array.from({ length: count }, (_, index) => index + 1).map((n) => ({
    kind: "tick",
    number: FIRST + n,
    at: at(n),
    values: { [SESSIONS]: n, [BYTES]: 100 * n, [RATE]: 10, [UP]: 2 },
    sources: [
      { name: "lb1", coveredS: 10 },
      { name: "lb2", coveredS: 10, ...second(n) },
    ],
    members: [],
  }));
}

async function completeOf(reader: ArrayReader, meterName: string, to: number, resource?: string) {
  const query = { meterName, cluster: "web", from: at(0), to, ...(resource === undefined ? {} : { resource }) };
  const answer = await answerQuery(query, reader, options);
  return answer.series[0]?.points.map(({ complete }) => complete);
}

describe("points as they were recorded", () => {
  it("a rate is not complete where a source covered nothing of its tick; what is counted apart from time is", async () => {
    const ticks = pair(4, (n) => (n === 2 ? { coveredS: 0, reload: true } : n === 4 ? { coveredS: 0, gap: true } : {}));
    const reader = new ArrayReader({ ticks: { web: ticks } });
    expect(await completeOf(reader, RATE, at(4))).toEqual([true, false, true, false]);
    expect(await completeOf(reader, SESSIONS, at(4))).toEqual([true, true, true, true]);
    expect(await completeOf(reader, BYTES, at(4))).toEqual([true, true, true, true]);
  });

  it("nothing is where a source failed", async () => {
    const ticks = pair(3, (n) => (n === 2 ? { coveredS: 0, error: "timeout" } : {}));
    const reader = new ArrayReader({ ticks: { web: ticks } });
    for (const meter of [RATE, SESSIONS, BYTES]) {
      expect(await completeOf(reader, meter, at(3)), meter).toEqual([true, false, true]);
    }
  });

  it("a row is not complete where a source that has it says nothing of it, or covered nothing", async () => {
    const said = (source: string, n: number, coveredS = 10): KeptRow => ({
      clusterId: "web",
      source,
      tick: { number: FIRST + n, at: at(n) },
      coveredS,
      row: { resource: "fe/FRONTEND", kind: "frontend", increases: { [BYTES]: 5 }, sums: { [SESSIONS]: 2 }, means: {} },
    });
    const rows = [1, 2, 3, 4, 5, 6].map((n) => said("lb1", n));
    // The second one comes at the third tick, is missing at the fourth, and goes after the fifth.
    const reader = new ArrayReader({
      ticks: { web: pair(6, () => ({})) },
      rows: [...rows, said("lb2", 3, 0), said("lb2", 5)],
    });
    expect(await completeOf(reader, SESSIONS, at(5), "fe/FRONTEND")).toEqual([true, true, true, false, true]);
    expect(await completeOf(reader, RATE, at(5), "fe/FRONTEND")).toEqual([true, true, false, false, true]);
    // Nobody knows yet whether it will come back.
    expect((await completeOf(reader, SESSIONS, at(6), "fe/FRONTEND"))?.at(-1)).toBe(false);
  });
});

describe("windows from rollups", () => {
  const hour = { cluster: "web", from: at(0), to: at(720), periodS: 3600 } as const;
  const rolled = (ticks: readonly SealedTick[], intervalMs = T) =>
    new ArrayReader({ ticks: { web: ticks }, intervalMs, rolledUpTo: Infinity, deletedUpTo: Infinity });
  async function windows(reader: ArrayReader, meterName: string, statistic: "max" | "rate" | "increase") {
    const answer = await answerQuery({ ...hour, meterName, statistic }, reader, options);
    expect(answer.resolution).toBe("rollup");
    return answer.series[0]?.points.map(({ complete }) => complete);
  }

  it("are not complete where a source failed for some blocks of them", async () => {
    const reader = rolled(pair(720, (n) => (n > 400 && n <= 490 ? { coveredS: 0, error: "timeout" } : {})));
    expect(await windows(reader, SESSIONS, "max")).toEqual([true, false]);
    expect(await windows(reader, BYTES, "rate")).toEqual([true, false]);
    expect(await windows(reader, BYTES, "increase")).toEqual([true, false]);
    expect(await windows(reader, UP, "max")).toEqual([true, true]);
  });

  it("nor where a source was reloaded, of rates alone", async () => {
    const reader = rolled(pair(720, (n) => (n === 500 ? { coveredS: 0, reload: true } : {})));
    expect(await windows(reader, SESSIONS, "max")).toEqual([true, true]);
    expect(await windows(reader, RATE, "max")).toEqual([true, false]);
    expect(await windows(reader, BYTES, "rate")).toEqual([true, false]);
  });

  it("nor where one came later, or half of the ticks that there were at that time are missing", async () => {
    const later = pair(720, () => ({})).map((tick) =>
      tick.number > FIRST + 540 ? tick : { ...tick, sources: tick.sources.slice(0, 1) },
    );
    expect(await windows(rolled(later), SESSIONS, "max")).toEqual([true, false]);
    const often = pair(1440, () => ({ coveredS: 5 })).map((tick) => ({
      ...tick,
      at: at(0) + (tick.number - FIRST) * 5000,
    }));
    expect(await windows(rolled(often, 5000), SESSIONS, "max")).toEqual([true, true]);
    const half = often.filter(({ number }) => number % 120 < 60);
    expect(await windows(rolled(half, 5000), SESSIONS, "max")).toEqual([false, false]);
  });
});
