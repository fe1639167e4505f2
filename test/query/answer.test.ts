import { describe, expect, it } from "vitest";
import type { MetricQuery } from "../../src/model/metricQuery.ts";
import type { SealedTick } from "../../src/model/tick.ts";
import { answerQuery } from "../../src/query/answer.ts";
import { BYTES, RATE, SESSIONS } from "../helpers/rules.ts";
import type { KeptRow } from "./reader.ts";
import { ArrayReader } from "./reader.ts";

const T = 10_000;
/** Tick 360,000 is labelled 3,600,000 s: a multiple of every period here. */
const FIRST = 360_000;
const at = (n: number) => (FIRST + n) * T;

interface Odd {
  readonly number?: number;
  readonly label?: number;
  readonly error?: boolean;
  readonly coveredS?: number;
}

/** Ticks 1 … `count` after FIRST: the n-th has n sessions, and 100 n bytes so far, unless it fails. */
function ticks(count: number, odd: Readonly<Record<number, Odd | null>> = {}): SealedTick[] {
  return Array.from({ length: count }, (_, index) => index + 1).flatMap((n) => {
    const own = odd[n];
    if (own === null) return [];
    const { number = FIRST + n, label = at(n), error = false, coveredS = 10 } = own ?? {};
    const sources = [{ name: "lb1", coveredS: error ? 0 : coveredS, ...(error ? { error: "gone" } : {}) }];
    const rate = coveredS > 0 ? { [RATE]: 100 / coveredS } : {};
    const values = error ? { [BYTES]: 100 * (n - 1) } : { [SESSIONS]: n, [BYTES]: 100 * n, ...rate };
    return [{ kind: "tick", number, at: label, values, sources, members: [] }];
  });
}

const options = { intervalMs: T, names: new Map([["id-web", "web"]]) };
const reading = (own: SealedTick[], more: Record<string, SealedTick[]> = {}) =>
  new ArrayReader({ ticks: { "id-web": own, ...more } });
const ask = (reader: ArrayReader, query: Partial<MetricQuery>) =>
  answerQuery({ meterName: SESSIONS, cluster: "web", from: at(0), to: at(30), ...query }, reader, options);
async function values(reader: ArrayReader, query: Partial<MetricQuery>) {
  const { series } = await ask(reader, query);
  return series[0]?.points.map((point) => [point.at / T - FIRST, point.value, point.complete]) ?? [];
}

describe("windows", () => {
  it("end at multiples of the period in (from, to], and are half-open", async () => {
    const reader = reading(ticks(30));
    const query = { periodS: 60, statistic: "max" } as const;
    expect(await values(reader, { ...query, from: at(0), to: at(18) })).toEqual([
      [6, 6, true],
      [12, 12, true],
      [18, 18, true],
    ]);
    // What begins before `from` belongs to a window that ends after it.
    expect(await values(reader, { ...query, from: at(1), to: at(11) + 9999 })).toEqual([[6, 6, true]]);
    expect(await values(reader, { ...query, from: at(6), to: at(12), statistic: "first" })).toEqual([[12, 7, true]]);
    expect(await values(reader, { ...query, from: at(6), to: at(11) })).toEqual([]);
  });

  it("a period is rounded up to whole ticks, and said as it was used", async () => {
    const answer = await ask(reading(ticks(30)), { periodS: 55, statistic: "count" });
    expect(answer).toMatchObject({ periodS: 60, unit: "sample", statistic: "count", resolution: "raw" });
    expect(answer.series[0]?.points.map(({ value }) => value)).toEqual([6, 6, 6, 6, 6]);
  });

  it("one that holds nothing has no value; one that was seen in part is not complete", async () => {
    const nothing = Object.fromEntries([7, 8, 9, 10, 11, 12].map((n) => [n, null]));
    const reader = reading(ticks(30, { ...nothing, 14: null, 20: { error: true } }));
    expect(await values(reader, { periodS: 60, statistic: "count" })).toEqual([
      [6, 6, true],
      [12, null, false],
      [18, 5, false],
      [24, 5, false],
      [30, 6, true],
    ]);
  });

  it("what has not come yet is missing", async () => {
    expect(await values(reading(ticks(8)), { periodS: 60, statistic: "max" })).toEqual([
      [6, 6, true],
      [12, 8, false],
      [18, null, false],
      [24, null, false],
      [30, null, false],
    ]);
  });

  it("the average of a rate is what was counted by the seconds in which it was, also over a missed poll", async () => {
    const reader = reading(ticks(30, { 9: { error: true }, 10: { coveredS: 20 } }));
    const rate = await values(reader, { meterName: BYTES, periodS: 60, statistic: "rate", from: at(6), to: at(18) });
    expect(rate).toEqual([
      [12, 10, true],
      [18, 10, true],
    ]);
    const { unit } = await ask(reader, { meterName: BYTES, periodS: 60, statistic: "rate" });
    expect(unit).toBe("B/s");
    expect((await ask(reader, { meterName: RATE, periodS: 60, statistic: "increase" })).unit).toBe("B");
  });

  it("the increase at the start of the range is counted from the tick before it, and is unknown where there is none", async () => {
    const query = { meterName: BYTES, periodS: 60, statistic: "increase" } as const;
    expect(await values(reading(ticks(30)), { ...query, from: at(6), to: at(12) })).toEqual([[12, 600, true]]);
    const [first] = await values(reading(ticks(30).slice(6)), { ...query, from: at(6), to: at(12) });
    expect(first).toEqual([12, 500, expect.any(Boolean)]);
  });

  it("after a clock that was set back the newer ticks count; one that was set forward leaves what it skipped empty", async () => {
    const back = ticks(18).concat(
      ticks(30)
        .slice(6, 30)
        .map((tick) => ({ ...tick, number: tick.number + 12, values: { [SESSIONS]: 1000 } })),
    );
    expect(await values(reading(back), { periodS: 60, statistic: "max" })).toEqual([
      [6, 6, true],
      [12, 1000, true],
      [18, 1000, true],
      [24, 1000, true],
      [30, 1000, true],
    ]);
    const forward = ticks(18).map((tick, n) => (n < 9 ? tick : { ...tick, at: tick.at + 60_000 }));
    expect(await values(reading(forward), { periodS: 60, statistic: "last", to: at(24) })).toEqual([
      [6, 6, true],
      // The ticks up to its end are those that came before the step.
      [12, 9, true],
      [18, 12, true],
      [24, 18, true],
    ]);
  });
});

describe("points", () => {
  it("as they were recorded, in (from, to], with whether all answered", async () => {
    const reader = reading(ticks(30, { 4: { error: true } }));
    expect(await values(reader, { from: at(2), to: at(5) })).toEqual([
      [3, 3, true],
      [5, 5, true],
    ]);
    const answer = await ask(reader, { meterName: BYTES, from: at(2), to: at(4) });
    expect(answer).toMatchObject({ type: "cumulative", unit: "B", resolution: "raw" });
    expect(answer).not.toHaveProperty("statistic");
    expect(answer.series[0]?.points).toEqual([
      { at: at(3), value: 300, complete: true },
      { at: at(4), value: 300, complete: false },
    ]);
  });
});

describe("what is named", () => {
  const reader = new ArrayReader({ ticks: { "id-web": ticks(3), "id-api": ticks(3) }, rows: rows("fe/FRONTEND", 3) });
  const refused = (query: Partial<MetricQuery>) => expect(ask(reader, query)).rejects;

  it("a meter without its beginning, a cluster by id or name, all clusters", async () => {
    expect((await ask(reader, { meterName: "active.connections" })).meterName).toBe(SESSIONS);
    for (const cluster of ["web", "id-web"]) {
      expect((await ask(reader, { cluster })).series.map(({ clusterId }) => clusterId)).toEqual(["id-web"]);
    }
    const { cluster: _, ...every } = { meterName: SESSIONS, cluster: "", from: at(0), to: at(3) };
    const all = await answerQuery(every, reader, options);
    expect(all.series.map(({ clusterId, points }) => [clusterId, points.length])).toEqual([
      ["id-api", 3],
      ["id-web", 3],
    ]);
  });

  it("a cluster that is known, and of which nothing is kept, has empty windows", async () => {
    const names = new Map([["id-new", "new"]]);
    const query = { meterName: SESSIONS, cluster: "new", from: at(0), to: at(6), periodS: 60 };
    const { series } = await answerQuery(query, reader, { intervalMs: T, names });
    expect(series).toEqual([{ clusterId: "id-new", points: [{ at: at(6), value: null, complete: false }] }]);
  });

  it("what is not there, with what was most likely meant", async () => {
    await refused({ meterName: "active.conections" }).toMatchObject({
      code: "E411",
      message: 'there is no meter active.conections: did you mean "active.connections"?',
    });
    await refused({ meterName: "network.services.lb.incoming.byte" }).toMatchObject({
      code: "E411",
      message: expect.stringContaining(`did you mean "${BYTES}"?`),
    });
    await refused({ meterName: "cpu" }).toMatchObject({ message: expect.stringContaining('"tocsin metric list"') });
    await refused({ cluster: "id-wep" }).toMatchObject({
      code: "E411",
      message: 'there is no cluster id-wep: did you mean "id-web"?',
    });
    await refused({ resource: "fe/FRONTENT" }).toMatchObject({
      code: "E411",
      message: 'there is no resource fe/FRONTENT: did you mean "fe/FRONTEND"?',
    });
    await refused({ resource: "be/*" }).toMatchObject({ code: "E411" });
    await refused({ resource: "*", meterName: "network.services.lb.members.up" }).toMatchObject({
      code: "E411",
      message: expect.stringContaining("it is of whole clusters"),
    });
    await expect(
      answerQuery({ meterName: SESSIONS, cluster: "twin", from: 0, to: 1 }, reader, {
        intervalMs: T,
        names: new Map([
          ["a", "twin"],
          ["b", "twin"],
        ]),
      }),
    ).rejects.toMatchObject({ code: "E411", message: "2 clusters are named twin; say which by its id: a, b" });
  });

  it("a statistic that the meter does not have", async () => {
    await refused({ periodS: 60, statistic: "rate" }).toMatchObject({ code: "E412" });
    await refused({ periodS: 60, statistic: "increase", meterName: "tocsin.source.up" }).toMatchObject({
      code: "E412",
    });
    await refused({ periodS: 60, statistic: "p100" }).toMatchObject({ code: "E412" });
  });
});

describe("what a query may cost", () => {
  const refused = (reader: ArrayReader, query: Partial<MetricQuery>) => expect(ask(reader, query)).rejects;

  it("windows, points, series, ticks and time are bounded, and it is said what to narrow", async () => {
    const reader = reading(ticks(10));
    await refused(reader, { periodS: 10, to: at(11_001) }).toMatchObject({
      code: "E410",
      message: expect.stringMatching(/more than 11000 points: lengthen the period/),
    });
    expect(reader.read).toBe(0);
    expect((await ask(reader, { periodS: 10, to: at(11_000) })).series[0]?.points).toHaveLength(11_000);
    await refused(reading(ticks(11_001)), { to: at(20_000) }).toMatchObject({
      code: "E410",
      message: expect.stringMatching(/more than 11000 points: give a period/),
    });
    const many = new ArrayReader({ ticks: Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`c${n}`, []])) });
    const every = { meterName: SESSIONS, from: at(0), to: at(1) };
    await expect(answerQuery(every, many, options)).rejects.toMatchObject({
      code: "E410",
      message: expect.stringMatching(/1001 series, and 1000 are the most: name a cluster/),
    });
  });

  it("ticks: as many as there are are counted, not more than may be read", async () => {
    const reader = reading(ticks(8));
    // A reader that always has more.
    const endless = Object.assign(reader, {
      ticks: async (clusterId: string, from: number, _to: number, limit: number) => {
        const one = { clusterId, seq: 1, baselines: {} };
        return Array.from({ length: Math.min(limit, 100_000) }, (_, n) => ({
          ...one,
          tick: { kind: "tick" as const, number: from / T + n, at: from + 1, values: {}, sources: [], members: [] },
        }));
      },
    });
    await expect(ask(endless, { to: at(1e6), periodS: 86_400, statistic: "p95" })).rejects.toMatchObject({
      code: "E410",
      message: expect.stringMatching(/more than 500000 ticks would be read/),
    });
  });

  it("time", async () => {
    let now = 0;
    const query = { meterName: SESSIONS, cluster: "web", from: at(0), to: at(6), periodS: 60 };
    const slow = answerQuery(query, reading(ticks(8)), { ...options, monotonic: () => (now += 11_000) });
    await expect(slow).rejects.toMatchObject({ code: "E410", message: expect.stringMatching(/no answer within 10 s/) });
  });
});

describe("rollups", () => {
  const reader = (deletedUpTo: number) =>
    new ArrayReader({ ticks: { "id-web": ticks(720) }, rolledUpTo: at(690), deletedUpTo });

  it("answer where the ticks are gone, and where there would be too many", async () => {
    const query = { periodS: 3600, statistic: "max", to: at(720) } as const;
    expect(await ask(reader(0), query)).toMatchObject({ resolution: "raw" });
    const answer = await ask(reader(at(300)), query);
    expect(answer.resolution).toBe("rollup");
    expect(answer.series[0]?.points).toEqual([
      { at: at(360), value: 360, complete: true },
      { at: at(720), value: 720, complete: true },
    ]);
    const long = new ArrayReader({ ticks: { "id-web": ticks(5040) }, rolledUpTo: at(5040) });
    expect(await ask(long, { ...query, to: at(5040) })).toMatchObject({ resolution: "rollup" });
    expect(long.read).toBe(0);
    expect(await ask(long, { ...query, to: at(5040), statistic: "p95" })).toMatchObject({ resolution: "raw" });
  });

  it("say what they cannot answer", async () => {
    const gone = new Date(at(300)).toISOString();
    await expect(ask(reader(at(300)), { periodS: 3600, statistic: "p95", to: at(720) })).rejects.toMatchObject({
      code: "E412",
      message: expect.stringMatching(
        new RegExp(
          `p95 need single ticks, and those up to ${gone} are .* or for one of avg, max, .* multiple of 300 s$`,
        ),
      ),
    });
    await expect(ask(reader(at(300)), { periodS: 60, statistic: "max" })).rejects.toMatchObject({
      code: "E412",
      message: expect.stringMatching(/or make the period a multiple of 300 s$/),
    });
  });

  it("are not asked where the series only began later", async () => {
    const young = new ArrayReader({ ticks: { "id-web": ticks(720).slice(100) }, rolledUpTo: at(690) });
    expect(await ask(young, { periodS: 60, statistic: "p95", to: at(720) })).toMatchObject({ resolution: "raw" });
  });
});

/** A row that `sources` have: each of them counts 100 bytes a tick, and has 2 sessions. */
function rows(resource: string, count: number, sources: readonly string[] = ["lb1"]): KeptRow[] {
  return Array.from({ length: count }, (_, index) => index + 1).flatMap((n) =>
    sources.map((source) => ({
      clusterId: "id-web",
      source,
      tick: { number: FIRST + n, at: at(n) },
      coveredS: 10,
      row: {
        resource,
        kind: "frontend" as const,
        increases: { [BYTES]: 100 },
        sums: { [SESSIONS]: 2 },
        means: { "network.services.lb.response.time": { sum: n, weight: 1 } },
      },
    })),
  );
}

describe("resources", () => {
  const reader = new ArrayReader({
    ticks: { "id-web": ticks(30) },
    rows: [...rows("fe/FRONTEND", 30, ["lb1", "lb2"]), ...rows("fe2/FRONTEND", 30)],
  });

  it("a glob has a series for each, and several sources of one add up", async () => {
    const answer = await ask(reader, { resource: "fe*", periodS: 60, statistic: "max", to: at(6) });
    expect(answer.series).toEqual([
      {
        clusterId: "id-web",
        resource: "fe/FRONTEND",
        kind: "frontend",
        sources: ["lb1", "lb2"],
        points: [{ at: at(6), value: 4, complete: true }],
      },
      {
        clusterId: "id-web",
        resource: "fe2/FRONTEND",
        kind: "frontend",
        sources: ["lb1"],
        points: [{ at: at(6), value: 2, complete: true }],
      },
    ]);
  });

  it("rates and increases; totals count from the beginning of the range", async () => {
    const own = { resource: "fe/FRONTEND", meterName: BYTES } as const;
    expect(await values(reader, { ...own, periodS: 60, statistic: "rate", from: at(6), to: at(12) })).toEqual([
      [12, 20, true],
    ]);
    expect(await values(reader, { ...own, periodS: 60, statistic: "increase", from: at(6), to: at(12) })).toEqual([
      [12, 1200, true],
    ]);
    expect(await values(reader, { ...own, from: at(6), to: at(8) })).toEqual([
      [7, 200, true],
      [8, 400, true],
    ]);
  });

  it("means are of all sources by weight", async () => {
    const meterName = "network.services.lb.response.time";
    const own = { resource: "fe/FRONTEND", meterName, periodS: 60, statistic: "avg" } as const;
    expect(await values(reader, { ...own, to: at(6) })).toEqual([[6, 3.5, true]]);
  });

  it("from rollups: what grew, and totals, as from ticks; but neither sum nor average of totals", async () => {
    const kept = { ticks: {}, rows: rows("fe/FRONTEND", 720, ["lb1", "lb2"]), rolledUpTo: at(690) };
    const options2 = { intervalMs: T, names: new Map([["id-web", "web"]]) };
    for (const statistic of ["rate", "increase", "max", "last", "first", "min", "range", "count"] as const) {
      const query = {
        meterName: BYTES,
        cluster: "web",
        resource: "fe/*",
        from: at(0),
        to: at(720),
        periodS: 1800,
        statistic,
      };
      const raw = await answerQuery(query, new ArrayReader(kept), options2);
      const rolledUp = await answerQuery(query, new ArrayReader({ ...kept, deletedUpTo: at(300) }), options2);
      expect([raw.resolution, rolledUp.resolution]).toEqual(["raw", "rollup"]);
      expect(rolledUp.series[0]?.points.map(({ value }) => value)).toEqual(
        raw.series[0]?.points.map(({ value }) => value),
      );
    }
    await expect(
      answerQuery(
        {
          meterName: BYTES,
          cluster: "web",
          resource: "fe/*",
          from: at(0),
          to: at(720),
          periodS: 1800,
          statistic: "avg",
        },
        new ArrayReader({ ...kept, deletedUpTo: at(300) }),
        options2,
      ),
    ).rejects.toMatchObject({ code: "E412" });
  });
});
