import { expect, it } from "vitest";
import { runOutage } from "../helpers/influxOutage.ts";
import { startInflux } from "../helpers/influxServer.ts";

// In every run it is away for some seconds: test/backend/influx/restart.
it.skipIf(!process.env.TOCSIN_TEST_FULL)(
  "InfluxDB is away for 60 s under load: nothing is lost, evaluation goes on, memory does not grow with what waits",
  async () => {
    await using influxd = await startInflux();
    const plan = { everyMs: 250, ticks: 4 * 90, killAt: 4 * 15, startAt: 4 * 75, clusters: 100, rowsEach: 20 };
    const figures = await runOutage(influxd, plan);
    const { put, spooled, lost, decisions, putMs, rssMiB, caughtUpMs } = figures;
    console.log(
      `influxd away for 60 s: put=${put} spooled=${spooled} replayed=${put - lost} lost=${lost} decisions=${decisions}, ` +
        `longest put ${putMs.there.toFixed(0)} ms while it was there, ${putMs.away.toFixed(0)} ms while it was away, ` +
        `RSS ${rssMiB.before.toFixed(0)} -> ${rssMiB.most.toFixed(0)} MiB, caught up in ${(caughtUpMs / 1000).toFixed(1)} s`,
    );
    expect(lost).toBe(0);
    expect(spooled).toBeGreaterThanOrEqual(240 * 100 * 21);
    expect(decisions).toBeGreaterThan(10);
    expect(rssMiB.most - rssMiB.before).toBeLessThan(300);
  },
  240_000,
);
