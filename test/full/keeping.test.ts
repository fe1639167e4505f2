import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MetricsDb } from "../../src/backend/sqlite/metricsDb.ts";
import { openSqliteReader } from "../../src/backend/sqlite/reader.ts";
import { temporaryFolder } from "../helpers/sockets.ts";
import { BYTES, DAY_S, KeptYear } from "./keepingRun.ts";

const isFull = process.env.TOCSIN_TEST_FULL !== undefined;

describe("series are kept for years", () => {
  // Sparse, so that it takes seconds: what is kept, rolled up and deleted is the same as of one tick in ten seconds.
  const plan = isFull
    ? {
        days: 365,
        rows: 200,
        everyS: 10_800,
        retention: { clustersS: 30 * DAY_S, rowsS: 2 * DAY_S, rollupsS: 90 * DAY_S, historyS: 90 * DAY_S },
      }
    : {
        days: 12,
        rows: 8,
        everyS: 900,
        retention: { clustersS: DAY_S, rowsS: DAY_S / 2, rollupsS: 3 * DAY_S, historyS: 3 * DAY_S },
      };

  it(`the file is as large after ${plan.days} days as after its retention`, async () => {
    using folder = temporaryFolder();
    const year = new KeptYear(folder.path, plan);
    const sizes: number[] = [];
    const step = Math.max(1, Math.floor(plan.days / 12));
    for (let day = 1; day <= plan.days; day++) {
      year.day(plan.everyS);
      if (day % step === 0) sizes.push(year.bytes());
    }
    // And one dense day.
    if (isFull) year.day(60);
    const reader = openSqliteReader(folder.path);
    const { at } = year;
    const before = year.cpuMs();
    const rollups = await reader.rollups("cluster-3", undefined, `${BYTES}.rate`, at - DAY_S * 1000, at);
    const hours = Map.groupBy(rollups, (one) => Math.ceil(one.at / 3_600_000));
    const highest = [...hours.values()].map((some) => Math.max(...some.map(({ max }) => max)));
    const answerMs = year.cpuMs() - before;
    expect(highest.length).toBeGreaterThanOrEqual(23);
    expect(Math.max(...highest)).toBeGreaterThan(0);
    // What is kept is all there, and nothing else.
    const [from] = await reader.rollups("cluster-3", undefined, BYTES, 0, at);
    expect(from?.at).toBeGreaterThan(at - (plan.retention.rollupsS + 2 * DAY_S) * 1000);
    expect(from?.at).toBeLessThan(at - (plan.retention.rollupsS - DAY_S) * 1000);
    const [raw] = await reader.ticks("cluster-3", 0, at, 1);
    expect(raw?.tick.at).toBeGreaterThan(at - plan.retention.clustersS * 1000 - 3_600_000);
    await reader.close();
    const { keepMaxMs, deleteMaxMs, rollMaxMs, slices } = year.figures;
    const mib = sizes.map((bytes) => (bytes / 2 ** 20).toFixed(1));
    console.log(
      `kept ${plan.days} days of ${plan.rows} rows: MiB ${mib.join(" ")}; 24 h of hourly maxima ${answerMs.toFixed(2)} CPU-ms; ` +
        `${slices} slices, at most ${keepMaxMs.toFixed(1)} CPU-ms (rollup ${rollMaxMs.toFixed(1)}, delete ${deleteMaxMs.toFixed(1)})`,
    );
    // From the time on when the oldest goes, the file is flat.
    const flat = sizes.slice(Math.ceil(((plan.retention.rollupsS / DAY_S + 2) / step) * 1));
    expect(flat.length).toBeGreaterThan(3);
    expect(Math.max(...flat)).toBeLessThan(1.05 * (flat[0] ?? 0));
    year.close();
  }, 300_000);

  it("a small quota makes room from the oldest on, and nothing that was stored lately is lost", async () => {
    using folder = temporaryFolder();
    const retention = { clustersS: 30 * DAY_S, rowsS: 30 * DAY_S, rollupsS: 90 * DAY_S, historyS: 90 * DAY_S };
    const quotaBytes = 2 * 2 ** 20;
    const year = new KeptYear(folder.path, { rows: 20, retention, quotaBytes });
    for (let day = 1; day <= 5; day++) year.day(240);
    expect(year.figures.early).toBeGreaterThan(1000);
    expect(statSync(join(folder.path, "metrics.db")).size).toBeLessThanOrEqual(quotaBytes);
    const reader = openSqliteReader(folder.path);
    const ticks = await reader.ticks("cluster-3", year.at - DAY_S * 1000, year.at, 9999);
    // All of the last day, but for those whose write was refused.
    expect(ticks.length + year.figures.refused).toBeGreaterThanOrEqual(360);
    expect(year.figures.full).toBeUndefined();
    await reader.close();
    year.close();
    console.log(`quota: ${year.figures.early} rows early, ${year.figures.refused} writes refused`);
  }, 300_000);

  it("a write that finds no room is refused whole, told, and the next one succeeds", () => {
    using folder = temporaryFolder();
    const db = new MetricsDb(folder.path, "x", () => {}, { quotaBytes: 6 * 2 ** 20 });
    const put = (number: number) => {
      const tick = { kind: "tick", number, at: number * 180_000, values: {}, sources: [], members: [] } as const;
      const records = ["a", "b"].map((clusterId) => {
        const sources = [{ name: "s".repeat(2000), coveredS: 1 }];
        return { clusterId, seq: number, tick: { ...tick, sources }, baselines: {} };
      });
      return db.put(records);
    };
    let refused = 0;
    let largest = 0;
    const acknowledged: number[] = [];
    for (let number = 1; number <= 1600; number++) {
      const [error] = put(number);
      if (error === null) acknowledged.push(number);
      else {
        refused++;
        expect(error).toContain("full");
        // It is refused once: what is old has made room, of days that no restart needs.
        expect(put(number)[0]).toBeNull();
        acknowledged.push(number);
      }
      if (number % 20 !== 0) continue;
      for (let more = true; more; ) {
        const kept = db.keep(number * 180_000, 320);
        expect(kept.full).toBeUndefined();
        largest = Math.max(largest, kept.bytes);
        more = kept.more;
      }
    }
    expect(largest).toBeLessThanOrEqual(6 * 2 ** 20);
    console.log(`refused ${refused} of 1600`);
    const kept = new Set(db.ticks("a", -Infinity).map(({ tick }) => tick.number));
    expect(acknowledged.filter((number) => number > 1600 - 300).every((number) => kept.has(number))).toBe(true);
    db.close();
  }, 120_000);
});
