import { describe, expect, it } from "vitest";
import { combine } from "../../src/evaluator/combine.ts";
import type { Seal } from "../../src/evaluator/sealing.ts";
import { Sealer } from "../../src/evaluator/sealing.ts";
import { createSeries } from "../../src/evaluator/series.ts";
import { withoutStale } from "../../src/model/staleSlice.ts";
import type { ScrapeReport, Tick } from "../../src/model/tick.ts";
import { aFailure, aReport, aSlice } from "../helpers/reports.ts";
import { BYTES, RATE, SESSIONS } from "../helpers/rules.ts";

const tick = (number: number): Tick => ({ number, at: number * 10_000 });
const before = {
  tick: 0,
  series: createSeries(4, 10),
  carriers: [],
  failing: new Map<string, number>(),
  values: {},
  rules: undefined,
  members: new Map(),
  lastOk: new Map<string, number>(),
  intervalMs: 10_000,
};

function sealer(known: readonly string[]): Sealer {
  const one = new Sealer(120);
  one.add("web", known);
  return one;
}

const numbers = (seals: readonly Seal[]) => seals.map((seal) => seal.tick.number);

describe("T3: a tick is sealed once", () => {
  it("when every known source has reported; an error is a report", () => {
    const sealing = sealer(["s", "t"]);
    sealing.openTick(tick(1));
    expect(sealing.report(aReport(tick(1), 5))).toEqual([]);
    const [seal] = sealing.report(aFailure(tick(1), "t"));
    expect([...(seal?.sources ?? [])].map(([name, says]) => [name, says.ok])).toEqual([
      ["s", true],
      ["t", false],
    ]);
    expect(sealing.deadline(1)).toEqual([]);
  });

  it("or at its deadline, with what is missing as an error", () => {
    const sealing = sealer(["s", "t"]);
    sealing.openTick(tick(1));
    sealing.report(aReport(tick(1), 5));
    const [seal] = sealing.deadline(1);
    expect(seal?.sources.get("t")).toEqual({ ok: false, reason: "no report in time" });
  });

  it("in order: when a later tick is complete, earlier open ones are sealed with it", () => {
    const sealing = sealer(["s", "t"]);
    for (const number of [1, 2]) sealing.openTick(tick(number));
    sealing.report(aReport(tick(1), 5));
    sealing.report(aReport(tick(2), 5));
    expect(numbers(sealing.report(aReport(tick(2), 5, {}, "t")))).toEqual([1, 2]);
  });

  it("rows that come late count through the next increase", () => {
    const sealing = sealer(["s"]);
    sealing.openTick(tick(1));
    sealing.deadline(1);
    expect(sealing.report(aReport(tick(1), 7))).toEqual([]);
    sealing.openTick(tick(2));
    const [seal] = sealing.report(aReport(tick(2), 3));
    const sealed = combine(seal!, before);
    expect(sealed.values[BYTES]).toBe(10_000);
    expect(sealed.values[SESSIONS]).toBe(3);
    expect(sealed.sources).toEqual([{ name: "s", coveredS: 20, pid: 1, moved: true }]);
  });

  it("what is carried over a gap counts in the total and makes no rate", () => {
    const sealing = sealer(["s"]);
    sealing.openTick(tick(1));
    sealing.deadline(1);
    sealing.report(aReport(tick(1), 7));
    const gap = aSlice({ coveredS: 0, gap: true, increases: { [BYTES]: 1_000_000 } });
    const [seal] = sealing.report({ tick: tick(16), source: "s", durationMs: 1, outcome: { ok: true, slices: [gap] } });
    const sealed = combine(seal!, before);
    expect(sealed.values[BYTES]).toBe(1_007_000);
    expect(sealed.values[RATE]).toBeUndefined();
  });

  it("nor does what was put back for longer than a gap", () => {
    const sealing = sealer(["s"]);
    for (let number = 1; number <= 20; number++) {
      for (const seal of sealing.report(aReport(tick(number), 7))) sealing.putBack(seal);
    }
    const [seal] = sealing.report(aReport(tick(21), 7));
    expect(combine(seal!, before).sources).toEqual([{ name: "s", coveredS: 0, pid: 1, gap: true, moved: true }]);
  });

  it("a seal that was not folded is carried the same way", () => {
    const sealing = sealer(["s"]);
    const [seal] = sealing.report(aReport(tick(1), 7));
    sealing.putBack(seal!);
    const [next] = sealing.report(aReport(tick(2), 3));
    expect(combine(next!, before).values[BYTES]).toBe(10_000);
  });

  it("what is put back after a later answer came late is older than it all the same", () => {
    const sealing = sealer(["s"]);
    const answer = (number: number) => {
      const { baseline } = aSlice();
      const slice = aSlice({ increases: { [BYTES]: 1 }, baseline: { ...baseline, at: number } });
      return { tick: tick(number), source: "s", durationMs: 1, outcome: { ok: true as const, slices: [slice] } };
    };
    const unfolded = [...sealing.report(answer(1))];
    sealing.openTick(tick(2));
    unfolded.push(...sealing.deadline(2));
    sealing.report(answer(2));
    for (const seal of unfolded) sealing.putBack(seal);
    const [seal] = sealing.report({ ...answer(3), outcome: { ok: true, slices: [] } });
    const says = seal?.sources.get("s");
    expect(says?.ok && [says.slice?.increases[BYTES], says.slice?.baseline.at]).toEqual([2, 2]);
  });
});

describe("T4: known sources", () => {
  it("one is known from its first row on", () => {
    const sealing = sealer([]);
    sealing.openTick(tick(1));
    expect(numbers(sealing.report(aReport(tick(1), 5)))).toEqual([1]);
    sealing.openTick(tick(2));
    expect(sealing.report(aReport(tick(2), 5, {}, "t"))).toEqual([]);
    expect(numbers(sealing.report(aReport(tick(2), 5)))).toEqual([2]);
  });

  it("one whose configuration is gone is waited for no longer", () => {
    const sealing = sealer(["s", "t"]);
    sealing.forget("web", "t");
    expect(numbers(sealing.report(aReport(tick(1), 5)))).toEqual([1]);
  });

  it("reports of other clusters' sources seal nothing", () => {
    const sealing = sealer(["s"]);
    sealing.openTick(tick(1));
    expect(sealing.report({ ...aReport(tick(1), 5, {}, "x"), outcome: { ok: true, slices: [] } })).toEqual([]);
  });
});

describe("sources of one cluster add up", () => {
  const seal = (...slices: ReturnType<typeof aSlice>[]): Seal => ({
    clusterId: "web",
    tick: tick(5),
    sources: new Map(slices.map((slice, index) => [`s${index}`, { ok: true, slice, durationMs: index }])),
  });

  it("totals never fall, rates are each source's own, and a ratio is of the sums", () => {
    const lb = "network.services.lb";
    const sealed = combine(
      seal(
        aSlice({ coveredS: 10, increases: { [BYTES]: 1000, [`${lb}.responses.5xx`]: 1, [`${lb}.responses.2xx`]: 9 } }),
        aSlice({ coveredS: 20, increases: { [BYTES]: 1000, [`${lb}.responses.5xx`]: 0, [`${lb}.responses.2xx`]: 10 } }),
      ),
      { ...before, values: Object.fromEntries([[BYTES, 500]]) },
    );
    expect(sealed.values[BYTES]).toBe(2500);
    expect(sealed.values[RATE]).toBe(150);
    expect(sealed.values[`${lb}.responses.5xx.ratio`]).toBe(5);
    expect(sealed.values["tocsin.source.up"]).toBe(2);
  });

  it("a mean weighs each source as much as it counted", () => {
    const time = "network.services.lb.response.time";
    const sealed = combine(
      seal(
        aSlice({ means: { [time]: { sum: 100, weight: 10 } } }),
        aSlice({ means: { [time]: { sum: 100, weight: 90 } } }),
      ),
      before,
    );
    expect(sealed.values[time]).toBe(2);
  });

  it("a gap counts in the total and makes no rate", () => {
    const sealed = combine(seal(aSlice({ coveredS: 0, gap: true, increases: { [BYTES]: 1000 } })), before);
    expect(sealed.values[BYTES]).toBe(1000);
    expect(sealed.values[RATE]).toBeUndefined();
    expect(sealed.sources[0]).toMatchObject({ coveredS: 0, gap: true });
  });

  it("each server once; the balancer that carries traffic is believed, the worse state where both do", () => {
    const busy = aSlice({ moved: true, members: { a: "up", b: "down" } });
    const standby = aSlice({ moved: false, members: { a: "down", b: "up" } });
    expect(combine(seal(busy, standby), before).members).toEqual([
      ["a", "up"],
      ["b", "down"],
    ]);
    const second = aSlice({ moved: true, members: { a: "maint", b: "up" } });
    expect(combine(seal(busy, second), before).members).toEqual([
      ["a", "maint"],
      ["b", "down"],
    ]);
  });

  it("a server vanishes only when every known source has reported", () => {
    const known = {
      ...before,
      members: new Map([
        ["a", "up" as const],
        ["b", "up" as const],
      ]),
    };
    const complete = seal(aSlice({ members: { a: "up" } }));
    expect(combine(complete, known).members).toEqual([["b", null]]);
    const partial = {
      ...complete,
      sources: new Map([...complete.sources, ["t", { ok: false as const, reason: "gone" }]]),
    };
    expect(combine(partial, known).members).toEqual([]);
    expect(combine(partial, { ...known, lastOk: new Map([["t", 2]]) }).values["tocsin.source.age"]).toBe(30);
  });
});

describe("what agents say beside their rows", () => {
  const skewed = (source: string, number: number, skewMs?: number): ScrapeReport => ({
    ...aReport({ number, at: number * 10_000 }, 1, {}, source),
    ...(skewMs === undefined ? {} : { skewMs }),
  });
  const sealed = (...reports: readonly ScrapeReport[]) => {
    const sealer = new Sealer(120);
    sealer.add("web", ["s", "t"]);
    const values: Record<string, number> = {};
    return reports.flatMap((report) =>
      [...sealer.report(report), ...(report.source === "t" ? sealer.deadline(report.tick.number) : [])].map((one) => {
        const own = combine(one, { ...before, values });
        Object.assign(values, own.values);
        return own;
      }),
    );
  };

  it("the skew is that of the clock that is farthest off, also of a source that failed; in one process it is none", () => {
    const failed = { ...aFailure({ number: 3, at: 30_000 }, "t"), skewMs: -9000 };
    const seals = sealed(
      ...[skewed("s", 1), skewed("t", 1)],
      ...[skewed("s", 2, 1500), skewed("t", 2, -400)],
      ...[skewed("s", 3, 1500), failed],
      // Nobody says anything: what was known stays.
      aFailure({ number: 4, at: 40_000 }, "t"),
    );
    expect(seals.map(({ values }) => values["tocsin.source.skew"])).toEqual([0, 1.5, -9, -9]);
  });

  it("a slice of rows that were told by older rules is no answer, and nothing of it is carried over", () => {
    const bytes = aSlice({ increases: { [BYTES]: 70 } });
    const stale = (number: number): ScrapeReport =>
      withoutStale(
        {
          ...{ tick: { number, at: number * 10_000 }, source: "s", durationMs: 1, mapping: 4 },
          outcome: { ok: true, slices: [bytes, { ...bytes, clusterId: "other" }] },
        },
        (clusterId) => (clusterId === "web" ? 5 : undefined),
      );
    const [first, second] = sealed(stale(1), skewed("t", 1), skewed("s", 2), skewed("t", 2), stale(1));
    expect(first?.sources).toMatchObject([{ name: "s", coveredS: 0, error: expect.stringContaining("rules") }, {}]);
    expect([first?.values[BYTES], second?.values[BYTES]]).toEqual([1000, 3000]);
    expect(stale(1).outcome).toMatchObject({
      slices: [
        { stale: true, increases: {}, members: {} },
        { ...bytes, clusterId: "other" },
      ],
    });
  });

  it("what is as new as the newest put, or says nothing of it, stays as it is", () => {
    const report = { ...skewed("s", 1), mapping: 5 };
    expect(withoutStale(report, () => 5)).toBe(report);
    expect(withoutStale(report, () => undefined)).toBe(report);
    expect(withoutStale(skewed("s", 1), () => 5)).toMatchObject({ source: "s" });
    const failed = { ...aFailure({ number: 1, at: 1 }), mapping: 1 };
    expect(withoutStale(failed, () => 5)).toBe(failed);
  });
});
